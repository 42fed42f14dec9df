"""closegap posthoc: fit a method on train embeddings, apply it to others."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from closegap.cli.arguments import parse, verb_parser
from closegap.cli.console import console
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.embeddings.unit_norm import unit_norm
from closegap.errors import UsageError
from closegap.posthoc import PostHoc, standard_arms

_DESCRIPTION = """Close the gap after training. A method is fitted on train embeddings, kept in one file and applied to
other embeddings; applying it to rows that it was fitted on is refused unless --in-sample allows it.

  closegap posthoc fit --method shift --train train.safetensors --out shift.safetensors
  closegap posthoc apply shift.safetensors test.safetensors --out test-shifted.safetensors"""

_SETTINGS = ("fraction", "anchor", "shrinkage", "seed")


def main(arguments: Sequence[str]) -> None:
    """Fit or apply a method."""
    actions = {"fit": _fit, "apply": _apply}
    action = arguments[0] if arguments else ""
    if action in ("-h", "--help"):
        parse(verb_parser("posthoc fit|apply", _DESCRIPTION), ["--help"])
    if action not in actions:
        raise UsageError(f"posthoc '{action}': expected fit or apply; see `closegap posthoc --help`")
    actions[action](arguments[1:])


def _fit(arguments: Sequence[str]) -> None:
    methods = standard_arms()
    parser = verb_parser("posthoc fit", _DESCRIPTION)
    parser.add_argument("--method", type=str, required=True, help=f"one of {', '.join(methods)}")
    parser.add_argument("--train", type=Path, required=True, help="the set of embeddings to fit on")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--fraction", type=float | None, default=None, help="shift: how much of the gap, 0 to 1")
    parser.add_argument(
        "--anchor", type=str | None, default=None, help="shift, realign, procrustes: the modality that stays"
    )
    parser.add_argument("--shrinkage", type=float | None, default=None, help="whiten: towards the identity, 0 to 1")
    parser.add_argument("--seed", type=int | None, default=None, help="placebo: of its direction")
    given = parse(parser, arguments)
    _check_out(given.out, given.train)
    if given.method not in methods:
        raise UsageError(f"--method {given.method}: expected one of {', '.join(methods)}")
    method = _with_settings(methods[given.method], given)
    train, notes = unit_norm(EmbeddingSet.load(given.train))
    method.fit(train).save(given.out)
    _tell(notes, f"{given.out}: {given.method} of {', '.join(train.modalities)}, fitted on {len(train.ids)} rows")


def _apply(arguments: Sequence[str]) -> None:
    parser = verb_parser("posthoc apply", _DESCRIPTION)
    parser.add_argument("method", type=Path, help="a method that `closegap posthoc fit` wrote")
    parser.add_argument("set", type=Path, help="the set of embeddings to apply it to")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--in-sample", action="store_true", help="allow rows that the method was fitted on")
    given = parse(parser, arguments)
    _check_out(given.out, given.method, given.set)
    method: PostHoc = PostHoc.load(given.method)
    embeddings, notes = unit_norm(EmbeddingSet.load(given.set))
    moved = method.apply(embeddings, in_sample=given.in_sample)
    moved.save(given.out)
    _tell(notes, f"{given.out}: {len(moved.ids)} rows of {', '.join(moved.modalities)}")
    if moved.meta.get("in_sample"):
        console().print("in-sample: the method was fitted on rows of this set, which its meta says", markup=False)


def _with_settings(method: PostHoc, given: Namespace) -> PostHoc:
    settings = {name: given[name] for name in _SETTINGS if given[name] is not None}
    foreign = [name for name in settings if name not in method.settings]
    if foreign:
        known = ", ".join(f"--{name}" for name in method.settings) or "no settings"
        raise UsageError(f"--{foreign[0]} is none of the settings of {given.method}; it has {known}")
    return type(method)(**settings)


def _check_out(out: Path, *inputs: Path) -> None:
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out}: expected a file that ends in .safetensors")
    if out.resolve() in [path.resolve() for path in inputs]:
        raise UsageError(f"--out {out}: is also what is read; write to another file")


def _tell(notes: Sequence[str], line: str) -> None:
    for text in (*notes, line):
        console().print(text, markup=False)
