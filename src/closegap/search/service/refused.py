"""What a client is told when a request is not answered."""

from collections.abc import Iterable, Mapping

from closegap.printable import one_line

_SHORTEST = 3  # characters of what was given that are worth hiding


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: of the response.
        message: one line, without anything that was asked.
        headers: of the response, beside its own.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, one_line(message), dict(headers or {})


def hidden(message: str, given: Iterable[str]) -> str:
    """The message without what was given, which may name a patient.

    Example:
        >>> hidden("no case 'Mrs Jones' in the archive", ["Mrs Jones"])
        'no case ... in the archive'
    """
    for text in sorted(filter(None, given), key=len, reverse=True):
        for form in (text, text.strip(), text[:80]):
            for shown in (repr(form), f"'{form}'", *([form] if len(form) >= _SHORTEST else [])):
                message = message.replace(shown, "...")
    return message
