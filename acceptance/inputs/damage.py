"""What is done to bytes, and texts and payloads that go where others are expected."""

import os
import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from random import Random

SENTINEL = "sentinel-was-run"
"""The file that a payload would write if anything executed it."""

SHELL = f"touch {SENTINEL}"

STRANGE: Sequence[str] = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\ufeff",
        "\u202e",
        "'",
        '"',
        "\r\n",
        "\t",
        "a,b",
        "|",
        ":",
        "a|b:c",
        "\x1b[31mred\x1b[0m",
    ),
    *(
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "=1+1",
        "@SUM(A1)",
        "+1",
        "-1",
        "{{7*7}}",
        "%s%n{0}",
    ),
    *("../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "C:\\x\\y", f"$({SHELL})", f"`{SHELL}`", "${HOME}"),
    *(
        "NaN",
        "null",
        "1e999",
        "True",
        "__class__",
        "a" * 5000,
        "é" * 50,
        "\U0001d54f" * 20,
        "\x00\x01\x02",
        "\u2028",
        "١٢",
    ),
)

_NUMBERS = (b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, struct.pack("<q", 2**62), struct.pack("<q", -1))


class Payload:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """The call that unpickling makes."""
        return os.system, (SHELL,)


def payload() -> bytes:
    """A pickle that runs a command where it is loaded."""
    return pickle.dumps(Payload())


def flipped(random: Random, content: bytes, most: int = 6) -> bytes:
    """The bytes with up to `most` changes: other bytes, some cut out, some put in, extreme numbers."""
    found = bytearray(content)
    for _ in range(random.randint(1, most)):
        if not found:
            break
        at, kind = random.randrange(len(found)), random.random()
        if kind < 0.55:
            found[at] ^= random.randrange(1, 256)
        elif kind < 0.7:
            del found[at : at + random.randint(1, 40)]
        elif kind < 0.85:
            found[at:at] = random.randbytes(random.randint(1, 40))
        else:
            found[at : at + 8] = random.choice(_NUMBERS)
    return bytes(found)


def cut(random: Random, content: bytes) -> bytes:
    """A beginning of the bytes, never all of them."""
    return content[: random.randrange(max(1, len(content)))]


def damage_file(random: Random, file: Path) -> None:
    """Replace a file by a damaged one: cut, changed, empty, a pickle, a folder, or nothing."""
    content, kind = file.read_bytes(), random.random()
    if kind < 0.35:
        file.write_bytes(flipped(random, content))
    elif kind < 0.65:
        file.write_bytes(cut(random, content))
    elif kind < 0.75:
        file.write_bytes(random.choice([b"", payload(), b"\0" * len(content), random.randbytes(300), content * 2]))
    else:
        file.unlink()
        if kind < 0.8:
            file.mkdir()
        elif kind < 0.85:
            file.symlink_to(random.choice([file.name, "/dev/zero", "nowhere"]))
        elif kind < 0.9:
            os.mkfifo(file)
