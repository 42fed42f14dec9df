"""How long before, in a word or two."""

_UNITS = ((31_557_600, "y"), (86_400, "d"), (3600, "h"), (60, "min"))


def ago(seconds: int) -> str:
    """How long before 0 a time is, in the largest unit of which there are two: years, days, hours, minutes, seconds.

    Example:
        >>> [ago(-86_400 * 400), ago(-86_400 * 3), ago(-5400), ago(-1)]
        ['400 d', '3 d', '90 min', '1 s']
    """
    for length, name in _UNITS:
        if -seconds >= 2 * length:
            return f"{-seconds // length} {name}"
    return f"{-seconds} s"
