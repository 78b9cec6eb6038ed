"""A process that listens: run with the options of `Microphone` as JSON, and a file for what it hears.

It prints a line of JSON when it has opened the microphone and whenever that is lost, back, or silent for a second more,
reads a line "sleep SECONDS" as an order to do just that, and ends with its standard input.
"""

from __future__ import annotations

import json
import select
import sys
import time

import numpy as np

from typeahead.errors import AudioError
from typeahead.voice.audio import Microphone


def state(microphone: Microphone) -> dict[str, object]:
    return {
        "name": microphone.name,
        "native_sr": microphone.native_sr,
        "dropped": microphone.dropped,
        "reopened": microphone.reopened,
        "lost": microphone.lost,
        "silent_s": int(microphone.silent_s),
    }


def record(path: str, options: dict[str, object]) -> None:
    blocks = [np.zeros(0, np.float32)]
    known: dict[str, object] = {}
    try:
        with Microphone(**options) as microphone:
            while True:
                if (block := microphone.read(0.2)) is not None:
                    blocks.append(block)
                if (now := state(microphone)) != known:
                    known = now
                    print(json.dumps({**known, "num_samples": sum(map(len, blocks))}), flush=True)
                if select.select([sys.stdin], [], [], 0)[0]:
                    if not (order := sys.stdin.readline()):
                        return
                    time.sleep(float(order.split()[1]))
    except AudioError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        np.save(path, np.concatenate(blocks))


if __name__ == "__main__":
    record(sys.argv[1], json.loads(sys.argv[2]))
