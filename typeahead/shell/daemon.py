"""The background process: one a user, started by whoever needs it first.

``python -m typeahead.shell.daemon --detached`` is what clients start; `run` is the same in the foreground. A lock held
for life makes it the only one; only its holder removes a stale socket and binds a new one. It listens at once and
loads the model meanwhile. Nothing of what is typed goes to its log.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import logging.handlers
import os
import shutil
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from typeahead import __version__, config
from typeahead.errors import DaemonError, TypeaheadError
from typeahead.shell import integration
from typeahead.shell.protocol import Message
from typeahead.shell.server import Server
from typeahead.shell.store import Store
from typeahead.shell.worker import Load, Suggester, log_error
from typeahead.text.safety import may_suggest

if TYPE_CHECKING:
    from typeahead.history import History
    from typeahead.text.language_model import LanguageModel

MAX_LOG_BYTES = 256 * 1024  # and one older file of the same size
_LOCK_WAIT_S = 3.0  # for a predecessor that is just ending
_BACKLOG = 64
_SWITCH_INTERVAL_S = 0.001  # of threads: while the model loads, the loop gets its turn sooner

_log = logging.getLogger("typeahead.shell.daemon")  # by name: as a program the module is called __main__


def run(load: Load | None = None, detached: bool = False) -> None:
    """Serve until told to stop, or idle for long.

    Parameters
    ----------
    load : callable, optional
        Loads the model; default: the configured one.
    detached : bool
        Leave the starter's terminal, session and folder.

    Raises
    ------
    DaemonError
        Another daemon runs, or the socket cannot be made.
    ConfigError
        A setting cannot be used.
    """
    if detached:
        with suppress(PermissionError):  # leads a session already
            os.setsid()
        os.closerange(3, 1024)
    settings = config.load()
    path = Path(os.path.abspath(config.socket_path()))
    store = Store(Path(os.path.abspath(config.history_file())), may_suggest)
    model = Path(os.path.abspath(config.shell_model()))
    os.umask(0o077)
    check_private(path.parent)
    with _locked(path):
        log_file = _open_log()
        if detached:
            os.chdir("/")
        with suppress(OSError):
            os.nice(settings.daemon.nice)
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        listener = _listen(path)
        about: Message = {"model": str(model), "log": str(log_file) if log_file else None}
        load = load or partial(load_model, model, settings.text, config.data_dir() / "adapted.safetensors")
        server = Server(listener, load, store, model, settings.daemon.idle_s, about)
        _stop_on_signals(server)
        with suppress(TypeaheadError):  # what one's own shells read at their start is that of this version
            integration.refresh()
        _log.info("version %s, process %d, listening on %s", __version__, os.getpid(), path)
        ended = server.run()
        _log.info("stopped: %s", server.stopping)
    if not ended:
        # The model's thread is inside a compiler or an import; the interpreter's own ending could crash in it.
        logging.shutdown()
        os._exit(0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program of its own; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        run(detached="--detached" in given)
    except TypeaheadError as error:
        print(f"typeahead: {error}", file=sys.stderr)  # noqa: T201 (to /dev/null when detached)
        return error.exit_code
    return 0


def check_private(folder: Path) -> None:
    """Refuse a folder for the socket that others could enter.

    Raises
    ------
    DaemonError
        It is not a folder of this user alone, or cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        info = folder.stat()
    except OSError as error:
        raise DaemonError(f"{folder}: cannot be made ({error.strerror}); set TYPEAHEAD_SOCKET elsewhere") from error
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise DaemonError(
            f"{folder}: not private to you, so no place for the socket; chmod 700 it or set TYPEAHEAD_SOCKET"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the socket at ``path``; its file is never removed, so that all lock the same one."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DaemonError(f"{lock_path}: cannot be opened ({error.strerror}); remove it") from error
    deadline = time.monotonic() + _LOCK_WAIT_S
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # Its holder listens, or is about to, unless it is ending: then it has removed its socket already.
                if path.exists() or time.monotonic() > deadline:
                    raise DaemonError(f"{path}: a daemon runs already; typeahead daemon status shows it") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(lock)


def _listen(path: Path) -> socket.socket:
    """Return a listening socket at ``path``, mode 0600; the caller holds the lock, so what lies there is stale."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise DaemonError(f"{path}: is not a socket, and it is in the way; move it or set TYPEAHEAD_SOCKET")
            path.unlink()
        before = os.umask(0o177)  # a socket is made with mode 0777 otherwise; chmod afterwards would be too late
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise DaemonError(f"{path}: cannot listen here ({reason}); set TYPEAHEAD_SOCKET to another path") from error
    except BaseException:
        listener.close()
        raise
    return listener


def _stop_on_signals(server: Server) -> None:
    def stop(number: int, frame: object) -> None:
        server.stopping = signal.Signals(number).name

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    signal.set_wakeup_fd(server.wake_fd, warn_on_full_buffer=False)


def _open_log() -> Path | None:
    """Send the log to a file of bounded size in the state folder; without one (disk full) there is none."""
    path = config.log_dir() / "daemon.log"
    root = logging.getLogger("typeahead")
    root.setLevel(logging.INFO)
    root.propagate = False
    logging.raiseExceptions = False
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=MAX_LOG_BYTES, backupCount=1, encoding="utf-8")
        path.chmod(0o600)
    except OSError:
        root.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    root.addHandler(handler)
    return path


# The model


class TextModel:
    """What all sessions share: the weights, and what has been learnt of the user.

    Parameters
    ----------
    language_model : LanguageModel
        The weights as they were trained.
    settings : TextConfig
        How to suggest, and whether to learn.
    adapted : path, optional
        The user's own copy of the weights; without, lines are remembered but no weights learnt.
    """

    def __init__(self, language_model: LanguageModel, settings: config.TextConfig, adapted: Path | None) -> None:
        from typeahead.text.adapt import UserModel
        from typeahead.text.surroundings import Disk, Surroundings

        self._settings = settings
        self._user = UserModel(language_model, adapted, adapt=settings.adapt and adapted is not None)
        self._disk = Disk()  # shared, so that one session profits from what another has looked up
        self._surroundings: WeakKeyDictionary[Suggester, Surroundings] = WeakKeyDictionary()

    def open(self, session: str) -> Suggester:
        """Begin a session."""
        from typeahead.text.suggester import Suggester as TextSuggester
        from typeahead.text.surroundings import Surroundings

        settings, surroundings = self._settings, Surroundings(disk=self._disk)
        suggester = TextSuggester(
            user=self._user, dial=settings.dial, empty=settings.empty, surroundings=surroundings, settings=settings
        )
        self._surroundings[suggester] = surroundings
        return suggester

    def surround(self, suggester: Suggester, names: Sequence[str], environ: Mapping[str, str] | None) -> None:
        """Tell a session what its shell knows besides the file system."""
        surroundings = self._surroundings[suggester]
        surroundings.names = frozenset(names)
        surroundings.environ = dict(os.environ if environ is None else environ)

    def prepare(self) -> None:
        """Make ready for the first lesson."""
        self._user.prepare()

    def catch_up(self, history: History, should_stop: Callable[[], bool]) -> int:
        """Learn what the store has and the user's weights have not heard of; return how many events."""
        return self._user.catch_up(history, should_stop)

    def save(self) -> None:
        """Keep what was learnt."""
        self._user.save()


def load_model(weights: Path, settings: config.TextConfig, adapted: Path | None = None) -> TextModel:
    """Load the weights, compile their kernels and return what opens sessions and learns.

    Parameters
    ----------
    weights : path
    settings : TextConfig
    adapted : path, optional
        See `TextModel`.

    Raises
    ------
    ModelFileError
        The weights cannot be read.
    """
    own_cache = prepare_kernel_cache()
    try:
        return _load_model(weights, settings, adapted)
    except TypeaheadError:
        raise
    except Exception as error:
        if own_cache is None:
            raise
        # Numba does not recover from a damaged cache file; what is in there can be made again.
        log_error("trying again without the compiled kernels", error)
        shutil.rmtree(own_cache, ignore_errors=True)
        own_cache.mkdir(mode=0o700, exist_ok=True)
        return _load_model(weights, settings, adapted)


def _load_model(weights: Path, settings: config.TextConfig, adapted: Path | None) -> TextModel:
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # steps of one line are too small to share
    with _without_scipy():
        from typeahead.text.language_model import LanguageModel

        model = TextModel(LanguageModel.load(weights), settings, adapted)
        first = model.open("")
        first.suggest("git ", None, 5)  # compiles, or loads, every kernel that a session needs
        first.record("git status")
        first.suggest("", None, 5)
        model.prepare()
    gc.collect()
    gc.freeze()  # a compiler's worth of objects that stay for good; looking through them would hold an answer up
    return model


@contextmanager
def _without_scipy() -> Iterator[None]:
    """Hide SciPy while Numba sets itself up: it imports it for BLAS, which no kernel calls; 0.3 of 1.9 s of loading."""
    if "scipy" in sys.modules:
        yield
        return
    sys.modules["scipy"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["scipy"]


def prepare_kernel_cache() -> Path | None:
    """Tell Numba where to keep compiled kernels, before it is imported; return the folder if it is ours.

    Beside an installed package it may not write, and without any place to write it fails at import.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return None
    path = config.cache_dir() / "numba"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid != os.getuid() or not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError
    except OSError:
        path = config.runtime_dir() / "numba"
        path.mkdir(mode=0o700, exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = str(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
