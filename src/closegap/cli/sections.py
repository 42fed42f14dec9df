"""The sections of a run's config, explained one at a time: all of them at once are too long to read."""

import inspect
from argparse import SUPPRESS
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

from jsonargparse import ArgumentParser

from closegap.cli.help import VerbHelp
from closegap.errors import UsageError


@dataclass(frozen=True)
class ConfigSection:
    """A section of a run's config.

    Args:
        about: what it says, in a line.
        home: the module of its class; imported when the section is asked for.
        kind: the class: one whose arguments are the section's keys, or an abstract one, named by class path.
        offered: packages that have classes of that kind; by default its home.
    """

    about: str
    home: str
    kind: str
    offered: tuple[str, ...] = ()


SECTIONS = {
    "data": ConfigSection("where cases come from, by class path", "closegap.data", "Source"),
    "checks": ConfigSection("what is done about broken rows and leaks", "closegap.data", "Checks"),
    "model": ConfigSection("towers, heads, temperature", "closegap.models", "Model"),
    "loss": ConfigSection("what is minimised, by class path", "closegap.losses", "Loss"),
    "objective": ConfigSection(
        "what a run is for, by class path: aligning modalities, or captions too",
        "closegap.runs.objective",
        "Objective",
        ("closegap.training", "closegap.caption"),
    ),
    "train": ConfigSection("how the model is trained", "closegap.runs.training", "Training"),
}


def overview(verb: str, sections: Sequence[str]) -> str:
    """What a verb's help says of the sections that it reads."""
    listed = "\n".join(f"  {name:<11} {SECTIONS[name].about}" for name in sections)
    return f"""Sections of the config; `closegap {verb} --help SECTION` lists the keys of one, and every key is also an
option with a dot, as in --data.root DIR:

{listed}"""


def answer_help(arguments: Sequence[str], parser: ArgumentParser, sections: Sequence[str]) -> None:
    """Print the help that the arguments ask for and exit; return where they ask for none.

    Args:
        arguments: from the command line: `--help`, `--help SECTION`, `--SECTION.help CLASS`.
        parser: what `--help` alone prints.
        sections: those that the verb reads.

    Raises:
        UsageError: no such section, no such class.
    """
    words = list(arguments)
    for place, word in enumerate(words):
        option, joined, value = word.partition("=")
        after = words[place + 1 : place + 2]
        if not joined and after and not after[0].startswith("-"):
            value = after[0]
        section = option.removeprefix("--").removesuffix(".help")
        if option in ("-h", "--help"):
            print(explained(value, sections) if value else parser.format_help().rstrip())
        elif option == f"--{section}.help" and section in sections:
            print(_arguments_of(_imported(section, value), section) if value else explained(section, sections))
        else:
            continue
        raise SystemExit(0)


def explained(section: str, sections: Sequence[str] = tuple(SECTIONS)) -> str:
    """The keys of a section, or the classes that may stand there.

    Raises:
        UsageError: no such section.
    """
    if section not in sections:
        near = get_close_matches(section, sections, n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(sections)}"
        raise UsageError(f"--help {section}: no such section; {advice}")
    found = SECTIONS[section]
    kind = getattr(import_module(found.home), found.kind)
    packages = found.offered or (found.home,)
    text = _choices(section, packages, kind) if inspect.isabstract(kind) else _arguments_of(kind, section)
    return f"{section}: {found.about}\n\n{text}"


def _choices(section: str, packages: Sequence[str], kind: type) -> str:
    homes = [import_module(package) for package in packages]
    offered = {f"{home.__name__}.{name}": getattr(home, name) for home in homes for name in home.__all__}
    classes = {path: found for path, found in offered.items() if isinstance(found, type) and issubclass(found, kind)}
    listed = "\n".join(f"  {path}\n      {_first_line(found)}" for path, found in classes.items() if found is not kind)
    return f"""{listed}

or any other by its import path. `--{section}.help CLASS` lists the arguments of one; they are given as
--{section}.NAME VALUE, or in the config as
  {section}: {{class_path: CLASS, init_args: {{NAME: VALUE}}}}"""


def _arguments_of(kind: type, section: str) -> str:
    parser = ArgumentParser(add_help=False, formatter_class=VerbHelp, usage=SUPPRESS)
    parser.add_class_arguments(kind, section)
    return str(parser.format_help()).strip()


def _imported(section: str, path: str) -> type:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"--{section}.help {path}: cannot be imported ({error}); expected an import path") from error
    if not isinstance(found, type):
        raise UsageError(f"--{section}.help {path}: no class; expected the import path of one")
    return found


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
