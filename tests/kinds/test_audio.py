"""Recordings: which are read, how they are heard, which are refused."""

import os
import pickle
import subprocess
import sys
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from PIL import Image
from tests.kinds.sounds import CODECS, RATE, SNDFILE, encoded, header, hum, muxed

from closegap.errors import DataError
from closegap.files import digest
from closegap.kinds import AudioKind, Listening, Place, Recording
from closegap.kinds.stored import Stored
from closegap.testing import check_kind

KIND = AudioKind()


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return put(tmp_path / "hum.wav", encoded(hum(2.0)))


def test_the_kind_holds(wav: Path, tmp_path: Path) -> None:
    other = put(tmp_path / "b.ogg", encoded(hum(0.5, seed=1), "OGG", "VORBIS"))
    part = KIND.parse(f"{wav}#t=0.25,1.25")
    heard = AudioKind(Listening(offset=0.5, duration=1, trim=30, level="peak", channels="kept")).parse(wav)
    made = Recording.of_samples(hum(0.3, seed=2), RATE)
    check_kind(KIND, [KIND.parse(wav), other, part, heard, made])
    check_kind(AudioKind(Listening(duration=0.2)), [AudioKind(Listening(duration=0.2)).parse(wav), other])


@pytest.mark.parametrize(("suffix", "form", "subtype"), SNDFILE)
def test_what_libsndfile_reads(suffix: str, form: str, subtype: str, tmp_path: Path) -> None:
    path = put(tmp_path / f"a.{suffix}", encoded(hum(), form, subtype))
    samples, rate = KIND.parse(path).samples()
    expected, _ = soundfile.read(path, dtype="float32")
    assert (rate, KIND.problem(path)) == (RATE, None)
    np.testing.assert_array_equal(samples[0], expected)
    part, _ = KIND.parse(f"{path}#t=0.5,0.75").samples()
    np.testing.assert_allclose(part[0], expected[RATE // 2 : RATE * 3 // 4], atol=1e-6)


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
def test_what_ffmpeg_adds(suffix: str, codec: str, tmp_path: Path) -> None:
    path = muxed(tmp_path / f"a.{suffix}", codec, hum(25.0), pictures=5 * (suffix == "mp4"))
    samples, _ = KIND.parse(path).samples(RATE)
    assert KIND.problem(path) is None
    assert abs(samples.shape[1] / RATE - 25) < 0.1
    spectrum = np.abs(np.fft.rfft(samples[0, :RATE] * np.hanning(RATE)))
    assert 250 < spectrum.argmax() < 650  # Hz: the tone rises from 200 by 400 in the first second
    for first in (2.25, 21.5):  # decoded past, and sought
        part, _ = KIND.parse(f"{path}#t={first},{first + 1}").samples(RATE)
        np.testing.assert_allclose(part[0, 200:-200], samples[0, round(first * RATE) :][:RATE][200:-200], atol=1e-3)


def test_a_wrong_name_does_not_matter(wav: Path, tmp_path: Path) -> None:
    for name in ("a.mp3", "a.raw", "a.txt", "a", "a.flac"):
        found = put(tmp_path / name, wav.read_bytes())
        np.testing.assert_array_equal(KIND.parse(found).samples()[0], KIND.parse(wav).samples()[0])
        assert KIND.fingerprint(found) == KIND.fingerprint(wav)


def test_resampled_block_by_block_as_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stereo = np.stack([hum(3.0, 44_100), hum(3.0, 44_100, seed=1)], axis=1)
    path = put(tmp_path / "a.wav", encoded(stereo, subtype="FLOAT", rate=44_100))
    mono, rate = KIND.parse(path).samples(RATE)
    expected = soxr.resample(stereo.mean(1), 44_100, RATE)
    assert (mono.shape, rate) == ((1, len(expected)), RATE)
    np.testing.assert_allclose(mono[0], expected, atol=2e-4)
    monkeypatch.setattr("closegap.kinds.sound_stream._BLOCK", 4096)
    np.testing.assert_allclose(KIND.parse(path).samples(RATE)[0], mono, atol=1e-6)
    kept = AudioKind(Listening(channels="kept")).parse(path)
    np.testing.assert_array_equal(kept.samples()[0], stereo.T)


def test_only_what_is_needed_is_decoded(tmp_path: Path) -> None:
    content = bytearray(encoded(hum(8.0), subtype="FLOAT"))
    content[-400:] = np.full(100, np.nan, np.float32).tobytes()
    path = put(tmp_path / "a.wav", bytes(content))
    assert KIND.parse(path).samples(RATE, 2.0)[0].shape == (1, 2 * RATE)
    assert KIND.problem(f"{path}#t=0,7") is None
    assert "no number" in str(KIND.problem(path))


def test_trimmed_and_levelled_before_it_is_cut(tmp_path: Path) -> None:
    samples = np.concatenate([np.zeros(2 * RATE), 0.2 * np.sin(np.arange(RATE)), np.zeros(RATE)]).astype(np.float32)
    recording = AudioKind(Listening(trim=40, level="peak")).parse(put(tmp_path / "a.wav", encoded(samples)))
    found, _ = recording.samples(RATE, 0.5)
    assert found.shape == (1, RATE // 2)
    assert np.abs(found).max() == pytest.approx(1, abs=1e-3)


def refused(tmp_path: Path) -> dict[str, tuple[bytes, str]]:
    stereo = np.stack([hum(0.5), -hum(0.5)], axis=1)
    loud = hum(0.5)
    loud[100] = 3e38
    flac, ogg = encoded(hum(), "FLAC"), encoded(hum(), "OGG", "VORBIS")
    return {
        "empty": (b"", "an empty file"),
        "no sample": (encoded(np.zeros(0, np.float32)), "no sound"),
        "short": (encoded(hum(0.005)), "expected at least 0.01 s"),
        "silent": (encoded(np.zeros(RATE, np.float32)), "silent, every sample up to 1 s is 0"),
        "constant": (encoded(np.full(RATE, 0.5, np.float32)), "every sample up to 1 s is 0.5"),
        "cancelling": (encoded(stereo, subtype="FLOAT"), "silent"),
        "nan": (encoded(np.append(hum(), np.float32("nan")), subtype="FLOAT"), "no number or beyond all measure"),
        "infinite": (encoded(np.append(hum(), np.float32("-inf")), subtype="FLOAT"), "no number"),
        "beyond": (encoded(loud, subtype="FLOAT"), "beyond all measure"),
        "long": (encoded(hum(601.0, 100), rate=100), "lasts 10:01, expected at most 10 minutes unless a part is named"),
        "rate 0": (header(data=2000, rate=0, held=b"\1\2" * 1000), "expected|can be read|damaged"),
        "rate 1": (header(data=2000, rate=1, held=b"\1\2" * 1000), "1 samples a second, expected 100 to 768,000"),
        "rate": (header(data=2000, rate=2**31 - 1, held=b"\1\2" * 1000), "samples a second, expected"),
        "channels": (header(data=65_535 * 2, channels=200, held=b"\1\2" * 65_535), "expected|can be read"),
        "wav cut": (encoded(hum())[:9000], "truncated, 8,956 bytes of sound where it says 32,000"),
        "flac cut": (flac[: len(flac) // 2], "damaged or truncated"),
        "ogg cut": (ogg[: len(ogg) // 2], "truncated|can be read|no sound"),
        "text": (b"[hum](hum.wav)\n" * 50, r"no sound or video that can be read \(.*\); fetch it again"),
        "playlist": (f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/hum.wav\n".encode(), "no sound or video that can be read"),
        "script": (f"ffconcat version 1.0\nfile '{tmp_path}/hum.wav'\n".encode(), "no sound or video that can be read"),
        "noise": (np.random.default_rng(0).bytes(4000), "can be read|damaged"),
    }


def test_what_is_refused_is_refused_in_a_line(tmp_path: Path, wav: Path) -> None:
    for name, (content, expected) in refused(tmp_path).items():
        path = put(tmp_path / f"{name}.ogg", content)
        for item in (path, Recording(content)):
            problem = KIND.problem(item)
            assert problem is not None, name
            assert len(problem.splitlines()) == 1
            with pytest.raises(DataError, match=expected):
                KIND.parse(item).check()
            with pytest.raises(DataError, match=expected):
                KIND.parse(item).samples(8000)


def test_what_is_no_file(tmp_path: Path, wav: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, expected in (
        (tmp_path / "none.wav", "no such recording"),
        (tmp_path, "cannot be read"),
        (tmp_path / "pipe", "cannot be read"),
        ("a\0b", "cannot be read"),
    ):
        assert expected in str(KIND.problem(path))
        with pytest.raises(DataError, match=expected):
            KIND.fingerprint(path)
    assert "ends before 5 s; name an earlier part" in str(KIND.problem(f"{wav}#t=5,6"))
    with pytest.raises(DataError, match="expected #t=BEGINNING,END in seconds"):
        KIND.parse(f"{wav}#t=2,1")
    with pytest.raises(DataError, match="expected the path of a recording, found 300 characters"):
        KIND.read("a" * 300, tmp_path)
    silent = tmp_path / "none.mp4"
    with av.open(str(silent), "w") as made:
        video = made.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        made.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        made.mux(video.encode(None))
    assert str(KIND.problem(silent)).endswith("none.mp4: has no sound")


def test_what_is_odd_passes(tmp_path: Path) -> None:
    clipped = np.clip(hum() * 20, -1, 1)
    integers = (hum() * 32_000).astype(np.float32)
    streamed = encoded(hum())
    endless = streamed[:40] + b"\xff\xff\xff\xff" + streamed[44:]  # what a program that writes to a pipe leaves
    for name, content in {
        "clipped": encoded(clipped),
        "integers": encoded(integers, subtype="FLOAT"),
        "endless": endless,
        "trailing": streamed + b"garbage" * 9,
    }.items():
        path = put(tmp_path / name, content)
        assert KIND.problem(path) is None, name
        assert KIND.parse(path).samples()[0].shape == (1, RATE)


def test_headers_that_lie_take_no_memory(tmp_path: Path) -> None:
    """Ten hours, in a header or in silence, are refused, and a part of them is heard, within 400 MiB."""
    hours = put(tmp_path / "hours.wav", b"")
    with hours.open("wb") as file:
        file.write(header(data=36_000 * RATE * 2))
        file.seek(1800 * RATE * 2, 1)
        file.write((hum(1.0) * 32_000).astype("<i2").tobytes())
        file.truncate(44 + 36_000 * RATE * 2)  # sparse: it takes no disk
    flac = bytearray(encoded(hum(), "FLAC"))
    flac[21] |= 0x0F  # of 36 bits that say how many samples there are
    flac[22:26] = b"\xff" * 4
    lying = put(tmp_path / "lying.flac", bytes(flac))
    code = """
import resource, sys
from closegap.kinds import AudioKind
kind = AudioKind()
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
for name in sys.argv[1:]:
    print(kind.problem(name))
print(kind.parse(sys.argv[1] + '#t=1800,1801').samples(8000)[0].shape, len(kind.fingerprint(sys.argv[1])))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(hours), str(lying)], capture_output=True, text=True, timeout=100
    )
    long, declared, part = done.stdout.splitlines()
    assert "lasts 10:00:00, expected at most 10 minutes unless a part is named" in long
    assert "expected at most 10 minutes" in declared
    assert part == "(1, 8000) 32"
    assert done.stderr == ""


def test_bytes_in_archives(wav: Path, tmp_path: Path) -> None:
    content = wav.read_bytes()
    archive = put(tmp_path / "archive.tar", b"x" * 100 + content)
    stored = KIND.stored(Stored(archive, 100, len(content), digest(content)))
    assert KIND.fingerprint(stored) == KIND.fingerprint(wav) == KIND.fingerprint(Recording(content))
    assert KIND.place(stored) == Place(archive, f"@100+{len(content)}")
    assert KIND.problem(stored) is None
    assert KIND.pack(stored) == content
    assert "archive.tar, byte 100" in str(stored)
    part = KIND.parse(f"{wav}#t=0.5,1")
    kept = KIND.unpack(KIND.pack(part))
    np.testing.assert_array_equal(kept.samples()[0], part.samples()[0])
    assert KIND.suffix(KIND.pack(part)) == ".wav"
    assert {KIND.suffix(encoded(hum(0.1), form, sub)) for _, form, sub in SNDFILE} >= {
        ".wav",
        ".flac",
        ".ogg",
        ".audio",
    }


def test_how_it_is_heard_is_part_of_what_it_is(wav: Path) -> None:
    heard = [KIND.parse(wav), KIND.parse(f"{wav}#t=0,1"), AudioKind(Listening(trim=40)).parse(wav)]
    assert len({KIND.fingerprint(item) for item in heard}) == 3
    assert len({KIND.place(item) for item in heard}) == 3
    assert len({KIND.said(item) for item in heard}) == 3
    assert [pickle.loads(pickle.dumps(item)) for item in heard] == heard  # noqa: S301


def test_it_is_shown_as_player_and_spectrogram(wav: Path) -> None:
    sources: dict[str, str] = {}

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            sources[tag] = dict(attrs).get("src") or ""

    Reader().feed(KIND.show(wav))
    sound, picture = (BytesIO(b64decode(sources[tag].partition(",")[2])) for tag in ("audio", "img"))
    assert sources["audio"].startswith("data:audio/mpeg;base64,")
    found, rate = soundfile.read(sound)
    assert (rate, abs(len(found) / rate - 2) < 0.1) == (RATE, True)
    assert Image.open(picture).size == (200, 64)
    long = Recording.of_samples(hum(40.0), RATE)
    assert len(KIND.show(long)) < 90_000


def test_threads_hear_what_one_hears(tmp_path: Path) -> None:
    paths = [put(tmp_path / f"{n}.ogg", encoded(hum(0.5, seed=n), "OGG", "VORBIS")) for n in range(4)]
    expected = [KIND.parse(path).samples(8000)[0] for path in paths] * 5
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda path: KIND.parse(path).samples(8000)[0], paths * 5))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_real_recordings(shared: Path) -> None:
    for folder in ("cough", "esc10"):
        paths = sorted((shared / "data" / folder / "audio").iterdir())[::40]
        assert [problem for path in paths if (problem := KIND.problem(path))] == []


def test_what_is_missing_is_named() -> None:
    code = "import sys; sys.modules['soxr'] = None\nfrom closegap.kinds import AudioKind"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("soxr is not installed; pip install 'closegap[audio]'")
