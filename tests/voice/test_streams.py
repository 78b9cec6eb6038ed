"""Running sound composed of recordings: what is asked at each moment, and that it is the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from typeahead.errors import TrainingError
from typeahead.voice import noises
from typeahead.voice.labels import SILENCE, UNKNOWN
from typeahead.voice.spectrograms import Spectrograms, to_bytes
from typeahead.voice.streams import PLAIN, StreamConfig, Streams

LABELS = ("no", "yes", UNKNOWN, SILENCE)
BANDS = 40


def recording(rng: np.random.Generator, band: int) -> np.ndarray:
    """Quiet noise, half a second of sound in some bands, quiet noise: 98 frames."""
    ln_mel = rng.normal(-9, 0.5, (98, BANDS))
    ln_mel[25:75, band : band + 6] = rng.normal(1, 0.5, (50, 6))
    return to_bytes(ln_mel)


@pytest.fixture(scope="module")
def words() -> Spectrograms:
    rng = np.random.default_rng(5)
    bands = {"bed": 3, "no": 12, "yes": 28, "_background_noise_": 0}
    labels = [label for label in bands for _ in range(6)]
    parts = [recording(rng, bands[label]) for label in labels]
    names = [f"{label}/{i}" for i, label in enumerate(labels)]
    return Spectrograms(np.concatenate(parts), np.arange(len(parts) + 1) * 98, tuple(labels), tuple(names))


def streams(words: Spectrograms, config: StreamConfig | None = None, seed: int = 1) -> Streams:
    return Streams(words, np.zeros((0, BANDS), np.float32), LABELS, (80, 8), 3, seed, config)


def test_a_batch_is_decided_by_its_seed_and_number(words):
    one, other = streams(words), streams(words)
    other.compose(7)
    for first, second in zip(one.compose(3), other.compose(3), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(one.compose(3)[0], one.compose(4)[0])
    assert not np.array_equal(one.compose(3)[0], streams(words, seed=2).compose(3)[0])


def test_shapes_are_those_of_the_network_and_everything_is_finite(words):
    for position in range(6):
        frames, targets, begins = streams(words).compose(position)
        assert (frames.shape, targets.shape, begins.shape) == ((80, 8, 3, BANDS), (80, 8, 4), (8,))
        assert np.isfinite(frames).all()
        assert frames.min() >= np.log(noises.FLOOR) - 1e-3


def test_something_is_asked_at_every_step_and_never_two_words_at_once(words):
    for position in range(6):
        targets = streams(words).compose(position)[1]
        assert (targets.max(axis=2) > 0).all()
        assert ((targets[:, :, :2] > 0).sum(axis=2) <= 1).all()


def test_every_label_is_asked_for_alone(words):
    asked = np.zeros(4, bool)
    for position in range(8):
        right = streams(words).compose(position)[1] > 0
        alone = right.sum(axis=2) == 1
        asked |= right[alone].any(axis=0)
    assert asked.all()


def test_a_word_is_asked_for_after_its_sound_and_not_before(words):
    """Where only "yes" is right, its bands have been loud shortly before; with "no" those of "no"."""
    plain = StreamConfig(**{**vars(PLAIN), "speech": 0.0, "noisy": 0.0, "snr_db": (40.0, 41.0)})
    heard = {0: [], 1: []}
    for position in range(6):
        frames, targets, _ = streams(words, plain).compose(position)
        alone = (targets > 0).sum(axis=2) == 1
        for word, band in ((0, 12), (1, 28)):
            begins = np.argwhere((targets[..., word] > 0) & alone)
            for t, b in begins:
                if t >= 6 and not (targets[t - 1, b, word] > 0 and alone[t - 1, b]):  # the first such step
                    before = frames[t - 6 : t, b].reshape(-1, BANDS)
                    bands = before[:, band : band + 6].max() - np.median(before)
                    heard[word].append(bands)
    for found in heard.values():
        assert len(found) > 5
        assert np.mean(np.array(found) > 3) > 0.9


def test_fragments_of_a_known_word_are_less_than_half_of_it(words):
    rng = np.random.default_rng(2)
    one = streams(words)
    longest = max(len(one.fragment(rng)) for _ in range(300))
    assert longest <= 0.8 * 60


def test_a_word_without_recordings_is_one_clear_line(words):
    with pytest.raises(TrainingError, match="stop: no recording"):
        Streams(words, np.zeros((0, BANDS), np.float32), ("no", "stop", UNKNOWN, SILENCE), (80, 8), 3, 1)


def test_noise_has_the_level_it_is_asked_for(words, rng):
    noise = noises.Noise(noises.to_power(words.frames), 1)
    for level in (-8.0, 0.0):
        assert np.log(np.mean([noise.draw(rng, 200, level).mean() for _ in range(20)])) == pytest.approx(
            level, abs=0.01
        )


def test_sudden_sounds_add_power_and_take_none_away(rng):
    power = np.ones((200, BANDS), np.float32)
    noises.add_events(rng, power, 0.0)
    assert (power >= 1).all()
    assert power.max() > 1.1
