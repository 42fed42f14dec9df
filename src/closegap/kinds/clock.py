"""Times in what lasts."""


def clock(seconds: float) -> str:
    """How a person reads a time in a recording.

    Example:
        >>> clock(4.25), clock(75), clock(36_000)
        ('4.25 s', '1:15', '10:00:00')
    """
    if seconds < 60:
        return f"{seconds:.4g} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
