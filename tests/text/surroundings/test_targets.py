"""Targets of makefiles, with real make as the judge, and scripts of package.json."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.text.surroundings import Surroundings
from typeahead.text.surroundings.targets import Rules, scripts

MAKEFILE = r"""# A comment: not a target
CC := gcc
FLAGS = -O2 -DURL=http://x
VERSION ?= 1
NAMES += a:b
SHELLED != echo x
.PHONY: all clean test-unit
.SUFFIXES:
all: program docs/index.html
	@echo all: not a target
program: main.o \
         util.o
	$(CC) -o $@ $^
main.o util.o: %.o: %.c config.h
	$(CC) -c $<
%.html: %.md
	pandoc $<
docs/index.html:: docs/index.md
	true
all: FLAGS = -g
$(GENERATED): x
	true
ifdef DEBUG
debug: all
endif
define RECIPE
inner: not a target
endef
clean: ; rm -f program
test-unit: | program
	true
include extra.mk
-include missing.mk $(OTHERS)
"""
EXTRA = "install: all\n\tcp program /x\n"


@pytest.fixture
def surroundings() -> Surroundings:
    return Surroundings({}, budget_ms=10_000)


def offered(surroundings: Surroundings, line: str, folder: Path) -> list[str]:
    surroundings.expire()
    words = [word.text for word in surroundings.words(line, str(folder))]
    surroundings.disk.close()
    return words


def test_the_targets_of_a_makefile_come_in_its_order_phony_ones_first(
    tmp_path: Path, surroundings: Surroundings
) -> None:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "extra.mk").write_text(EXTRA)
    assert offered(surroundings, "make ", tmp_path) == [
        *("all", "clean", "test-unit"),
        *("program", "main.o", "util.o", "docs/index.html", "debug", "install"),
    ]
    assert offered(surroundings, "make -j4 cl", tmp_path) == ["clean"]
    assert offered(surroundings, f"make -C {tmp_path} inst", tmp_path.parent) == ["install"]
    assert offered(surroundings, "make -f extra.mk ", tmp_path) == ["install"]
    (tmp_path / "Makefile").write_text("other:\n")
    assert offered(surroundings, "make ", tmp_path) == ["other"]
    (tmp_path / "GNUmakefile").write_text("first:\n")
    assert offered(surroundings, "make ", tmp_path) == ["first"]


words = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing")
@settings(max_examples=40)
@given(
    rules=st.lists(st.tuples(st.lists(words, min_size=1, max_size=3), st.lists(words, max_size=3)), max_size=6),
    assignments=st.lists(st.tuples(words, st.sampled_from(["=", ":=", "::=", "?=", "+="]), words), max_size=3),
)
def test_the_targets_are_those_of_make(
    tmp_path_factory: pytest.TempPathFactory,
    rules: list[tuple[list[str], list[str]]],
    assignments: list[tuple[str, str, str]],
) -> None:
    lines = [f"V{name.replace('-', '_')} {operator} {value}: x" for name, operator, value in assignments]
    lines += [f"{' '.join(targets)}: {' '.join(needed)}\n\techo {targets[0]}: x" for targets, needed in rules]
    folder = tmp_path_factory.mktemp("make")
    (folder / "Makefile").write_text("\n".join(lines) + "\n")
    done = subprocess.run(["make", "-rRpnq"], cwd=folder, capture_output=True, text=True, timeout=60)
    # make's own data base: what is only needed by others is marked as no target.
    base = re.sub(r"# Not a target:\n[^\n]*\n", "", done.stdout.partition("# Files")[2])
    theirs = {name for name in re.findall(r"^([^#\s.:][^:\n]*):", base, re.MULTILINE) if name != "Makefile"}
    assert set(Rules("\n".join(lines)).targets) == theirs


@given(st.text(alphabet=" \t\n:=#$()%\\abc.|;", max_size=60))
def test_any_text_can_be_read_as_a_makefile(text: str) -> None:
    assert all(name and not re.search(r"[\s%$]", name) for name in Rules(text).targets)


def test_scripts_of_the_nearest_package_come_in_its_order(tmp_path: Path, surroundings: Surroundings) -> None:
    (tmp_path / "package.json").write_text('{"name": "x", "scripts": {"test": "jest", "build:all": "tsc"}}')
    below = tmp_path / "src"
    below.mkdir()
    assert offered(surroundings, "npm run ", below) == ["test", "build:all"]
    assert offered(surroundings, "yarn b", tmp_path) == ["build:all"]
    assert offered(surroundings, "npm inst", tmp_path) == []
    assert offered(surroundings, "npm run test ", tmp_path) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"scripts": 3}', '{"scripts": ["a"]}', "[" * 100_000, '{"a": NaN}'])
def test_a_package_without_scripts_has_none(text: str) -> None:
    assert scripts(text) == []
