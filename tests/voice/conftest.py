"""A microphone that hears what a test plays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.voice.virtual_microphone import VirtualMicrophone, missing


@pytest.fixture
def needs_virtual_microphone() -> None:
    """Skip a test that cannot have one here."""
    if reason := missing():
        pytest.skip(f"a virtual microphone {reason}")


@pytest.fixture
def virtual_microphone(needs_virtual_microphone: None) -> Iterator[VirtualMicrophone]:
    """Plug in a microphone of 16 kHz; other kinds are made with the class."""
    with VirtualMicrophone() as microphone:
        yield microphone
