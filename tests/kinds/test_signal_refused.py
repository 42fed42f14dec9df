"""Signals that are refused, each in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.kinds.leads import NAME, NAMES, RATE, beats, dicom, put, record, saved, table

from closegap.errors import DataError, UsageError
from closegap.kinds import Sampling, SignalKind, Waveform

KIND = SignalKind()
BARE = Sampling(file_rate=RATE, file_leads=NAMES, file_unit="mV")


def edited(path: Path, before: str, after: str) -> Path:
    header = path.with_suffix(".hea")
    header.write_text(header.read_text().replace(before, after))
    return path


def refused(folder: Path) -> dict[str, tuple[Path, str]]:
    values = beats()

    def made(name: str) -> Path:
        return record(folder, values, name)

    def text(name: str, content: str | bytes) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    alone, cut = made("alone"), made("cut")
    alone.with_suffix(".dat").unlink()
    cut.with_suffix(".dat").write_bytes(cut.with_suffix(".dat").read_bytes()[:1000])
    nan = np.full((3, 400), np.nan)
    header = np.lib.format.header_data_from_array_1_0(values) | {"shape": (3, 10**12)}
    with (folder / "huge.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    np.save(folder / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    tables = folder / "t.csv"
    table(tables, values)
    rows = tables.read_text().splitlines()
    return {
        "none": (folder / "none", "no such signal"),
        "no header": (folder / "none.hea", "no such signal"),
        "empty": (text("empty.csv", b""), "an empty file"),
        "binary": (text("noise", b"\0\1\2" * 99), r"no signal that can be read; expected WFDB \(a header beside it\)"),
        "alone": (alone, "no alone.dat beside its header"),
        "cut": (cut, "166 samples in cut.dat where its header says 400"),
        "many": (edited(made("many"), "many 3 100 400", "many 3 100 99999999999"), "400 samples in many.dat where"),
        "endless": (
            edited(record(folder, values, "e", "516"), "e 3 100 400", f"e 3 100 {'9' * 400}"),
            "more than 1,099",
        ),
        "leads": (edited(made("leads"), "leads 3 100", "leads 300000 100"), "describes 3 leads where it says 300,000"),
        "rate": (edited(made("rate"), "rate 3 100 ", "rate 3 1e30 "), "samples a second, expected 0.001 to 100,000"),
        "folder": (edited(made("f"), "f.dat", "../f.dat"), "names a file that is not beside it"),
        "input": (edited(made("i"), "i.dat", "-"), "names a file that is not beside it"),
        "words": (text("w.hea", "hello\n"), "its first line is no record"),
        "pickle": (folder / "objects.npy", "no array of numbers"),
        "lying": (folder / "huge.npy", "no array of numbers, or a damaged one"),
        "flags": (saved(folder / "flags.npy", values > 0), "expected numbers by lead and time"),
        "cube": (saved(folder / "cube.npy", np.zeros((2, 3, 4))), "expected numbers by lead and time"),
        "nan": (saved(folder / "nan.npy", nan), "nothing was recorded, every value is NaN"),
        "level": (saved(folder / "level.npy", np.full((3, 400), 0.5)), "flat, no lead changes"),
        "none at all": (saved(folder / "zero.npy", np.zeros((3, 0))), "no samples; fetch it again"),
        "long": (
            saved(folder / "long.npy", np.zeros((3, 360_101), np.int8)),
            "lasts 1:00:01, expected at most 1:00:00",
        ),
        "text": (text("t2.csv", "\n".join([*rows[:9], "0.1,a,b,c", *rows[9:]])), "row 10: expected 4 numbers"),
        "short": (text("t3.csv", "\n".join([*rows[:9], "0.1,2", *rows[9:]])), "row 10: expected 4 numbers"),
        "uneven": (text("t4.csv", "\n".join([*rows[:9], *rows[20:]])), "row 9: expected times in even steps"),
        "twice": (text("t5.csv", "time,I,I\n0,1,2\n1,2,3\n"), "two columns of one name"),
        "alone time": (text("t6.csv", "time\n0\n1\n"), "0 leads, expected 1 to 512"),
        "picture": (dicom(folder / "p.dcm", values, WaveformData=b"\0\0"), "2 bytes of 3 channels where it says 2,400"),
        "channels": (dicom(folder / "q.dcm", values, NumberOfWaveformChannels=2), "channels where it says"),
        "count": (dicom(folder / "r.dcm", values, NumberOfWaveformSamples=2**31), "2,400 bytes of 3 channels where"),
    }


def test_what_is_refused_is_refused_in_a_line(tmp_path: Path) -> None:
    kind = SignalKind(BARE)
    for name, (path, expected) in refused(tmp_path).items():
        problem = kind.problem(path)
        assert problem is not None, name
        assert re.search(expected, problem), problem
        assert len(problem.splitlines()) == 1, name
        assert NAME not in problem
        with pytest.raises(DataError, match=expected):
            kind.parse(path).traces()


def test_what_is_no_file(tmp_path: Path) -> None:
    ecg = record(tmp_path, beats())
    os.mkfifo(tmp_path / "pipe")
    for path, expected in (
        (tmp_path, "cannot be read"),
        (tmp_path / "pipe", "cannot be read"),
        ("a\0b", "cannot be read"),
    ):
        assert expected in str(KIND.problem(path))
        with pytest.raises(DataError, match=expected):
            KIND.fingerprint(path)
    assert "ends before 9 s; name an earlier part" in str(KIND.problem(f"{ecg}#t=9,10"))
    assert "expected #t=BEGINNING,END in seconds" in str(KIND.problem(f"{ecg}#t=2,1"))
    assert "NPY says no rate; name it with the kind's sampling.file_rate" in str(
        KIND.problem(saved(tmp_path / "a.npy", beats()))
    )
    assert "no column of times; add one called time" in str(KIND.problem(put(tmp_path / "b.csv", "I,II\n1,2\n2,3\n")))
    wrong = SignalKind(Sampling(file_rate=1, file_leads=("a", "b")))
    assert "expected 2 leads, as sampling.file_leads names them" in str(wrong.problem(tmp_path / "a.npy"))


def test_settings_are_bounded() -> None:
    for settings, message in (
        ({"rate": 0}, "Sampling.rate: 0 given"),
        ({"leads": ()}, "expected at least one, each once"),
        ({"leads": ("I", "i")}, "expected at least one, each once"),
        ({"scale": "loud"}, "Sampling.scale: loud given|Sampling.scale"),
        ({"duration": -1}, "Sampling.duration: -1 given"),
    ):
        with pytest.raises(UsageError, match=message):
            Sampling(**settings)


def test_a_program_names_every_lead() -> None:
    with pytest.raises(DataError, match="3 leads given and 2 names, expected one for each"):
        Waveform.of_values(beats(), RATE, ("I", "II"))


def test_columns_may_be_called_by_numbers(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "t,1,2\n0,1,2\n1,2,\n2,4,5\n")
    found = KIND.parse(path).traces()
    assert (found.leads, found.rate, found.values.shape) == (("1", "2"), 1.0, (2, 3))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    ecg = record(tmp_path, beats(), "other", "24")
    code = "import sys; sys.modules['wfdb'] = None\nfrom closegap.kinds import Waveform\nfrom pathlib import Path\n"
    code += "Waveform(Path(sys.argv[1])).traces()"
    done = subprocess.run([sys.executable, "-c", code, str(ecg)], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("wfdb is not installed; pip install 'closegap[signals]'")
