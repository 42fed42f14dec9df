"""Signals in DICOM files."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from closegap.errors import DataError, needs
from closegap.kinds.signals.stream import SignalFile
from closegap.kinds.signals.units import in_millivolts

_LEAD = re.compile(
    r"(?:lead |MDC_ECG_LEAD_)?(?P<name>(?:i|ii|iii|av[rlf]|-av[rlf]|v[1-9]r?|[xyz]|resp|pleth|abp|art|cvp|pap))"
    r"(?: \(einthoven\))?",
    re.IGNORECASE,
)
_WRITTEN = {"avr": "aVR", "avl": "aVL", "avf": "aVF", "-avr": "-aVR", "-avl": "-aVL", "-avf": "-aVF"}


def dicom_waveform(path: Path, name: str) -> SignalFile:
    """The first multiplex group of the waveforms in a DICOM file: of an ECG at rest, its rhythm.

    A lead is called as DICOM's context group 3001 has it, without "Lead", or else by its number: no other text of the
    file is taken up, since it may name somebody.

    Raises:
        DataError: no DICOM file, none with a waveform, or a damaged one. No value of a tag is in the message.
    """
    with needs("dicom"):
        from pydicom.waveforms.numpy_handler import multiplex_array
    from closegap.kinds.dicom.reading import read_dicom

    dataset = read_dicom(path)
    try:
        groups = dataset.get("WaveformSequence") or ()
        if not groups:
            raise DataError(f"{name}: a DICOM file without a waveform; is it a picture or a report?")
        group: Any = groups[0]
        samples, channels = int(group.NumberOfWaveformSamples), int(group.NumberOfWaveformChannels)
        rate = float(group.SamplingFrequency)
        size = len(group.WaveformData)
        defined = list(group.ChannelDefinitionSequence)
        said = samples * channels * int(group.WaveformBitsAllocated) // 8
        if len(defined) != channels or not 0 < said <= size:
            raise DataError(f"{name}: {size:,} bytes of {len(defined)} channels where it says {said:,} of {channels}")
        leads = _unique([_lead(channel) for channel in defined])
        units = [in_millivolts(_unit(channel)) for channel in defined]
    except DataError:
        raise
    except Exception as error:  # hostile and damaged data sets meet pydicom with whatever they please
        raise DataError(f"{name}: a damaged waveform ({type(error).__name__})") from None

    def read(first: int, last: int) -> Float32[np.ndarray, "leads n"]:
        try:
            found = multiplex_array(dataset, 0, as_raw=False)[first:last].T
            return np.asarray(found * np.array([factor for factor, _ in units])[:, None], np.float32)
        except Exception as error:  # as above
            raise DataError(f"{name}: a damaged waveform ({type(error).__name__})") from None

    return SignalFile(rate, leads, tuple(unit for _, unit in units), samples, read)


def _lead(channel: Any) -> str:
    source = (channel.get("ChannelSourceSequence") or [None])[0]
    for text in () if source is None else (source.get("CodeMeaning"), source.get("CodeValue")):
        if (found := _LEAD.fullmatch(str(text or "").strip())) is not None:
            key = found["name"].casefold()
            return _WRITTEN.get(key, key.upper())
    return ""


def _unique(leads: list[str]) -> tuple[str, ...]:
    """The names, a number where there is none or where another lead has it already."""
    return tuple(lead if lead and lead not in leads[:place] else str(place + 1) for place, lead in enumerate(leads))


def _unit(channel: Any) -> str:
    found = channel.get("ChannelSensitivityUnitsSequence")
    return str(found[0].get("CodeValue") or "") if found else ""
