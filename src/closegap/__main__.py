"""`python -m closegap` is `closegap`, which launchers of several processes need."""

import sys
from pathlib import Path

# Python looks into the current folder first; it comes last, so that no file in it stands in for a library.
if sys.path and sys.path[0] == str(Path.cwd()):
    sys.path.append(sys.path.pop(0))

from closegap.cli import main

if __name__ == "__main__":
    sys.exit(main())
