"""In which order the cases of an epoch are drawn: it depends on the seed and the epoch alone."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from closegap.bounds import Share

Order: TypeAlias = Callable[[int], Tensor]
"""From the number of an epoch to the cases that are drawn in it, as many as there are."""

_BLOCKS = 32  # in a window: so many places are read at once, and a case meets others from so many


def shuffled(cases: int, seed: int, window: int | None = None) -> Order:
    """Every case once an epoch, in random order.

    Args:
        cases: how many there are.
        seed: of the order.
        window: shuffle blocks of neighbouring cases, and the cases of so many at a time, in place of all at once: what
            is read together lies together.
    """

    def order(epoch: int) -> Tensor:
        random = np.random.default_rng((seed, epoch))
        if window is None or window >= cases:
            return torch.from_numpy(random.permutation(cases))
        block = max(1, window // _BLOCKS)
        blocks = np.split(np.arange(cases), np.arange(block, cases, block))
        found = np.concatenate([blocks[number] for number in random.permutation(len(blocks))])
        for start in range(0, cases, window):
            random.shuffle(found[start : start + window])
        return torch.from_numpy(found)

    return order


def balanced(combinations: Int[Tensor, "n"], balance: Share, seed: int) -> Order:
    """Cases of rare combinations of modalities more often, those of common ones less, each batch with its share.

    Of n_c cases of a combination, n p_c are drawn in an epoch, p_c proportional to n_c^(1 - balance): a pair of
    modalities that few cases have then has negatives in a batch. A combination's cases go by turns, all of them before
    one comes again, over epochs too; in an epoch they are spread evenly, so that a batch has its share.

    Args:
        combinations: which modalities each case has, as a number.
        balance: 0 draws combinations as often as they are, 1 all alike.
        seed: of the order.

    Reference:
        Languages of a multilingual corpus: Conneau and Lample, Cross-lingual language model pretraining, 2019, arXiv
        1901.07291, equation of section 3.1, with alpha = 1 - balance.
    """
    members = [(combinations == number).nonzero()[:, 0].numpy() for number in sorted(set(combinations.tolist()))]
    draws = _shared_out(len(combinations), np.array([len(cases) ** (1.0 - balance) for cases in members]))

    def order(epoch: int) -> Tensor:
        random = np.random.default_rng((seed, epoch))
        cases, places = [], []
        for number, (members_of, drawn) in enumerate(zip(members, draws.tolist(), strict=True)):
            cases.append(_by_turns(members_of, epoch * drawn, drawn, (seed, number)))
            places.append((np.arange(drawn) + random.random(drawn)) / max(1, drawn))
        return torch.from_numpy(np.concatenate(cases)[np.argsort(np.concatenate(places), kind="stable")])

    return order


def _shared_out(total: int, weights: np.ndarray) -> np.ndarray:
    """Whole numbers that sum to `total`, in proportion to the weights, by largest remainders."""
    exact = total * weights / weights.sum()
    found: np.ndarray = np.floor(exact).astype(np.int64)  # 1 at least: the weights are, and do not sum to more
    found[np.argsort(found - exact, kind="stable")[: total - found.sum()]] += 1
    return found


def _by_turns(cases: np.ndarray, start: int, number: int, seed: tuple[int, int]) -> np.ndarray:
    """`number` of the endless sequence of permutations of the cases, from `start` on."""
    rounds = range(start // len(cases), -(-(start + number) // len(cases)))
    orders = [np.random.default_rng((*seed, turn)).permutation(cases) for turn in rounds]
    first = start % len(cases)
    return np.concatenate([*orders, cases[:0]])[first : first + number]
