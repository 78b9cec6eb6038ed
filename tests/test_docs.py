"""The pages: what they name exists, what they list is whole, what they quote is what the program says."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import typeahead
from typeahead import cli, config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
CI = (ROOT / ".ci/run").read_text()
SHELL_COMMAND = "pip install uv && uv run typeahead"
TEST_COMMAND = "pip install uv && uv run pytest"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")])


def blocks(page: str, language: str) -> list[str]:
    """Return the contents of the fenced blocks in ``language``."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def table(page: str, heading: str) -> list[list[str]]:
    """Return the rows, heading left out, of the first table under ``heading``."""
    section = page.split(f"\n{heading}\n", 1)[1]
    rows = re.search(r"^\|.*\n\|[-|]+\|\n((?:\|.*\n)+)", section, re.M)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1].splitlines()]


def command_lines(page: str) -> list[list[str]]:
    """Return the words of every ``typeahead ...`` line in a shell block or between backticks."""
    text = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    text += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S))
    found = [re.match(r"(?:\$ )?(?:uv run )?typeahead (.+)", line.strip()) for line in text]
    return [match[1].split() for match in found if match]


def test_readme_opens_with_the_name_the_sentence_and_a_transcript() -> None:
    opening = README.split("\n\n")
    assert opening[0] == "# typeahead"
    package = ast.get_docstring(ast.parse((ROOT / "typeahead/__init__.py").read_text()))
    assert package is not None
    assert opening[1] == package.splitlines()[0]
    assert opening[2].startswith("```")


def test_readme_has_the_two_commands_each_alone_in_a_block() -> None:
    assert [block.strip() for block in blocks(README, "sh")][:2] == [SHELL_COMMAND, TEST_COMMAND]


def test_ci_calls_readmes_test_command_as_it_is_written() -> None:
    assert CI.splitlines().count(TEST_COMMAND) == 1


def test_ci_asks_for_every_test_before_it_calls_them() -> None:
    lines = CI.splitlines()
    assert lines.index("export TYPEAHEAD_TEST_ALL=1") < lines.index(TEST_COMMAND)


def test_ci_is_executable_and_bash_can_read_it() -> None:
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(ROOT / ".ci/run")], check=True)


def test_readmes_commands_are_the_programs() -> None:
    written = {name: summary for name, summary in table(README, "## Commands")}
    assert written == {f"`typeahead {name}`": entry.summary for name, entry in cli.SUBCOMMANDS.items()}


def test_the_folder_sentence_of_the_help_is_not_empty() -> None:
    assert cli.cli.help
    assert cli.cli.help.splitlines()[0].endswith(".")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_in_the_pages_exist(page: Path) -> None:
    for words in command_lines(page.read_text()):
        command: click.Command = cli.cli
        names = {"--help", "-h"}
        for word in words:
            context = click.Context(command)
            if isinstance(command, click.Group) and re.fullmatch(r"[a-z]+", word):
                found = command.get_command(context, word)
                assert found is not None, f"{page.name}: typeahead {' '.join(words)}"
                command = found
            elif re.fullmatch(r"--?[a-z].*", word):
                names |= {name for each in command.params for name in [*each.opts, *each.secondary_opts]}
                assert word.partition("=")[0] in names, f"{page.name}: typeahead {' '.join(words)}"


def options(command: click.Command) -> set[str]:
    """Return the options of a command and of all below it."""
    names = {option for each in command.params for option in each.opts}
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            names |= options(found)
    return names


@pytest.mark.parametrize("page", ["README.md", "docs/memory.md"])
def test_options_named_in_prose_exist(page: str) -> None:
    named = {option for option in re.findall(r"`(--[a-z-]+)", (ROOT / page).read_text())}
    assert named - options(cli.cli) - {"--help"} == set()


def test_readmes_settings_are_all_there_are_with_their_defaults() -> None:
    (block,) = blocks(README, "toml")
    assert tomllib.loads(block) == dataclasses.asdict(config.load())


def test_the_variable_that_readme_names_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    (variable,) = set(re.findall(r"TYPEAHEAD_(?:TEXT|DAEMON|SHELL|VOICE)_[A-Z_]+", README))
    usual = config.load()
    monkeypatch.setenv(variable, "9")
    assert config.load() != usual


@pytest.mark.slow
def test_the_variables_that_readme_names_are_given_to_the_command_of_an_alarm(tmp_path: Path) -> None:
    names = {name.rstrip("_") for name in re.findall(r"\$TYPEAHEAD_([A-Z_]+)", README)}
    (row,) = [row for row in table(README, "### What you measure") if row[0] == "`--exec COMMAND`"]
    names |= set(re.findall(r"`_([A-Z]+)`", row[1]))
    assert len(names) > 2
    readings = tmp_path / "readings.txt"
    readings.write_text("".join(f"{50 + number % 7}\n" for number in range(300)) + "5000\n")
    show = " ".join(f'{name}="$TYPEAHEAD_{name}"' for name in sorted(names))
    command = [sys.executable, "-m", "typeahead", "watch", str(readings), "--exec", f"echo '' {show}", "--until-alarm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = dict(re.findall(r"([A-Z]+)=(.+?)(?= [A-Z]+=|$)", done.stderr, re.M))
    assert names - printed.keys() == set()


def map_paths() -> dict[str, str]:
    """Return path -> words of the map; an entry's folder is the nearest one above with less indentation."""
    (block,) = [block for block in blocks(README, "text") if "typeahead/\n" in block]
    paths, folders = {}, [(-1, "")]
    for line in block.splitlines():
        found = re.fullmatch(r"( *)(\S+)(?: {2,}(.*))?", line)
        assert found is not None, line
        while folders[-1][0] >= len(found[1]):
            folders.pop()
        path = folders[-1][1] + found[2]
        paths[path] = found[3] or ""
        if path.endswith("/"):
            folders.append((len(found[1]), path))
    return paths


def test_the_map_names_what_exists_and_says_a_few_words_on_it() -> None:
    for path, words in map_paths().items():
        assert (ROOT / path).exists(), path
        assert (ROOT / path).is_dir() == path.endswith("/"), path
        assert words or path == "typeahead/", path


def test_the_map_leaves_out_no_room_and_no_file_beside_them() -> None:
    package = ROOT / "typeahead"
    rooms = {f"typeahead/{path.parent.name}/" for path in package.glob("*/__init__.py")}
    files = {f"typeahead/{path.name}" for path in package.glob("[a-z]*.py")}
    assert (rooms | files) - map_paths().keys() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_what_the_pages_link_to_is_shipped_with_the_sources() -> None:
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"][
        "include"
    ]
    linked = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README + CONTRIBUTING) if "://" not in target]
    assert {target.split("/")[0] for target in linked} - set(shipped) == set()


def test_pictures_of_docs_are_small_and_named() -> None:
    page = (ROOT / "docs/memory.md").read_text()
    pictures = {path.name: path.stat().st_size for path in (ROOT / "docs").iterdir() if path.suffix != ".md"}
    assert set(re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)) == set(pictures)
    assert [name for name, size_bytes in pictures.items() if size_bytes > 150_000] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_the_pages_exist(page: Path) -> None:
    named = re.findall(r"`((?:typeahead|tests|models|docs|\.ci)/[\w./-]+)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_contributing_names_tables_and_markers_that_exist() -> None:
    architecture = (ROOT / "tests/test_architecture.py").read_text()
    for name in ("FLOORS", "DOORS"):
        assert f"`{name}`" in CONTRIBUTING
        assert f"\n{name} = " in architecture
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    used = {
        word for text in re.findall(r"pytest .*?-m ('[^']+'|\w+)", CONTRIBUTING) for word in re.findall(r"\w+", text)
    }
    assert used - {"not", "and", "or"} == {marker.partition(":")[0] for marker in markers}


def test_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[([^\]]+)\]", changelog, re.M)
    assert versions[0] in (typeahead.__version__, "Unreleased")
    assert typeahead.__version__ in versions
