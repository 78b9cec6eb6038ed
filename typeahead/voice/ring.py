"""The last seconds of a microphone, between the thread that must never wait and the one that may be late."""

from __future__ import annotations

import numpy as np


class Ring:
    """A fixed amount of memory, written by one thread and read by another, without a lock.

    Parameters
    ----------
    num_frames : int
        Its size. A reader that falls behind by more than three quarters of it loses the oldest of what it has missed;
        the last quarter is room for what is being written.

    Attributes
    ----------
    num_written, num_lost : int
        Frames so far.
    """

    def __init__(self, num_frames: int) -> None:
        self._samples = np.zeros(num_frames, np.float32)
        self._room = num_frames // 4
        self.num_written = self.num_lost = 0
        self._num_read = 0  # with those that were lost

    def write(self, frames: np.ndarray) -> None:
        """Append (n, channels) float32, averaged to one channel."""
        for start in range(0, len(frames), self._room):
            self._write(frames[start : start + self._room])

    def _write(self, frames: np.ndarray) -> None:
        position = self.num_written % len(self._samples)
        num_first = min(len(frames), len(self._samples) - position)
        self._mix(frames[:num_first], self._samples[position : position + num_first])
        if num_first < len(frames):
            self._mix(frames[num_first:], self._samples[: len(frames) - num_first])
        self.num_written += len(frames)  # only now: the reader takes nothing that is not there yet

    @staticmethod
    def _mix(frames: np.ndarray, out: np.ndarray) -> None:
        if frames.shape[1] == 1:
            out[:] = frames[:, 0]
        else:
            np.mean(frames, axis=1, out=out)

    @property
    def num_waiting(self) -> int:
        """Frames that can be read."""
        return min(self.num_written - self._num_read, len(self._samples) - self._room)

    def read(self, num_frames: int) -> np.ndarray | None:
        """Return the next (num_frames,), a copy; None: there are not so many yet."""
        while self.num_waiting >= num_frames:
            self._skip()
            start = self._num_read % len(self._samples)
            frames = np.empty(num_frames, np.float32)
            num_first = min(num_frames, len(self._samples) - start)
            frames[:num_first] = self._samples[start : start + num_first]
            frames[num_first:] = self._samples[: num_frames - num_first]
            # Otherwise the writer may have been here meanwhile.
            if not self._skip():
                self._num_read += num_frames
                return frames
        return None

    def _skip(self) -> bool:
        """Give up what may be overwritten; tell whether there was any."""
        num_late = self.num_written - self._num_read - (len(self._samples) - self._room)
        if num_late <= 0:
            return False
        self._num_read += num_late
        self.num_lost += num_late
        return True
