"""closegap index: build an archive that is searched as one, and look after it."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from closegap.cli.arguments import parse, parse_with_overrides, verb_parser
from closegap.cli.index_options import DESCRIPTION, parser
from closegap.cli.verbs import VERBS
from closegap.errors import ClosegapError, UsageError

if TYPE_CHECKING:
    from closegap.search.archive.fitting import Wanted
    from closegap.search.archive.sources import Data, Opened


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
        parse(verb_parser(f"index {'|'.join(VERBS['index'].actions)}", DESCRIPTION), ["--help"])
    if action not in actions:
        known = ", ".join(VERBS["index"].actions)
        raise UsageError(f"index '{action}': expected one of {known}; see `closegap index --help`")
    actions[action](rest)


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
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.search.archive.archive import Archive

    with Archive(given.archive, "write") as archive, Bars("purging") as bars:
        before = archive.stats()
        archive.purge(bars.work)
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
