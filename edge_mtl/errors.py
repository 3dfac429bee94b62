"""Errors that a user can act on.

Every message is one line that says what was expected, what was found and what to do. The command
line prints it without a traceback and exits with `exit_code`; anything else that escapes is a bug.
"""


class EdgeMtlError(Exception):
    """Something outside the program went wrong: a file, a camera, a network that does not fit."""

    exit_code = 1


class UsageError(EdgeMtlError):
    """The command, its options or a configuration are wrong."""

    exit_code = 2
