"""`python -m closegap` is `closegap`, which launchers of several processes need."""

import sys

from closegap.cli import main

if __name__ == "__main__":
    sys.exit(main())
