"""closegap embed: a split's embeddings."""

from collections.abc import Sequence
from pathlib import Path

from closegap.cli.arguments import parse_with_overrides, verb_parser
from closegap.cli.console import Bars, say
from closegap.errors import UsageError
from closegap.train.evaluate import evaluate

_DESCRIPTION = """Embed a split with a trained run. Writes FILE.safetensors (one array per modality, presence masks) and
FILE.parquet beside it (ids, groups, labels, concepts).

  closegap embed runs/a --data.root ROCO --split test --out test.safetensors"""


def main(arguments: Sequence[str]) -> None:
    """Embed a split."""
    parser = verb_parser("embed", _DESCRIPTION)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--split", type=str, default="test", help="train, validation or test")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    given, overrides = parse_with_overrides(parser, arguments)
    if given.out.suffix != ".safetensors":
        raise UsageError(f"--out {given.out}: expected a file that ends in .safetensors")
    with Bars("embedding") as bars:
        found = evaluate(given.run, given.split, overrides, bars)
    found.embeddings.save(given.out)
    rows = {name: int(found.embeddings.mask(name).sum()) for name in found.embeddings.modalities}
    say(f"{given.out}: " + ", ".join(f"{count} rows of {name}" for name, count in rows.items()))
