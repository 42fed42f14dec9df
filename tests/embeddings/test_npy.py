"""Arrays whose headers say something else than their files hold: one line, and no memory for what is not there."""

import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from closegap.embeddings import ArrayFile, load_array, read_column
from closegap.errors import DataError

ROWS = np.random.default_rng(0).normal(size=(6, 4)).astype("f4")


def npy(header: str, values: bytes = ROWS.tobytes(), version: int = 1) -> bytes:
    """An array with this header."""
    text = header.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + values


def described(shape: str, dtype: str = "'<f4'") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}"


def zipped(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("image.npy", content)
    return path


HEADERS = {
    "more rows than there are": described("(1000000000000, 4)"),
    "more rows than can be counted": described("(4611686018427387904, 4)"),
    "rows below 0": described("(-6, -4)"),
    "a length below 0": described("(6, -4)"),
    "lengths that are no whole numbers": described("(6.0, 4.0)"),
    "a length of thousands of digits": described(f"({'9' * 4500}, 4)"),
    "no shape": described("None"),
    "a text that never ends": "{'descr': '",
    "a bracket that never closes": "(",
    "brackets in brackets": "(" * 3000,
    "braces in braces": "{'a':" * 500 + "1" + "}" * 500,
    "another key": described("(6, 4)") + ", 'x'",
    "no type": described("(6, 4)", "5"),
    "a type that there is not": described("(6, 4)", "'nonsense'"),
    "a type of parts with an offset below 0": described(
        "(6, 4)", "{'names': ['a'], 'formats': ['<f4'], 'offsets': [-4]}"
    ),
    "a call": "__import__('os').abort()",
    "nothing": "",
    "fewer rows": described("(5, 4)"),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("version", [1, 2])
def test_a_header_that_is_wrong_is_one_short_line(header: str, version: int, tmp_path: Path) -> None:
    content = npy(header, version=version)
    (tmp_path / "a.npy").write_bytes(content)
    for path in (tmp_path / "a.npy", zipped(tmp_path / "a.npz", content)):
        with pytest.raises(DataError, match=rf"^{path}: cannot be read as a {path.suffix} file") as caught:
            load_array(path)
        assert len(str(caught.value)) < 400
    with pytest.raises(DataError, match=r"cannot be read as a \.npy file"):
        read_column(tmp_path / "a.npy")


def test_what_follows_an_array_or_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, ROWS)
    whole = path.read_bytes()
    for content, found in ((whole + b"more", "100"), (whole[:-4], "92")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"{found} bytes of values, expected 96 for float32 of shape \(6, 4\)"):
            load_array(path)
        with pytest.raises(DataError, match=rf"{found} bytes of values, expected 96"):
            load_array(zipped(tmp_path / "a.npz", content))


def test_strings_that_are_longer_than_their_file(tmp_path: Path) -> None:
    path = tmp_path / "ids.npy"
    path.write_bytes(npy(described("(6,)", f"'<U{2**28}'")))
    with pytest.raises(DataError, match="96 bytes of values, expected 6,442,450,944 for <U268435456"):
        read_column(path)


def test_half_a_character_is_refused_by_row(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.array(["a", "\ud800"]))
    with pytest.raises(DataError, match=r"ids\.npy: row 1 holds half a character \('\\ud800'\)"):
        read_column(tmp_path / "ids.npy")


@pytest.mark.parametrize("flag", ["encrypted", "patched", "method"])
def test_archives_that_cannot_be_unpacked(flag: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, ROWS)
    path = zipped(tmp_path / "a.npz", buffer.getvalue(), compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    for signature, flags, method in ((b"PK\x03\x04", 6, 8), (b"PK\x01\x02", 8, 10)):
        at = content.find(signature)
        if flag == "method":
            content[at + method] = 99
        else:
            content[at + flags] |= 1 if flag == "encrypted" else 32
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as a \.npz file \("):
        load_array(path)


def test_members_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as a \.npz file \(no header of numpy's"):
        load_array(zipped(tmp_path / "a.npz", b"text"))


def test_columns_and_rows_are_read_in_fortran_order(tmp_path: Path) -> None:
    rows = np.asfortranarray(ROWS)
    np.savez(tmp_path / "a.npz", image=rows)
    assert np.array_equal(load_array(tmp_path / "a.npz").numpy(), ROWS)


def test_types_of_four_bits_are_refused(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F4","shape":[6,32],"data_offsets":[0,96]}}'
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(96))
    with pytest.raises(DataError, match=r"a\.safetensors: dtype F4; expected float16, float32 or float64"):
        load_array(path)


def bomb(path: Path, rows: int, width: int = 64) -> Path:
    """An archive of a thousandth of the size that its array, of zeros, unpacks to."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as member:
        member.write(npy(described(f"({rows}, {width})"), b""))
        for _ in range(rows * width * 4 // 2**20):
            member.write(bytes(2**20))
    return path


def test_a_member_packed_too_tightly_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.npz", 2**21)
    assert path.stat().st_size < 2**20
    with pytest.raises(DataError, match=r"a\.npz: 5\d\d,\d\d\d bytes that unpack to 536,870,912: no embeddings are"):
        load_array(path)


def test_a_column_that_says_it_is_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(2**26, dtype="f4")), 64)
    pq.write_table(pa.table({"image": lists}), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 2**20
    with pytest.raises(DataError, match=r"a\.parquet: .* bytes that unpack to 536,870,912: no embeddings are"):
        load_array(ArrayFile(tmp_path / "a.parquet"))


def test_millions_of_bad_rows_are_counted_in_little_memory(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.npz", 2**24, width=4)  # 256 MiB: as much as is always read
    program = (
        "import resource, sys\n"
        "from closegap.embeddings import load_array, unit_rows\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = load_array(sys.argv[1])\n"
        "try:\n    unit_rows(rows, 'a')\nexcept Exception as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    found = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    message, grown = found.stdout.splitlines()
    assert message == (
        "a: row 0 is zero (16,777,216 such rows: 0, 1, 2, 3, 4, ...); leave it out of every array (rows count from 0)"
    )
    assert int(grown) < 700, "MiB: 256 of the array, 128 of its norms; a list of all rows would take 600 more"


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_what_never_ends_is_not_opened(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    with pytest.raises(DataError, match=r"a\.npy: is a device or a pipe; expected a file"):
        load_array(path)


def test_links_in_a_circle_are_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.npy").symlink_to("a.npy")
    with pytest.raises(DataError, match=r"a\.npy: no such file"):
        load_array(tmp_path / "a.npy")
