"""``typeahead config``: what is written is what is read back, the rest of the file stays, and nothing wrong gets in."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Run
from typeahead import config
from typeahead.cli.config import _read, _write


def written(text: str) -> Path:
    path = config.config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_path_prints_where_the_file_lies(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("config", "path") == (0, f"{config.config_file()}\n", "")
    monkeypatch.setenv("TYPEAHEAD_CONFIG", "else.toml")
    assert run("config", "path") == (0, "else.toml\n", "")


def test_set_makes_the_file_and_the_setting_holds(run: Run) -> None:
    assert run("config", "set", "adapt", "off") == (0, "text.adapt = false\n", "")
    assert config.load().text.adapt is False
    assert stat.S_IMODE(config.config_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(config.config_file().parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text.adapt", "off", False),
        ("adapt", "ON", True),
        ("dial", "eager", "eager"),
        ("beam_width", "8", 8),
        ("idle_s", "60", 60.0),
        ("text.model", 'a "b"\\c.safetensors', 'a "b"\\c.safetensors'),
        ("text.model", "", ""),
        ("sensitivity", "1", 1.0),
    ],
)
def test_a_value_is_read_back_as_it_was_meant(run: Run, name: str, text: str, value: object) -> None:
    assert run("config", "set", name, text)[0] == 0
    room, short = config.full_name(name)
    assert getattr(getattr(config.load(), room), short) == value


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["set", "dial", "loud"], "text.dial = 'loud' is not one of quiet, balanced, eager; the default is 'balanced'"),
        (["set", "adapt", "maybe"], "text.adapt = 'maybe' is not true or false"),
        (["set", "nice", "-5"], "daemon.nice = -5 is not between 0 and 19"),
        (["set", "beam_width", "4.5"], "text.beam_width = '4.5' is not a whole number"),
        (["set", "idle_s", "nan"], "is not between 0.01 and"),
        (["set", "model", "x"], "'model' is more than one setting; choose one of text.model, voice.model"),
        (["set", "colour", "red"], "'colour' is no setting; choose one of text.model"),
        (["set", "shell.adapt", "off"], "'shell.adapt' is no setting"),
        (["unset", "colour"], "'colour' is no setting"),
        (["show", "colour"], "'colour' is no setting"),
    ],
)
def test_what_is_wrong_is_one_line_and_changes_nothing(run: Run, args: list[str], words: str) -> None:
    path = written("[text]\nadapt = true\n")
    status, out, err = run("config", *args)
    assert (status, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert path.read_text() == "[text]\nadapt = true\n"


def test_settings_of_the_voice_go_beside_what_words_do(run: Run) -> None:
    path = written('[voice.commands]\ntests = "make test"  # mine\n')
    assert run("config", "set", "device", "headset")[0] == 0
    assert (config.load().voice.device, config.voice_commands()) == ("headset", {"tests": "make test"})
    assert "# mine" in path.read_text()
    assert run("config", "unset", "device")[0] == 0
    assert path.read_text().endswith('[voice.commands]\ntests = "make test"  # mine\n')
    assert config.voice_commands() == {"tests": "make test"}


COMMENTED = """# mine
[shell]          # first
style = 'red'   # bright

# how it guesses
[text]
dial = "quiet"
"""


def test_comments_and_order_stay(run: Run) -> None:
    path = written(COMMENTED)
    assert run("config", "set", "dial", "eager")[0] == 0
    assert path.read_text() == COMMENTED.replace("quiet", "eager")
    assert run("config", "set", "adapt", "off")[0] == 0
    assert path.read_text() == COMMENTED.replace("quiet", "eager") + "adapt = false\n"
    assert run("config", "unset", "adapt")[0] == 0
    assert path.read_text() == COMMENTED.replace("quiet", "eager")


def test_unset_brings_the_default_back(run: Run) -> None:
    written("[text]\nadapt = false\n")
    assert run("config", "unset", "text.adapt") == (0, "text.adapt is no longer set\n", "")
    assert config.load().text.adapt is True
    assert run("config", "unset", "adapt") == (0, f"text.adapt is not set in {config.config_file()}\n", "")


def test_show_prints_value_and_origin_of_each_setting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    written("[text]\ndial = 'quiet'\nadapt = false\n")
    monkeypatch.setenv("TYPEAHEAD_TEXT_ADAPT", "on")
    status, out, err = run("config", "show")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert (status, err) == (0, "")
    assert rows["text.dial"] == ['"quiet"', "file"]
    assert rows["text.adapt"] == ["true", "environment"]
    assert rows["text.beam_width"] == ["4", "default"]
    assert list(rows) == [setting.name for setting in config.settings()]
    assert run("config", "show", "dial") == (0, 'text.dial  "quiet"  file\n', "")


def test_set_says_when_the_environment_goes_before_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_TEXT_ADAPT", "on")
    status, out, err = run("config", "set", "adapt", "off")
    assert (status, out) == (0, "text.adapt = false\n")
    assert err == "typeahead: TYPEAHEAD_TEXT_ADAPT is set in the environment and goes before the file\n"


@pytest.mark.parametrize("text", ["[text\n", "text = 3\n", "a = 1\na = 2\n"])
def test_a_file_that_cannot_be_understood_is_left_alone(run: Run, text: str) -> None:
    path = written(text)
    status, out, err = run("config", "set", "adapt", "off")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert str(path) in err
    assert path.read_text() == text


def test_a_wrong_setting_can_be_mended(run: Run) -> None:
    written("[text]\ndial = 'loud'\n")
    assert run("config", "show")[0] == 2
    assert run("config", "set", "dial", "quiet")[0] == 0
    assert config.load().text.dial == "quiet"


def test_a_link_to_the_file_stays_a_link(run: Run, tmp_path: Path) -> None:
    link = written("")
    target = tmp_path / "dotfiles.toml"
    link.rename(target)
    link.symlink_to(target)
    assert run("config", "set", "adapt", "off")[0] == 0
    assert link.is_symlink()
    assert target.read_text() == "[text]\nadapt = false\n"


def test_a_failure_to_write_leaves_the_old_file_and_nothing_else(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written("[text]\nadapt = true\n")

    def fail(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    status, out, err = run("config", "set", "adapt", "off")
    assert (status, out) == (2, "")
    assert "cannot be written (No space left on device)" in err
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "[text]\nadapt = true\n"


def test_the_daemon_that_runs_is_mentioned(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.shell.protocol.request", lambda *args: {"op": "status"})
    assert "daemon stop" in run("config", "set", "adapt", "off")[2]
    assert run("config", "set", "style", "red")[2] == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["", "# c\n", "[shell]\nsuggest = true\n", "text = { dial = 'quiet' }\n", "text.dial = 'quiet'\n"]),
)
def test_any_text_survives_the_file(value: str, before: str) -> None:
    written(before)
    document = _read()
    document.setdefault("text", {})["model"] = value
    _write(document)
    assert config.load().text.model == value
