"""Microphones, as a stand-in for sounddevice reports them; and a machine without PortAudio."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from typeahead.errors import AudioError
from typeahead.voice.audio import Device, input_devices

DEVICES = """
class PortAudioError(Exception):
    pass

class default:
    device = (2, 1)

def query_devices():
    return [
        {"index": 0, "name": "mic", "max_input_channels": 1, "default_samplerate": 48000.0},
        {"index": 1, "name": "speaker", "max_input_channels": 0, "default_samplerate": 44100.0},
        {"index": 2, "name": "headset", "max_input_channels": 2, "default_samplerate": 16000.0},
    ]
"""


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Put a module called sounddevice before the real one."""
    (folder / "sounddevice.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)


@pytest.fixture(autouse=True)
def no_module_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # restored, or removed, after the test


def test_sources_of_sound_are_listed_with_the_default_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, DEVICES)
    assert input_devices() == [Device(0, "mic", 1, 48000.0, False), Device(2, "headset", 2, 16000.0, True)]


def test_without_portaudio_the_error_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "raise OSError('PortAudio library not found')")
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(AudioError, match=r"PortAudio is not installed; sudo apt install libportaudio2"):
        input_devices()


def test_a_portaudio_that_fails_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = DEVICES.replace("    return [", "    raise PortAudioError('no host API')\n    return [")
    stand_in(tmp_path, monkeypatch, broken)
    with pytest.raises(AudioError, match="no host API"):
        input_devices()
