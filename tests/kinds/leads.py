"""Files of signals for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from jaxtyping import Float32
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid

RATE = 100
NAMES = ("I", "II", "V1")
NAME = "Roe^Jane"


def beats(seconds: float = 4.0, leads: int = 3, rate: float = RATE, seed: int = 0) -> Float32[np.ndarray, "leads n"]:
    """Peaks, slow waves and a little noise, in mV, other ones on each lead."""
    time = np.arange(round(seconds * rate)) / rate
    random = np.random.default_rng(seed)
    rows = [
        np.exp(-(((time * (1.1 + 0.2 * seed)) % 1 - 0.4 - 0.05 * lead) ** 2) / 0.001) + 0.1 * np.sin(2 * time + lead)
        for lead in range(leads)
    ]
    return (np.stack(rows) + 0.01 * random.standard_normal((leads, len(time)))).astype(np.float32)


def record(
    folder: Path,
    values: Float32[np.ndarray, "leads n"],
    name: str = "a",
    form: str = "16",
    leads: Sequence[str] = NAMES,
) -> Path:
    """A record of WFDB with the patient's name in a comment; its path has no suffix."""
    count = len(values)
    wfdb.wrsamp(
        name,
        fs=RATE,
        units=["mV"] * count,
        sig_name=list(leads),
        p_signal=values.T.astype(np.float64),
        fmt=[form] * count,
        write_dir=str(folder),
        comments=[f"Patient: {NAME}", "Age: 61"],
    )
    return folder / name


def table(path: Path, values: Float32[np.ndarray, "leads n"], delimiter: str = ",", blanks: bool = False) -> Path:
    """CSV with a column of times; NaN as a blank cell."""
    lines = [delimiter.join(["time", *(f"{name} [mV]" for name in NAMES)])]
    for place, row in enumerate(values.T):
        cells = ["" if np.isnan(value) and blanks else f"{value:.7g}" for value in row]
        lines.append(delimiter.join([f"{place / RATE:.3f}", *cells]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def dicom(path: Path, values: Float32[np.ndarray, "leads n"], **tags: Any) -> Path:
    """A DICOM waveform of 12 bits in 16, in uV, with a name in every text that may hold one."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["signal"])
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.PatientName, dataset.PatientID, dataset.Modality = NAME, "4711", "ECG"
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    group = Dataset()
    group.WaveformOriginality, group.MultiplexGroupLabel = "ORIGINAL", NAME
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = values.shape
    group.SamplingFrequency, group.WaveformBitsAllocated, group.WaveformSampleInterpretation = RATE, 16, "SS"
    group.ChannelDefinitionSequence = []
    for name in NAMES:
        channel, source, unit = Dataset(), Dataset(), Dataset()
        source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = "1", "SCPECG", f"Lead {name}"
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
        channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = [source], [unit]
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = (
            "2.5",
            "1",
            "0",
        )
        channel.WaveformBitsStored, channel.ChannelLabel = 16, NAME
        group.ChannelDefinitionSequence.append(channel)
    group.WaveformData = np.rint(values.T / 0.0025).astype("<i2").tobytes()
    for tag, value in tags.items():
        setattr(group, tag, value)
    dataset.WaveformSequence = [group]
    dataset.save_as(path, enforce_file_format=True)
    return path


def saved(path: Path, values: Any) -> Path:
    np.save(path, values)
    return path


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
