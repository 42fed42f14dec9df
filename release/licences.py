"""List the licences of a bill of materials (CycloneDX), as SPDX names, and refuse those that bind who uses closegap.

python release/licences.py BOM.json LICENCES.md
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BINDS = ("AGPL", "GPL-2", "GPL-3", "SSPL", "BUSL", "CC-BY-NC")
_AND_YET = ("LGPL", "WITH")  # of a library that is linked, or with an exception
_NVIDIA = "LicenseRef-NVIDIA-Software-License"
_IN_THE_FILE = {  # packages whose metadata leave it to the text of the licence that they carry
    "cuda-toolkit": _NVIDIA,
    "nvidia-cusparselt-cu13": _NVIDIA,
    "protobuf": "BSD-3-Clause",
    "torchvision": "BSD-3-Clause",
    "transformers": "Apache-2.0",
}


def main() -> None:
    """Write the table; end with an error where a licence is unknown or binds."""
    bom, table = map(Path, sys.argv[1:3])
    parts = json.loads(bom.read_text(encoding="utf-8"))["components"]
    found = {part["name"]: (part.get("version", ""), licences(part)) for part in parts}
    rows = [f"| {name} | {version} | {', '.join(named)} |" for name, (version, named) in sorted(found.items())]
    table.write_text("\n".join(["| package | version | licence |", "|---|---|---|", *rows, ""]), encoding="utf-8")
    unknown = [name for name, (_, named) in found.items() if not named]
    bound = [name for name, (_, named) in found.items() if named and all(map(_is_bound, named))]
    if unknown or bound:
        raise SystemExit(f"no licence said: {unknown}; a licence that binds: {bound}")
    print(f"{len(rows)} packages, the licences of all are known and bind nobody")


def licences(part: Mapping[str, Any]) -> list[str]:
    """What a component says of its licence: an expression, SPDX names, or a name of its own."""
    said = [
        entry.get("expression") or entry["license"].get("id") or entry["license"].get("name")
        for entry in part.get("licenses", [])
    ]
    named = sorted({" ".join(name.split())[:80] for name in said if name})
    return named or [_IN_THE_FILE[name] for name in (part["name"],) if name in _IN_THE_FILE]


def _is_bound(name: str) -> bool:
    return any(part in name for part in _BINDS) and not any(part in name for part in _AND_YET)


if __name__ == "__main__":
    main()
