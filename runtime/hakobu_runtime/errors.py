"""The errors of hakobu: each class carries the exit code that the command line ends with."""

from typing import ClassVar


class HakobuError(Exception):
    """Anything that hakobu refuses with a reason and a remedy."""

    exit_code: ClassVar[int] = 1


class UsageError(HakobuError):
    """A command, flag or argument that makes no sense."""

    exit_code = 2


class BundleError(HakobuError):
    """A bundle that is damaged, hostile, or of a format that this version does not read."""

    exit_code = 4


class TooNewError(BundleError):
    """A bundle that needs a newer runtime than this one; nothing is wrong with it."""


class FormatError(BundleError, ValueError):
    """A value that breaks a rule of the format; the border adds the file and the place in it."""


class SizeError(FormatError):
    """More bytes than anything of its kind needs."""


class CountError(FormatError):
    """Counts that no rows can have come to."""


class TrustError(HakobuError):
    """A signature or a key that does not hold."""

    exit_code = 5


class InputError(HakobuError):
    """Data to score or to train on that cannot be read, or an output that cannot be written."""

    exit_code = 6


class TransferError(HakobuError):
    """A transfer that may succeed when tried again later."""

    exit_code = 7


class StateError(HakobuError):
    """A state folder that is missing something, damaged, or not writable."""

    exit_code = 8


class DamageError(StateError):
    """A file of the state folder whose content is damaged: not one that is locked, forbidden, or on a full disk."""


class ProjectError(HakobuError):
    """A project whose `hakobu.toml`, pipeline or data cannot be built."""

    exit_code = 9


class ToolError(HakobuError):
    """A tool that hakobu relies on is missing or failed."""

    exit_code = 10


FINDING = 3
"""The exit code of a finding: a failed gate or a drift alarm. Findings are values, not exceptions."""

INTERRUPTED = 130
"""The exit code after Ctrl-C."""
