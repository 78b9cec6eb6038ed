"""The user's terminal: who owns it, in which mode it is, and how wide.

Two parties use it in turn. The line editor wants it raw (no echo, every key at once) and in the foreground; a command
wants it as the user had it ("cooked"), owned by the shell underneath so that the kernel sends Ctrl-C, Ctrl-Z and
window sizes to the right processes. On the way to the first paint, so it imports almost nothing.
"""

from __future__ import annotations

import os
import termios

from typeahead.errors import ShellError

TYPE_CHECKING = False  # `typing` itself would cost more than all the rest of this file
if TYPE_CHECKING:
    from typing import Any

_IFLAG, _LFLAG, _CC = 0, 3, 6  # places in termios' list

# What a command may have left on and a prompt cannot do with: a string (a title) without its end, which would swallow
# all that follows; colours, line-drawing characters, insert mode, no wrapping, application keys; a hidden cursor;
# reports of the mouse and of focus.
_USABLE = "\x1b\\\x1b[0m\x1b(B\x0f\x1b[4l\x1b[?7h\x1b[?1l\x1b>\x1b[?25h" + "".join(
    f"\x1b[?{mode}l" for mode in (1000, 1002, 1003, 1004, 1005, 1006, 1015)
)
# What one that has crashed may have left besides: output held back, another keyboard protocol, a scrolling region (of
# which the end moves the cursor), the alternate screen. Leaving that brings a saved cursor back, also where it was not
# on: so the cursor is saved before. But tmux brings back another one; there, the prompt goes to the last row.
_CRASHED = "\x1b[?2026l\x1b[=0u\x1b7\x1b[r\x1b8"
_LEAVE_SCREEN, _LEAVE_SCREEN_OF_TMUX = "\x1b7\x1b[?1049l", "\x1b[?1047l\x1b[9999;1H\n"
_HARMLESS_SIGNALS = (2, 13, 20)  # by which programs end or stop that have tidied up: INT, PIPE, TSTP


class NoTerminalError(ShellError):
    """Standard input or output is not a terminal."""

    exit_code = 2


class Terminal:
    """The terminal on standard input and output.

    Raises
    ------
    NoTerminalError
        Standard input or output is something else.
    """

    def __init__(self) -> None:
        self.fd = 0
        for fd, name in ((0, "input"), (1, "output")):
            if not os.isatty(fd):
                raise NoTerminalError(
                    f"standard {name} is not a terminal: use `bash` to run commands from a pipe or a file"
                )
        self.pgrp = os.getpgrp()
        self._wait_for_the_foreground()
        self._original: list[Any] = termios.tcgetattr(self.fd)
        self._left_raw = False  # by the last command
        self.cooked = self._original  # the mode for commands: as the user had it, then as commands leave it
        try:
            self.path = os.ttyname(self.fd)
        except OSError:  # a container without that part of /dev/pts
            self.path = "/dev/tty"

    def _wait_for_the_foreground(self) -> None:
        """Stop like any other program when started in the background."""
        while os.tcgetpgrp(self.fd) != self.pgrp:
            import signal

            os.killpg(self.pgrp, signal.SIGTTIN)

    def hold(self) -> None:
        """From here on take the terminal from whoever has it, without being stopped for that."""
        import signal

        for ignored in (signal.SIGTTOU, signal.SIGTTIN, signal.SIGTSTP):
            signal.signal(ignored, signal.SIG_IGN)

    @property
    def columns(self) -> int:
        """Width of the window; 80 where the terminal does not say."""
        return self._size().columns or 80

    def _size(self) -> os.terminal_size:
        try:
            return os.get_terminal_size(1)
        except OSError:
            return os.terminal_size((80, 24))

    def write(self, text: str) -> None:
        """Write straight to the terminal, past Python's buffers."""
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(1, data) :]

    def take(self) -> None:
        """Make this process own the terminal."""
        self._give(self.pgrp)

    def give(self, pgrp: int) -> None:
        """Let the process group ``pgrp`` own the terminal, in the user's own mode."""
        self._give(pgrp)
        self.cook()

    def _give(self, pgrp: int) -> None:
        try:
            os.tcsetpgrp(self.fd, pgrp)
        except OSError:  # that group, or the terminal itself, has just gone; whoever waits for it will notice
            return

    def interrupt(self) -> None:
        """Do to whoever owns the terminal what Ctrl-C does, unless that is this process."""
        import signal

        try:
            pgrp = os.tcgetpgrp(self.fd)
            if pgrp > 0 and pgrp != self.pgrp:
                os.killpg(pgrp, signal.SIGINT)
        except OSError:  # it, or the terminal, has just gone
            return

    def raw(self) -> None:
        """Bring keys through at once and unechoed; keys typed before stay in the queue.

        Enter stays a newline: what is typed ahead may be meant for a command, which knows it as nothing else.
        """
        mode = [*self.cooked[:_CC], list(self.cooked[_CC])]
        mode[_LFLAG] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        mode[_IFLAG] &= ~(termios.IXON | termios.IXOFF | termios.INLCR | termios.IGNCR)
        mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
        self._set(mode)

    def accept_interrupts(self) -> None:
        """From raw mode, make Ctrl-C a signal again: the line is complete, its command not yet running.

        As a byte, it would be read by the command instead of interrupting it.
        """
        try:
            mode: list[Any] = termios.tcgetattr(self.fd)
        except termios.error:
            return
        mode[_LFLAG] |= termios.ISIG
        self._set(mode, termios.TCSANOW)

    def cook(self) -> None:
        """Set the mode that the user had and that commands expect."""
        self._set(self.cooked)

    def restore(self) -> None:
        """Leave the terminal as it was found."""
        self.take()
        self._set(self._original)

    def keep(self, status: int) -> None:
        """Take the mode that a command left as the user's wish (``stty -ixon``), unless it failed or left it raw."""
        try:
            mode: list[Any] = termios.tcgetattr(self.fd)
        except termios.error:
            return
        self._left_raw = not (mode[_LFLAG] & termios.ICANON and mode[_IFLAG] & termios.ICRNL)
        if status == 0 and not self._left_raw:
            self.cooked = mode

    def _set(self, mode: list[Any], when: int = termios.TCSADRAIN) -> None:
        try:
            termios.tcsetattr(self.fd, when, mode)
        except termios.error:  # the terminal has gone
            return

    def recover(self, status: int) -> None:
        """Undo what a command may have done to the terminal that would spoil a prompt; what it has printed stays.

        Parameters
        ----------
        status
            Of the command. Killed by a signal, or failed with the terminal left raw, it has crashed.
        """
        if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
            return
        killed = status > 128 and status - 128 not in _HARMLESS_SIGNALS
        crashed = _CRASHED + (_LEAVE_SCREEN_OF_TMUX if os.environ.get("TMUX") else _LEAVE_SCREEN)
        self.write(_USABLE + (crashed if killed or (status and self._left_raw) else ""))

    def finish_line(self) -> None:
        """Leave the cursor in the first column, with a mark where a command's output had no newline at its end.

        The mark and the blanks after it fill one row exactly: if the cursor was in the first column, all of it lies in
        that row and is erased; if not, the blanks run over into the next row and the mark stays.
        """
        blanks = " " * (self.columns - 1)
        self.write(f"\x1b[7m%\x1b[0m{blanks}\r\x1b[K")
