"""A stand-in for `typeahead listen --child`: no microphone, and what it hears is what a test writes into a FIFO.

In the folder that it is given, ``log`` tells what it was told and when it ended, ``heard`` is the FIFO for events, a
JSON object a line; ``mute`` keeps it from saying that it listens, ``refuse`` holds the error that it says instead, and
``stubborn`` keeps it alive at its end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path


def main(folder: Path) -> None:
    if stubborn := (folder / "stubborn").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log = (folder / "log").open("a", buffering=1)

    def tell(**event: object) -> None:
        os.write(1, json.dumps(event).encode() + b"\n")

    def hear() -> None:
        with open(os.open(folder / "heard", os.O_RDWR), "rb") as heard:
            for line in heard:
                os.write(1, line)

    (folder / "pid").write_text(str(os.getpid()))
    threading.Thread(target=hear, daemon=True).start()
    tell(event="ready")
    for line in sys.stdin:
        log.write(line)
        if line == "talk\n" and (folder / "refuse").exists():
            tell(event="error", message=(folder / "refuse").read_text())
        elif line == "talk\n" and not (folder / "mute").exists():
            tell(event="listening")
        elif line == "hush\n":
            tell(event="hushed")
    log.write("end\n")
    if stubborn:
        time.sleep(600)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
