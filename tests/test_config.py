"""Settings: which source wins, what is refused and in what words, and where files lie."""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead import config
from typeahead.errors import ConfigError

SETTINGS = [
    (room, field.name, field.default) for room, kind in config._ROOMS.items() for field in dataclasses.fields(kind)
]
# A permitted value of each setting that is not its default.
OTHER: dict[type, Any] = {bool: False, int: 7, float: 1.0, str: "other"}
OTHER_OF_A_FEW = {
    **{"dial": "quiet", "prompt": "short", "editing": "vi", "status": True, "hint": True},
    **{"save_detections": True, "refractory_s": 2.0},
}


def write(text: str | bytes) -> Path:
    path = config.config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def load_or_message() -> config.Config | str:
    try:
        return config.load()
    except ConfigError as error:
        return str(error)


def test_without_a_file_every_setting_has_its_default() -> None:
    loaded = config.load()
    assert loaded == config.Config(
        config.TextConfig(), config.DaemonConfig(), config.ShellConfig(), config.KeysConfig(), config.VoiceConfig()
    )


@pytest.mark.parametrize(("room", "name", "default"), SETTINGS)
def test_every_default_would_be_accepted_from_the_file(room: str, name: str, default: object) -> None:
    write(f"[{room}]\n{name} = {toml(default)}\n")
    assert getattr(getattr(config.load(), room), name) == default


@pytest.mark.parametrize(("room", "name", "default"), SETTINGS)
def test_flag_beats_environment_beats_file_beats_default(
    room: str, name: str, default: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = OTHER_OF_A_FEW.get(name, OTHER[type(default)])
    variable = f"TYPEAHEAD_{room}_{name}".upper()

    def read(**flags: object) -> object:
        return getattr(getattr(config.load(**{room: flags}), room), name)

    assert default != other
    write(f"[{room}]\n{name} = {toml(other)}\n")
    assert read() == other
    monkeypatch.setenv(variable, str(default))
    assert read() == default
    assert read(**{name: other}) == other
    assert read(**{name: None}) == default
    write("")
    monkeypatch.setenv(variable, str(other))
    assert read() == other


@pytest.mark.parametrize("word", ["1", "true", "Yes", "ON"])
def test_words_for_true(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write("[shell]\nsuggest = false\n")
    monkeypatch.setenv("TYPEAHEAD_SHELL_SUGGEST", word)
    assert config.load().shell.suggest is True


@pytest.mark.parametrize("word", ["0", "False", "no", "OFF"])
def test_words_for_false(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_SHELL_SUGGEST", word)
    assert config.load().shell.suggest is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[text]\nbeam_width = 4.5\n", "text.beam_width = 4.5 is not a whole number; the default is 4"),
        ("[text]\nbeam_width = '4'\n", "text.beam_width = '4' is not a whole number"),
        ("[text]\nbeam_width = true\n", "text.beam_width = True is not a whole number"),
        ("[text]\nbeam_width = 0\n", "text.beam_width = 0 is not between 1 and 256"),
        ("[text]\nmax_length = 0\n", "text.max_length = 0 is not between 1 and 4096"),
        ("[daemon]\nidle_s = nan\n", "daemon.idle_s = nan is not between 0.01 and"),
        ("[text]\nmodel = 3\n", "text.model = 3 is not text in quotes"),
        (
            "[text]\ndial = 'loud'\n",
            "text.dial = 'loud' is not one of quiet, balanced, eager; the default is 'balanced'",
        ),
        ("[text]\nadapt = 'off'\n", "text.adapt = 'off' is not true or false; the default is True"),
        ("[daemon]\nidle_s = inf\n", "daemon.idle_s = inf is not between"),
        (f"[daemon]\nidle_s = {10**400}\n", "daemon.idle_s = inf is not between"),
        ("[daemon]\nidle_s = 2024-01-01\n", "is not a number; the default is 3600.0"),
        ("[daemon]\nidle_s = []\n", "daemon.idle_s = [] is not a number"),
        ("[shell]\nsuggest = 1\n", "shell.suggest = 1 is not true or false"),
        ("[shell]\ncolour = 'red'\n", "unknown setting shell.colour; known: program, suggest, prompt"),
        ("[shel]\n", "unknown section [shel]; known: text, daemon, shell"),
        ("suggest = true\n", "unknown section [suggest]"),
        ("text = 3\n", "text = 3 is not a section; write [text]"),
        ("[voice]\ncommand = {}\n", "unknown setting voice.command; known: model, device, sensitivity"),
        ("[voice]\ncommands = 'ls'\n", "voice.commands = 'ls' is not a section; write [voice.commands]"),
        ("[text.commands]\n", "unknown setting text.commands"),
        ("[voice]\nsensitivity = 1.5\n", "voice.sensitivity = 1.5 is not between 0 and 1; the default is 0.5"),
        ("[text\n", "cannot be read as TOML"),
        (b"[text]\nmodel = '\xff'\n", "cannot be read as TOML"),
        (f"x = {'[' * 10_000}", "cannot be read as TOML"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_file_the_setting_and_the_value(text: str | bytes, words: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        config.load()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message


def test_a_folder_in_the_files_place_is_a_clear_error() -> None:
    config.config_file().mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"cannot be read as TOML .*Is a directory"):
        config.load()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TYPEAHEAD_TEXT_BEAM_WIDTH", "four", "'four' is not a whole number"),
        ("TYPEAHEAD_TEXT_BEAM_WIDTH", "", "'' is not a whole number"),
        ("TYPEAHEAD_TEXT_BEAM_WIDTH", "-1", "-1 is not between 1 and 256"),
        ("TYPEAHEAD_DAEMON_IDLE_S", "nan", "nan is not between"),
        ("TYPEAHEAD_DAEMON_NICE", "1e400", "'1e400' is not a whole number"),
        ("TYPEAHEAD_SHELL_SUGGEST", "maybe", "'maybe' is not true or false"),
        ("TYPEAHEAD_TEXT_DIAL", "Eager", "'Eager' is not one of quiet, balanced, eager"),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"^{variable} = .*; the default is ") as caught:
        config.load()
    assert words in str(caught.value)


def test_a_flag_out_of_range_is_named_as_a_flag() -> None:
    with pytest.raises(ConfigError, match=r"^--beam-width = 1000 is not between 1 and 256"):
        config.load(text={"beam_width": 1000})


@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_as_file_are_settings_or_a_config_error(data: bytes) -> None:
    write(data)
    loaded = load_or_message()
    assert isinstance(loaded, config.Config) or loaded.startswith(f"{config.config_file()}: ")


@given(
    value=st.integers() | st.floats() | st.booleans() | st.text(st.characters(codec="ascii", exclude_categories=["C"]))
)
def test_any_value_of_any_setting_has_the_defaults_type_or_is_refused(value: object) -> None:
    literal = toml(value) if not isinstance(value, str) else '"' + value.replace("\\", "").replace('"', "") + '"'
    for room, name, default in SETTINGS:
        write(f"[{room}]\n{name} = {literal}\n")
        loaded = load_or_message()
        if isinstance(loaded, str):
            assert f"{room}.{name} = " in loaded
        else:
            got = getattr(getattr(loaded, room), name)
            assert type(got) is type(default)
            assert not isinstance(got, float) or math.isfinite(got)


def test_the_command_map_is_a_table_of_its_own_and_no_setting() -> None:
    assert config.voice_commands() == {}
    write("[voice]\nsensitivity = 1\n[voice.commands]\ntests = 'make test'\nup = {}\n")
    assert config.load().voice == config.VoiceConfig(sensitivity=1.0)
    assert config.voice_commands() == {"tests": "make test", "up": {}}
    assert not any("commands" in setting.name for setting in config.settings())


def test_settings_cannot_be_changed_after_loading() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.load().text.beam_width = 5  # type: ignore[misc]


def test_the_configured_files_variable_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_CONFIG", str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text("[text]\nbeam_width = 9\n")
    assert config.load().text.beam_width == 9


def test_paths_lie_in_the_users_xdg_folders(isolated_home: Path) -> None:
    assert config.config_file() == isolated_home / ".config/typeahead/config.toml"
    assert config.data_dir() == isolated_home / ".local/share/typeahead"
    assert config.cache_dir() == isolated_home / ".cache/typeahead"


def test_runtime_folder_is_made_private() -> None:
    path = config.runtime_dir()
    assert path == Path(os.environ["XDG_RUNTIME_DIR"]) / "typeahead"
    assert path.stat().st_mode & 0o777 == 0o700
    assert config.socket_path() == path / "daemon.sock"


def test_runtime_folder_without_xdg_is_the_users_own_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert config.runtime_dir() == tmp_path / f"typeahead-{os.getuid()}"
    assert config.runtime_dir().stat().st_mode & 0o777 == 0o700


def test_a_runtime_folder_that_others_can_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "typeahead").mkdir()
    (tmp_path / "typeahead").chmod(0o755)
    with pytest.raises(ConfigError, match="not a private folder of yours"):
        config.runtime_dir()


def test_a_runtime_folder_behind_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "typeahead").symlink_to("elsewhere")
    with pytest.raises(ConfigError, match="not a private folder of yours"):
        config.runtime_dir()


def test_a_file_in_the_runtime_folders_place_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "typeahead").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        config.runtime_dir()


def test_the_socket_can_be_put_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEAHEAD_SOCKET", "/tmp/mine.sock")
    assert config.socket_path() == Path("/tmp/mine.sock")


def test_the_shipped_weights_lie_beside_the_package_in_a_checkout() -> None:
    assert config.models_dir() == Path(__file__).parent.parent / "models"
    assert config.shell_model() == config.models_dir() / "shell.safetensors"


def test_the_shipped_weights_lie_inside_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "typeahead" / "models").mkdir(parents=True)
    monkeypatch.setattr(config, "__file__", str(tmp_path / "typeahead" / "config.py"))
    assert config.models_dir() == tmp_path / "typeahead" / "models"


def test_configured_weights_are_used_and_the_tilde_is_the_home(isolated_home: Path) -> None:
    write("[text]\nmodel = '~/mine.safetensors'\n")
    assert config.shell_model() == isolated_home / "mine.safetensors"
