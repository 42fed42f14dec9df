"""closegap embed: the embeddings of a split, of images or of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from closegap.bounds import PositiveInt
from closegap.cli.arguments import add_out, free, parse_with_overrides, verb_parser
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.kinds import Kind
    from closegap.runs.open import OpenedRun

_DESCRIPTION = """Embed a split, a folder of images or a table of texts with a trained run. Writes FILE.safetensors (one
array per modality, presence masks) and FILE.parquet beside it (ids, groups, labels, concepts). Works in parts, kept in
FILE.safetensors.parts until all are there: the same command after a kill goes on where it stopped.

  closegap embed runs/a --data.root ROCO --split test --out test.safetensors
  closegap embed runs/a --images ARCHIVE --out archive.safetensors
  closegap embed runs/a --texts queries.csv --out queries.safetensors
  closegap embed runs/a --data.path cases.csv --split test --out test.safetensors --ray auto

A config is trusted input, and so is a run's folder: the modules of the classes that they name are imported."""


def parser() -> ArgumentParser:
    """What embedding takes."""
    found = verb_parser("embed", _DESCRIPTION)
    found.add_argument("run", type=Path, help="the run's folder")
    found.add_argument("--split", type=str, default="test", help="train, validation or test")
    found.add_argument("--images", type=Path | None, default=None, help="embed every image below this folder instead")
    found.add_argument(
        "--texts", type=Path | None, default=None, help="embed the column `text` of this table instead, such as queries"
    )
    found.add_argument("--ray", type=str | None, default=None, help="address of a Ray cluster; local starts one here")
    found.add_argument(
        "--batch-size", type=PositiveInt | None, default=None, help="items at once; fewer take less memory"
    )
    add_out(found, "the .safetensors file to write")
    return found


def main(arguments: Sequence[str]) -> None:
    """Embed a split."""
    given, overrides = parse_with_overrides(parser(), arguments)
    if given.out.suffix != ".safetensors":
        raise UsageError(f"--out {given.out}: expected a file that ends in .safetensors")
    if given.images is not None and given.texts is not None:
        raise UsageError("--images, --texts: one embedding set takes one of them; leave the other out")
    free(given)
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.data import ImageFolder, Source, TextTable
    from closegap.infer.parts import embed_in_parts
    from closegap.infer.ray import on_ray
    from closegap.kinds import ImageKind, TextKind
    from closegap.runs.open import open_run

    workers = None if given.ray is None else on_ray(given.ray, given.batch_size)
    opened = open_run(given.run, overrides)
    source: Source | None = None
    if given.images is not None:
        source = ImageFolder(given.images, _modality(opened, ImageKind, "--images"), given.split)
    if given.texts is not None:
        source = TextTable(given.texts, _modality(opened, TextKind, "--texts"), given.split)
    with Bars("embedding") as bars:
        found = embed_in_parts(opened, given.split, given.out, bars, source, workers, batch_size=given.batch_size)
    rows = {name: int(found.mask(name).sum()) for name in found.modalities}
    say(f"{given.out}: " + ", ".join(f"{count} rows of {name}" for name, count in rows.items()))


def _modality(opened: "OpenedRun", kind: "type[Kind]", option: str) -> str:
    model = opened.run.model
    names = [name for name in model.modalities if model.encoder(name).takes is kind]
    if not names:
        raise UsageError(
            f"{option}: {opened.folder} has no tower for {option[2:]}; its modalities are {', '.join(model.modalities)}"
        )
    return names[0]
