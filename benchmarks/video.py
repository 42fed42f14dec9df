"""Decoding of clips on one core, beside the plain loop over PyAV.

    python benchmarks/video.py FOLDER [--rounds 5] [--frames 8]

The plain loop decodes every frame in one thread and makes a picture of each that is the middle one of so many equal
parts; ours chooses the same frames by time. Each file is decoded by both in turns; a ratio is that of the computing
time of a round, the line says its median. Then the times of the frames alone, which is what choosing them costs.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import av

from closegap.kinds import Clip, FrameChoice


def plain(path: Path, choice: FrameChoice) -> int:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        decoded = list(container.decode(stream))
        n = choice.frames
        chosen = {int((k + 0.5) / n * len(decoded)) for k in range(n)}
        return len([decoded[number].to_image(threads=1) for number in chosen])


def ours(path: Path, choice: FrameChoice) -> int:
    return len(Clip(path).pictures(choice))


def times_alone(path: Path, choice: FrameChoice) -> int:
    return len(Clip(path).frames(choice))


def seconds(decode: Callable[[Path, FrameChoice], int], path: Path, choice: FrameChoice) -> float:
    began = time.process_time()
    decode(path, choice)
    return time.process_time() - began


def a_round(paths: list[Path], decode: Callable[[Path, FrameChoice], int], choice: FrameChoice) -> tuple[float, float]:
    """Seconds of computing of both over all files, each file by both before the next."""
    theirs = mine = 0.0
    for number, path in enumerate(paths):
        order = (plain, decode) if number % 2 else (decode, plain)
        taken = {one: seconds(one, path, choice) for one in order}
        theirs, mine = theirs + taken[plain], mine + taken[decode]
    return theirs, mine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=8)
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.iterdir() if path.is_file())
    for what, decode in ((f"{given.frames} frames", ours), ("their times", times_alone)):
        pairs = [a_round(paths, decode, FrameChoice(given.frames)) for _ in range(given.rounds)]
        ratio = statistics.median(theirs / mine for theirs, mine in pairs)
        fastest = len(paths) / min(mine for _, mine in pairs)
        print(
            f"{what}: {len(paths)} files; {fastest:,.0f} clips in a second of one core; {ratio:.2f} times the plain "
            f"loop (median of {given.rounds} rounds)"
        )


if __name__ == "__main__":
    main()
