"""From cases to batches: deterministic for a seed, whatever the number of workers and processes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from traceback import extract_tb
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from closegap.batch import Activations, Batch, Features
from closegap.data.case import Case
from closegap.data.orders import Order
from closegap.errors import ClosegapError, DataError, WorkerError

Preparer = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Views:
    """All items of one modality over some cases, case after case.

    Args:
        items: the raw items.
        starts: where each case's items begin, and the end; a case without the modality begins where the next does.
        features: outputs of a frozen tower, one row per item, in place of preparation; None where the tower is trained.
        inputs: the items prepared ahead, one row each; None where they are prepared batch by batch.
        activations: from numbers of items to outputs of the tower's frozen prefix; None where there are none.
    """

    items: Sequence[Any]
    starts: Int[Tensor, "n_plus_1"]
    features: Float[Tensor, "k dim"] | None = None
    inputs: Tensor | None = None
    activations: Callable[[Sequence[int]], Activations] | None = None


def views(cases: Sequence[Case], modality: str) -> Views:
    """The items of `modality` in all cases."""
    counts = torch.tensor([0] + [len(case.views.get(modality, ())) for case in cases])
    return Views([item for case in cases for item in case.views.get(modality, ())], counts.cumsum(0))


def combinations(given: Mapping[str, Views]) -> Int[Tensor, "n"]:
    """Which modalities each case has, as a number; equal numbers, equal modalities."""
    return torch.stack([(found.starts.diff() > 0) * 2**at for at, found in enumerate(given.values())]).sum(0)


def group_numbers(groups: Sequence[str]) -> Int[Tensor, "n"]:
    """One number per distinct group."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(group, len(numbers)) for group in groups], dtype=torch.long)


class Draws(Dataset[Batch]):
    """Batches of cases with one view per modality, drawn anew each epoch.

    Args:
        views: modality name to its items.
        groups: one number per case.
        preparers: modality name to what prepares its items; needed only where there are no features.
        seed: a view depends on (seed, epoch, case, modality) alone.
        alike: names whose views are drawn as another's: the tokens of the caption whose embedding is drawn.
    """

    def __init__(
        self,
        views: Mapping[str, Views],
        groups: Int[Tensor, "n"],
        preparers: Mapping[str, Preparer],
        seed: int,
        alike: Mapping[str, str] | None = None,
    ) -> None:
        self.views, self.groups, self.preparers, self.seed = views, groups, preparers, seed
        numbers = {name: number for number, name in enumerate(views)}
        self._numbers = numbers | {name: numbers[other] for name, other in (alike or {}).items()}
        self._starts = {name: given.starts.tolist() for name, given in views.items()}

    def __len__(self) -> int:
        return len(self.groups)

    def __getitems__(self, draws: Sequence[tuple[int, int]]) -> Batch:
        """The batch of these (epoch, case) draws."""
        inputs, rows = {}, {}
        for name, given in self.views.items():
            starts, number = self._starts[name], self._numbers[name]
            picks = [(row, self._item(starts, number, *draw)) for row, draw in enumerate(draws)]
            have = [(row, item) for row, item in picks if item is not None]
            rows[name] = torch.tensor([row for row, _ in have], dtype=torch.long)
            inputs[name] = take(given, [item for _, item in have], self.preparers.get(name))
        return Batch(inputs, rows, self.groups[[case for _, case in draws]])

    def _item(self, starts: Sequence[int], modality: int, epoch: int, case: int) -> int | None:
        first, end = starts[case], starts[case + 1]
        if end - first <= 1:
            return first if end > first else None
        return first + int(np.random.default_rng((self.seed, epoch, case, modality)).integers(end - first))


def take(given: Views, items: Sequence[int], preparer: Preparer | None) -> Any:
    """These items as inputs of the model: features or activations where there are some, else prepared.

    Nothing where there is none.
    """
    if given.features is not None:
        return Features(given.features[torch.as_tensor(items, dtype=torch.long)])
    if given.inputs is not None:
        return given.inputs[torch.as_tensor(items, dtype=torch.long)]
    if given.activations is not None:
        return given.activations(items) if items else None
    assert preparer is not None
    return preparer([given.items[item] for item in items]) if items else None


class GlobalBatches(Sampler[list[tuple[int, int]]]):
    """This process's share of every global batch, from step `start` to the end of training.

    Each epoch's last incomplete batch is left out, since in-batch losses depend on the size of the batch.

    Args:
        cases: number of cases.
        batch_size: cases per step over all processes.
        steps: number of the step after the last.
        order: of the cases in each epoch.
        start: first step, for a run that goes on.
        rank: number of this process.
        world_size: number of processes.

    Raises:
        DataError: fewer cases than one batch needs, or a batch that processes cannot share.
    """

    def __init__(
        self,
        cases: int,
        batch_size: int,
        steps: int,
        order: Order,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if cases < batch_size:
            raise DataError(f"{cases} training cases, a batch needs {batch_size}; lower --train.batch_size")
        if batch_size % world_size:
            raise DataError(f"a batch of {batch_size} cannot be shared by {world_size} processes; make it a multiple")
        self.cases, self.batch_size, self.steps, self.order, self.start = cases, batch_size, steps, order, start
        self.rank, self.share = rank, batch_size // world_size

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.cases // self.batch_size

    def __len__(self) -> int:
        return self.steps - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order, order_epoch = torch.empty(0), -1
        for step in range(self.start, self.steps):
            epoch, batch = divmod(step, self.steps_per_epoch)
            if epoch != order_epoch:
                order, order_epoch = self.order(epoch), epoch
            first = batch * self.batch_size + self.rank * self.share
            yield [(epoch, case) for case in order[first : first + self.share].tolist()]


class _Carried(Dataset[Batch | ClosegapError | WorkerError]):
    """Batches, or in place of one what is wrong with its items: raised in a worker it would arrive as a long trace."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws

    def __len__(self) -> int:
        return len(self.draws)

    def __getitems__(self, draws: Sequence[tuple[int, int]]) -> Batch | ClosegapError | WorkerError:
        try:
            return self.draws.__getitems__(draws)
        except ClosegapError as error:
            return error
        except Exception as error:
            if get_worker_info() is None:
                raise
            return WorkerError(f"{type(error).__name__}: {error}", extract_tb(error.__traceback__))


def loader(draws: Draws, batches: GlobalBatches, workers: int, pin_memory: bool) -> Iterator[Batch]:
    """The batches, prepared by `workers` processes ahead of time (0: in this process).

    Raises:
        ClosegapError: an item that could not be prepared.
        WorkerError: anything else that a worker raised.
    """
    found = DataLoader(
        _Carried(draws),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_is,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        multiprocessing_context=_processes(draws) if workers else None,
    )
    for batch in found:
        if isinstance(batch, ClosegapError | WorkerError):
            raise batch
        yield batch


def _processes(draws: Draws) -> Any:
    """How workers start: a fork after torch has started threads can hang, so they are forked from a server.

    The server imports what the workers need, once for all of them.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(sorted({__name__, *(type(made).__module__ for made in draws.preparers.values())}))
    return context


def _as_is(batch: Any) -> Any:
    return batch
