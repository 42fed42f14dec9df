"""closegap posthoc: fit a method on train embeddings, apply it to others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from closegap.cli.arguments import add_out, free, parse, verb_parser
from closegap.cli.methods import METHODS
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.posthoc import PostHoc

_DESCRIPTION = """Close the gap after training. A method is fitted on train embeddings, kept in one file and applied to
other embeddings; applying it to rows that it was fitted on is refused unless --in-sample allows it.

  closegap posthoc fit --method shift --train train.safetensors --out shift.safetensors
  closegap posthoc apply shift.safetensors test.safetensors --out test-shifted.safetensors"""

_SETTINGS = ("fraction", "anchor", "shrinkage", "seed")


def parser(action: str) -> ArgumentParser:
    """What `fit` and `apply` take."""
    return {"fit": _fit_parser, "apply": _apply_parser}[action]()


def main(arguments: Sequence[str]) -> None:
    """Fit or apply a method."""
    actions = {"fit": _fit, "apply": _apply}
    action = arguments[0] if arguments else ""
    if action in ("-h", "--help"):
        parse(verb_parser("posthoc fit|apply", _DESCRIPTION), ["--help"])
    if action not in actions:
        raise UsageError(f"posthoc '{action}': expected fit or apply; see `closegap posthoc --help`")
    actions[action](parse(parser(action), arguments[1:]))


def _fit_parser() -> ArgumentParser:
    found = verb_parser("posthoc fit", _DESCRIPTION)
    found.add_argument("--method", type=str, required=True, help=f"one of {METHODS}")
    found.add_argument("--train", type=Path, required=True, help="the set of embeddings to fit on")
    add_out(found, "the .safetensors file to write")
    found.add_argument("--fraction", type=float | None, default=None, help="shift: how much of the gap, 0 to 1")
    found.add_argument(
        "--anchor", type=str | None, default=None, help="shift, realign, procrustes: the modality that stays"
    )
    found.add_argument("--shrinkage", type=float | None, default=None, help="whiten: towards the identity, 0 to 1")
    found.add_argument("--seed", type=int | None, default=None, help="placebo: of its direction")
    return found


def _apply_parser() -> ArgumentParser:
    found = verb_parser("posthoc apply", _DESCRIPTION)
    found.add_argument("method", type=Path, help="a method that `closegap posthoc fit` wrote")
    found.add_argument("set", type=Path, help="the set of embeddings to apply it to")
    add_out(found, "the .safetensors file to write")
    found.add_argument("--in-sample", action="store_true", help="allow rows that the method was fitted on")
    return found


def _fit(given: Namespace) -> None:
    _check_out(given, given.train)
    from closegap.embeddings.embedding_set import EmbeddingSet
    from closegap.embeddings.unit_norm import unit_norm
    from closegap.posthoc import standard_arms

    methods = standard_arms()
    if given.method not in methods:
        raise UsageError(f"--method {given.method}: expected one of {', '.join(methods)}")
    method = _with_settings(methods[given.method], given)
    train, notes = unit_norm(EmbeddingSet.load(given.train))
    method.fit(train).save(given.out)
    _tell(notes, f"{given.out}: {given.method} of {', '.join(train.modalities)}, fitted on {len(train.ids)} rows")


def _apply(given: Namespace) -> None:
    _check_out(given, given.method, given.set)
    from closegap.cli.console import console
    from closegap.embeddings.embedding_set import EmbeddingSet
    from closegap.embeddings.unit_norm import unit_norm
    from closegap.posthoc import PostHoc

    method: PostHoc = PostHoc.load(given.method)
    embeddings, notes = unit_norm(EmbeddingSet.load(given.set))
    moved = method.apply(embeddings, in_sample=given.in_sample)
    moved.save(given.out)
    _tell(notes, f"{given.out}: {len(moved.ids)} rows of {', '.join(moved.modalities)}")
    if moved.meta.get("in_sample"):
        console().print("in-sample: the method was fitted on rows of this set, which its meta says", markup=False)


def _with_settings(method: "PostHoc", given: Namespace) -> "PostHoc":
    settings = {name: given[name] for name in _SETTINGS if given[name] is not None}
    foreign = [name for name in settings if name not in method.settings]
    if foreign:
        known = ", ".join(f"--{name}" for name in method.settings) or "no settings"
        raise UsageError(f"--{foreign[0]} is none of the settings of {given.method}; it has {known}")
    return type(method)(**settings)


def _check_out(given: Namespace, *inputs: Path) -> None:
    out = given.out
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out}: expected a file that ends in .safetensors")
    if out.resolve() in [path.resolve() for path in inputs]:
        raise UsageError(f"--out {out}: is also what is read; write to another file")
    free(given)


def _tell(notes: Sequence[str], line: str) -> None:
    from closegap.cli.console import console

    for text in (*notes, line):
        console().print(text, markup=False)
