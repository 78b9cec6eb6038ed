"""Write the corpus of the shipped shell model to standard output.

    python models/shell_corpus.py data/text/shell_train.txt data/sessions/documentation.jsonl \
        --passes 6 --sessions 2 > shell_corpus.txt

Text files hold one command a line; .jsonl files hold sessions, whose commands ("cmd") are written in their order, so
that the network sees how one command follows another; made-up sessions (`shell_sessions.py`) are strewn in. Each pass
has an order of its own, so that the network cannot know a line by the lines before it. Lines that would destroy a
disk or a home folder are left out: a completion must not offer them.
"""

import argparse
import json
import random
import re
import sys
from itertools import chain, groupby
from pathlib import Path

from shell_sessions import session

DESTRUCTIVE = re.compile(
    r"""\brm\s+(-\S+\s+)*-[a-zA-Z]*[rR]\S*\s+(-\S+\s+)*["']?(/|~|\*|\.|\$HOME)["']?(\s|/?\*?$)  # rm -rf / ~ * . $HOME
    | \bmkfs | \bwipefs\b | \bshred\b.*\s/dev/ | \bof=/dev/(?!null|stdout)
    | >\s*/dev/(sd|hd|nvme|vd|mmc) | :\(\)\s*\{ | \bchmod\s+-R\s+777\s+/(\s|$) | --no-preserve-root""",
    re.VERBOSE,
)


def clean(line: str) -> str:
    """Return the command without blanks around it; empty where it is no line to learn from."""
    line = line.strip()
    return line if len(line) > 1 and "\n" not in line else ""


def blocks(path: Path, rng: random.Random) -> list[list[str]]:
    """Return the file's lines as blocks whose lines belong together: sessions in order, or lines in any order."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    if path.suffix != ".jsonl":
        return [[line] for line in map(clean, rng.sample(lines, len(lines))) if line]
    rows = [json.loads(line) for line in lines if line.strip()]
    pages = groupby(rows, key=lambda row: row["session"])
    return [[line for row in page if (line := clean(row["cmd"]))] for _, page in pages]


def main() -> None:
    """Write the corpus, and to standard error how many lines were left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--passes", type=int, default=1, help="over the files, each in another order")
    parser.add_argument("--sessions", type=float, default=0.0, help="megabytes of made-up sessions a pass")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    dropped = 0
    for _ in range(options.passes):
        found = [block for path in options.files for block in blocks(path, rng)]
        left = options.sessions * 1e6
        while left > 0:
            found.append(session(rng))
            left -= sum(len(line) + 1 for line in found[-1])
        rng.shuffle(found)
        for line in chain.from_iterable(found):
            if DESTRUCTIVE.search(line):
                dropped += 1
            else:
                sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
    print(f"{dropped} destructive lines left out", file=sys.stderr)


if __name__ == "__main__":
    main()
