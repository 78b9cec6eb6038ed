"""Write the thresholds of words into a voice model.

    python models/voice_thresholds.py voice.safetensors up=0.9 left=0.78 ...

Words that are not named keep theirs. `typeahead evaluate MODEL FOLDER --stream --negatives TALK` prints the thresholds
that would have raised no false alarm.
"""

import sys

from typeahead.voice.classifier import Classifier
from typeahead.voice.detector import THRESHOLD


def main() -> None:
    """Read the model and write it with its thresholds."""
    path, *given = sys.argv[1:]
    one = Classifier.load(path)
    known = {word: THRESHOLD for word in one.words} | one.metadata.get("thresholds", {})
    wanted = {word: float(value) for word, _, value in (each.partition("=") for each in given)}
    if strange := wanted.keys() - known.keys():
        sys.exit(f"{min(strange)}: no word of {path}; there are {', '.join(one.words)}")
    one.save(path, one.metadata | {"thresholds": known | wanted}, "float16")


if __name__ == "__main__":
    main()
