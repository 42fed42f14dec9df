"""Signals: which are read, how they are sampled, which are refused, what never leaves them."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from jaxtyping import Float32
from scipy.signal import resample_poly
from tests.kinds.leads import NAMES, RATE, beats, dicom, record, saved, table

from closegap.data import Checks, Columns, Manifest, Shards, load_cases, write_shards
from closegap.files import digest
from closegap.kinds import Place, Sampling, SignalKind, Waveform
from closegap.kinds.stored import Stored
from closegap.testing import check_kind

KIND = SignalKind()
BARE = Sampling(file_rate=RATE, file_leads=NAMES, file_unit="mV")


@pytest.fixture
def ecg(tmp_path: Path) -> Path:
    return record(tmp_path, beats())


def test_the_kind_holds(ecg: Path, tmp_path: Path) -> None:
    part, made = KIND.parse(f"{ecg}#t=0.5,2.5"), Waveform.of_values(beats(1.0, seed=1), RATE, NAMES, "mV")
    sampled = SignalKind(Sampling(rate=50, leads=("v1", "II"), scale="standard", offset=1)).parse(ecg)
    check_kind(KIND, [KIND.parse(ecg), table(tmp_path / "b.csv", beats(seed=2)), part, made, sampled])
    other = SignalKind(BARE)
    check_kind(other, [other.parse(saved(tmp_path / f"{n}.npy", beats(seed=n))) for n in range(2)])


@pytest.mark.parametrize("form", ["16", "24", "32", "80", "212", "516"])
def test_every_format_of_a_record(form: str, tmp_path: Path) -> None:
    values = beats()
    found = KIND.parse(record(tmp_path, values, form=form)).traces()
    assert (found.leads, found.units, found.rate) == (NAMES, ("mV",) * 3, RATE)
    steps = {"80": 0.02, "212": 0.002}.get(form, 1e-4)
    np.testing.assert_allclose(found.values, values, atol=steps)


def test_the_usual_form_is_read_as_wfdb_does(tmp_path: Path) -> None:
    random, count = np.random.default_rng(0), 4
    for number in range(20):
        numbers = random.integers(-(2**15), 2**15, (200, count)).astype("<i2")
        offset = int(random.integers(0, 3)) * 8
        (tmp_path / "a.dat").write_bytes(b"\1" * offset + numbers.tobytes())
        form = f"16+{offset}" if offset else "16"
        gains = ["200", "1000(-7)/mV", "0.5/uV", "-12.5(3)/mmHg", "1e3", "200.0(0)/mV"]
        rows = [f"a.dat {form} {random.choice(gains)} 16 {random.integers(-9, 9)} 0 0 0 lead {n}" for n in range(count)]
        rows[0] = f"a.dat {form} 100"
        (tmp_path / "a.hea").write_text("\n".join([f"a {count} 100 200", *rows]) + "\n# Patient: Roe\n")
        found = KIND.parse(f"{tmp_path / 'a'}#t=0.3,1.7" if number % 2 else tmp_path / "a").traces()
        record = wfdb.rdrecord(str(tmp_path / "a"), *((30, 170) if number % 2 else ()))
        factors = np.array([0.001 if unit == "uV" else 1.0 for unit in record.units])
        np.testing.assert_allclose(found.values, (record.p_signal * factors).T, rtol=1e-6)
        assert found.leads == ("1", "lead 1", "lead 2", "lead 3")


def test_all_formats_say_the_same(ecg: Path, tmp_path: Path) -> None:
    values = KIND.parse(ecg).traces().values
    found = {
        "header": KIND.parse(ecg.with_suffix(".hea")).traces(),
        "data": KIND.parse(ecg.with_suffix(".dat")).traces(),
        "csv": KIND.parse(table(tmp_path / "a.csv", values)).traces(),
        "semicolons": KIND.parse(table(tmp_path / "a.txt", values, ";")).traces(),
        "dicom": KIND.parse(dicom(tmp_path / "a.dcm", values)).traces(),
        "rows": SignalKind(BARE).parse(saved(tmp_path / "a.npy", values)).traces(),
        "columns": SignalKind(BARE).parse(saved(tmp_path / "b.npy", values.T.astype(np.float64))).traces(),
        "microvolts": Waveform.of_values(values * 1000, RATE, NAMES, "uV").traces(),
    }
    for name, traces in found.items():
        assert (traces.leads, traces.units, traces.rate) == (NAMES, ("mV",) * 3, RATE), name
        np.testing.assert_allclose(traces.values, values, atol=0.0013 if name == "dicom" else 1e-6, err_msg=name)


def test_a_wrong_name_does_not_matter(tmp_path: Path) -> None:
    values = beats()
    for made in (table(tmp_path / "a.csv", values), dicom(tmp_path / "a.dcm", values)):
        for name in ("b.wav", "b.npy", "b"):
            other = tmp_path / name
            other.write_bytes(made.read_bytes())
            np.testing.assert_array_equal(KIND.parse(other).traces().values, KIND.parse(made).traces().values)
            assert KIND.fingerprint(other) == KIND.fingerprint(made)


def test_only_what_is_needed_is_decoded(tmp_path: Path) -> None:
    values = beats(8.0)
    values[1, 700] = np.inf
    path = saved(tmp_path / "a.npy", values)
    kind = SignalKind(BARE)
    assert kind.parse(path).traces(seconds=2.0).values.shape == (3, 200)
    assert kind.problem(f"{path}#t=0,6") is None
    assert "beyond all measure" in str(kind.problem(path))


def test_resampled_as_scipy_does(ecg: Path) -> None:
    values = KIND.parse(ecg).traces().values
    found = KIND.parse(ecg).traces(250)
    np.testing.assert_allclose(found.values, resample_poly(values, 5, 2, axis=1, padtype="line"), atol=1e-6)
    assert found.rate == 250
    slow = SignalKind(Sampling(rate=50)).parse(ecg).traces()
    assert slow.values.shape == (3, 200)
    np.testing.assert_allclose(slow.values[:, 20:-20].std(), values[:, 40:-40].std(), rtol=0.05)


def test_gaps_stay_gaps_or_are_filled(tmp_path: Path) -> None:
    values = beats()
    values[0, 100:150] = np.nan
    values[2] = np.nan
    path = table(tmp_path / "a.csv", values, blanks=True)
    found = KIND.parse(path).traces()
    np.testing.assert_array_equal(np.isnan(found.values), np.isnan(values))
    again = KIND.parse(path).traces(200)
    assert np.isnan(again.values[0, 205:295]).all()
    assert not np.isnan(again.values[0, 310:]).any()
    line = SignalKind(Sampling(gaps="interpolated")).parse(path).traces().values
    np.testing.assert_allclose(line[0, 99:151], np.linspace(values[0, 99], values[0, 150], 52), atol=1e-6)
    assert not line[2].any()
    assert not SignalKind(Sampling(gaps="zero")).parse(path).traces().values[0, 100:150].any()


@pytest.mark.parametrize("scale", ["centred", "standard"])
def test_each_lead_is_scaled(scale: Any, tmp_path: Path) -> None:
    values = beats() + np.array([[5.0], [0.0], [-300.0]], np.float32)
    values[1] = 2.0
    found = SignalKind(Sampling(scale=scale)).parse(table(tmp_path / "a.csv", values)).traces()
    assert not found.values[1].any()
    for row in (0, 2):
        exact = values[row].astype(np.float64)
        expected = exact - np.median(exact) if scale == "centred" else (exact - exact.mean()) / exact.std()
        np.testing.assert_allclose(found.values[row], expected, atol=2e-3)
    assert found.units == (("mV",) * 3 if scale == "centred" else ("",) * 3)


def test_leads_are_chosen_by_name(ecg: Path) -> None:
    whole = KIND.parse(ecg).traces()
    found = SignalKind(Sampling(leads=("Lead v1", "i"))).parse(ecg).traces()
    np.testing.assert_array_equal(found.values, whole.values[[2, 0]])
    lacking = Sampling(leads=("II", "aVR"))
    assert "no lead 'aVR', it has I, II, V1; or let missing leads be nan" in str(SignalKind(lacking).problem(ecg))
    filled = SignalKind(Sampling(leads=("II", "aVR"), missing="nan")).parse(ecg).traces()
    assert np.isnan(filled.values).all(1).tolist() == [False, True]


def segments(folder: Path) -> tuple[Path, Path]:
    """A record of two segments, and one of the same two with a second between them, which needs a layout."""
    record(folder, beats(2.0), "s1")
    record(folder, beats(3.0, seed=1), "s2")
    (folder / "layout.hea").write_text(f"layout 3 {RATE} 0\n" + "".join(f"~ 0 200/mV 16 0 0 0 0 {n}\n" for n in NAMES))
    (folder / "joined.hea").write_text(f"joined/2 3 {RATE} 500\ns1 200\ns2 300\n")
    (folder / "apart.hea").write_text(f"apart/4 3 {RATE} 600\nlayout 0\ns1 200\n~ 100\ns2 300\n")
    return folder / "joined", folder / "apart"


def test_segments_follow_each_other(tmp_path: Path) -> None:
    joined, apart = segments(tmp_path)
    expected = np.concatenate([beats(2.0), beats(3.0, seed=1)], axis=1)
    np.testing.assert_allclose(KIND.parse(joined).traces().values, expected, atol=1e-4)
    found = KIND.parse(apart).traces()
    assert found.leads == NAMES
    np.testing.assert_allclose(np.delete(found.values, slice(200, 300), 1), expected, atol=1e-4)
    assert np.isnan(found.values[:, 200:300]).all()
    np.testing.assert_allclose(KIND.parse(f"{apart}#t=3,6").traces().values, beats(3.0, seed=1), atol=1e-4)
    (tmp_path / "s2.dat").unlink()
    assert "no s2.dat beside its header" in str(KIND.problem(apart))


def test_slow_signals_may_last_for_days() -> None:
    vitals = Waveform.of_values(70 + beats(2000, 2, 1.0), 1 / 60, ("HR", "MAP"), "bpm")
    assert KIND.problem(vitals) is None
    assert "8:20:00 at 0.0166667 Hz" in KIND.show(vitals)


def test_a_record_changes_with_its_data(ecg: Path) -> None:
    place, found = KIND.place(KIND.parse(ecg)), KIND.fingerprint(ecg)
    assert place is not None
    assert place.file == ecg.with_suffix(".hea")
    data = ecg.with_suffix(".dat")
    data.write_bytes(data.read_bytes()[::-1])
    assert KIND.place(KIND.parse(ecg)) != place
    assert KIND.fingerprint(ecg) != found
    data.unlink()
    assert KIND.place(KIND.parse(ecg)) == Place(ecg.with_suffix(".hea"), "")


def test_bytes_in_archives(ecg: Path, tmp_path: Path) -> None:
    part = SignalKind(Sampling(leads=("II", "V1"), gaps="kept")).parse(f"{ecg}#t=1,3")
    content = KIND.pack(part)
    archive = tmp_path / "archive.tar"
    archive.write_bytes(b"x" * 99 + content)
    stored = KIND.stored(Stored(archive, 99, len(content), digest(content)))
    np.testing.assert_array_equal(stored.traces().values, part.traces().values)
    assert KIND.place(stored) == Place(archive, f"@99+{len(content)}")
    for damaged in (content[:-1], b"", content[:40], b"\xff" * 50, content.replace(b"rate", b"rats")):
        assert KIND.problem(Waveform(damaged)) is not None
    assert len({KIND.pack(part) for _ in range(20)}) == 1
    items = [KIND.parse(ecg), part, SignalKind(Sampling(rate=50)).parse(ecg)]
    assert len({KIND.fingerprint(item) for item in items}) == 3
    assert [pickle.loads(pickle.dumps(item)) for item in items] == items  # noqa: S301


def test_no_name_leaves_a_file(ecg: Path, tmp_path: Path) -> None:
    for path in (ecg, dicom(tmp_path / "b.dcm", beats())):
        item = KIND.parse(path)
        place = KIND.place(item)
        seen = [
            KIND.pack(item),
            KIND.fingerprint(item),
            KIND.show(item).encode(),
            str(item).encode(),
            re.sub(r"\d{19}", "", repr(place)).encode(),  # without its file's time, whose digits may be anything
        ]
        said = [part.replace(bytes(tmp_path), b"") for part in seen]  # runs of tests are numbered, too
        assert not [part for part in said if any(word in part for word in (b"Roe", b"Jane", b"4711", b"61"))]


def test_no_name_is_in_what_is_written(ecg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of a manifest, the cache and what is left out hold no comment of a header and no tag."""
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    dicom(tmp_path / "b.dcm", beats(seed=1))
    broken = record(tmp_path, beats(seed=2), "broken")
    broken.with_suffix(".dat").write_bytes(b"")
    rows = [f"{n},train,{path}" for n, path in enumerate(("a", "b.dcm", "broken"))]
    (tmp_path / "cases.csv").write_text("\n".join(["id,split,ecg", *rows]))
    source = Manifest(tmp_path / "cases.csv", {"ecg": Columns("signal", ["ecg"])})
    cases = load_cases(source, checks=Checks(on_error="skip", max_skipped=0.5))
    assert [(row.reason, row.where) for row in cases.skipped] == [("signal unreadable", "cases.csv, line 4, case '2'")]
    write_shards(cases.split("train"), cases.kinds, tmp_path / "shards")
    written = [path for part in ("shards", "cache") for path in (tmp_path / part).rglob("*") if path.is_file()]
    assert len(written) > 2
    seen = b"".join(path.read_bytes() for path in written) + "".join(row.message for row in cases.skipped).encode()
    assert not [word for word in (b"Roe", b"Jane", b"4711", b"Patient") if word in seen]
    again = load_cases(Shards(tmp_path / "shards")).split("train")
    assert [case.views["ecg"][0].traces().leads for case in sorted(again, key=lambda case: case.id)] == [NAMES] * 2


def drawn(shown: str) -> list[str]:
    return re.findall(r'<path d="(M[^"]+)" transform', shown)


def test_a_plot_has_a_line_for_each_lead(ecg: Path) -> None:
    shown = KIND.show(ecg)
    assert len(drawn(shown)) == 3
    for word in ("V1", "mV", "4 s at 100 Hz", "0 s", ">3<"):
        assert word in shown
    hostile = Waveform.of_values(beats(), RATE, ("<b>", '"', "&"), "mV")
    assert "<b>" not in KIND.show(hostile)
    long: Float32[np.ndarray, "leads n"] = beats(20.0, 20, 1000)
    shown = KIND.show(Waveform.of_values(long, 1000, unit="mV"))
    assert "8 more leads" in shown
    assert len(shown) < 60_000
    x, y = (np.cumsum(part) for part in _moves(drawn(shown)[0]))
    peak = x[y.argmin()] / 10
    assert abs((peak - 34) / 300 * 10 - long[0, :10_000].argmax() / 1000) < 0.05
    assert y.max() - y.min() > 100


def _moves(path: str) -> Float32[np.ndarray, "2 n"]:
    start, rest = path[1:].split("l", 1)
    return np.array([[float(v) for v in re.findall(r"-?\d+", f"{start} {rest}")]]).reshape(-1, 2).T.astype(np.float32)


def test_gaps_are_not_drawn() -> None:
    values = beats()
    values[1, 100:300] = np.nan
    lines = drawn(KIND.show(Waveform.of_values(values, RATE, NAMES, "mV")))
    assert [line.count("M") for line in lines] == [1, 2, 1]


def test_threads_read_what_one_reads(tmp_path: Path) -> None:
    paths = [record(tmp_path, beats(seed=n), f"r{n}") for n in range(4)]
    expected = [KIND.parse(path).traces(50).values for path in paths] * 5
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda path: KIND.parse(path).traces(50).values, paths * 5))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_real_electrocardiogram(shared: Path, tmp_path: Path) -> None:
    found = KIND.parse(shared / "data/dicom/files/waveform_ecg.dcm").traces()
    assert found.leads == ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    assert (found.rate, found.values.shape, set(found.units)) == (1000, (12, 10_000), {"mV"})
    by_name = dict(zip(found.leads, found.values, strict=True))
    for lead, others in {"III": by_name["II"] - by_name["I"], "aVR": -(by_name["I"] + by_name["II"]) / 2}.items():
        np.testing.assert_allclose(
            by_name[lead], others, atol=0.004
        )  # Einthoven, Goldberger: units and gains are right
    assert 0.5 < by_name["II"].max() < 2.5
