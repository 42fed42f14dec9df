"""The command line: one file per verb."""

from closegap.cli.main import main as main
