"""Takes looked for in running sound: equal to the plain recursion, and what the steps allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.naive_voice import subsequence_distances
from typeahead.voice.templates import Templates


def rows(rng: np.random.Generator, n: int, dimensions: int = 4) -> np.ndarray:
    x = rng.standard_normal((n, dimensions)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4), st.lists(st.integers(0, 7), max_size=4), st.integers(0, 1000)
)
def test_distances_equal_the_plain_recursion_however_the_sound_is_cut(lengths, cuts, seed):
    rng = np.random.default_rng(seed)
    takes = [rows(rng, n) for n in lengths]
    sound = rows(rng, sum(cuts))
    templates = Templates(takes)
    found = [templates.push(part) for part in np.split(sound, np.cumsum(cuts)[:-1])] if cuts else []
    found = np.concatenate([np.zeros((0, len(takes))), *found])
    expected = np.stack([subsequence_distances(take, sound) for take in takes], axis=1)
    near = expected < 1e6  # else there is no way yet
    np.testing.assert_allclose(found[near], expected[near], atol=1e-5)
    assert (found[~near] > 1e6).all()


@pytest.mark.parametrize("stretch", [0.5, 0.75, 1, 1.5, 2])
def test_a_take_said_faster_or_slower_is_at_distance_nearly_zero(stretch):
    take = np.repeat(rows(np.random.default_rng(0), 6), 4, axis=0)
    other = np.repeat(take[::4], round(4 * stretch), axis=0)
    around = rows(np.random.default_rng(1), 20)
    distances = Templates([take]).push(np.concatenate([around, other, around]))[:, 0]
    assert distances[20 + len(other) - 1] < 0.05
    assert distances[:20].min() > 0.2


def test_after_a_reset_it_is_as_new():
    rng = np.random.default_rng(0)
    takes, sound = [rows(rng, 5), rows(rng, 3)], rows(rng, 30)
    templates = Templates(takes)
    first = templates.push(sound)
    templates.reset()
    np.testing.assert_array_equal(templates.push(sound), first)


def test_no_take_and_an_empty_one_are_refused():
    with pytest.raises(ValueError, match="one take or more"):
        Templates([])
    with pytest.raises(ValueError, match="none of them empty"):
        Templates([np.zeros((0, 4), np.float32)])
