"""Samples of leads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32

_LEAD = ("lead ", "ecg lead ", "ecg ", "mdc_ecg_lead_")


@dataclass(frozen=True, eq=False)
class Traces:
    """What several leads recorded at the same moments.

    Args:
        values: of each lead; NaN where nothing was recorded.
        rate: samples of a lead in a second.
        leads: their names.
        units: what each is in; "" where nobody says. Whatever is a voltage is in mV.
    """

    values: Float32[np.ndarray, "leads n"]
    rate: float
    leads: tuple[str, ...]
    units: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long they last."""
        return len(self.values[0]) / self.rate

    def of(self, leads: Sequence[str]) -> "Traces":
        """These leads in this order; one that is not there is NaN, in no unit."""
        places = {lead_key(lead): place for place, lead in reversed(list(enumerate(self.leads)))}
        found = [places.get(lead_key(lead)) for lead in leads]
        values = np.full((len(leads), self.values.shape[1]), np.nan, np.float32)
        for row, place in enumerate(found):
            if place is not None:
                values[row] = self.values[place]
        units = tuple("" if place is None else self.units[place] for place in found)
        return Traces(values, self.rate, tuple(leads), units)

    def lacking(self, leads: Sequence[str]) -> list[str]:
        """Which of these leads are not there."""
        there = set(map(lead_key, self.leads))
        return [lead for lead in leads if lead_key(lead) not in there]

    def at(self, rate: float) -> "Traces":
        """Resampled by a polyphase filter; gaps are drawn as lines before and are gaps again afterwards.

        The filter is that of `scipy.signal.resample_poly`; beyond both ends each lead goes on as the line between them.
        """
        from scipy.signal import resample_poly  # half a second, for whoever names a kind

        if rate == self.rate:
            return self
        ratio = Fraction(rate / self.rate).limit_denominator(1000)
        gaps = np.isnan(self.values)
        drawn = interpolated(self.values, gaps)
        found = resample_poly(drawn, ratio.numerator, ratio.denominator, axis=1, padtype="line").astype(np.float32)
        if gaps.any():
            nearest = np.minimum(np.rint(np.arange(found.shape[1]) / float(ratio)).astype(int), gaps.shape[1] - 1)
            found[gaps[:, nearest]] = np.nan
        return replace(self, values=found, rate=float(rate))

    def scaled(self, scale: Literal["recorded", "centred", "standard"]) -> "Traces":
        """Each lead without its median, or with mean 0 and deviation 1 (0 where it is flat); what is NaN stays so."""
        if scale == "recorded":
            return self
        values = np.full_like(self.values, np.nan)
        for row, lead in enumerate(self.values):
            known = lead[~np.isnan(lead)].astype(np.float64)
            if not known.size:
                continue
            middle = np.median(known) if scale == "centred" else known.mean()
            deviation = known.std() if scale == "standard" else 1.0
            values[row] = (lead - middle) / deviation if deviation > 1e-12 * max(1.0, abs(middle)) else lead * 0
        units = self.units if scale == "centred" else ("",) * len(self.units)
        return replace(self, values=values, units=units)

    def filled(self, gaps: Literal["kept", "interpolated", "zero"]) -> "Traces":
        """Without gaps, unless they are kept; a lead of which nothing was recorded is 0 then."""
        if gaps == "kept" or not (there := np.isnan(self.values)).any():
            return self
        values = interpolated(self.values, there) if gaps == "interpolated" else np.nan_to_num(self.values, nan=0.0)
        return replace(self, values=values)


def interpolated(
    values: Float32[np.ndarray, "leads n"], gaps: Bool[np.ndarray, "leads n"]
) -> Float32[np.ndarray, "leads n"]:
    """Straight lines over the gaps, level at both ends; 0 where there is nothing but a gap."""
    if not gaps.any():
        return values
    found, place = values.copy(), np.arange(values.shape[1])
    for row, gap in enumerate(gaps):
        found[row, gap] = np.interp(place[gap], place[~gap], values[row, ~gap]) if not gap.all() else 0.0
    return found


def lead_key(name: str) -> str:
    """What two names of one lead have in common.

    Example:
        >>> lead_key("Lead aVR"), lead_key("AVR"), lead_key("MDC_ECG_LEAD_V1"), lead_key("Lead I (Einthoven)")
        ('avr', 'avr', 'v1', 'i')
    """
    key = name.casefold().partition("(")[0].strip()
    return next((key.removeprefix(prefix) for prefix in _LEAD if key.startswith(prefix)), key)
