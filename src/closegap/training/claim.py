"""A run's folder, for processes that train together."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from closegap.errors import ClosegapError, needs
from closegap.lock import locked

with needs("train"):
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list


class Processes:
    """Those that train together; the first one writes."""

    def __init__(self) -> None:
        # Without cpu=True, processes that torchrun starts where there is no accelerator would not know of each other.
        self.main = bool(PartialState(cpu=not torch.accelerator.is_available()).is_main_process)

    def first(self, action: Callable[[], object]) -> None:
        """Have the first process do something; what it refuses, all refuse.

        Args:
            action: may raise ClosegapError.
        """
        refusal: list[ClosegapError | None] = [None]
        if self.main:
            try:
                action()
            except ClosegapError as error:
                refusal = [error]
        [found] = broadcast_object_list(refusal)
        if found is not None:
            raise found


@contextmanager
def claimed(folder: Path, verb: str = "train") -> Iterator[Processes]:
    """The processes that train together, known to each other, while the first holds the folder: see `lock.locked`.

    Args:
        folder: of a run or a study.
        verb: the command, for whoever comes second.

    Raises:
        ClosegapError: another command holds it, or it cannot be written to.
    """
    processes = Processes()
    with ExitStack() as held:
        processes.first(lambda: held.enter_context(locked(folder, verb)))
        yield processes
