"""Decoders on finished runs, compared on the captions that they write."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from closegap.caption.arms import caption_runs, captions_compared
from closegap.caption.choose import split_cases
from closegap.caption.generation import Generation
from closegap.caption.scoring import Scoring
from closegap.caption.write import CaptionsFolder, write_arms_page, write_captions
from closegap.errors import UsageError
from closegap.runs.config import CONFIG, parse_run, read_config
from closegap.runs.log import Watching, unwatched
from closegap.studies.plan import slug
from closegap.studies.train_all import Finished, train_all
from closegap.training.claim import claimed


def caption_study(
    runs: Sequence[Path],
    configs: Sequence[Path],
    arms: Sequence[Path],
    out: Path,
    *,
    split: str = "test",
    overrides: Sequence[str] = (),
    search: Generation | None = None,
    corrections: Sequence[str] = (),
    fit_on: str = "train",
    watching: Watching = unwatched,
    finished: Finished | None = None,
    cases: bool = True,
) -> CaptionsFolder:
    """Train what is not trained yet of every arm on every run, caption, compare, write.

    Args:
        runs: finished runs, whose data, model and seed are taken.
        configs: YAML files of captioning, laid over each run's config.
        arms: a YAML file each, laid over them.
        out: the folder of the decoders' runs and the report.
        split: what is captioned; it must have cases before anything is trained.
        overrides: dotted options on top of all.
        search: how captions are searched for.
        corrections: names of post-hoc methods; each decoder's captions stand there with each of them, too.
        fit_on: the split that these are fitted on.
        watching: who is told how it goes.
        finished: told of each run that was trained.
        cases: whether pages show cases; see `write_captions`.

    Raises:
        UsageError: a config that is none, or two runs of one arm and seed.
    """
    plans: dict[Path, Namespace] = {}
    of_arm: dict[str, list[Path]] = {}
    for arm in arms:
        for run in runs:
            base = read_config(run)
            files = [part for config in (run / CONFIG, *configs, arm) for part in ("--config", str(config))]
            given = ["--objective.init_args.model_from", str(run), "--seed", str(base.seed)]
            config = parse_run([*files, *overrides, *given])
            own = arm.stem if config.arm == base.arm else config.arm
            config.arm = f"{base.arm or run.name}: {own}"
            folder = out / f"{slug(config.arm)}-seed{config.seed}"
            if folder in plans:
                raise UsageError(
                    f"{run}: seed {config.seed} of arm {config.arm!r} is there already; name each run once"
                )
            plans[folder] = config
            of_arm.setdefault(own, []).append(folder)
    with claimed(out, "study"):
        train_all(plans, [split], watching, finished)
        scoring = Scoring()
        settings = search or Generation()
        chosen = split_cases(split)
        written = caption_runs(list(plans), chosen, settings, scoring, corrections, watching=watching, fit_on=fit_on)
        baselines = [one for one in written if one.run is None]
        for own, folders in of_arm.items():
            shown = [*(one for one in written if one.run in folders), *baselines]
            compared = captions_compared(shown, split, scoring)
            write_arms_page(shown, compared, out / slug(own), f"Captions: {own}", cases=cases)
        return write_captions(written, split, out, scoring, "Captions compared", cases)
