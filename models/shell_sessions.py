"""Write made-up terminal sessions to standard output, in the order in which someone might type them.

    python models/shell_sessions.py --megabytes 10 --seed 1 > sessions.txt

Collections of commands show each tool once, with all its options; people mostly type short, common lines, go back to
the same files and hosts, and do one thing after another. A session here has a few folders, files, hosts and users of
its own and strings episodes together: a few lines that belong to one purpose. All of it is invented: no line was
taken from anybody's history. Weights are guesses at what is common.
"""

import argparse
import random
import re
import string
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

with (Path(__file__).parent / "shell_sessions.toml").open("rb") as file:
    _DATA = tomllib.load(file)
_WORDS = {kind: text.split() for kind, text in _DATA["words"].items() if kind != "messages"}
_MESSAGES = [message.strip() for message in _DATA["words"]["messages"].replace("\n", " ").split(";")]


class Session:
    """What one person has around them: folders, files, hosts; new ones appear, old ones come back."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._known: dict[str, list[str]] = {}
        self._python = rng.choice(["python3", "python", "python3", "python"])
        self._prefix = rng.choice(["10.{}.{}", "192.168.{}", "172.{}.{}", "10.0.{}", "10.10.{}", "192.168.1"])
        self._prefix = self._prefix.format(rng.randint(0, 31), rng.randint(0, 40))
        self._favourites: dict[str, str] = {}

    def lines(self, episode: str) -> list[str]:
        """Return the lines of one episode, filled in."""
        given: dict[str, str] = {}
        typed: list[str] = []
        for line in episode.replace("[", ";[").split(";"):
            line = line.strip()
            if line.startswith("[") and self._rng.random() < 0.5:
                continue
            line = line.strip("[]")
            if line == "~":
                typed += typed[-1:]
            elif line:
                filled = re.sub(r"{([a-z0-9|./:_-]+)}", lambda match: self._fill(match[1], given), line)
                typed.append(re.sub(r"(?<!:)//", "/", filled))  # a folder may have been written with its slash
        return typed

    def _fill(self, slot: str, given: dict[str, str]) -> str:
        if slot not in given:
            given[slot] = self._choose(slot)
        return given[slot]

    def _choose(self, slot: str) -> str:
        if slot == "py":
            return self._python
        if "|" in slot:  # a person chooses alike each time, mostly
            if self._rng.random() < 0.3 or slot not in self._favourites:
                self._favourites[slot] = self._rng.choice(slot.split("|"))
            return self._favourites[slot]
        kind = slot.rstrip("2") if slot not in _MAKERS else slot
        known = self._known.setdefault(kind, [])
        if known and self._rng.random() < (0.75 if kind in ("ip", "user", "hashfile", "wordlist") else 0.5):
            return known[-1 - min(int(self._rng.expovariate(0.7)), len(known) - 1)]
        made = self._made(_MAKERS[kind](self._rng, self._prefix))
        known.append(made)
        return made

    def _made(self, text: str) -> str:
        return re.sub(r"{([a-z0-9]+)}", lambda match: self._choose(match[1]), text)


def _file(rng: random.Random, suffixes: list[str]) -> str:
    stem = rng.choice(_WORDS["stems"])
    if rng.random() < 0.25:
        endings = ["1", "2", "3", "_old", "_new", "-final", "_backup"]
        stem += rng.choice([*endings, "_" + rng.choice(_WORDS["stems"]), "-" + rng.choice(_WORDS["names"])])
    return stem + rng.choice(suffixes)


def _script(rng: random.Random) -> str:
    if rng.random() >= 0.1:
        return _file(rng, [".py"])
    exploit = f"CVE-{rng.randint(2014, 2024)}-{rng.randint(1000, 49999)}.py"
    return rng.choice([exploit, f"{rng.randint(1000, 51000)}.py"])


def _pattern(rng: random.Random) -> str:
    stem, suffix = rng.choice(_WORDS["stems"]), rng.choice(_WORDS["suffixes"])
    return rng.choice([f"*{suffix}", f"{stem}*", f"*{stem}*", "{file}"])


def _url(rng: random.Random) -> str:
    page = rng.choice(["/", ""]) if rng.random() < 0.6 else "/" + rng.choice(_WORDS["pages"])
    return rng.choice(_WORDS["sites"]) + page


def _base64(rng: random.Random) -> str:
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits
    return "".join(rng.choices(letters, k=rng.randint(8, 24))) + "=="


# What a slot is filled with: a word of a kind, a file with one of these endings, or what a function makes.
_KINDS = {
    "dir2": "folders", "place": "places", "sysfile": "system_files", "keyfile": "key_files", "hashfile": "hash_files",
    "wordlist": "word_lists", "user": "users", "name": "names", "program": "programs", "package": "packages",
    "module": "modules", "service": "services", "word": "words", "port": "ports", "branch": "branches",
}  # fmt: skip
_ENDINGS = {
    "bash": [".sh"], "csrc": [".c"], "js": [".js"], "yaml": [".yml", ".yaml"], "archive": [".zip"],
    "tarball": [".tar.gz", ".tar", ".tgz"],
}  # fmt: skip
_MAKERS: dict[str, Callable[[random.Random, str], str]] = {
    "dir": lambda rng, _: rng.choice(_WORDS["folders"]) + rng.choice(["", "", "/"]),
    "newdir": lambda rng, _: rng.choice(_WORDS["folders"] + _WORDS["names"]),
    "file": lambda rng, _: rng.choice(_WORDS["files"]) if rng.random() < 0.25 else _file(rng, _WORDS["suffixes"]),
    "script": lambda rng, _: _script(rng),
    "rb": lambda rng, _: f"{rng.randint(1000, 51000)}.rb",
    "pattern": lambda rng, _: _pattern(rng),
    "num": lambda rng, _: str(rng.choice([1, 2, 5, 10, 20, 50, 100, rng.randint(1, 50000)])),
    "pid": lambda rng, _: str(rng.randint(300, 40000)),
    "ip": lambda rng, prefix: _address(rng, prefix),
    "ip2": lambda rng, prefix: _address(rng, prefix),
    "net": lambda rng, prefix: prefix + ".0" * (3 - prefix.count(".")) + rng.choice(["/24", "/24", "/16"]),
    "url": lambda rng, _: _url(rng),
    "message": lambda rng, _: rng.choice(_MESSAGES),
    "b64": lambda rng, _: _base64(rng),
    **{slot: lambda rng, _, kind=kind: rng.choice(_WORDS[kind]) for slot, kind in _KINDS.items()},
    **{slot: lambda rng, _, endings=endings: _file(rng, endings) for slot, endings in _ENDINGS.items()},
}


def _address(rng: random.Random, prefix: str) -> str:
    return ".".join([prefix, *(str(rng.randint(1, 254)) for _ in range(3 - prefix.count(".")))])


@cache
def _episodes() -> tuple[list[str], list[float]]:
    pairs = [line.split(" ", 1) for line in _DATA["episodes"]["lines"].strip().splitlines()]
    return [episode for _, episode in pairs], [float(weight) for weight, _ in pairs]


def session(rng: random.Random) -> list[str]:
    """Return the lines of one session, in order: someone who does some things much and most things never."""
    person = Session(rng)
    episodes, weights = _episodes()
    taste = [weight * rng.gammavariate(0.5, 2.0) for weight in weights]
    typed: list[str] = []
    for _ in range(rng.randint(5, 60)):
        if typed and rng.random() < 0.08:
            typed.append(typed[-1 - min(int(rng.expovariate(0.4)), len(typed) - 1)])  # again, or once more
        typed += person.lines(rng.choices(episodes, taste)[0])
    return typed


def main() -> None:
    """Write sessions until there is as much as was asked for."""
    parser = argparse.ArgumentParser(description="Write made-up terminal sessions, one command a line.")
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    left = options.megabytes * 1e6
    while left > 0:
        text = "\n".join(session(rng)) + "\n"
        sys.stdout.write(text)
        left -= len(text)


if __name__ == "__main__":
    main()
