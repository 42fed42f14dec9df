"""Units of signals."""

_MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
_OTHERS = (
    *("mmHg", "cmH2O", "kPa", "%", "bpm", "/min", "L/min", "L", "mL", "mL/s", "degC", "°C", "deg", "ohm", "kohm"),
    *("A", "mA", "uA", "s", "ms", "Hz", "m/s2", "m/s^2", "g", "NU", "adu", "pm", "T", "nT", "fT"),
)
_KNOWN = {name.casefold(): name for name in _OTHERS} | {"mm[hg]": "mmHg", "cel": "°C", "1": ""}


def in_millivolts(unit: str) -> tuple[float, str]:
    """What values in a unit are multiplied by, and what they are in then: voltages in mV, others as they are.

    A unit that is none of those known is "": what else stands in its place may be anything, a name too.

    Example:
        >>> in_millivolts("uV"), in_millivolts("mm[Hg]"), in_millivolts("Ann")
        ((0.001, 'mV'), (1.0, 'mmHg'), (1.0, ''))
    """
    key = unit.strip().casefold()
    if key in _MILLIVOLTS:
        return _MILLIVOLTS[key], "mV"
    return 1.0, _KNOWN.get(key, "")
