"""Text from outside as it may be shown: a terminal obeys none of it, and it stays one line where it has to."""

from unicodedata import category

_OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, marks of direction, halves of characters, breaks of lines
_KEPT = "\n\t"
_LONGEST = 1000  # characters of a line, and yet the advice at its end is seen


def printable(text: str) -> str:
    r"""The text with what a terminal would obey, but for newlines and tabs, written as escapes.

    Example:
        >>> print(printable("a title: \x1b]0;mine\x07"))
        a title: \x1b]0;mine\x07
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(letter) if _is_obeyed(letter) else letter for letter in text)


def one_line(text: str) -> str:
    r"""The text on one printable line, without its middle where it is very long.

    Example:
        >>> one_line("two\n  lines"), len(one_line("x" * 5000))
        ('two lines', 1000)
    """
    line = printable(" ".join(text.split()))
    half = (_LONGEST - 5) // 2
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 5 - half]} ... {line[-half:]}"


def is_text(text: str) -> bool:
    r"""Whether the text can be written to a file: no half of a character that takes two, such as "\ud800"."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_obeyed(letter: str) -> bool:
    return letter not in _KEPT and category(letter) in _OBEYED


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
