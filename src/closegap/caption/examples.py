"""Images with what captioners say of them beside what is true, so that a reader sees what a score means."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from closegap.errors import MissingExtraError, UsageError, needs
from closegap.metrics.captions.imageclef import rouge_1
from closegap.metrics.captions.overlap import cider, rouge_l
from closegap.metrics.captions.pairs import tokenized
from closegap.report.figures import Control, Section, options
from closegap.report.html import render
from closegap.report.sections.queries import thumbnail

with needs("image"):
    from PIL import Image

_ORDERS = {"drawn": "As drawn", "best": "Best first", "worst": "Worst first"}


@dataclass(frozen=True)
class Said:
    """What a captioner says of an image.

    Args:
        arm: the captioner.
        caption: as generated; "" where it said nothing.
        scores: label to value, the one that orders images first; empty where nothing is true to compare with.
    """

    arm: str
    caption: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class CaptionedImage:
    """An image, its true captions and what each captioner says.

    Args:
        id: of the case.
        image: a JPEG.
        references: the true captions; empty where there are none.
        said: by captioner.
    """

    id: str
    image: bytes
    references: Sequence[str]
    said: Sequence[Said]


def captioned_images(
    ids: Sequence[str],
    generated: Mapping[str, Sequence[str]],
    image: Callable[[int], Image.Image],
    references: Sequence[Sequence[str]] = (),
    *,
    shown: int = 50,
    seed: int = 0,
) -> list[CaptionedImage]:
    """Random cases with all that is shown of them; the draw depends on the number of cases and the seed alone.

    Args:
        ids: of the cases.
        generated: captioner to its caption of each case.
        image: the picture of a case, by number.
        references: the true captions of each case; empty where there are none.
        shown: how many cases to draw, without replacement.
        seed: of the draw.

    Raises:
        UsageError: captions or references that do not pair with the ids.
    """
    for arm, captions in generated.items():
        if len(captions) != len(ids):
            raise UsageError(f"{arm}: {len(captions)} captions of {len(ids)} images; give one each")
    if references and len(references) != len(ids):
        raise UsageError(f"references of {len(references)} cases for {len(ids)} images; give one or more each")
    scores = {arm: case_scores(captions, references) if references else {} for arm, captions in generated.items()}
    drawn = np.random.default_rng(seed).permutation(len(ids))[:shown].tolist()
    return [
        CaptionedImage(
            id=ids[row],
            image=thumbnail(image(row)),
            references=references[row] if references else (),
            said=[
                Said(arm, captions[row], {name: values[row] for name, values in scores[arm].items()})
                for arm, captions in generated.items()
            ],
        )
        for row in drawn
    ]


def case_scores(generated: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, list[float]]:
    """ROUGE-1 of each case, and, where pycocoevalcap and words are there, ROUGE-L and CIDEr; by label.

    Raises:
        UsageError: captions and references that do not pair.
    """
    found = {"ROUGE-1": rouge_1(generated, references).tolist()}
    captions = tokenized(generated, references)
    for name, score in {"ROUGE-L": rouge_l, "CIDEr": cider}.items():
        try:
            found[name] = score(captions).tolist()
        except (UsageError, MissingExtraError):
            continue  # the report says so where it lists what was left out
    return found


def captioned_section(cases: Sequence[CaptionedImage], subject: str) -> Section:
    """The images in an order of the reader's choice: as drawn, or by a captioner's first score, at first `subject`."""
    arms = [said.arm for said in cases[0].said] if cases else []
    scored = any(said.scores for case in cases for said in case.said)
    controls = [Control("order", "Order", _ORDERS)] if scored else []
    if scored and len(arms) > 1:
        controls.append(Control("arm", "By the scores of", options(arms), subject))
    pictures: dict[bytes, int] = {}
    for case in cases:
        pictures.setdefault(case.image, len(pictures))
    places = list(_places(cases, arms)) if scored else [[({}, place)] for place in range(len(cases))]
    if scored and len(arms) == 1:
        places = [[({"order": when["order"]}, place) for when, place in of_case] for of_case in places]
    blocks = [
        {
            "id": case.id,
            "image": case.image,
            "references": case.references,
            "said": [
                {"arm": s.arm, "caption": s.caption, "scores": {k: f"{v:.2f}" for k, v in s.scores.items()}}
                for s in case.said
            ],
            "places": of_case,
        }
        for case, of_case in zip(cases, places, strict=True)
    ]
    first_score = next((name for case in cases for said in case.said for name in said.scores), "")
    by_score = f" Best and worst go by {first_score}, which sees words and not what they mean." if scored else ""
    return Section(
        title="Images and what is said of them",
        lead=f"Drawn at random, not picked.{by_score}",
        html=render("captions.html", cases=blocks, pictures=pictures),
        controls=controls,
        shared={"pictures": [base64.b64encode(picture).decode() for picture in pictures]},
    )


def _places(cases: Sequence[CaptionedImage], arms: Sequence[str]) -> Iterator[list[tuple[Mapping[str, str], int]]]:
    """For each case its place in every order."""
    merits = np.array([[next(iter(said.scores.values())) for said in case.said] for case in cases])
    ranks = {
        "drawn": np.tile(np.arange(len(cases))[:, None], len(arms)),
        "best": np.argsort(np.argsort(-merits, axis=0, kind="stable"), axis=0),
        "worst": np.argsort(np.argsort(merits, axis=0, kind="stable"), axis=0),
    }
    for row in range(len(cases)):
        yield [
            ({"order": order, "arm": arm}, int(ranks[order][row, column]))
            for order, (column, arm) in product(_ORDERS, enumerate(arms))
        ]
