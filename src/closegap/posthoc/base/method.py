"""What every post-hoc method looks like: fitted on a train split, applied to another, kept in one file."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.checked import Checked
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapWarning, DataError, UsageError
from closegap.posthoc.base.fitted import Fitted, Kept, read_fitted, unusable, write_fitted
from closegap.posthoc.base.moments import mean
from closegap.posthoc.base.names import is_own
from closegap.posthoc.base.seen import Seen
from closegap.posthoc.base.sweep import Sweep

_BLOCK = 8192


@dataclass(eq=False)
class PostHoc(Checked, ABC):
    """A map of embeddings, estimated on a train split, that closes the gap after training.

    A method is a dataclass whose fields are its settings (JSON values; the command line makes options of them), with
    two pure functions: `estimate` reads the train split, `move` maps rows with what was estimated. Fitting,
    normalising, the refusal to be judged on the rows it was fitted on, saving and loading are done here.

    Example:
        >>> from closegap.posthoc import Center
        >>> rows = torch.nn.functional.normalize(torch.randn(20, 8, generator=torch.manual_seed(0)), dim=1)
        >>> everything = EmbeddingSet({"image": rows[:10], "text": rows[10:]}, [f"case {i}" for i in range(10)])
        >>> train, test = everything.select(range(5)), everything.select(range(5, 10))
        >>> Center().fit(train).apply(test).modalities
        ('image', 'text')
    """

    order: ClassVar[int] = 100
    """Where its arm stands in reports, lowest first; those of one order stand as they were named."""

    control: ClassVar[bool] = False
    """Whether it closes nothing, and shows what the others' gains are worth; its arm stands last."""

    sweep: ClassVar[Sweep | None] = None
    """The setting that an audit varies between the original and the whole method, if it has one."""

    one_space: ClassVar[bool] = True
    """Whether modalities must have one width to be fitted."""

    fitted: Fitted | None = field(init=False, default=None, repr=False)

    _watcher: Callable[[int, int], None] | None = field(init=False, default=None, repr=False)

    @abstractmethod
    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """The named float64 tensors that `move` needs, from the present rows of the train split."""

    @abstractmethod
    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n k"]:
        """The float64 rows of `modality` moved, not yet normalised; to one width in all modalities."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader should know of the fit, a line each: of settings that were chosen, which and by what."""
        return ()

    def advance(self, done: int, of: int) -> None:
        """Tell whoever watches the fit how far it is; for an `estimate` that takes more than seconds."""
        if self._watcher is not None:
            self._watcher(done, of)

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor was given."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def fit(self, train: EmbeddingSet, progress: Callable[[int, int], None] | None = None) -> Self:
        """This method, estimated on `train`.

        Args:
            train: the train split.
            progress: called with how far a long estimate is, and of how much.

        Raises:
            DataError: fewer than two modalities, ones that are not in one space where the method needs it, one without
                rows, or rows that are not finite.
        """
        if len(train.modalities) < 2:
            raise DataError(f"{len(train.modalities)} modality {list(train.modalities)}; a gap needs at least two")
        for modality in train.modalities:
            rows = train.mask(modality).nonzero()[:, 0]
            if not len(rows):
                raise DataError(f"no row has {modality}; there is nothing to fit on")
            if not mean(train, modality).isfinite().all():
                row = next(int(row) for row in rows if not train.embeddings[modality][row].isfinite().all())
                raise DataError(f"{modality} of row {row} (id '{train.ids[row]}') is not finite; leave the row out")
        widths = {name: train.width if self.one_space else rows.shape[1] for name, rows in train.embeddings.items()}
        self._watcher = progress
        try:
            state = self.estimate(train)
        finally:
            self._watcher = None
        self.fitted = Fitted(state, widths, Seen.of(train))
        return self

    def apply(self, embeddings: EmbeddingSet, *, in_sample: bool = False) -> EmbeddingSet:
        """The set with its rows moved and unit-norm; absent rows stay as they are, everything else is carried on.

        A row that lands on the origin has no direction and stays as it was, with a warning. Where the map leads to
        another width, absent rows are zeros, and such a row is refused.

        Args:
            embeddings: modalities that were fitted, all or some.
            in_sample: allow rows that were fitted on; the result's `meta["in_sample"]` is then true.

        Raises:
            UsageError: not fitted, or rows that were fitted on without `in_sample`.
            DataError: a modality or a width that was not fitted, or a row without direction in a space of another
                width.
        """
        fitted = self._fitted()
        for modality, rows in embeddings.embeddings.items():
            self._check(rows, modality)
        seen = fitted.seen.rows(embeddings)
        if seen and not in_sample:
            raise UsageError(
                f"{len(seen)} of {len(embeddings.ids)} rows were fitted on (first: row {seen[0]}, id "
                f"'{embeddings.ids[seen[0]]}'); fit {type(self).__name__} on a train split, or allow it with "
                "--in-sample (in_sample=True), which the result will say"
            )
        chain = [*embeddings.meta.get("posthoc", []), {"class": _class_path(type(self)), "settings": self.settings}]
        meta = {**embeddings.meta, "posthoc": chain} | ({"in_sample": True} if seen else {})
        moved = {name: self._moved(embeddings, name) for name in embeddings.modalities}
        return replace(embeddings, embeddings=moved, meta=meta)

    def transform(self, rows: Float[Tensor, "n d"], modality: str) -> Float[Tensor, "n k"]:
        """Rows moved and unit-norm, in their dtype and on their device: what `apply` does to a set, for a model's use.

        Whether rows were fitted on is not asked. A row that lands on the origin stays as it was, with a warning.

        Args:
            rows: unit-norm embeddings, all present.
            modality: whose they are; one that was fitted.

        Raises:
            UsageError: not fitted.
            DataError: a modality, a width or a dtype that was not fitted, or a row without direction in a space of
                another width.
        """
        self._check(rows, modality)
        moved, kept = self._directions(rows, modality)
        self._tell_of_lost(~kept, modality, moved.shape[1])
        return moved

    def save(self, path: str | Path) -> None:
        """Write `path` (.safetensors, settings as JSON in its header), whole or not at all."""
        write_fitted(Path(path), Kept(_class_path(type(self)), self.settings, self._fitted()))

    @classmethod
    def load(cls, path: str | Path, trusted: Sequence[str] = ()) -> Self:
        """The method that `save` wrote. Nothing the file names is imported unless it is listed here.

        Args:
            path: the file.
            trusted: import paths of further methods that may be loaded (`package.module.Class`). A subclass's own
                `load` needs no list: it loads itself.

        Raises:
            DataError: a missing or damaged file, or one that is not a post-hoc method of this version.
            UsageError: a method that is not trusted, or not the one asked for.
        """
        path = Path(path)
        kept = read_fitted(path)
        try:
            method = cls._trusted_class(path, kept.class_path, trusted)(**kept.settings)
            method.fitted = kept.fitted
            method._expect_state()
        except UsageError:
            raise
        except Exception as error:  # whatever a constructor or a map makes of another's settings or state
            raise unusable(path, error) from error
        return method

    def _expect_state(self) -> None:
        """Try the map on two rows of every modality, so that a state that does not fit it is found on loading.

        Raises:
            DataError: rows of another shape come out, or ones that are not finite.
        """
        fitted = self._fitted()
        widths = set()
        for modality, width in fitted.widths.items():
            moved = self.move(torch.eye(2, width, dtype=torch.float64), modality, fitted.state)
            if moved.ndim != 2 or len(moved) != 2 or not moved.shape[1] or not moved.isfinite().all():
                raise DataError(f"its state does not move {modality} to finite rows")
            widths.add(moved.shape[1])
        if len(widths) > 1:
            raise DataError("its state does not move all modalities to one width")

    @classmethod
    def _trusted_class(cls, path: Path, class_path: str, trusted: Sequence[str]) -> type[Self]:
        if class_path == _class_path(cls):
            return cls
        if not is_own(class_path) and class_path not in trusted:
            raise UsageError(
                f"{path}: holds {class_path}, which is not trusted; if you trust it, name it with "
                f"--method {class_path} (trusted=['{class_path}'])"
            )
        module, _, name = class_path.rpartition(".")
        found = getattr(import_module(module), name)
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise UsageError(f"{path}: holds {class_path}, expected {_class_path(cls)}")
        return found

    def _fitted(self) -> Fitted:
        if self.fitted is None:
            raise UsageError(f"{type(self).__name__} is not fitted; call fit(train) first")
        return self.fitted

    def _check(self, rows: Float[Tensor, "n d"], modality: str) -> None:
        fitted, name = self._fitted(), type(self).__name__
        if modality not in fitted.modalities:
            raise DataError(f"modality '{modality}', but {name} was fitted on {', '.join(fitted.modalities)}")
        expected = fitted.widths[modality]
        if rows.ndim != 2 or rows.shape[1] != expected:
            width = f"{rows.shape[1]} dimensions" if rows.ndim == 2 else f"shape {tuple(rows.shape)}"
            raise DataError(f"{modality} has {width}, but {name} was fitted on {expected}")
        if not rows.is_floating_point():
            raise DataError(f"{modality} is {rows.dtype}; expected unit-norm rows of a floating dtype")

    def _moved(self, embeddings: EmbeddingSet, modality: str) -> Float[Tensor, "n k"]:
        rows, there = embeddings.embeddings[modality], embeddings.mask(modality)
        width = self._directions(rows[:0], modality)[0].shape[1]
        result = rows.clone() if width == rows.shape[1] else rows.new_zeros(len(rows), width)
        lost = torch.zeros(len(rows), dtype=torch.bool)
        for some in torch.split(there.nonzero()[:, 0], _BLOCK):
            result[some], kept = self._directions(rows[some], modality)
            lost[some] = ~kept
        self._tell_of_lost(lost, modality, width)
        return result

    def _directions(self, rows: Float[Tensor, "n d"], modality: str) -> tuple[Float[Tensor, "n k"], Bool[Tensor, "n"]]:
        """The rows moved and unit-norm, and which of them moved: not those that land on the origin."""
        where = torch.device("cpu") if rows.device.type == "mps" else rows.device  # Apple's has no float64
        state = {name: value.to(where) for name, value in self._fitted().state.items()}
        moved = self.move(rows.to(where, torch.float64), modality, state)
        norms = moved.norm(dim=1, keepdim=True)
        kept = norms > torch.finfo(rows.dtype).eps  # shorter than a rounding error of its origin
        unit = (moved / torch.where(kept, norms, 1.0)).to(rows.device, rows.dtype)
        kept = kept.to(rows.device)
        return torch.where(kept, unit, rows) if unit.shape == rows.shape else unit, kept[:, 0]

    def _tell_of_lost(self, lost: Bool[Tensor, "n"], modality: str, width: int) -> None:
        if not lost.any():
            return
        where = f"{int(lost.sum())} of {len(lost)} rows of {modality} land on the origin under {type(self).__name__}"
        if width != self._fitted().widths[modality]:
            first = int(lost.nonzero()[0, 0])
            raise DataError(f"{where}, where they have no direction (the first: row {first}); leave them out")
        warnings.warn(f"{where} and stay as they were", ClosegapWarning, stacklevel=4)


def _class_path(method: type[PostHoc]) -> str:
    return f"{method.__module__}.{method.__qualname__}"
