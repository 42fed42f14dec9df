"""All attacks, one after the other: a summary line each.

    python -m acceptance --count 300 --seed 0

`--count` is that of malformed inputs; a kill comes for every tenth of them, a pair and a full disk for every twentieth.
"""

import sys
from dataclasses import replace

from acceptance import disk, fuzz, kill, together
from acceptance.options import asked


def main() -> int:
    """Run all of them; 1 if any found anything."""
    given = asked(__doc__)
    shares = ((fuzz.main, 1), (kill.main, 10), (together.main, 20), (disk.main, 20))
    return max([attack(replace(given, count=-(-given.count // share))) for attack, share in shares])


if __name__ == "__main__":
    sys.exit(main())
