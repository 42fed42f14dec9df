"""What the actions of closegap index take."""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from closegap.bounds import Share
from closegap.cli.arguments import add_out, verb_parser

DESCRIPTION = """An archive is a folder: rows of all modalities, the model that embeds questions, and what makes the
scores of modalities comparable. `closegap search` asks it. RUN is a run, a model with --data or --config, or
an embedding set (.safetensors). Works in parts: the same command after a kill goes on where it stopped.

  closegap index build runs/a --data.root ROCO --thumbnails --out archive
  closegap index build model --data closegap.data.Roco --data.root ROCO --out archive
  closegap index build hf:openai/clip-vit-base-patch32 --config mine.yaml --out archive
  closegap index build runs/a --images FOLDER --split test --out archive --overwrite
  closegap index build runs/a --source 'dicomweb://pacs/dicom-web?ModalitiesInStudy=CR' --key pacs.key --out archive
  closegap index build set.safetensors --scores zscore --calibrate labels --out archive
  closegap index build runs/a --engine "postgresql://me@db/search?schema=roco" --out archive
  closegap index fit archive --posthoc canonical --fit-on validation
  closegap index add archive --data closegap.data.Roco --data.root NEWER
  closegap index delete archive --case ROCO_24021 --group "patient 7"
  closegap index purge archive
  closegap index stats archive --json
  closegap index resolve 9f0c53a41e... --source dicomweb://pacs/dicom-web --key pacs.key

Rows stay as they were embedded: `fit` makes new corrections without the model. `delete` forgets a case in all
modalities, `purge` then erases its bytes. With --deidentified the build says how often an item is joined with its case
again, and publishes nothing above --relinkage-limit but with --accept-relinkage. A run's config is trusted input.

Of a PACS, cases and groups are called by digests under --key; `resolve` goes back from them to studies. It is signed in
with CLOSEGAP_DICOMWEB_USER and CLOSEGAP_DICOMWEB_PASSWORD, with CLOSEGAP_DICOMWEB_TOKEN, or with ~/.netrc."""


def parser(action: str) -> ArgumentParser:
    """What an action takes."""
    found = verb_parser(f"index {action}", DESCRIPTION)
    if action == "build":
        origins = "a run, a model's folder or name (hf:NAME, open_clip:NAME, st:NAME), or an embedding set"
        found.add_argument("run", type=Path, help=origins)
        _add_data(found)
        found.add_argument("--thumbnails", action="store_true", help="keep small pictures of images")
        _add_wanted(found)
        found.add_argument("--deidentified", action="store_true", help="say that no row names a person")
        found.add_argument(
            "--relinkage-limit",
            type=Share | None,
            default=None,
            help="with --deidentified: the share of items that may be joined with their case again; default 0.09",
        )
        _add_accept(found)
        found.add_argument(
            "--engine",
            type=str | None,
            default=None,
            help="keep the rows at postgresql://user@host/database?schema=NAME or milvus://host:port?name=NAME, the "
            "password elsewhere (~/.pgpass, PGPASSWORD, MILVUS_TOKEN); by default in the folder",
        )
        found.add_argument(
            "--storage",
            type=Literal["float32", "float16", "sq8", "ivf"] | None,
            default=None,
            help="what the folder keeps rows as: float32 by default; float16, rounded, in half of the bytes; sq8, "
            "float32 and codes of a byte a number, which find the same in less time; ivf, the same codes in lists, of "
            "which `search --approximate` looks at a few",
        )
        add_out(found, "the folder to write")
        return found
    if action == "resolve":
        found.add_argument("case", type=str, nargs="+", help="cases, or ids of hits")
        _add_pacs(found, required=True)
        return found
    found.add_argument("archive", type=Path, help="the archive's folder")
    if action in ("fit", "add"):
        _add_accept(found)
    if action == "fit":
        _add_wanted(found)
    if action == "add":
        found.add_argument("run", type=Path | None, nargs="?", default=None, help="an embedding set, or a run's data")
        _add_data(found)
    if action == "delete":
        found.add_argument("--case", type=str, nargs="+", default=[], help="ids of cases")
        found.add_argument("--group", type=str, nargs="+", default=[], help="patients, or whatever groups are")
    if action == "stats":
        found.add_argument("--json", action="store_true", help="for programs")
    return found


def _add_data(parser: ArgumentParser) -> None:
    parser.add_argument("--config", type=Path | None, default=None, help="a YAML file that says where cases come from")
    parser.add_argument("--data", type=str | None, default=None, help="where cases come from, by class path")
    parser.add_argument("--images", type=Path | None, default=None, help="every image below this folder instead")
    _add_pacs(parser, required=False)
    parser.add_argument("--split", type=str, nargs="+", default=[], help="of these splits alone")


def _add_pacs(parser: ArgumentParser, required: bool) -> None:
    source, key = (str, Path) if required else (str | None, Path | None)
    where = "" if required else ", instead"
    parser.add_argument("--source", type=source, required=required, help=f"studies of a PACS, by its address{where}")
    parser.add_argument("--key", type=key, required=required, help="with --source: the file with the key of pseudonyms")


def _add_accept(parser: ArgumentParser) -> None:
    parser.add_argument("--accept-relinkage", action="store_true", help="publish above the limit, too")


def _add_wanted(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--posthoc", type=str | None, default=None, help="a method, or its file; none for none; by default the model's"
    )
    parser.add_argument(
        "--scores", type=str | None, default=None, help="a stage, or its file; none for none; by default standardise"
    )
    parser.add_argument(
        "--calibrate",
        type=str | None,
        default=None,
        help="what counts as relevant: pairs, labels, concepts; none for none; by default concepts, else pairs",
    )
    parser.add_argument(
        "--fit-on",
        type=str | None,
        default=None,
        help="rows that stage and calibration are fitted on: train, validation, archive, or an embedding set; by "
        "default validation where there is one",
    )
