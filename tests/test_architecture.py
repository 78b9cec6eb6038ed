"""The rules of the house, read from the source: where imports point, what each library's door is, how long is long.

Each rule is a function from a repository's root to its complaints. It is run on this repository, where it must find
nothing, and on a small repository with one planted fault, where it must find that.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

import pytest

ROOT = Path(__file__).parent.parent

# A room may import itself and rooms on lower floors; rooms of one floor never import one another.
FLOORS = [
    {"errors", "files", "lexer", "statuses"},
    {"secrets"},
    {"config", "rnn", "history"},
    {"text", "voice", "sensor"},
    {"shell"},
    {"cli"},
    {"__init__", "__main__"},
]

# Outside library (or part of the standard library) -> the modules and rooms that may import it. A library that is not
# here may not be imported at all.
DOORS = {
    "numba": [
        "rnn",
        "voice.mfcc",
        "sensor.statistics",
    ],  # a frame's features, a reading's tails are no network's business
    "llvmlite": ["rnn"],  # what numba compiles with
    "safetensors": ["rnn.checkpoint"],
    "threadpoolctl": ["rnn"],
    "ray": ["rnn.distributed"],
    "numpy": ["rnn", "text", "voice", "sensor"],
    "sqlite3": ["history"],
    "librosa": ["voice.mfcc"],
    "scipy": ["rnn", "voice.mfcc"],  # in rnn only the BLAS that numba calls
    "sounddevice": ["voice.audio"],
    "soundfile": ["voice.recordings"],
    "soxr": ["voice.recordings"],
    "PIL": ["voice.spectrograms"],
    "platformdirs": ["config"],
    "prompt_toolkit": ["shell.app"],
    "pygments": ["shell.app"],
    "click": ["cli"],
    "tqdm": ["cli"],
    "tomlkit": ["cli.config"],
    "matplotlib": ["cli"],
}

# What runs before or beside a prompt: these libraries cost a tenth of a second to seconds, and are never imported
# there, at module level or through another module.
HEAVY = {"numpy", "numba", "scipy", "librosa", "matplotlib"}
LIGHT = [
    "__init__",
    "__main__",
    "errors",
    "files",
    "lexer",
    "statuses",
    "secrets.*",
    "config",
    "history.*",
    "text.safety",
    "text.surroundings.*",
    "shell.*",
    "cli.*",
]
# The client also runs inside other people's shells: the standard library, and what of ours comes along with it.
CLIENT, CLIENT_ROOMS = "shell.client", {"__init__", "shell", "config", "errors", "lexer", "secrets"}

SHAPELESS = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "base", "misc", "core"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 60

# Written in halves, so that this file does not name what it looks for.
MACHINE_NAMES = re.compile(
    b"|".join(
        [
            rb"py" rb"pi\.org",
            rb"python" rb"hosted\.org",
            rb"registry\.np" rb"mjs",
            rb"deb\.deb" rb"ian\.org",
            rb"/ro" rb"ot/",
            rb"(?:^|[^A-Za-z0-9_.])/(?:wo" rb"rk|fa" rb"rm)/",
            rb"sha" rb"red/(?:data|tools|reference)",
        ]
    )
)

When = Literal["module", "call", "typing"]


@dataclass(frozen=True)
class Import:
    """One imported module: ``target`` is dotted below the package when ``ours``, else the library's top name."""

    importer: str
    target: str
    ours: bool
    when: When  # the statement runs when the module is imported, when a function is called, or never
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def sources(root: Path) -> dict[str, Path]:
    """Return the package's modules, ``rnn.cells`` -> path; a package's own file is named after the package."""
    package = root / "typeahead"
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> list[Import]:
    """Return every import of the package, also those inside functions and under ``if TYPE_CHECKING``."""
    modules = sources(root)
    return [found for name, path in modules.items() for found in _imports_of(name, path, modules)]


def _imports_of(module: str, path: Path, modules: dict[str, Path]) -> Iterator[Import]:
    for node, when in _statements(ast.parse(path.read_bytes()), "module"):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [f"{_origin(node, module, path)}.{alias.name}" for alias in node.names]
        for name in names:
            top, _, rest = name.partition(".")
            if top != "typeahead":
                yield Import(module, top, False, when, node.lineno)
            elif rest != "__version__":  # a plain string at the root, there for everyone
                # `from typeahead.rnn.cells import gru_step` imports the module, not the name in it.
                target = rest if rest in modules else rest.rpartition(".")[0]
                yield Import(module, target if target in modules else rest or "__init__", True, when, node.lineno)


def _origin(node: ast.ImportFrom, module: str, path: Path) -> str:
    """Return the absolute name of what ``from ... import`` names, relative dots resolved."""
    if node.level == 0:
        return node.module or ""
    package = ["typeahead", *module.split(".")] if module != "__init__" else ["typeahead"]
    if path.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - (node.level - 1)]
    return ".".join([*package, node.module] if node.module else package)


def _statements(node: ast.AST, when: When) -> Iterator[tuple[ast.Import | ast.ImportFrom, When]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, when
        elif isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for statement in child.body:
                yield from _statements(ast.Module([statement], []), "typing")
            for statement in child.orelse:
                yield from _statements(ast.Module([statement], []), when)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _statements(child, when if when == "typing" else "call")
        else:
            yield from _statements(child, when)


def _floor(module: str) -> int | None:
    room = module.split(".")[0]
    return next((height for height, rooms in enumerate(FLOORS) if room in rooms), None)


def upward_imports(root: Path) -> list[str]:
    """Find imports of a higher floor, or of another room of the same floor; rooms without a floor."""
    complaints = [f"{module} is on no floor" for module in sources(root) if _floor(module) is None]
    for found in imports(root):
        if not found.ours or found.importer.split(".")[0] == found.target.split(".")[0]:
            continue
        above, below = _floor(found.importer), _floor(found.target)
        if above is None or below is None or above <= below:
            complaints.append(str(found))
    return complaints


def wrong_doors(root: Path) -> list[str]:
    """Find outside libraries imported elsewhere than at their door, and libraries without one."""
    complaints = []
    for found in imports(root):
        if found.ours or (found.target in sys.stdlib_module_names and found.target not in DOORS):
            continue
        if found.target not in DOORS:
            complaints.append(f"{found}, which has no door")
        elif not any(f"{found.importer}.".startswith(f"{door}.") for door in DOORS[found.target]):
            complaints.append(f"{found}, whose door is {' or '.join(DOORS[found.target])}")
    return complaints


def import_cycles(root: Path) -> list[str]:
    """Find a circle of modules that import one another when run, also by way of functions."""
    graph: dict[str, set[str]] = {module: set() for module in sources(root)}
    for found in imports(root):
        if found.ours and found.when != "typing" and found.target != found.importer:
            graph[found.importer].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" <- ".join(error.args[1])]
    return []


def _loaded_with(module: str, at_import: dict[str, list[Import]]) -> Iterator[Import]:
    """Yield what importing ``module`` imports in turn, parents of a module included."""
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting.append(name.rpartition(".")[0] or "__init__")
        for found in at_import.get(name, []):
            yield found
            if found.ours:
                waiting.append(found.target)


def _at_import(root: Path) -> dict[str, list[Import]]:
    found: dict[str, list[Import]] = {}
    for each in imports(root):
        if each.when == "module":
            found.setdefault(each.importer, []).append(each)
    return found


def heavy_prompts(root: Path) -> list[str]:
    """Find heavy libraries that come along with a module on the way to a prompt."""
    at_import = _at_import(root)
    light = [name for name in sources(root) if _is_light(name)]
    return [
        f"{module} is light, but {found}"
        for module in light
        for found in _loaded_with(module, at_import)
        if found.target in HEAVY and not found.ours
    ]


def _is_light(module: str) -> bool:
    return any(re.fullmatch(_pattern(entry), module) for entry in LIGHT)


def _pattern(entry: str) -> str:
    return entry.replace(".*", r"(\..*)?")


def heavy_clients(root: Path) -> list[str]:
    """Find a client (the daemon is none) that reaches for heavy libraries, rnn or text, even inside a function.

    What is held to be light is none of these.
    """
    return [
        str(found)
        for found in imports(root)
        if found.importer.startswith("shell.") and not found.importer.startswith("shell.daemon")
        if found.when != "typing" and not _is_light(found.target)
        if found.target in HEAVY or (found.ours and found.target.split(".")[0] in ("rnn", "text", "voice", "sensor"))
    ]


def rich_client(root: Path) -> list[str]:
    """Find what the client imports, or brings along, beyond the standard library, its own room, config and errors."""
    return [
        f"{CLIENT}: {found}"
        for found in _loaded_with(CLIENT, _at_import(root))
        if (
            found.target.split(".")[0] not in CLIENT_ROOMS
            if found.ours
            else found.target not in sys.stdlib_module_names
        )
    ]


def shapeless_names(root: Path) -> list[str]:
    """Find files and folders whose name says nothing of what is in them."""
    paths = [path for folder in ("typeahead", "tests") for path in (root / folder).rglob("*")]
    return [str(path.relative_to(root)) for path in paths if path.stem in SHAPELESS]


def long_files(root: Path) -> list[str]:
    """Find modules that have grown past one idea."""
    lengths = {name: len(path.read_text().splitlines()) for name, path in sources(root).items()}
    return [f"{name}: {length} lines" for name, length in lengths.items() if length > MAX_FILE_LINES]


def long_functions(root: Path) -> list[str]:
    """Find functions whose middle wants a name."""
    complaints = []
    for name, path in sources(root).items():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    complaints.append(f"{name}.{node.name}: {length} lines")
    return complaints


def star_imports(root: Path) -> list[str]:
    """Find ``import *``, which hides where a name comes from."""
    return [
        f"{name}:{node.lineno}"
        for name, path in sources(root).items()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]


def pickled_files(root: Path) -> list[str]:
    """Find ways to run code that a data file holds: pickle, what is built on it, and NumPy's switch for it."""
    complaints = [str(found) for found in imports(root) if found.target in PICKLES]
    for name, path in sources(root).items():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                complaints.append(f"{name}:{node.lineno} allows pickle")
    return complaints


def machine_names(root: Path) -> list[str]:
    """Find a package registry's host or a path of the developer's machine in a tracked file, a model's metadata too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True
    )
    if listed.returncode != 0:  # an unpacked source archive
        paths = [path for folder in ("typeahead", "tests", "models") for path in (root / folder).rglob("*")]
    else:
        paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    return [
        f"{path.relative_to(root)}: {match.group().decode()}"
        for path in paths
        if path.is_file() and not path.is_symlink()
        for match in MACHINE_NAMES.finditer(path.read_bytes())
    ]


Rule = Callable[[Path], list[str]]
RULES: list[Rule] = [
    upward_imports,
    wrong_doors,
    import_cycles,
    heavy_prompts,
    heavy_clients,
    rich_client,
    shapeless_names,
    long_files,
    long_functions,
    star_imports,
    pickled_files,
    machine_names,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps(rule: Rule) -> None:
    assert rule(ROOT) == []


HOUSE = {
    "typeahead/__init__.py": "__version__ = '0'\n",
    "typeahead/errors.py": "",
    "typeahead/config.py": "from typeahead.errors import ConfigError\n",
    "typeahead/history.py": "import sqlite3\n",
    "typeahead/rnn/cells.py": "import numba\nimport numpy as np\n",
    "typeahead/rnn/network.py": "from typeahead import __version__\nfrom typeahead.rnn import cells\n",
    "typeahead/text/beam.py": "from typeahead.rnn.network import Network\n",
    "typeahead/shell/__init__.py": "",
    "typeahead/shell/protocol.py": "import json\n",
    "typeahead/shell/client.py": "import socket\nfrom typeahead import config\nfrom typeahead.shell import protocol\n",
    "typeahead/shell/app.py": "import prompt_toolkit\nfrom typeahead.shell.client import Client\n",
    "typeahead/shell/daemon.py": "def run():\n    from typeahead.text.beam import search\n",
    "typeahead/cli/train.py": "import click\ndef train():\n    from typeahead.rnn.network import Network\n",
}
OLD_PATH = "/ro" + "ot/x"

FAULTS: list[tuple[Rule, str, str]] = [
    (upward_imports, "typeahead/rnn/network.py", "from typeahead import config\n"),
    (upward_imports, "typeahead/history.py", "from typeahead.config import data_dir\n"),
    (upward_imports, "typeahead/text/beam.py", "def f():\n    from typeahead.voice import mfcc\n"),
    (upward_imports, "typeahead/text/beam.py", "from ..shell import app\n"),
    (upward_imports, "typeahead/rnn/cells.py", "if TYPE_CHECKING:\n    from typeahead.text.beam import Beam\n"),
    (upward_imports, "typeahead/text/beam.py", "from typeahead import Suggester\n"),
    (upward_imports, "typeahead/attic/box.py", ""),
    (wrong_doors, "typeahead/text/beam.py", "def f():\n    import numba.core\n"),
    (wrong_doors, "typeahead/shell/process.py", "from prompt_toolkit import prompt\n"),
    (wrong_doors, "typeahead/shell/application.py", "import prompt_toolkit\n"),
    (wrong_doors, "typeahead/rnn/train.py", "from safetensors.numpy import save\n"),
    (wrong_doors, "typeahead/text/corpus.py", "import pandas\n"),
    (wrong_doors, "typeahead/shell/daemon.py", "import sqlite3\n"),
    (import_cycles, "typeahead/rnn/cells.py", "def f():\n    from typeahead.rnn import network\n"),
    (import_cycles, "typeahead/rnn/cells.py", "from .network import Network\n"),
    (heavy_prompts, "typeahead/cli/train.py", "from typeahead.rnn.network import Network\n"),
    (heavy_prompts, "typeahead/__init__.py", "from typeahead.text.beam import search\n"),
    (heavy_prompts, "typeahead/shell/__init__.py", "try:\n    import numpy\nexcept ImportError:\n    pass\n"),
    (heavy_clients, "typeahead/shell/app.py", "def f():\n    from typeahead.text.beam import search\n"),
    (heavy_clients, "typeahead/shell/process.py", "async def f():\n    import numpy\n"),
    (rich_client, "typeahead/shell/client.py", "import platformdirs\n"),
    (rich_client, "typeahead/config.py", "import platformdirs\n"),
    (rich_client, "typeahead/shell/protocol.py", "from typeahead.history import History\n"),
    (rich_client, "typeahead/shell/client.py", "from typeahead.shell import app\n"),
    (shapeless_names, "typeahead/rnn/utils.py", ""),
    (shapeless_names, "tests/common/test_x.py", ""),
    (long_files, "typeahead/rnn/cells.py", "x = 1\n" * (MAX_FILE_LINES + 1)),
    (long_functions, "typeahead/rnn/cells.py", "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
    (long_functions, "typeahead/rnn/cells.py", "class A:\n    def f():\n" + "        x = 1\n" * MAX_FUNCTION_LINES),
    (star_imports, "typeahead/rnn/cells.py", "from math import *\n"),
    (pickled_files, "typeahead/rnn/checkpoint.py", "def f():\n    import pickle\n"),
    (pickled_files, "typeahead/rnn/checkpoint.py", "from joblib import dump\n"),
    (pickled_files, "typeahead/rnn/checkpoint.py", "np.load(path, allow_pickle=True)\n"),
    (machine_names, "tests/test_x.py", f"PATH = '{OLD_PATH}'\n"),
    (machine_names, "models/shell.safetensors", "{command: 'train " + "/wo" + "rk/x'}"),
]


def build(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_small_house_in_order_keeps(rule: Rule, tmp_path: Path) -> None:
    build(tmp_path, HOUSE)
    assert rule(tmp_path) == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    FAULTS,
    ids=[f"{rule.__name__}-{index}" for index, (rule, _, _) in enumerate(FAULTS)],
)
def test_a_planted_fault_is_found_by(rule: Rule, path: str, text: str, tmp_path: Path) -> None:
    build(tmp_path, {**HOUSE, path: text})
    assert rule(tmp_path) != []


def test_every_rule_has_a_planted_fault() -> None:
    assert {rule for rule, _, _ in FAULTS} == set(RULES)


def test_allowed_lengths_are_not_complained_about(tmp_path: Path) -> None:
    function = "def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)
    build(tmp_path, {**HOUSE, "typeahead/rnn/cells.py": function + "y = 1\n" * (MAX_FILE_LINES - MAX_FUNCTION_LINES)})
    assert long_files(tmp_path) == long_functions(tmp_path) == []
