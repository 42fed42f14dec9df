"""What a client is told of an error: whether the request has to change, or only to come again."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from closegap.errors import ClosegapError, DataError, UnavailableError, UsageError
from closegap.search.archive.asked import QuestionError, UnknownCaseError
from closegap.search.archive.known import UnknownKeyError
from closegap.search.service.refused import RefusedError, hidden

T = TypeVar("T")
_LOG = logging.getLogger(__name__)


def opened(work: Callable[[], T]) -> T:
    """What opening an archive gives; whatever is wrong with it, no request is to blame.

    Raises:
        RefusedError: 503.
    """
    try:
        return work()
    except ClosegapError as error:
        raise _unavailable(error) from None


def answered(work: Callable[[], T], given: Sequence[str] = ()) -> T:
    """What some work on an open archive gives.

    Args:
        work: that a request asked for.
        given: what the client wrote, which neither message nor log repeats.

    Raises:
        RefusedError: 404 for a case that is not there, 422 for an item that cannot be embedded, 400 for anything else
            that the client has to change; 503 for what the archive or its engine cannot do now.
    """
    try:
        return work()
    except UnknownCaseError as error:
        raise RefusedError(404, hidden(str(error), given)) from None
    except QuestionError:
        raise RefusedError(422, "text or image: the archive's model cannot embed it; give another") from None
    except UnknownKeyError:
        raise RefusedError(400, "where: a name that no row knows; /v1/archive lists `filters`") from None
    except UsageError as error:
        raise RefusedError(400, hidden(str(error), given)) from None
    except ClosegapError as error:
        raise _unavailable(error, given) from None


def _unavailable(error: ClosegapError, given: Sequence[str] = ()) -> RefusedError:
    if isinstance(error, UnavailableError):
        _LOG.error("the engine: %s", hidden(str(error), given))
        return RefusedError(503, "the archive's engine does not answer; try again", {"retry-after": "2"})
    if isinstance(error, DataError | UsageError):
        _LOG.error("the archive: %s", hidden(str(error), given))
        return RefusedError(503, "the archive cannot be read; try again, or see the log", {"retry-after": "5"})
    _LOG.error("the archive: %s", type(error).__name__)
    return RefusedError(503, "the archive does not answer or is being written to; try again", {"retry-after": "2"})
