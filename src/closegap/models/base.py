"""What every encoder looks like."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from closegap.batch import Activations
from closegap.errors import UsageError
from closegap.files import stream_digest
from closegap.kinds.base import Kind
from closegap.models.recipe import Recorded


class Encoder(Recorded, nn.Module, ABC):
    """One modality's tower: from raw items (paths, strings, records) to features before projection.

    Attributes:
        takes: the kind of its items.
        dim: number of output features.
        one_shape: whether every item is prepared to a tensor of the same shape, so that prepared items can be kept.
        fitted: whether `fit` learns anything, which the constructor's arguments do not bring back.
    """

    takes: type[Kind]
    dim: int
    one_shape: bool = False
    fitted: bool = False

    @abstractmethod
    def preparer(self) -> Callable[[Sequence[Any]], Any]:
        """What turns raw items into the batch that `forward` takes: tensors, in any nesting, of one row per item.

        It is light and picklable, since it runs in worker processes; several threads may call it at once; and its
        `repr` names all that its output depends on, since cached features are found by it.
        """

    @abstractmethod
    def forward(self, inputs: Any) -> Float[Tensor, "n dim"]:
        """Features of a prepared batch."""

    @property
    def prefix(self) -> nn.Module | None:
        """The frozen blocks before the first trained one, whose outputs may be kept; None where there are none.

        A module from a prepared batch to `Activations`, or to a tensor of one row per item. It shares the tower's
        weights and is made anew at each call, for what is frozen then; what is kept is found by its weights and `repr`.
        """
        return None

    def resume(self, activations: Activations) -> Float[Tensor, "n dim"]:
        """Features from what `prefix` gave: `forward` from there on.

        Raises:
            UsageError: a tower without a prefix.
        """
        raise UsageError(f"{type(self).__name__} has no prefix to go on from; give it prepared items")

    @property
    def part_encoder(self) -> "Encoder | None":
        """An untrained tower of the parts of items, whose features may be kept part by part; None where there is none.

        Its features of an item's `parts`, in their order, are what `resume` goes on from.
        """
        return None

    def parts(self, item: Any) -> Sequence[Any]:
        """What `part_encoder` takes of an item, at least one; frames of a clip.

        Raises:
            UsageError: a tower without one.
        """
        raise UsageError(f"{type(self).__name__} has no tower of parts")

    def activations(self, inputs: Any) -> Activations:
        """What `prefix` gives of a prepared batch."""
        assert self.prefix is not None
        found = self.prefix(inputs)
        return found if isinstance(found, Activations) else Activations(found)

    def grid(self, inputs: Any) -> Float[Tensor, "n features height width"]:
        """What the tower has of each place, before pooling, for decoders that attend to places.

        Raises:
            UsageError: the tower has no places.
        """
        raise UsageError(f"{type(self).__name__} has no tokens to attend to; use a decoder that reads the embedding")

    def lengths(self, items: Sequence[Any]) -> Sequence[int]:
        """How long each item is once prepared; items of one length share a batch, which is padded to its longest."""
        return [0] * len(items)

    def fit(self, items: Iterable[Any]) -> None:
        """Learn statistics of the training items (means, spreads) into buffers, once, before the first step."""
        del items

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """Arguments that `unpack` rebuilds this tower from where there is no network; weights are stored without it.

        A tower whose constructor downloads, or reads files, writes what it needs of them here. By default nothing is
        written, and the arguments are those that the constructor was given.

        Args:
            folder: the tower's own, empty.

        Returns:
            By name, as JSON has them.

        Raises:
            ClosegapError: the constructor was given what JSON has no form for.
        """
        del folder
        return self.recipe.written()

    @classmethod
    def unpack(cls, folder: Path, arguments: Mapping[str, Any]) -> Self:
        """The tower that `pack` described, its weights not yet loaded.

        Args:
            folder: where `pack` wrote; absent where it wrote nothing.
            arguments: what `pack` returned.
        """
        del folder
        return cls(**arguments)

    @property
    def untrained(self) -> bool:
        """Whether no parameter is trained: once the tower is fitted, features may be cached."""
        return not any(parameter.requires_grad for parameter in self.parameters())

    @property
    def frozen(self) -> bool:
        """Whether the constructor brings back all weights: none is trained, none is fitted."""
        return self.untrained and not self.fitted and any(True for _ in self.parameters())

    def train(self, mode: bool = True) -> Self:
        """Training mode for what is trained alone: a frozen block keeps its batch statistics and drops nothing."""
        super().train(mode)
        if mode:
            _evaluate_frozen(self)
            if (prefix := self.prefix) is not None:
                prefix.eval()  # what has no weights, too
        return self

    def fingerprint(self) -> str:
        """Digest of the weights and of the preparation: equal fingerprints give equal features."""
        return stream_digest(self._fingerprinted(self))

    def prefix_fingerprint(self) -> str | None:
        """Digest of the prefix and of the preparation: equal ones give equal activations; None without a prefix."""
        prefix = self.prefix
        if prefix is None:
            return None
        return stream_digest(chain([repr(prefix).encode()], self._fingerprinted(prefix)))

    def _fingerprinted(self, part: nn.Module) -> Iterator[bytes | memoryview]:
        yield f"{type(self).__qualname__}:{self.preparer()!r}".encode()
        for name, tensor in part.state_dict().items():
            yield f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode()
            yield memoryview(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())


def _evaluate_frozen(module: nn.Module) -> None:
    """Put the frozen blocks of `module` into evaluation mode, from the largest down."""
    trained = [parameter.requires_grad for parameter in module.parameters()]
    if trained and not any(trained):
        module.eval()
        return
    for child in module.children():
        _evaluate_frozen(child)
