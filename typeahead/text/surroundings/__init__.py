"""What the surroundings of a command line offer to complete it, and whether a line can be right in them.

Files, executables, git's branches, targets of make, hosts and variables, read without starting a process and without
ever waiting for a disk that does not answer. See :class:`Surroundings`.
"""

from typeahead.text.surroundings.command_line import last_word
from typeahead.text.surroundings.completion import Word
from typeahead.text.surroundings.disk import Disk, FileSystem
from typeahead.text.surroundings.surroundings import Surroundings

__all__ = ["Disk", "FileSystem", "Surroundings", "Word", "last_word"]
