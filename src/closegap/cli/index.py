"""closegap index: build an archive that is searched as one, and look after it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ArgumentParser, Namespace

from closegap.bounds import Share
from closegap.cli.arguments import add_out, parse, parse_with_overrides, verb_parser
from closegap.cli.verbs import VERBS
from closegap.errors import ClosegapError, UsageError

if TYPE_CHECKING:
    from closegap.search.archive.fitting import Wanted
    from closegap.search.archive.sources import Data, Opened

_DESCRIPTION = """An archive is a folder: rows of all modalities, the model that embeds questions, and what makes the
scores of modalities comparable. `closegap search` asks it. RUN is a run, a model with --data or --config, or
an embedding set (.safetensors). Works in parts: the same command after a kill goes on where it stopped.

  closegap index build runs/a --data.root ROCO --thumbnails --out archive
  closegap index build model --data closegap.data.Roco --data.root ROCO --out archive
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
    found = verb_parser(f"index {action}", _DESCRIPTION)
    if action == "build":
        found.add_argument("run", type=Path, help="a run, a model's folder, or an embedding set")
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
            type=Literal["float32", "float16", "sq8"] | None,
            default=None,
            help="what the folder keeps rows as: float32 by default; float16, rounded, in half of the bytes; sq8, "
            "float32 and codes of a byte a number, which find the same in less time",
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


def main(arguments: Sequence[str]) -> None:
    """Build an archive, or look after one."""
    action, *rest = arguments or [""]
    actions: dict[str, Callable[[Sequence[str]], None]] = {
        "build": _build,
        "fit": _fit,
        "add": _add,
        "delete": _delete,
        "purge": _purge,
        "stats": _stats,
        "resolve": _resolve,
    }
    if action in ("-h", "--help"):
        parse(verb_parser(f"index {'|'.join(VERBS['index'].actions)}", _DESCRIPTION), ["--help"])
    if action not in actions:
        known = ", ".join(VERBS["index"].actions)
        raise UsageError(f"index '{action}': expected one of {known}; see `closegap index --help`")
    actions[action](rest)


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


def _build(arguments: Sequence[str]) -> None:
    given, overrides = parse_with_overrides(parser("build"), arguments)
    _expect_limit(given)
    if given.engine is not None and given.storage is not None:
        raise UsageError(
            "--storage: is of the folder, where --engine keeps no rows; say vectors=float16 in its address"
        )
    begun = given.out.with_name(f"{given.out.name}.parts").exists()  # what goes on may have been about to end
    if given.out.exists() and not given.overwrite and not begun:
        raise UsageError(f"--out {given.out}: exists; replace it with --overwrite, or choose another --out")
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.search.archive.building import Plan, build
    from closegap.search.archive.gate import LIMIT, Gate
    from closegap.search.archive.sources import open_source

    limit = (LIMIT if given.relinkage_limit is None else given.relinkage_limit) if given.deidentified else None
    gate = Gate(limit, given.accept_relinkage, lambda one: say(one.line))
    plan = Plan(_wanted(given), given.thumbnails, gate, engine=given.engine, storage=given.storage)
    with Bars("indexing") as bars:
        opened = open_source(given.run, _data(given, overrides, given.thumbnails), bars)
        built = build(opened, plan, given.out, bars, given.overwrite)
    for line in (*_left_out(opened), *built.fitted_on):
        say(line)
    say(f"{given.out}: {_counts(built.rows)}")


def _fit(arguments: Sequence[str]) -> None:
    given = parse(parser("fit"), arguments)
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.search.archive.archive import Archive
    from closegap.search.archive.changing import refit

    with Archive(given.archive, "write") as archive, Bars("moving rows") as bars:
        for line in refit(archive, _wanted(given), bars, given.accept_relinkage, lambda one: say(one.line)):
            say(line)
        say(f"{given.archive}: corrections {archive.stats().version}")


def _add(arguments: Sequence[str]) -> None:
    given, overrides = parse_with_overrides(parser("add"), arguments)
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.search.archive.archive import Archive
    from closegap.search.archive.changing import add
    from closegap.search.archive.sources import open_more

    with Archive(given.archive, "write") as archive, Bars("adding") as bars:
        model = archive.model() if archive.about.model else None
        opened = open_more(given.run, model, _data(given, overrides, archive.about.thumbnails), bars)
        made = add(archive, opened.feed, bars, given.accept_relinkage, lambda one: say(one.line))
        for line in _left_out(opened):
            say(line)
        say(
            f"{given.archive}: {made:,} rows embedded, {opened.feed.cases:,} cases looked at; {_counts(archive.rows())}"
        )


def _delete(arguments: Sequence[str]) -> None:
    given = parse(parser("delete"), arguments)
    if not given.case and not given.group:
        raise UsageError("--case, --group: neither is given; say what is to be forgotten")
    from closegap.cli.console import say
    from closegap.search.archive.archive import Archive

    with Archive(given.archive, "write") as archive:
        gone = archive.delete(given.case, given.group)
        say(f"{given.archive}: {gone:,} rows forgotten; `closegap index purge` erases their bytes")


def _purge(arguments: Sequence[str]) -> None:
    given = parse(parser("purge"), arguments)
    from closegap.cli.console import say
    from closegap.search.archive.archive import Archive

    with Archive(given.archive, "write") as archive:
        before = archive.stats()
        archive.purge()
        say(f"{given.archive}: {before.unpurged:,} rows erased, {archive.stats().size / 2**20:,.1f} MiB")


def _stats(arguments: Sequence[str]) -> None:
    given = parse(parser("stats"), arguments)
    from closegap.cli.console import say
    from closegap.search.archive.archive import Archive

    with Archive(given.archive) as archive:
        found, about = archive.stats(), archive.about
        fitted_on = list(archive.corrections.fitted_on)
        told: dict[str, Any] = {
            "rows": archive.rows(),
            "widths": {name: found.widths[name] for name in archive.modalities if name in found.widths},
            "source": about.source,
            "model": about.model,
            "engine": about.engine and about.engine.address,
            "thumbnails": about.thumbnails,
            "relinkage_limit": about.relinkage_limit,
            "corrections": found.version,
            "fitted_on": fitted_on,
            "unpurged": found.unpurged,
            "size": found.size,
        }
    if given.json:
        print(json.dumps(told, ensure_ascii=False))
        return
    for name, count in told["rows"].items():
        say(f"{name}: {count:,} rows of width {told['widths'].get(name, '?')}")
    say(f"from {about.source}, {'with' if about.model else 'without'} a model")
    if about.engine is not None:
        say(f"rows at {about.engine.address}")
    for line in fitted_on:
        say(line)
    say(f"corrections {found.version}; {found.unpurged:,} rows to purge; {found.size / 2**20:,.1f} MiB")


def _resolve(arguments: Sequence[str]) -> None:
    given = parse(parser("resolve"), arguments)
    from closegap.cli.console import say
    from closegap.data import DicomWeb

    wanted = dict.fromkeys(name.partition("#")[0] for name in given.case)
    for case, group, address in DicomWeb(given.source, given.key).studies():
        if case in wanted:
            del wanted[case]
            say(f"{case} of patient {group}: {address}")
    if wanted:
        raise ClosegapError(
            f"{', '.join(wanted)}: no study has this pseudonym; it is gone, another key made it, or --source asks for "
            "others"
        )


def _expect_limit(given: Namespace) -> None:
    if not given.deidentified and (given.relinkage_limit is not None or given.accept_relinkage):
        raise UsageError("--relinkage-limit, --accept-relinkage: go with --deidentified; add it, or leave them out")


def _wanted(given: Namespace) -> "Wanted":
    from closegap.search.archive.fitting import Wanted

    return Wanted(given.posthoc, given.scores, given.calibrate, given.fit_on)


def _data(given: Namespace, overrides: Sequence[str], thumbnails: bool) -> "Data":
    from closegap.search.archive.sources import Data

    chosen = [] if given.config is None else [f"--config={given.config}"]
    chosen += [] if given.data is None else [f"--data={given.data}"]
    if given.images is not None and given.source is not None:
        raise UsageError("--images, --source: both are given; take one")
    if given.key is not None and given.source is None:
        raise UsageError("--key: goes with --source; add it, or leave it out")
    return Data([*chosen, *overrides], given.images, given.source, given.key, tuple(given.split), thumbnails)


def _left_out(opened: "Opened") -> list[str]:
    told = ", ".join(f"{reason} {count:,}" for reason, count in opened.left_out.items())
    return [f"left out: {told}"] if told else []


def _counts(rows: dict[str, int]) -> str:
    return ", ".join(f"{count:,} rows of {name}" for name, count in rows.items())
