"""The header of a .safetensors file in one order: the library writes metadata in another each time."""

import json
from pathlib import Path


def ordered(file: Path) -> None:
    """Rewrite a .safetensors file so that equal contents are equal bytes."""
    content = file.read_bytes()
    size = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:size]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    file.write_bytes(len(header).to_bytes(8, "little") + header + content[size:])
