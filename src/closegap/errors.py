"""Errors that a person caused and can mend: one line saying what was given, what was expected and what to do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from traceback import FrameSummary


class ClosegapError(Exception):
    """The work cannot be done with what was given; the command line prints the message and exits with 1."""


class UsageError(ClosegapError):
    """The request itself is malformed (an unknown key, a bad option); the command line exits with 2."""


class DataError(ClosegapError):
    """A file or a row of the data is not what it should be; the message names the file and the row."""


class UnavailableError(ClosegapError):
    """A server does not answer, or breaks off; the same call may succeed later, without anything being opened anew."""


class MissingExtraError(ClosegapError):
    """An optional library is not installed; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed; pip install 'closegap[{extra}]'")


class WorkerError(Exception):
    """Something unforeseen happened in a worker process; of another error's trace nothing would be left on the way.

    Args:
        message: what happened.
        frames: where it did, in the worker.
    """

    def __init__(self, message: str, frames: Sequence[FrameSummary] = ()) -> None:
        super().__init__(message, frames)
        self.message, self.frames = message, frames

    def __str__(self) -> str:
        return self.message


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Stands around the imports that an extra brings, so that a missing library is named with it.

    Raises:
        MissingExtraError: a library is not installed.

    Example:
        >>> with needs("image"):
        ...     import no_such_library
        Traceback (most recent call last):
        closegap.errors.MissingExtraError: no_such_library is not installed; pip install 'closegap[image]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name).partition(".")[0], extra) from error


class ClosegapWarning(UserWarning):
    """Something was given that works, but probably not as intended."""
