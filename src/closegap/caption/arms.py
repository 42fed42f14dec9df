"""From runs with decoders to captions and their scores, arm by arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from closegap.caption.baselines import baseline_captions
from closegap.caption.choose import Chosen
from closegap.caption.generation import Generation
from closegap.caption.scores import case_lexicon, scored, true_captions
from closegap.caption.scoring import Scoring
from closegap.caption.writer import CaptionWriter
from closegap.data import Case
from closegap.errors import DataError, UsageError
from closegap.evaluation.card import Card
from closegap.evaluation.compare import Comparison, compare_cards
from closegap.evaluation.seeds import seed_facts
from closegap.kinds.base import Kind
from closegap.metrics.captions.lexicon import Lexicon
from closegap.runs.log import Watching, unwatched


@dataclass(frozen=True)
class CaptionedArm:
    """The captions of one run, or of a baseline.

    Args:
        arm: the setting.
        run: the run's folder; None for a baseline.
        name: of the run's folder and the correction, for files.
        cases: what was captioned.
        generated: one caption each.
        references: the true captions of each case; () where there are none.
        card: scores; None without references.
        image: the modality that was captioned.
        kind: of its items.
        shown: whether the run lets pages show cases.
        seed: of the run; None for a baseline.
        against: the arm that it is compared with: of a correction, the same decoder without it. "": the first arm.
    """

    arm: str
    run: Path | None
    name: str
    cases: Sequence[Case]
    generated: Sequence[str]
    references: Sequence[Sequence[str]]
    card: Card | None
    image: str
    kind: Kind
    shown: bool
    seed: int | None
    against: str


def caption_runs(
    runs: Sequence[Path],
    chosen: Chosen,
    settings: Generation,
    scoring: Scoring,
    corrections: Sequence[str] = (),
    overrides: Sequence[str] = (),
    watching: Watching = unwatched,
    fit_on: str = "train",
) -> list[CaptionedArm]:
    """What each run writes, without and with each correction; then both baselines, where there are true captions.

    Args:
        runs: run folders with decoders.
        chosen: picks the cases, from the writer and its data by split.
        settings: how captions are searched for.
        scoring: what is measured.
        corrections: names of post-hoc methods, fitted on the run's embeddings of `fit_on`.
        overrides: of the runs' configs.
        watching: who is told how it goes, run by run.
        fit_on: a split. Pairs that a model was trained on agree better than new ones, by which what is fitted on pairs
            is misled.

    Raises:
        DataError: corrections, and no such split.
        UsageError: runs that caption different cases.
    """
    found: list[CaptionedArm] = []
    baselines: list[CaptionedArm] = []
    for number, run in enumerate(runs, start=1):
        with watching(f"captions {number} of {len(runs)}") as watcher:
            writer = CaptionWriter(run, overrides, watcher)
            splits = writer.cases()
            cases, train = chosen(writer, splits), splits.get("train", ())
            arm_of = _Arms(writer, scoring, case_lexicon(train, writer.captioning.text))
            for name in (None, *corrections):
                method = None if name is None else writer.fit(name, _split(splits, fit_on))
                captions = writer.write(cases, settings, method, watcher.work)
                arm = writer.arm if name is None else f"{writer.arm}, {name}"
                file = run.resolve().name if name is None else f"{run.resolve().name}-{name}"
                against = "" if name is None else writer.arm
                found.append(arm_of(arm, run, file, captions.cases, captions.generated, captions.images, against))
            if not baselines and found[0].card is not None and train:
                baselines = [
                    arm_of(arm, None, arm, found[0].cases, generated, captions.images)
                    for arm, generated in baseline_captions(writer, train, found[0].cases).items()
                ]
    _same_cases(found)
    return [*found, *baselines]


@dataclass(frozen=True)
class _Arms:
    """What the arms of one run share."""

    writer: CaptionWriter
    scoring: Scoring
    lexicon: Lexicon | None

    def __call__(
        self,
        arm: str,
        run: Path | None,
        name: str,
        cases: Sequence[Case],
        generated: Sequence[str],
        images: Float[Tensor, "n d"],
        against: str = "",
    ) -> CaptionedArm:
        text, ends = self.writer.captioning.text, (self.writer.embed_texts(generated), images)
        card = scored(generated, cases, text, self.scoring, self.lexicon, ends)
        image = self.writer.captioning.image
        kind = self.writer.run.model.encoder(image).takes()
        shown = self.writer.run.train.show_cases
        true, seed = true_captions(cases, text), None if run is None else self.writer.run.seed
        return CaptionedArm(arm, run, name, cases, generated, true, card, image, kind, shown, seed, against)


def captions_compared(written: Sequence[CaptionedArm], split: str, scoring: Scoring) -> Comparison | None:
    """Arms side by side, each compared with the first or, a correction, with the same decoder without it.

    None where nothing is known to be true. Of several runs differences are paired by seed, too.

    Args:
        written: what `caption_runs` returned.
        split: what the images are called.
        scoring: what was measured.
    """
    cards: dict[str, list[Card]] = {}
    for one in written:
        if one.card is not None:
            cards.setdefault(one.arm, []).append(one.card)
    first = written[0]
    against = {one.arm: one.against for one in written if one.arm != first.arm}
    controls = {arm: control if control in cards else first.arm for arm, control in against.items()}
    facts: dict[str, Any] = {
        "split": split,
        "gallery": {first.image: len(first.cases)},
        "cases": len(first.cases),
        "groups": len({case.group for case in first.cases}),
        "resamples": scoring.resamples,
        "runs": {arm: [one.run.resolve().name for one in written if one.arm == arm and one.run] for arm in cards},
        "compared_with": controls,
    }
    if len({one.run for one in written if one.run is not None}) > 1:
        seeds = {arm: [one.seed for one in written if one.arm == arm and one.run] for arm in cards}
        seeds = {arm: found for arm, found in seeds.items() if found}  # none of baselines
        facts |= seed_facts({arm: cards[arm] for arm in seeds}, seeds, controls)
    return compare_cards(cards, facts) if cards else None


def _split(splits: Mapping[str, Sequence[Case]], name: str) -> Sequence[Case]:
    if not splits.get(name):
        raise DataError(f"fit_on: no case in split {name!r}; there are {', '.join(splits)}")
    return splits[name]


def _same_cases(found: Sequence[CaptionedArm]) -> None:
    first = found[0]
    for other in found[1:]:
        if [case.id for case in other.cases] != [case.id for case in first.cases]:
            raise UsageError(
                f"{first.run} and {other.run} captioned different cases; "
                "compare runs on the same split of the same data"
            )
