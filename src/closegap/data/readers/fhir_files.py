"""FHIR resources in files: bundles, single resources, and lines of a bulk export."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from closegap.data.case import BrokenRow
from closegap.errors import DataError

_WHOLE, _LINES = (".json",), (".ndjson", ".jsonl")
_LARGEST = 2**28  # bytes of a bundle, unpacked, which is parsed as a whole
_LONGEST = 2**24  # bytes of a line


@dataclass(frozen=True)
class Found:
    """A resource.

    Args:
        where: file, and entry or line.
        resource: as JSON has it.
        url: what others in the bundle call it.
    """

    where: str
    resource: Mapping[str, Any]
    url: str = ""


def resource_files(root: Path) -> list[Path]:
    """The files of a folder that may hold resources, or the one file that was named, in a fixed order.

    Raises:
        DataError: there is none.
    """
    if root.is_dir():
        files = sorted(path for path in root.rglob("*") if _plain(path).suffix in _WHOLE + _LINES and path.is_file())
    else:
        files = [root] if root.is_file() else []
    if not files:
        raise DataError(f"{root}: expected bundles (.json) or a bulk export (.ndjson), with .gz or without; found none")
    return files


def is_bundled(path: Path) -> bool:
    """Whether the file is parsed as a whole, and not line by line."""
    return _plain(path).suffix in _WHOLE


def resources(path: Path) -> Iterator[Found | BrokenRow]:
    """The resources of a file, and what is none."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            yield from _of_whole(path, file) if is_bundled(path) else _of_lines(path, file)  # type: ignore[arg-type]
    except (EOFError, zlib.error, OSError) as error:
        yield BrokenRow("not readable", str(path), f"breaks off, or cannot be read ({error})")


def _of_lines(path: Path, file: BinaryIO) -> Iterator[Found | BrokenRow]:
    number = 0
    while line := file.readline(_LONGEST + 1):
        number += 1
        where = f"{path}, line {number}"
        if len(line) > _LONGEST:
            yield BrokenRow("not readable", where, f"more than {_LONGEST >> 20} MiB in a line; the rest is not read")
            return
        if line.strip():
            parsed = _parsed(line, where)
            yield parsed if isinstance(parsed, BrokenRow) else Found(where, parsed)


def _of_whole(path: Path, file: BinaryIO) -> Iterator[Found | BrokenRow]:
    content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        message = f"more than {_LARGEST >> 20} MiB in one bundle; export it as NDJSON, which is read line by line"
        yield BrokenRow("not readable", str(path), message)
        return
    parsed = _parsed(content, str(path))
    if isinstance(parsed, BrokenRow):
        yield parsed
    elif parsed["resourceType"] != "Bundle":
        yield Found(str(path), parsed)
    elif not isinstance(entries := parsed.get("entry", []), list):
        yield BrokenRow("not FHIR", str(path), f"expected a list as the bundle's entry, found {_name(entries)}")
    else:
        for number, entry in enumerate(entries, start=1):
            where = f"{path}, entry {number}"
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if resource is None or not _is_resource(resource):
                yield BrokenRow(
                    "not FHIR", where, f"expected a resource with its resourceType, found {_name(resource)}"
                )
            else:
                url = entry.get("fullUrl")
                yield Found(where, resource, url if isinstance(url, str) else "")


def _parsed(content: bytes, where: str) -> dict[str, Any] | BrokenRow:
    try:
        found = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        return BrokenRow("not JSON", where, f"expected one JSON object ({reason})")
    if not _is_resource(found):
        return BrokenRow("not FHIR", where, f"expected an object with a resourceType, found {_name(found)}")
    return dict(found)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _is_resource(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("resourceType"), str)


def _plain(path: Path) -> Path:
    return path.with_suffix("") if path.suffix == ".gz" else path


def _name(found: Any) -> str:
    return "an object without one" if isinstance(found, dict) else f"a {type(found).__name__}"
