"""What one user typed, learnt: counts of contexts, the gates that mix them in, and the user's own copy of the weights.

Everything learnt is a function of the shipped weights and of the store's events in the order of their arrival, so a
command can be forgotten exactly: what was learnt is thrown away and the events that are left are learnt again. Time,
threads and what was suggested in between have no part in it.

One event is one bounded update: one step of Adam on a few lanes, the newest lines in one of them, older lines of the
user and lines that anybody types in the others, so that neither is forgotten. Where it makes the prediction of lines
that it did not see clearly worse, it is undone.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import ModelFileError
from typeahead.history import Event, History
from typeahead.rnn import checkpoint
from typeahead.rnn.backpropagation import Gradients
from typeahead.rnn.network import Network
from typeahead.rnn.optim import AdamW
from typeahead.statuses import has_failed
from typeahead.text.language_model import MAX_LINE_BYTES, NEWLINE, Context, LanguageModel
from typeahead.text.occasion import NUM_PAST, Occasion, mixer
from typeahead.text.recall import Recall

IMPORTED = "import"  # how the names of sessions begin that were never typed here: counted, not trained on
SAVE_EVERY = 50  # events; what was not saved is learnt again from the store
_FORMAT = 1  # of the file; another one is learnt anew

_STEPS, _LEARNING_RATE, _GRAD_CLIP = 1, 2e-4, 1.0
_WINDOW, _LANES = 48, 3  # bytes and lanes of an update
_GENERAL_LANES = 1  # of these, of lines that anybody types
_GUARD_LANES = 2  # that an update is judged by: general lines, and older ones of the user
_MAX_WORSE = 0.05  # nats a byte by which lines left out may be predicted worse before an update is undone
_MAX_RECENT = 2000  # lines that replay is drawn from
_MAX_SESSIONS = 64  # whose last lines are known

# What the general lane and the guard read: common lines of no one in particular.
_GENERAL = b"""
ls
cd ..
ls -la
cat notes.txt
git status
git add .
git commit -m "fix typo"
git push
cd src
vim main.py
python3 main.py
grep -r error .
make test
docker ps
ssh admin@192.168.1.10
sudo apt update
sudo systemctl restart nginx
tail -f /var/log/syslog
mkdir build
cp config.yml config.yml.bak
curl -I https://example.com
ps aux | grep python
tar xzf archive.tar.gz
pip install requests
find . -name "*.txt"
chmod +x run.sh
nmap -sV 10.0.0.5
man tar
history
exit
"""

Array = NDArray[Any]


class UserModel:
    """One user's model: what is served, and what is learnt beside it.

    `learn` and `catch_up` belong to one thread at a time; sessions may go on suggesting meanwhile: they take what is
    served, `network` and `mixer`, anew for each line.

    Parameters
    ----------
    model : LanguageModel
        The weights that everybody starts from.
    path : path, optional
        Where what was learnt is kept (mode 0600); ``None``: nowhere.
    adapt : bool
        Whether weights and gates are learnt; lines are remembered in any case.

    Attributes
    ----------
    network : Network
        To suggest with.
    mixer : ContextMixer
        What followed what, in the user's lines.
    recall : Recall
        These lines.
    """

    def __init__(self, model: LanguageModel, path: Path | None = None, adapt: bool = True) -> None:
        self.model, self.path, self.adapt = model, path, adapt
        self.version = 0  # of what is served; grows with each change
        self._learnt = _Learnt(model, adapt)
        self._generation = 0
        self._unsaved = 0
        self._counted = self._learnt  # what is served while everything is learnt again
        self._loaded = path is None
        self._serve()

    @property
    def num_events(self) -> int:
        """How many events have been learnt."""
        return self._learnt.num_events

    @property
    def num_undone(self) -> int:
        """How many updates were taken back."""
        return self._learnt.num_undone

    def prepare(self) -> None:
        """Compile, or load, every kernel of learning, so that the first lesson does not hold other threads up."""
        scratch = _Learnt(self.model, self.adapt)
        scratch.learn(Event(1, "ls", None, 0, "", "", 0.0, None))
        scratch.mixer.grow()

    def learn(self, event: Event) -> None:
        """Learn from one command that was run."""
        self._learnt.learn(event)
        self._serve()

    def failed(self, line: str) -> bool:
        """Whether ``line`` was run and has failed each time."""
        return line in self._learnt.failed

    def catch_up(self, history: History, should_stop: Callable[[], bool] = lambda: False) -> int:
        """Learn the store's events that are not known yet, in the order of their arrival; return how many these were.

        Everything is learnt again where something was forgotten, or where the shipped weights are others than those
        that were adapted. Until that is done, the shipped weights are served with counts of what is left.

        Raises
        ------
        ModelFileError
            What was learnt cannot be saved; it is learnt and served all the same.
        """
        generation = history.generation
        problem: ModelFileError | None = None
        if not self._loaded:
            self._load(history, generation)
        if generation != self._generation:
            self._start_over(history, generation)
            problem = self._try_to_save()  # so that the file does not keep what was forgotten
        count = 0
        for event in history.events(self._learnt.cursor):
            if should_stop():
                break
            self._learnt.learn(event)
            count += 1
            if self._behind:
                self._count(history)  # what is run meanwhile
            else:
                self._serve()
            self._unsaved += 1
            if self._unsaved >= SAVE_EVERY:
                problem = self._try_to_save()
        else:
            if self._behind:
                self._serve()
        if problem is not None:
            raise problem
        return count

    def forget(self, events: Iterable[Event]) -> None:
        """Start over from ``events``: all that is left, in the order of their arrival."""
        self._learnt = _Learnt(self.model, self.adapt)
        for event in events:
            self._learnt.learn(event)
        self._serve()

    def save(self) -> None:
        """Keep what was learnt, replacing the file whole.

        Raises
        ------
        ModelFileError
            It cannot be written.
        """
        if self.path is None or not self._unsaved:
            return
        learnt = self._learnt
        metadata = {
            "adapted": _FORMAT,
            "base": self.model.digest,
            "adapt": self.adapt,
            "cursor": learnt.cursor,
            "generation": self._generation,
            "events": learnt.num_events,
            "undone": learnt.num_undone,
        }
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ModelFileError(f"{self.path}: cannot be written ({error.strerror or error})") from error
        checkpoint.save(self.path, learnt.state(), metadata)
        self._unsaved = 0

    def _try_to_save(self) -> ModelFileError | None:
        """Save; return why it could not be done, which is no reason to stop learning."""
        try:
            self.save()
        except ModelFileError as error:
            self._unsaved = 1  # not at every event
            return error
        return None

    def _serve(self) -> None:
        learnt = self._learnt
        self.network, self.mixer, self.recall = learnt.network, learnt.mixer, learnt.recall
        self.version += 1
        self._behind = False

    def _start_over(self, history: History, generation: int) -> None:
        self._learnt = _Learnt(self.model, self.adapt)
        self._generation = generation
        self._unsaved = 1
        self._counted = _Learnt(self.model, adapt=False)
        self._count(history)
        self._behind = True

    def _count(self, history: History) -> None:
        """Serve counts of all that the store holds, with the shipped weights."""
        counted = self._counted
        for event in history.events(counted.cursor):
            counted.learn(event)
        self.network, self.mixer, self.recall = counted.network, counted.mixer, counted.recall
        self.version += 1

    def _load(self, history: History, generation: int) -> None:
        """Take up what was kept, if it was learnt from these weights and this store."""
        self._loaded = True
        self._generation = generation
        assert self.path is not None
        try:
            arrays, metadata = checkpoint.load(self.path)
            kept = {name: metadata.get(name) for name in ("adapted", "base", "adapt", "generation")}
            wanted = {"adapted": _FORMAT, "base": self.model.digest, "adapt": self.adapt, "generation": generation}
            if kept == wanted:
                self._learnt.restore(arrays, metadata, history.events())
                self._serve()
                return
        except (ModelFileError, KeyError, ValueError):  # none yet, or damaged: all of it is in the store
            pass
        self._generation = generation - 1  # start over


class _Learnt:
    """All that is learnt from a series of events, one after another."""

    def __init__(self, model: LanguageModel, adapt: bool) -> None:
        self.network = model.network  # to predict with
        self.mixer, self.recall = mixer(), Recall()
        self.cursor = 0  # id of the last event
        self.num_events = self.num_undone = 0
        self.failed: set[str] = set()
        self._worked: set[str] = set()
        self._pasts: OrderedDict[str, deque[tuple[str, int | None]]] = OrderedDict()  # lines and their statuses
        self._recent: deque[bytes] = deque(maxlen=_MAX_RECENT)
        self._trainer = _Trainer(model.network) if adapt else None

    def learn(self, event: Event) -> None:
        """Count the line and make one update of the weights."""
        taken = self._take(event)
        if taken is None:
            return
        line, past = taken
        if self._trainer is None or event.session.startswith(IMPORTED):  # only counted
            Occasion(self.mixer, past, event.cwd).learn(line, None)
            return
        # From the lines before only, not from a state carried on, which nothing could take up after a restart.
        context = Context(self.network)
        context.replay(reversed(past))
        Occasion(self.mixer, past, event.cwd).learn(line, context.rows(line))
        if self._trainer.update(self._recent, seed=self.num_events):
            self.network = self._trainer.snapshot()
        else:
            self.num_undone += 1

    def _take(self, event: Event) -> tuple[bytes, list[bytes]] | None:
        """Note the event; return its line and the session's lines before it if there is something to learn from it."""
        self.cursor = event.id
        text = event.command.rstrip()
        line = text.encode("utf-8", "surrogateescape")
        if not line or len(line) > MAX_LINE_BYTES or NEWLINE in line:
            return None
        if has_failed(event.status) and text not in self._worked:
            self.failed.add(text)  # a line that never worked is no example, but what follows it may be
            self._past(event.session).appendleft((text, event.status))
            return None
        self.failed.discard(text)
        self._worked.add(text)
        self.num_events += 1
        self._recent.append(line)
        past = self._past(event.session)
        lines = [one for one, _ in past]
        if text.isprintable():
            self.recall.add(text, event.cwd, lines, has_failed(past[0][1]) if past else None)
        past.appendleft((text, event.status))
        return line, [one.encode("utf-8", "surrogateescape") for one in lines]

    def state(self) -> dict[str, Array]:
        """Return what `restore` needs beside the events."""
        state: dict[str, Array] = {"gates": self.mixer.gates}
        return state | (self._trainer.state() if self._trainer else {})

    def restore(self, arrays: dict[str, Array], metadata: dict[str, Any], events: Iterable[Event]) -> None:
        """Become as it was when `state` was taken; ``events`` are all of the store, of which those up to then count."""
        for event in events:
            if event.id > metadata["cursor"]:
                break
            taken = self._take(event)
            if taken is not None:
                line, past = taken
                Occasion(self.mixer, past, event.cwd).learn(line, None)
        self.mixer.gates[...] = arrays["gates"]
        self.cursor, self.num_undone = metadata["cursor"], metadata["undone"]
        if self._trainer:
            self._trainer.restore(arrays)
            self.network = self._trainer.snapshot()

    def _past(self, session: str) -> deque[tuple[str, int | None]]:
        """Return the session's last lines and how they ended, newest first."""
        past = self._pasts.pop(session, None) or deque(maxlen=NUM_PAST)
        self._pasts[session] = past
        if len(self._pasts) > _MAX_SESSIONS:
            self._pasts.popitem(last=False)
        return past


class _Trainer:
    """The user's copy of the weights and one bounded step on it."""

    def __init__(self, base: Network) -> None:
        self._network = Network(base.config, {name: array.copy() for name, array in base.parameters.items()})
        self._optimiser = AdamW(self._network.parameters)
        self._gradients: Gradients | None = None  # work arrays, once needed
        self._guard: Gradients | None = None

    def update(self, recent: deque[bytes], seed: int) -> bool:
        """Make one update for the newest of ``recent``; return False if it was undone."""
        if self._gradients is None:
            self._gradients = Gradients(self._network, _WINDOW, _LANES)
            self._guard = Gradients(self._network, _WINDOW, _GUARD_LANES, backward=False)
        rng = np.random.default_rng(seed)
        before = {name: array.copy() for name, array in self._network.parameters.items()}
        held_out = _windows(recent, rng, _GUARD_LANES, newest=False)
        loss = self._loss(held_out)
        for _ in range(_STEPS):
            inputs, targets = _windows(recent, rng, _LANES, newest=True)
            state = self._network.initial_state(_LANES)
            _, gradients, _ = self._gradients(inputs, targets, state, seed=int(rng.integers(1 << 30)))
            self._optimiser.step(gradients, _LEARNING_RATE, _GRAD_CLIP)
        if self._loss(held_out) <= loss + _MAX_WORSE:  # so written, NaN is worse
            return True
        for name, array in before.items():
            self._network.parameters[name][...] = array
        self._optimiser = AdamW(self._network.parameters)  # its memory led there
        return False

    def _loss(self, windows: tuple[Array, Array]) -> float:
        assert self._guard is not None
        return self._guard.loss(*windows, self._network.initial_state(_GUARD_LANES))[0]

    def snapshot(self) -> Network:
        """Return a copy of the weights to predict with, which later updates leave alone."""
        network = Network(
            self._network.config, {name: array.copy() for name, array in self._network.parameters.items()}
        )
        network.quantise_steps()
        return network

    def state(self) -> dict[str, Array]:
        weights = {f"weights.{name}": array for name, array in self._network.parameters.items()}
        return weights | {f"optimiser.{name}": array for name, array in self._optimiser.state().items()}

    def restore(self, arrays: dict[str, Array]) -> None:
        for name, array in self._network.parameters.items():
            array[...] = arrays[f"weights.{name}"]
        kept = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith("optimiser.")}
        self._optimiser.load_state(kept)


def _windows(recent: deque[bytes], rng: np.random.Generator, num_lanes: int, newest: bool) -> tuple[Array, Array]:
    """Return inputs and targets (T, B): the end of the newest line, or not, ends of older ones, and general lines."""
    lanes = np.full((num_lanes, _WINDOW + 1), NEWLINE, np.uint8)
    for lane in range(num_lanes):
        if lane < _GENERAL_LANES:
            start = int(rng.integers(len(_GENERAL) - _WINDOW - 1))
            text = _GENERAL[_GENERAL.index(b"\n", start if start else 0) :][: _WINDOW + 1]
            text = text[: text.rindex(b"\n") + 1]
        else:
            last = len(recent) if newest and lane == _GENERAL_LANES else int(rng.integers(len(recent))) + 1
            text = _ending(recent, last)
        lanes[lane, len(lanes[lane]) - len(text) :] = np.frombuffer(text, np.uint8)
    return lanes[:, :-1].T, lanes[:, 1:].T


def _ending(recent: deque[bytes], last: int) -> bytes:
    """Return the end of the first ``last`` lines, at most a window and a byte."""
    text = b"\n"
    for index in range(last - 1, -1, -1):
        text = b"\n" + recent[index] + text
        if len(text) > _WINDOW:
            break
    return text[-_WINDOW - 1 :]
