"""What can go wrong for a user, as exceptions.

    TypeaheadError
    ├── ConfigError      a setting that cannot be used
    ├── CorpusError      text that cannot be read or is too short
    ├── ModelFileError   weights that are missing, damaged or of another program
    ├── TrainingError    a run that cannot start, go on or be resumed
    ├── HistoryError     the store of past commands
    ├── DaemonError      the background process and its socket
    ├── ShellError       the shell underneath and its terminal
    ├── AudioError       microphones and the library behind them
    └── SensorError      readings that cannot be had as asked

Every message names the thing, the value and the next step, on one line. The command line prints it to standard error
and exits with ``exit_code``; a traceback means a bug.
"""


class TypeaheadError(Exception):
    """An error that a user can act on; its text is one clear line."""

    exit_code = 1


class ConfigError(TypeaheadError):
    """A setting (flag, environment variable or line of the TOML file) that cannot be used."""

    exit_code = 2


class CorpusError(TypeaheadError):
    """Text that is missing, empty, unreadable or too short."""


class ModelFileError(TypeaheadError):
    """A weights file that is missing, damaged, truncated or written by another program."""


class TrainingError(TypeaheadError):
    """A training run that cannot start, go on or be resumed."""


class HistoryError(TypeaheadError):
    """The store of past commands cannot be opened, read or written."""


class DaemonError(TypeaheadError):
    """The background process cannot be started or reached."""


class ShellError(TypeaheadError):
    """The shell underneath, or the terminal it needs, is not there."""


class AudioError(TypeaheadError):
    """Sound cannot be had: no PortAudio, no device, or one that does not answer."""


class SensorError(TypeaheadError):
    """Readings that cannot be had: a file, a column or a field that is not there."""
