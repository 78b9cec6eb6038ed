"""The names of what can be made or run in a project: targets of a Makefile, scripts of a package.json."""

from __future__ import annotations

import json
import os
import re

from typeahead.text.surroundings.disk import FileSystem
from typeahead.text.surroundings.listings import Extract, extract, nearest, read_text

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")  # in the order in which make looks for them
MAX_TARGETS = 1000
_MAX_INCLUDES = 20
# Up to the first colon that is neither an assignment's nor within a variable.
_RULE = re.compile(r"^((?:[^\t:=#$]|\$[({][^)}]*[)}])+?)\s*(&?::?)(?!:?:?=)(.*)")
_INCLUDE = re.compile(r"^ *[-s]?include\s+(.+)")
_PHONY = ".PHONY"


class Rules:
    """What one makefile says, in its order."""

    def __init__(self, text: str) -> None:
        self.targets: list[str] = []
        self.phony: set[str] = set()
        self.includes: list[str] = []
        in_definition = False
        for line in re.sub(r"\\\r?\n", " ", text).splitlines():
            if in_definition or re.match(r"\s*define\b", line):
                in_definition = not re.match(r"\s*endef\b", line)
            elif not line.startswith("\t"):  # a recipe's line
                self._read(line.partition("#")[0])

    def _read(self, line: str) -> None:
        if (include := _INCLUDE.match(line)) is not None:
            self.includes += [name for name in include[1].split() if not re.search(r"[$*?%\[]", name)]
            return
        rule = _RULE.match(line)
        if rule is None:
            return
        targets = rule[1].split()
        if targets == [_PHONY]:
            self.phony.update(rule[3].split())
        # A target-specific variable (`all: DEBUG = 1`) is no rule, but its target has one elsewhere.
        elif not re.match(r"\s*(?:override\s+|export\s+|private\s+)?[\w.-]+\s*[:+?!]?:?:?=", rule[3]):
            self.targets += [
                name for name in targets if not name.startswith(".") and not re.search(r"[%$()]", name)
            ]  # fmt: skip


def read_targets(file_system: FileSystem, path: str, old: Extract[list[str]] | None) -> Extract[list[str]]:
    """Return the targets of the makefile ``path`` and of what it includes: phony ones first, then in the file's order.

    Of a directory (``path`` ends in a slash) the makefile that make would take is read.
    """
    return extract(file_system, path, old, _targets)


def _targets(file_system: FileSystem, path: str) -> list[str]:
    folder, name = os.path.split(path)
    texts = (read_text(file_system, os.path.join(folder, each)) for each in ([name] if name else MAKEFILES))
    text = next((text for text in texts if text is not None), None)
    if text is None:
        raise FileNotFoundError(path)
    every = [Rules(text)]
    for included in every[0].includes[:_MAX_INCLUDES]:
        every.append(Rules(read_text(file_system, os.path.join(folder, included)) or ""))
    names = dict.fromkeys(name for rules in every for name in rules.targets if name.isprintable())
    phony = set[str]().union(*(rules.phony for rules in every))
    return sorted(names, key=lambda name: name not in phony)[:MAX_TARGETS]


def read_scripts(file_system: FileSystem, path: str, old: Extract[list[str]] | None) -> Extract[list[str]]:
    """Return the names of the scripts in the package.json of the directory ``path`` or of the nearest one above."""
    return extract(file_system, path, old, _scripts)


def _scripts(file_system: FileSystem, path: str) -> list[str]:
    found = nearest(file_system, path, "package.json")
    if found is None:
        raise FileNotFoundError(path)
    return scripts(read_text(file_system, found) or "")


def scripts(text: str) -> list[str]:
    """Return the names of the scripts that a package.json defines, in its order; none if it is no such file."""
    try:
        package = json.loads(text)
    except (ValueError, RecursionError):
        return []
    names = package.get("scripts") if isinstance(package, dict) else None
    return [name for name in names if name.isprintable() and name][:MAX_TARGETS] if isinstance(names, dict) else []
