"""Errors that a person caused and can mend: one line saying what was given, what was expected and what to do."""


class ClosegapError(Exception):
    """The work cannot be done with what was given; the command line prints the message and exits with 1."""


class UsageError(ClosegapError):
    """The request itself is malformed (an unknown key, a bad option); the command line exits with 2."""


class DataError(ClosegapError):
    """A file or a row of the data is not what it should be; the message names the file and the row."""


class MissingExtraError(ClosegapError):
    """An optional library is not installed; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed; pip install 'closegap[{extra}]'")


class ClosegapWarning(UserWarning):
    """Something was given that works, but probably not as intended."""
