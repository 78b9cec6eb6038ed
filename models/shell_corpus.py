"""Write the corpus of the shipped shell model to standard output.

    python models/shell_corpus.py data/text/shell_train.txt data/sessions/documentation.jsonl > shell_corpus.txt

Text files hold one command a line; .jsonl files hold sessions, whose commands ("cmd") are written in their order, so
that the network sees how one command follows another. Lines that would destroy a disk or a home folder are left out: a
completion must not offer them.
"""

import json
import re
import sys
from pathlib import Path

DESTRUCTIVE = re.compile(
    r"""\brm\s+(-\S+\s+)*-[a-zA-Z]*[rR]\S*\s+(-\S+\s+)*["']?(/|~|\*|\.|\$HOME)["']?(\s|/?\*?$)  # rm -rf / ~ * . $HOME
    | \bmkfs | \bwipefs\b | \bshred\b.*\s/dev/ | \bof=/dev/(?!null|stdout)
    | >\s*/dev/(sd|hd|nvme|vd|mmc) | :\(\)\s*\{ | \bchmod\s+-R\s+777\s+/(\s|$) | --no-preserve-root""",
    re.VERBOSE,
)


def commands(path: Path) -> list[str]:
    """Return the commands of a text file or of a .jsonl file of sessions, one a line, in order."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    if path.suffix == ".jsonl":
        lines = [json.loads(line)["cmd"] for line in lines if line.strip()]
    return [line.strip() for line in lines if len(line.strip()) > 1 and "\n" not in line]


def main() -> None:
    """Write the corpus, and to standard error how many lines were left out."""
    dropped = 0
    for name in sys.argv[1:]:
        for line in commands(Path(name)):
            if DESTRUCTIVE.search(line):
                dropped += 1
            else:
                sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
    print(f"{dropped} destructive lines left out", file=sys.stderr)


if __name__ == "__main__":
    main()
