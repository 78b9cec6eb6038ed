"""Takes: what is wrong with one, where its word is, and how one is cut out of running sound."""

from __future__ import annotations

import numpy as np
import pytest

from tests.voice.speaking import SR, hiss, say, voice
from typeahead.voice.takes import EndPointer, check_take, levels_db, padded, span, trim


def test_a_clear_take_has_nothing_wrong():
    assert check_take(say("aiu")) is None


@pytest.mark.parametrize(
    ("y", "reason"),
    [
        (np.zeros(0, np.float32), "too quiet"),
        (np.zeros(SR, np.float32), "too quiet"),
        (say("aiu") * np.float32(0.002), "too quiet"),
        (np.clip(say("aiu") * 20, -1, 1), "clipped"),
        (say("aiu") * np.float32(0.1) + hiss(2, -35)[: len(say("aiu"))], "too noisy"),
        (np.concatenate([hiss(0.5), voice("a", seconds=0.08), hiss(0.5)]), "too short"),
        (np.concatenate([hiss(0.5), voice("aiuaiuaiu", seconds=4.0), hiss(0.5)]), "too long"),
    ],
)
def test_a_bad_take_is_named_with_what_is_wrong(y, reason):
    assert check_take(y).startswith(reason)


def test_the_word_is_found_within_its_quiet_surroundings():
    word = voice("aiu")
    y = np.concatenate([hiss(0.7), word, hiss(0.5, seed=1)])
    start, end = span(y)
    assert abs(start - 0.7 * SR) < 0.05 * SR
    assert abs(end - 0.7 * SR - len(word)) < 0.05 * SR
    np.testing.assert_array_equal(trim(y), y[start:end])


def test_a_level_is_that_of_its_piece():
    y = np.concatenate([np.full(SR, 0.1, np.float32), np.zeros(SR, np.float32)])
    levels = levels_db(y)
    assert levels[0] == pytest.approx(-20, abs=1e-3)
    assert levels[-1] == -100
    assert len(levels_db(y[:100])) == 0


def test_a_take_is_kept_with_a_margin_that_the_recording_need_not_have():
    word = voice("aiu")
    sound, start, end = padded(np.concatenate([hiss(0.05), word, hiss(0.5)]))
    assert start == len(sound) - end == 0.2 * SR
    assert np.abs(sound[:1600]).max() < 10 ** (-55 / 20)
    assert abs((end - start) - len(word)) < 0.05 * SR


def blocks(y: np.ndarray, size: int = 480) -> list[np.ndarray]:
    return [y[at : at + size] for at in range(0, len(y), size)]


def test_each_word_of_running_sound_becomes_one_take():
    room = np.concatenate([hiss(2), voice("aiu"), hiss(1.5, seed=1), voice("ou"), hiss(1.5, seed=2)])
    pointer = EndPointer()
    takes = [take for block in blocks(room) if (take := pointer.push(block)) is not None]
    assert [check_take(take) for take in takes] == [None, None]
    assert abs(len(trim(takes[0])) - len(voice("aiu"))) < 0.05 * SR


def test_a_click_and_a_noisy_room_are_no_take():
    click = np.concatenate([hiss(1), hiss(0.02, -10), hiss(3, seed=1)])
    pointer = EndPointer()
    assert all(pointer.push(block) is None for block in blocks(click))
    pointer = EndPointer()
    assert all(pointer.push(block) is None for block in blocks(hiss(5, -30)))
