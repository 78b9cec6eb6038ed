"""Sound devices, through PortAudio."""

from __future__ import annotations

import sys
from typing import NamedTuple

from typeahead.errors import AudioError

_INSTALL = {"darwin": "brew install portaudio", "linux": "sudo apt install libportaudio2"}


class Device(NamedTuple):
    """One source of sound."""

    number: int  # PortAudio's number for it
    name: str
    num_channels: int
    sample_rate: float  # Hz, its own
    is_default: bool


def input_devices() -> list[Device]:
    """Return the microphones and other sources that there are, as PortAudio numbers them.

    Raises
    ------
    AudioError
        PortAudio is not installed, or cannot start.
    """
    try:
        import sounddevice
    except OSError:  # the library that the module is a door to, which no Python package brings along here
        command = _INSTALL.get(sys.platform, "install PortAudio with your system's package manager")
        raise AudioError(f"PortAudio is not installed; {command}") from None
    try:
        found = sounddevice.query_devices()
        default = sounddevice.default.device[0]
    except sounddevice.PortAudioError as error:
        raise AudioError(f"PortAudio cannot look for devices ({error}); see that sound works on this machine") from None
    return [
        Device(
            device["index"],
            device["name"],
            device["max_input_channels"],
            device["default_samplerate"],
            device["index"] == default,
        )
        for device in found
        if device["max_input_channels"] > 0
    ]
