"""Where cases come from, as a command says it beside a model: `--data CLASS --data.root DIR`, `--config FILE`."""

from collections.abc import Sequence

from jsonargparse import ArgumentParser

from closegap.data import Checks, Source
from closegap.errors import UsageError
from closegap.runs.config import parse_run

_OF_TRAINING = ("model", "loss", "objective", "train", "arm", "control", "seed")  # what they name is not imported


def read_source(arguments: Sequence[str]) -> tuple[Source, Checks]:
    """The data set that arguments name, and what is done about its broken rows.

    Args:
        arguments: as on a command line; of config files the sections `data` and `checks` count.

    Raises:
        UsageError: no data named, or arguments that their class refuses.
    """
    if not arguments:
        raise UsageError("--data: not given; say where cases come from, as --data closegap.data.Roco --data.root DIR")
    parser = _parser()
    parser.add_argument("--data", type=Source, required=True)
    built = parser.instantiate(parse_run(list(arguments), parser, _OF_TRAINING))
    return built.data, built.checks


def read_checks(arguments: Sequence[str]) -> Checks:
    """What is done about broken rows of a data set that is named elsewhere; see `read_source`."""
    parser = _parser()
    found: Checks = parser.instantiate(parse_run(list(arguments), parser, _OF_TRAINING)).checks
    return found


def _parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--checks", type=Checks, default=Checks())
    return parser
