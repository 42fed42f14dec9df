"""Arms side by side on the same cases, with paired intervals and the spread over seeds."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from statistics import stdev
from typing import Any

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.evaluation.card import Card, group_count, mean_card, measure
from closegap.evaluation.diagrams import diagrams
from closegap.evaluation.report import Estimate, Report, Skipped
from closegap.evaluation.sampling import is_sampled, sampling_facts
from closegap.evaluation.seeds import seed_facts
from closegap.metrics.base import Metric
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.calibrated import Calibrated
from closegap.metrics.calibrator import Calibrator
from closegap.metrics.couple import Counts
from closegap.metrics.stage import Stage
from closegap.metrics.standard import standard_metrics
from closegap.side_by_side import side_by_side


@dataclass(frozen=True)
class Result:
    """One run's embeddings of the evaluated split.

    Args:
        arm: the setting's name; results of one arm are its seeds.
        seed: of the run; None where nothing was trained.
        embeddings: of the split.
        stage: what scores go through where one index holds both modalities; fitted.
        against: the arm that it is compared with, its own control: what it is without what it adds. "": the first arm.
        placebo: whether it closes nothing, and shows what others' gains are worth.
        control: whether it is there to compare others with, and never to be advised.
        calibration: what says how probable it is that a target is relevant; fitted.
    """

    arm: str
    seed: int | None
    embeddings: EmbeddingSet
    stage: Stage | None = None
    against: str = ""
    placebo: bool = False
    control: bool = False
    calibration: Calibrator | None = None


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Args:
        report: one arm per setting, values averaged over its seeds.
        baseline: the first arm.
        differences: arm to metric to paired difference from the arm that it is compared with, with its interval.
        sets: one embedding set per arm, of its first seed, for figures; none of arms with a score stage, whose
            embeddings are another arm's.
        firsts: the first result of each arm, with its score stage; none where only cards were compared.
    """

    report: Report
    baseline: str
    differences: Mapping[str, Mapping[str, Estimate]]
    sets: Mapping[str, EmbeddingSet] = field(default_factory=dict)
    firsts: Mapping[str, Result] = field(default_factory=dict)

    def control(self, arm: str) -> str:
        """The arm that an arm is compared with: its own control, or the first."""
        return str(self.report.data.get("compared_with", {}).get(arm, self.baseline))


def compare(
    results: Sequence[Result],
    resamples: int = 1000,
    data: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    metrics: Sequence[Metric] | None = None,
    in_full: bool = False,
) -> Comparison:
    """Measure every result and put arms side by side, each compared with its own control or with the first arm.

    The report's data say `compared_with`, an arm's control, `steps`, those that its runs are judged at, and
    `reliability`, what the calibrations of its runs state of each query's best target.

    Args:
        results: one per run; arms in the order in which they first appear. Of one with a score stage only what a stage
            may change is measured, where the same embeddings without one are among them.
        resamples: of the bootstrap by group.
        data: further facts on the data for the report.
        progress: called with (results measured, results).
        metrics: what is measured; all of `standard_metrics` by default, those of "quick" where it must not take long.
            A result with a calibration is measured by `Calibrated`, too.
        in_full: measure all cases, however many; by default sets of more than 50,000 are sampled (`sampling`).

    Raises:
        UsageError: no result, or results on different cases.
    """
    if not results:
        raise UsageError("nothing to compare: name at least one run")
    _same_cases(results)
    first = results[0].embeddings
    counts = resample_counts(group_count(first), resamples)
    cards: dict[str, list[Card]] = {}
    for result, card in zip(results, _cards(results, counts, metrics, in_full, progress), strict=True):
        cards.setdefault(result.arm, []).append(card)
    facts: dict[str, Any] = {
        **(data or {}),
        "gallery": {name: int(first.mask(name).sum()) for name in first.modalities},
        "cases": len(set(first.ids)),
        "groups": group_count(first),
        "resamples": resamples,
    }
    if is_sampled(first, in_full):
        facts["sample"] = sampling_facts(facts["cases"])
    if drawn := _diagrams(results, in_full):
        facts["reliability"] = drawn
    facts["compared_with"] = _controls(results)
    if placebos := list(dict.fromkeys(result.arm for result in results if result.placebo)):
        facts["placebos"] = placebos
    if controls := list(dict.fromkeys(result.arm for result in results if result.control)):
        facts["controls"] = controls
    if any(result.seed is not None for result in results):
        seeds = {arm: [r.seed for r in results if r.arm == arm] for arm in cards}
        facts |= seed_facts(cards, seeds, facts["compared_with"])
        facts["steps"] = {arm: [r.embeddings.meta.get("step") for r in results if r.arm == arm] for arm in cards}
    firsts = {result.arm: result for result in reversed(results)}
    firsts = {arm: firsts[arm] for arm in cards}
    sets = {arm: found.embeddings for arm, found in firsts.items() if found.stage is None}
    return replace(compare_cards(cards, facts), sets=sets, firsts=firsts)


def _cards(
    results: Sequence[Result],
    counts: Counts,
    metrics: Sequence[Metric] | None,
    in_full: bool,
    progress: Callable[[int, int], None] | None,
) -> list[Card]:
    """The card of each result; those under a stage begin after all others, and wait for what they are laid over."""
    unstaged = [place for place, result in enumerate(results) if result.stage is None]
    plain: dict[int, Future[Card]] = {place: Future() for place in unstaged}
    below = {id(results[place].embeddings): plain[place] for place in unstaged}  # which the results keep alive

    def card(place: int) -> Card:
        result = results[place]
        under = None if result.stage is None else below.get(id(result.embeddings))
        calibration = result.calibration
        try:
            made = measure(
                result.embeddings,
                counts,
                metrics if calibration is None else [*(metrics or standard_metrics()), Calibrated()],
                in_full=in_full,
                stage=result.stage,
                plain=None if under is None else under.result(),
                calibration=calibration,
            )
        except BaseException as error:
            if place in plain:
                plain[place].set_exception(error)  # nobody waits for it in vain
            raise
        if place in plain:
            plain[place].set_result(made)
        return made

    places = sorted(range(len(results)), key=lambda place: results[place].stage is not None)
    found: dict[int, Card] = {}
    for place, made in zip(places, side_by_side(card, places), strict=True):
        found[place] = made
        if progress is not None:
            progress(len(found), len(results))
    return [found[place] for place in range(len(results))]


def _diagrams(results: Sequence[Result], in_full: bool) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Arm to direction to bins, of the arms that have calibrations."""
    runs: dict[str, list[tuple[EmbeddingSet, Calibrator]]] = {}
    for result in results:
        if result.calibration is not None:
            runs.setdefault(result.arm, []).append((result.embeddings, result.calibration))
    return {arm: diagrams(of_arm, in_full) for arm, of_arm in runs.items()}


def _controls(results: Sequence[Result]) -> dict[str, str]:
    """Every arm but the first to the arm that it is compared with: one that is not there is the first."""
    arms = {result.arm: result.against for result in reversed(results)}
    first = results[0].arm
    return {
        arm: arms[arm] if arms[arm] in arms else first for arm in dict.fromkeys(r.arm for r in results) if arm != first
    }


def compare_cards(cards: Mapping[str, Sequence[Card]], data: Mapping[str, Any] | None = None) -> Comparison:
    """Arms whose cards are there side by side.

    Args:
        cards: arm to the card of each of its seeds; all measured with the same resamples.
        data: facts on the data for the report: report.json wants gallery, cases, groups and resamples. An arm that
            `compared_with` does not name is compared with the first.

    Raises:
        UsageError: cards that were measured with different resamples.
    """
    means = {arm: mean_card(found) for arm, found in cards.items()}
    baseline = next(iter(means))
    control = (data or {}).get("compared_with", {})
    differences = {
        arm: _difference(card, means[control.get(arm, baseline)]) for arm, card in means.items() if arm != baseline
    }
    spread = {arm: _spread(found) for arm, found in cards.items() if len(found) > 1}
    facts = {**(data or {}), **({"seed_spread": spread} if spread else {})}
    figures = {name: figure for card in means.values() for name, figure in card.figures.items()}
    report = Report([card.arm(arm) for arm, card in means.items()], _skipped(means), facts, figures)
    return Comparison(report, baseline, differences)


def _same_cases(results: Sequence[Result]) -> None:
    first = results[0]
    for result in results[1:]:
        if list(result.embeddings.ids) != list(first.embeddings.ids):
            raise UsageError(
                f"runs {first.arm!r} (seed {first.seed}) and {result.arm!r} (seed {result.seed}) were evaluated on "
                "different cases; arms can only be compared on the same split of the same data"
            )
        if result.embeddings.modalities != first.embeddings.modalities:
            raise UsageError(
                f"runs {first.arm!r} and {result.arm!r} have different modalities "
                f"({', '.join(first.embeddings.modalities)} and {', '.join(result.embeddings.modalities)})"
            )


def _skipped(cards: Mapping[str, Card]) -> list[Skipped]:
    """What was left out of any arm; the arm is named where others have it."""
    arms: dict[Skipped, list[str]] = {}
    for arm, card in cards.items():
        for item in card.skipped:
            arms.setdefault(item, []).append(arm)
    return [
        item if len(lacking) == len(cards) else Skipped(f"{item.what} of {', '.join(lacking)}", item.reason)
        for item, lacking in arms.items()
    ]


def _difference(card: Card, baseline: Card) -> dict[str, Estimate]:
    found = {
        name: value.minus(baseline.metrics[name]) for name, value in card.metrics.items() if name in baseline.metrics
    }
    return {name: Estimate(value.value, value.low, value.high) for name, value in found.items()}


def _spread(cards: Sequence[Card]) -> dict[str, float]:
    """Standard deviation of each metric over seeds."""
    shared = [name for name in cards[0].metrics if all(name in card.metrics for card in cards)]
    return {name: stdev(card.metrics[name].value for card in cards) for name in shared}
