"""What an index says, whatever its files look like."""

import json
from pathlib import Path

DATABASE = "index.sqlite"


def indexed(folder: Path) -> bytes:
    """All rows of all partitions in their order, with vectors and previews, and the corrections that hold."""
    from closegap.errors import ClosegapError
    from closegap.search import EmbeddedIndex

    found: list[bytes] = []
    try:
        with EmbeddedIndex(folder) as index:
            for partition in sorted(index.stats().widths):
                batch = index.read(partition, index.ids(partition))
                found += [partition.encode(), batch.vectors.tobytes(), *(batch.previews or ())]
                found += [json.dumps([row.id, row.case, row.group, row.payload]).encode() for row in batch.rows]
            for name, content in sorted(index.corrections().items()):
                found += [name.encode(), content]
    except ClosegapError as error:
        return f"refused: {error}".encode()
    return b"\0".join(found)
