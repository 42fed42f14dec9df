"""From runs with decoders to captions, their scores and pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from closegap.caption import Generation
from closegap.caption.card import caption_card
from closegap.caption.page import write_captions_report
from closegap.caption.scoring import Scoring
from closegap.cli.console import Bars
from closegap.data import Case, load_image
from closegap.errors import UsageError, needs
from closegap.evaluation.card import Card
from closegap.evaluation.compare import Comparison, compare_cards
from closegap.metrics.captions.baselines import most_frequent_caption, nearest_training_captions
from closegap.metrics.captions.lexicon import Lexicon, learned_lexicon
from closegap.training.captions import CaptionWriter

with needs("image"):
    from PIL import Image

NEAREST, FREQUENT = "nearest training caption", "most frequent training caption"

_SHOWN_SIDE = 384  # pixels of an image on the page

Chosen = Callable[[CaptionWriter, Mapping[str, Sequence[Case]]], Sequence[Case]]


@dataclass(frozen=True)
class Written:
    """The captions of one run, or of a baseline.

    Args:
        arm: the setting.
        run: the run's folder; None for a baseline.
        name: of the run's folder and the correction, for files.
        cases: what was captioned.
        generated: one caption each.
        references: the true captions of each case; () where there are none.
        card: scores; None without references.
    """

    arm: str
    run: Path | None
    name: str
    cases: Sequence[Case]
    generated: Sequence[str]
    references: Sequence[Sequence[str]]
    card: Card | None


def caption_runs(
    runs: Sequence[Path],
    chosen: Chosen,
    settings: Generation,
    scoring: Scoring,
    corrections: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> list[Written]:
    """What each run writes, without and with each correction; then both baselines, where there are true captions.

    Args:
        runs: run folders with decoders.
        chosen: picks the cases, from the writer and its data by split.
        settings: how captions are searched for.
        scoring: what is measured.
        corrections: names of post-hoc methods, fitted on the run's training embeddings.
        overrides: of the runs' configs.

    Raises:
        UsageError: runs that caption different cases.
    """
    found: list[Written] = []
    baselines: list[Written] = []
    for number, run in enumerate(runs, start=1):
        with Bars(f"captions {number} of {len(runs)}") as bars:
            writer = CaptionWriter(run, overrides, bars)
            splits = writer.cases()
            cases = chosen(writer, splits)
            train = splits.get("train", ())
            lexicon = _lexicon(writer, train)
            for name in (None, *corrections):
                method = None if name is None else writer.fit(name, train)
                captions = writer.write(cases, settings, method, bars.work)
                arm = writer.arm if name is None else f"{writer.arm}, {name}"
                ends = (writer.embed_texts(captions.generated), captions.images)
                file = run.resolve().name if name is None else f"{run.resolve().name}-{name}"
                found.append(
                    _scored(arm, run, file, writer, captions.cases, captions.generated, scoring, lexicon, ends)
                )
            if not baselines and found[0].card is not None and train:
                for arm, generated in _baselines(writer, train, found[0].cases).items():
                    ends = (writer.embed_texts(generated), captions.images)
                    baselines.append(_scored(arm, None, arm, writer, found[0].cases, generated, scoring, lexicon, ends))
    _same_cases(found)
    return [*found, *baselines]


def compared(written: Sequence[Written], split: str, scoring: Scoring) -> Comparison | None:
    """Arms side by side, the first is what differences are relative to; None where nothing is known to be true."""
    cards: dict[str, list[Card]] = {}
    for one in written:
        if one.card is not None:
            cards.setdefault(one.arm, []).append(one.card)
    first = written[0]
    facts = {
        "split": split,
        "gallery": {"image": len(first.cases)},
        "cases": len(first.cases),
        "groups": len({case.group for case in first.cases}),
        "resamples": scoring.resamples,
        "runs": {arm: [str(one.run) for one in written if one.arm == arm and one.run] for arm in cards},
    }
    return compare_cards(cards, facts) if cards else None


def write_page(written: Sequence[Written], comparison: Comparison | None, folder: Path, title: str) -> Path:
    """Write report.html, and report.json where there is a comparison; the path of the page."""
    first = written[0]

    def picture(row: int) -> Image.Image:
        view = next(view for view in first.cases[row].views.values() if _is_image(view[0]))
        image = load_image(view[0], _SHOWN_SIDE)
        image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
        return image

    generated = {one.arm: one.generated for one in reversed(written)}  # of several seeds, the first is shown
    shown = {arm: generated[arm] for arm in dict.fromkeys(one.arm for one in written)}
    return write_captions_report(
        folder,
        [case.id for case in first.cases],
        shown,
        picture,
        references=first.references,
        comparison=comparison,
        baselines=[one.arm for one in written if one.run is None],
        title=title,
    )


def _scored(
    arm: str,
    run: Path | None,
    name: str,
    writer: CaptionWriter,
    cases: Sequence[Case],
    generated: Sequence[str],
    scoring: Scoring,
    lexicon: Lexicon | None,
    embeddings: tuple[Tensor, Tensor],
) -> Written:
    references = [case.views.get(writer.captioning.text, ()) for case in cases]
    if not all(references):
        return Written(arm, run, name, cases, generated, (), None)
    concepts = [case.concepts for case in cases]
    card = caption_card(
        generated,
        references,
        [case.group for case in cases],
        lexicon=lexicon,
        concepts=concepts if any(concepts) else None,
        embeddings=embeddings,
        bert_model=scoring.bert_model,
        java=scoring.java,
        resamples=scoring.resamples,
    )
    return Written(arm, run, name, cases, generated, references, card)


def _lexicon(writer: CaptionWriter, train: Sequence[Case]) -> Lexicon | None:
    """Terms of concepts, learned from the training captions of cases whose concepts are known."""
    text = writer.captioning.text
    known = [case for case in train if case.concepts and case.views.get(text)]
    if not known:
        return None
    return learned_lexicon([" ".join(case.views[text]) for case in known], [case.concepts for case in known])


def _baselines(writer: CaptionWriter, train: Sequence[Case], cases: Sequence[Case]) -> dict[str, list[str]]:
    """Captions of the nearest training image by the image tower's features, and the most frequent caption."""
    image, text = writer.captioning.image, writer.captioning.text
    pairs = [case for case in train if case.views.get(image) and case.views.get(text)]
    captions = [case.views[text][0] for case in pairs]
    ends = [_first_features(writer, chosen) for chosen in (cases, pairs)]
    constant = most_frequent_caption([caption for case in pairs for caption in case.views[text]])
    return {NEAREST: nearest_training_captions(ends[0], ends[1], captions), FREQUENT: [constant] * len(cases)}


def _first_features(writer: CaptionWriter, cases: Sequence[Case]) -> Tensor:
    """Features of each case's first image: of the frozen tower where there is one, else shared embeddings."""
    image = writer.captioning.image
    split = writer.prepare(cases)
    features = split.views[image].features
    return (writer.embed_images(split) if features is None else features)[split.views[image].starts[:-1]]


def _is_image(item: object) -> bool:
    return not isinstance(item, str | tuple | Mapping)


def _same_cases(found: Sequence[Written]) -> None:
    first = found[0]
    for other in found[1:]:
        if [case.id for case in other.cases] != [case.id for case in first.cases]:
            raise UsageError(
                f"{first.run} and {other.run} captioned different cases; "
                "compare runs on the same split of the same data"
            )
