"""Decoders on finished runs, compared on the captions that they write."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from closegap.caption import Generation, Scoring
from closegap.cli.caption import split_cases, write_captions
from closegap.cli.captioned import caption_runs, compared, write_page
from closegap.cli.train import slug, train_all
from closegap.errors import UsageError
from closegap.runs.run import CONFIG, parse_run, read_config


def caption_study(
    runs: Sequence[Path],
    configs: Sequence[Path],
    arms: Sequence[Path],
    split: str,
    out: Path,
    overrides: Sequence[str],
    search: Generation,
) -> Path:
    """Train what is not trained yet of every arm on every run, caption, compare, write; the path of the page."""
    plans: dict[Path, Namespace] = {}
    of_arm: dict[str, list[Path]] = {}
    for arm in arms:
        for run in runs:
            base = read_config(run)
            files = [part for config in (run / CONFIG, *configs, arm) for part in ("--config", str(config))]
            config = parse_run([*files, *overrides, "--captioning.model_from", str(run), "--seed", str(base.seed)])
            own = arm.stem if config.arm == base.arm else config.arm
            config.arm = f"{base.arm or run.name}: {own}"
            folder = out / f"{slug(config.arm)}-seed{config.seed}"
            if folder in plans:
                raise UsageError(
                    f"{run}: seed {config.seed} of arm {config.arm!r} is there already; name each run once"
                )
            plans[folder] = config
            of_arm.setdefault(own, []).append(folder)
    train_all(plans)
    scoring = Scoring()
    written = caption_runs(list(plans), split_cases(split), search, scoring)
    baselines = [one for one in written if one.run is None]
    for own, folders in of_arm.items():
        chosen = [*(one for one in written if one.run in folders), *baselines]
        write_page(chosen, compared(chosen, split, scoring), out / slug(own), f"Captions: {own}")
    return write_captions(written, split, out, scoring, "Captions compared")
