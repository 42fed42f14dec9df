"""Chance and ceiling of retrieval among phantoms."""

from collections.abc import Sequence
from math import comb

import numpy as np
from jaxtyping import Float64

from closegap.phantom.catalogue import DEVICE_SIDES, FINDINGS
from closegap.phantom.statements import Facts
from closegap.phantom.study import Study

Scores = Float64[np.ndarray, "queries gallery"]

TIE = 1e-9  # scores closer than this are equal: the same terms summed in another order


def chance_recall(gallery: int, k: int, positives: int = 1) -> float:
    """Recall@K of a random order, in [0, 1]; K / gallery for one positive.

    1 - C(gallery - positives, k) / C(gallery, k): the probability that k of the items hold a positive one.

    Args:
        gallery: number of items.
        k: length of the list that is looked at.
        positives: number of items that count as a hit.

    Example:
        >>> chance_recall(4, 2)
        0.5
    """
    k = min(k, gallery)
    return 1.0 - comb(gallery - positives, k) / comb(gallery, k)


def ceiling_recall(scores: Scores, k: int) -> float:
    """Expected Recall@K of an observer with these scores, in [0, 1]; row i's true item is column i.

    An observer cannot order what it scores alike: with b items above the true one and c items level with it (itself
    among them), the true one is among the first K with probability min(max(K - b, 0), c) / c. For the observer who
    only knows whether facts are compatible, b is 0 and c the number of compatible items.

    Args:
        scores: higher is better; -inf for what is impossible.
        k: length of the list that is looked at.
    """
    finite = np.maximum(scores, -1e300)  # the difference of infinities is no number
    true = np.diagonal(finite)[:, None]
    tied = (np.abs(finite - true) <= TIE).sum(axis=1)
    above = (finite - true > TIE).sum(axis=1)
    return float(np.mean(np.clip(k - above, 0, tied) / tied))


def image_facts(study: Study) -> dict[str, str]:
    """What the first image of a case shows: everything but the age, and no sides in a lateral view."""
    facts = {"view": study.view, "sex": study.sex, "normal": "no" if study.findings else "yes"}
    facts |= dict.fromkeys((*stateable(study.view), *DEVICE_SIDES), "absent")
    for found in (*study.findings, *study.devices):
        facts[found.name] = "present"
        for attribute, value in found.attributes():
            if attribute != "side" or study.view != "lateral":
                facts[f"{found.name}.{attribute}"] = value
    return facts


def stateable(view: str) -> list[str]:
    """Findings that can be seen, or seen to be absent, in a view."""
    return [kind.name for kind in FINDINGS if kind.lateral or view != "lateral"]


def compatibility(stated: Sequence[Facts], shown: Sequence[Facts]) -> Scores:
    """Scores of the observer who only knows whether facts are compatible: 0 where they are, -inf elsewhere.

    A fact on a slot that only one side has contradicts nothing.
    """
    slots = {slot for facts in (*stated, *shown) for slot in facts}
    scores = np.zeros((len(stated), len(shown)))
    for slot in slots:
        a = np.array([facts.get(slot, "") for facts in stated])[:, None]
        b = np.array([facts.get(slot, "") for facts in shown])[None, :]
        scores[(a != b) & (a != "") & (b != "")] = -np.inf
    return scores
