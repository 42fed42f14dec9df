"""Clips: which are read, which frames are chosen, which are refused."""

import os
import pickle
import struct
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
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.kinds.clips import FORMS, animated, encoded, level, pictures, turned
from tests.kinds.sounds import encoded as sound
from tests.kinds.sounds import hum

from closegap.errors import DataError, UsageError
from closegap.files import digest
from closegap.kinds import Clip, FrameChoice, ImageKind, Place, VideoKind, Viewing
from closegap.kinds.clip import pictures as pictures_of
from closegap.kinds.frame_choice import Span
from closegap.kinds.stored import Stored
from closegap.testing import check_kind

KIND = VideoKind()
LEVELS = [level(picture) for picture in pictures(12)]


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    return put(tmp_path / "a.mp4", encoded(pictures()))


def test_the_kind_holds(mp4: Path, tmp_path: Path) -> None:
    webp = put(tmp_path / "b.webp", animated(pictures(seed=9)))
    part = KIND.parse(f"{mp4}#t=0.25,0.75")
    small = VideoKind(Viewing(size=24)).parse(mp4)
    made = Clip.of_pictures(pictures(4, seed=5), 8)
    check_kind(KIND, [KIND.parse(mp4), webp, part, small, made])
    check_kind(VideoKind(Viewing(duration=0.6)), [VideoKind(Viewing(duration=0.6)).parse(mp4), webp])


@pytest.mark.parametrize(("form", "codec", "pixels"), FORMS)
def test_what_ffmpeg_reads(form: str, codec: str, pixels: str, tmp_path: Path) -> None:
    path = put(tmp_path / "named.txt", encoded(pictures(), form, codec, pixels))
    assert KIND.problem(path) is None
    found = KIND.parse(path).pictures(FrameChoice(12))
    assert [picture.size for picture in found] == [(64, 48)] * 12
    np.testing.assert_allclose([level(picture) for picture in found], LEVELS, atol=30 if codec == "gif" else 8)
    assert found[0].getpixel((4, 4))[0] > 170  # red: it is upright, colours are not swapped
    alone = [KIND.parse(path).frames(FrameChoice(12))[number].open() for number in (0, 7, 11)]
    for number, picture in zip((0, 7, 11), alone, strict=True):
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(found[number]))


def test_a_title_that_is_no_utf_8_keeps_nothing_from_being_seen(tmp_path: Path) -> None:
    content = encoded(pictures())
    assert b"Lavf" in content  # the program that wrote it, the one text of a container
    path = put(tmp_path / "a.mp4", content.replace(b"Lavf", b"\xff\xfe\xc3f"))
    assert KIND.problem(path) is None
    np.testing.assert_allclose([level(one) for one in KIND.parse(path).pictures(FrameChoice(12))], LEVELS, atol=8)


@pytest.mark.parametrize("form", ["WEBP", "GIF", "PNG"])
def test_what_browsers_animate(form: str, tmp_path: Path) -> None:
    """The fourth frame is shown for nine tenths of the time: chosen by time, it is met most often."""
    path = put(tmp_path / "a", animated(pictures(4), form, [100, 100, 100, 2700]))
    found = [level(picture) for picture in KIND.parse(path).pictures(FrameChoice(10))]
    np.testing.assert_allclose(found, [LEVELS[1]] + [LEVELS[3]] * 9, atol=3)
    assert KIND.suffix(path.read_bytes()) == f".{form.lower()}"


def test_transparency_is_laid_over_black(tmp_path: Path) -> None:
    shown = [Image.new("RGBA", (32, 32), (200, 200, 200, alpha)) for alpha in (255, 0)]
    shown[1].putpixel((0, 0), (255, 0, 0, 255))
    for form in ("WEBP", "PNG"):
        content = animated(shown, form)
        first, second = Clip(content).pictures(FrameChoice(2))
        assert (level(first) > 190, level(second)) == (True, 0)


def test_variable_frame_rate_is_sampled_in_time(tmp_path: Path) -> None:
    times = [0, 100, 200, 300, 400, 500, 600, 700, 5000, 5100, 5200, 5300]
    for form, codec, pixels in (("mp4", "libx264", "yuv420p"), ("webm", "libvpx-vp9", "yuv420p")):
        clip = Clip(encoded(pictures(), form, codec, pixels, times, every=4))
        found = [level(picture) for picture in clip.pictures(FrameChoice(6))]
        expected = [LEVELS[4], *[LEVELS[7]] * 5]
        np.testing.assert_allclose(found, expected, atol=8)


def test_frames_by_rate_and_by_seed(mp4: Path) -> None:
    clip = KIND.parse(mp4)
    assert [frame.moment for frame in clip.frames(FrameChoice(5, rate=5))] == [0, 200_000, 400_000, 600_000, 800_000]
    assert len(clip.frames(FrameChoice(50, rate=10))) == 12
    drawn = [tuple(frame.moment for frame in clip.frames(FrameChoice(4, seed=seed))) for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    for moments in drawn:
        assert all(300_000 * k - 100_000 < moment < 300_000 * (k + 1) for k, moment in enumerate(moments))


@given(
    gaps=st.lists(st.integers(1, 10**7), min_size=2, max_size=40),
    frames=st.integers(1, 50),
    rate=st.none() | st.floats(0.01, 1000),
    seed=st.none() | st.integers(0, 99),
)
def test_chosen_frames_are_those_that_are_shown_then(
    gaps: list[int], frames: int, rate: float | None, seed: int | None
) -> None:
    starts = [int(value) for value in np.cumsum([0, *gaps])]
    span = Span(starts[:-1], 0, starts[-1])
    found = FrameChoice(frames, rate, seed).moments(span)
    assert found == sorted(found)
    assert set(found) <= set(span.starts)
    assert len(found) == frames if rate is None else 1 <= len(found) <= frames
    if rate is None and seed is None:
        naive = []
        for k in range(frames):
            time = (k + 0.5) / frames * span.end
            naive.append(max(start for start in span.starts if start <= time))
        assert found == naive


def test_only_what_is_needed_is_decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Groups without a chosen frame are skipped, and what lies behind the last is not decoded; frames are the same."""
    path = put(tmp_path / "a.mp4", encoded(pictures(120), every=6))
    clip, choice = KIND.parse(path), FrameChoice(4)
    plain = []
    with av.open(str(path)) as opened:
        plain = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    decoded: list[int] = []
    expect = "closegap.kinds.film.Film.expect_work"
    monkeypatch.setattr(expect, lambda self, frames, width, height: decoded.append(frames))
    found = clip.pictures(choice)
    for number, picture in zip((15, 45, 75, 105), found, strict=True):
        np.testing.assert_allclose(np.asarray(picture).astype(int), plain[number].astype(int), atol=2)
    assert decoded[0] <= 24
    monkeypatch.setattr("closegap.kinds.container_film._HELD", 100)  # a clip that is read twice
    for again, picture in zip(clip.pictures(choice), found, strict=True):
        np.testing.assert_array_equal(np.asarray(again), np.asarray(picture))


def test_parts_are_sought(tmp_path: Path) -> None:
    for form, codec in (("mp4", "libx264"), ("mpegts", "libx264"), ("webm", "libvpx-vp9"), ("avi", "mpeg4")):
        path = put(tmp_path / "a", encoded(pictures(400), form, codec, every=20))
        found = [level(picture) for picture in KIND.parse(f"{path}#t=30,31").pictures(FrameChoice(10))]
        expected = [level(picture) for picture in pictures(400)[300:310]]
        np.testing.assert_allclose(found, expected, atol=8, err_msg=form)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_clips_are_turned_upright(degrees: int) -> None:
    found = Clip(turned(encoded(pictures()), degrees)).pictures(FrameChoice(1))[0]
    expected = Image.fromarray(np.rot90(np.asarray(pictures(12)[6]), -degrees // 90))
    assert found.size == expected.size
    assert np.abs(np.asarray(found).astype(int) - np.asarray(expected).astype(int)).mean() < 6


def test_frames_are_scaled_down_as_they_are_decoded(mp4: Path) -> None:
    assert VideoKind(Viewing(size=32)).parse(mp4).pictures(FrameChoice(1))[0].size == (32, 24)
    assert KIND.parse(mp4).pictures(FrameChoice(1), 16)[0].size == (16, 12)


def test_frames_are_the_same_whatever_part_was_seen(mp4: Path, tmp_path: Path) -> None:
    other = put(tmp_path / "other.mp4", encoded(pictures(seed=3)))
    whole, part = (KIND.parse(f"{mp4}{end}").frames(FrameChoice(12)) for end in ("", "#t=0.5,0.9"))
    kind = ImageKind()
    keys = [kind.fingerprint(frame) for frame in whole]
    assert len(set(keys)) == 12
    assert {kind.fingerprint(frame) for frame in part} == set(keys[5:9])
    assert not {kind.fingerprint(frame) for frame in KIND.parse(other).frames(FrameChoice(12))} & set(keys)
    together = pictures_of([*whole[3:5], *KIND.parse(other).frames(FrameChoice(2)), whole[0]])
    np.testing.assert_allclose([level(found) for found in together[:2]], LEVELS[3:5], atol=8)
    assert level(together[-1]) == pytest.approx(LEVELS[0], abs=8)
    assert pickle.loads(pickle.dumps(whole)) == whole  # noqa: S301


def refused(tmp_path: Path) -> dict[str, tuple[bytes, str]]:
    mp4, webp = encoded(pictures(40)), animated(pictures(), "WEBP")
    webm = encoded(pictures(60), "webm", "libvpx-vp9")
    at = webm.index(b"\x44\x89\x88") + 3  # how many milliseconds it lasts
    hours = webm[:at] + struct.pack(">d", 36_000_000) + webm[at + 8 :]
    still = BytesIO()
    pictures()[0].save(still, "WEBP")
    return {
        "empty": (b"", "an empty file"),
        "sound": (sound(hum()), "has no moving pictures; is it a recording"),
        "one frame": (encoded(pictures(1)), "one frame, expected a clip of two frames or more; use the kind image"),
        "still gif": (animated(pictures(1), "GIF"), "one frame"),
        "still webp": (still.getvalue(), "no frame, expected a clip"),
        "mp4 cut": (mp4[: len(mp4) // 2], "can be read|truncated"),
        "webm cut": (webm[: len(webm) // 2], "truncated|can be read"),
        "webp cut": (webp[: len(webp) - 40], "truncated"),
        "hours": (hours, "lasts 10:00:00, expected at most 1:00:00 unless a part is named"),
        "wide": (_sized_webp(webp), r"frames of 16,777,216 x 16,777,216 pixels"),
        "codec": (encoded(pictures(), "avi", "mpeg4").replace(b"FMP4", b"Q9Q9"), "has no codec that is known here"),
        "picture": (_png(), "one frame|can be read"),
        "text": (b"[clip](clip.mp4)\n" * 50, r"can be read \(.*\); fetch it again"),
        "playlist": (f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/a.mp4\n".encode(), "can be read"),
        "script": (f"ffconcat version 1.0\nfile '{tmp_path}/a.mp4'\n".encode(), "can be read"),
        "noise": (np.random.default_rng(0).bytes(4000), "can be read|damaged|no moving"),
    }


def _png() -> bytes:
    buffer = BytesIO()
    pictures()[0].save(buffer, "PNG")
    return buffer.getvalue()


def _sized_webp(webp: bytes) -> bytes:
    at = webp.index(b"VP8X") + 12
    return webp[:at] + b"\xff" * 6 + webp[at + 6 :]


def test_what_is_refused_is_refused_in_a_line(tmp_path: Path) -> None:
    for name, (content, expected) in refused(tmp_path).items():
        path = put(tmp_path / f"{name}.mp4", content)
        for item in (path, Clip(content)):
            problem = KIND.problem(item)
            assert problem is not None, name
            assert len(problem.splitlines()) == 1
            with pytest.raises(DataError, match=expected):
                KIND.parse(item).check()
        assert str(path) in str(KIND.problem(path))


def test_what_is_no_file(tmp_path: Path, mp4: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, expected in (
        (tmp_path / "none.mp4", "no such clip"),
        (tmp_path, "cannot be read"),
        (tmp_path / "pipe", "cannot be read"),
        ("a\0b", "cannot be read"),
    ):
        assert expected in str(KIND.problem(path))
    assert "ends before 5 s; name an earlier part" in str(KIND.problem(f"{mp4}#t=5,6"))
    with pytest.raises(DataError, match="expected #t=BEGINNING,END in seconds"):
        KIND.parse(f"{mp4}#t=2,1")
    with pytest.raises(UsageError, match="size"):
        Viewing(size=0)


def test_what_is_there_of_a_gif_is_seen() -> None:
    gif = animated(pictures(), "GIF")
    assert KIND.problem(Clip(gif[: len(gif) * 2 // 3])) is None
    assert KIND.problem(Clip(gif + b"garbage" * 9)) is None


def test_what_takes_too_long_or_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(encoded(pictures(40)))
    monkeypatch.setattr("closegap.kinds.film._WORK", 12 * 64 * 48)
    assert len(clip.pictures(FrameChoice(1))) == 1
    with pytest.raises(DataError, match=r"\d+ frames of 64 x 48 pixels have to be decoded"):
        clip.check()
    monkeypatch.setattr("closegap.kinds.clip._PACKED", 3)
    with pytest.raises(DataError, match="expected at most 3 to be packed"):
        KIND.pack(Clip(animated(pictures()), Viewing(offset=0.1)))
    monkeypatch.setattr("closegap.kinds.film._MOST", 1000)
    with pytest.raises(DataError, match="frames of 64 x 48 pixels, expected at most 1,000 pixels"):
        clip.check()


def test_many_frames_and_large_ones_take_no_memory(tmp_path: Path) -> None:
    """100,000 frames of a GIF, and hours of a long one, within 400 MiB and half a minute."""
    frame = (
        b"\x21\xf9\x04\x00\x0a\x00\x00\x00\x2c\x00\x00\x00\x00\x10\x00\x10\x00\x00\x02\x0e\x84\x8f\xa9\xcb\xed\x0f\xa3"
    )
    frame += b"\x9c\xb4\xda\x8b\xb3\x3e\x05\x00"
    start = b"GIF89a\x10\x00\x10\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    gif = put(tmp_path / "many.gif", start + frame * 100_000 + b";")
    long = put(
        tmp_path / "long.gif", start + frame.replace(b"\x0a\x00\x00\x00\x2c", b"\xff\xff\x00\x00\x2c") * 60 + b";"
    )
    code = """
import resource, sys
from closegap.kinds import VideoKind, FrameChoice
kind = VideoKind()
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
print(kind.problem(sys.argv[1] + '#t=0,3000'))
print(kind.problem(sys.argv[1]))
print(kind.problem(sys.argv[2]))
print(len(kind.parse(sys.argv[1] + '#t=9000,9001').pictures(FrameChoice(4))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(gif), str(long)], capture_output=True, text=True, timeout=100
    )
    part, whole, declared, frames = done.stdout.splitlines()
    assert part == "None"
    assert "lasts 2:46:40, expected at most 1:00:00 unless a part is named" in whole
    assert "lasts 10:55:21" in declared
    assert frames == "4"
    assert done.stderr == ""


def test_bytes_in_archives(mp4: Path, tmp_path: Path) -> None:
    content = mp4.read_bytes()
    archive = put(tmp_path / "archive.tar", b"x" * 100 + content)
    stored = KIND.stored(Stored(archive, 100, len(content), digest(content)))
    assert KIND.fingerprint(stored) == KIND.fingerprint(mp4) == KIND.fingerprint(Clip(content))
    assert KIND.place(stored) == Place(archive, f"@100+{len(content)}")
    assert KIND.problem(stored) is None
    assert KIND.pack(stored) == content
    part = KIND.parse(f"{mp4}#t=0.25,0.85")
    kept = KIND.unpack(KIND.pack(part))
    for one, other in zip(kept.pictures(FrameChoice(9)), part.pictures(FrameChoice(9)), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert [KIND.suffix(KIND.pack(item)) for item in (part, mp4)] == [".mov", ".mp4"]
    found = [KIND.suffix(encoded(pictures(3), *form)) for form in FORMS]
    assert found == [".mp4", ".mov", ".avi", ".mpg", ".video", ".webm", ".webm", ".flv", ".gif", ".png"]


def test_it_is_shown_as_strip_and_player(mp4: Path) -> None:
    sources: dict[str, str] = {}

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            sources[tag] = dict(attrs).get("src") or ""

    shown = KIND.show(mp4)
    Reader().feed(shown)
    strip, film = (BytesIO(b64decode(sources[tag].partition(",")[2])) for tag in ("img", "video"))
    assert sources["video"].startswith("data:video/webm;base64,")
    with av.open(film, "r") as opened:
        assert opened.streams.video[0].codec_context.name in ("vp9", "libvpx-vp9")
        assert len(list(opened.decode(video=0))) == 12
    assert Image.open(strip).size == (5 * 128 + 8, 96)
    assert KIND.show(mp4) == shown


def test_narrow_clips_are_shown() -> None:
    for width, height in ((400, 1), (1, 400), (1, 1)):
        shown = KIND.show(Clip(animated(pictures(3, width, height), "PNG")))
        strip = Image.open(BytesIO(b64decode(shown.split("image/jpeg;base64,")[1].partition('"')[0])))
        assert (strip.height, strip.width < 1000) == (96, True)
        assert "<video" in shown


def test_where_no_encoder_is_the_strip_stands_alone(mp4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closegap.kinds.clip_player._CODECS", ())
    shown = KIND.show(mp4)
    assert "<video" not in shown
    assert "no player: FFmpeg has no encoder" in shown


def test_nothing_that_a_container_says_leaves_it(tmp_path: Path) -> None:
    """Titles and comments may name patients."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as made:
        made.metadata.update({"title": "Jane Roe", "comment": "Jane Roe, 1960-01-02", "artist": "Jane Roe"})
        stream = made.add_stream("libx264", rate=10)
        stream.width, stream.height = 64, 48
        for picture in pictures():
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture))))
        made.mux(stream.encode(None))
    content = buffer.getvalue()
    assert b"Jane Roe" in content
    clip = Clip(content)
    shown = KIND.show(clip)
    film = b64decode(shown.split("video/webm;base64,")[1].partition('"')[0])
    for written in (shown.encode(), film, KIND.fingerprint(clip), repr(clip.frames(FrameChoice(2))[0].fingerprint())):
        assert b"Jane" not in (written if isinstance(written, bytes) else written.encode())
    assert b"Jane" not in Clip(content, Viewing(size=32)).cut()


def test_threads_see_what_one_sees(tmp_path: Path) -> None:
    paths = [put(tmp_path / f"{n}.mp4", encoded(pictures(8, seed=n))) for n in range(4)]
    expected = [np.stack(KIND.parse(path).pictures(FrameChoice(4))) for path in paths] * 5
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda path: np.stack(KIND.parse(path).pictures(FrameChoice(4))), paths * 5))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_real_clips(shared: Path) -> None:
    folder = shared / "data" / "lus_video"
    paths = [*sorted((folder / "originals").iterdir()), *sorted((folder / "video").iterdir())[::8]]
    assert [problem for path in paths if (problem := KIND.problem(path))] == []


def test_what_is_missing_is_named() -> None:
    code = "import sys; sys.modules['av'] = None\nfrom closegap.kinds import VideoKind"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("av is not installed; pip install 'closegap[video]'")
