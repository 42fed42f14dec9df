"""Pseudonyms are stable, tell things apart, and depend on a key that nobody else may read."""

import hashlib
from pathlib import Path

import pytest

from closegap.data.dicomweb.pseudonyms import Pseudonyms
from closegap.errors import UsageError


def key(folder: Path, content: bytes = b"7" * 64 + b"\n", mode: int = 0o600) -> Path:
    file = folder / "key"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_a_pseudonym_is_a_keyed_digest(tmp_path: Path) -> None:
    found = Pseudonyms.read(key(tmp_path)).patient(" 4711 ", "Nowhere")
    state = hashlib.blake2b(key=hashlib.blake2b(b"7" * 64).digest(), digest_size=16, person=b"patient")
    state.update(b"\4" + bytes(7) + b"4711" + b"\7" + bytes(7) + b"Nowhere")
    assert found == state.hexdigest()


def test_things_are_told_apart() -> None:
    one, other = Pseudonyms(b"a" * 32), Pseudonyms(b"b" * 32)
    names = [one.of("study", "1.2"), one.of("patient", "1.2"), one.of("study", "1", ".2"), other.of("study", "1.2")]
    assert len(set(names)) == 4
    assert one.patient("7") != one.patient("7", "Elsewhere")


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"short\n", 0o600, "a key of 5 bytes, expected at least 32"),
        (b" " * 64, 0o600, "a key of 0 bytes"),
        (b"7" * 64, 0o640, "that others may read or change"),
        (b"7" * 64, 0o602, "that others may read or change"),
    ],
)
def test_a_key_that_protects_nobody_is_refused(tmp_path: Path, content: bytes, mode: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Pseudonyms.read(key(tmp_path, content, mode))


def test_a_missing_key_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such key; make one with `\(umask 077; openssl rand -hex 32 > "):
        Pseudonyms.read(tmp_path / "key")
    with pytest.raises(UsageError, match="no regular file"):
        Pseudonyms.read(tmp_path)
    assert not any(tmp_path.iterdir())
