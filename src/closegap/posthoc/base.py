"""What every post-hoc method looks like: fitted on a train split, applied to another, kept in one file."""

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapWarning, DataError, UsageError
from closegap.files import whole_file
from closegap.posthoc.moments import mean
from closegap.posthoc.seen import Seen

_FORMAT = 1
_HEADER = "closegap_posthoc"
_STATE = "state/"
_BLOCK = 8192
_OWN = tuple(
    f"closegap.posthoc.{name}"
    for name in (
        "center.Center",
        "placebo.Placebo",
        "procrustes.Procrustes",
        "project_out.ProjectOut",
        "realign.ReAlign",
        "shift.Shift",
        "whiten.Whiten",
    )
)


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind: the estimates, what they are for, and which rows they come from."""

    state: Mapping[str, Tensor]
    modalities: tuple[str, ...]
    width: int
    seen: Seen


@dataclass(eq=False)
class PostHoc(ABC):
    """A map of embeddings, estimated on a train split, that closes the gap after training.

    A method is a dataclass whose fields are its settings (JSON values), with two pure functions: `estimate` reads the
    train split, `move` maps rows with what was estimated. Fitting, normalising, the refusal to be judged on the rows it
    was fitted on, saving and loading are done here.

    Example:
        >>> from closegap.posthoc import Center
        >>> rows = torch.nn.functional.normalize(torch.randn(20, 8, generator=torch.manual_seed(0)), dim=1)
        >>> everything = EmbeddingSet({"image": rows[:10], "text": rows[10:]}, [f"case {i}" for i in range(10)])
        >>> train, test = everything.select(range(5)), everything.select(range(5, 10))
        >>> Center().fit(train).apply(test).modalities
        ('image', 'text')
    """

    fitted: Fitted | None = field(init=False, default=None, repr=False)

    @abstractmethod
    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """The named float64 tensors that `move` needs, from the present rows of the train split."""

    @abstractmethod
    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """The float64 rows of `modality` moved, not yet normalised."""

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor was given."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def fit(self, train: EmbeddingSet) -> Self:
        """This method, estimated on `train`.

        Raises:
            DataError: fewer than two modalities, one without rows, or rows that are not finite.
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
        width = train.embeddings[train.modalities[0]].shape[1]
        self.fitted = Fitted(self.estimate(train), train.modalities, width, Seen.of(train))
        return self

    def apply(self, embeddings: EmbeddingSet, *, in_sample: bool = False) -> EmbeddingSet:
        """The set with its rows moved and unit-norm; absent rows stay as they are, everything else is carried on.

        A row that lands on the origin has no direction and stays as it was, with a warning.

        Args:
            embeddings: modalities that were fitted, all or some.
            in_sample: allow rows that were fitted on; the result's `meta["in_sample"]` is then true.

        Raises:
            UsageError: not fitted, or rows that were fitted on without `in_sample`.
            DataError: a modality or a width that was not fitted.
        """
        fitted = self._fitted()
        self._check(embeddings, fitted)
        seen = fitted.seen.rows(embeddings)
        if seen and not in_sample:
            raise UsageError(
                f"{len(seen)} of {len(embeddings.ids)} rows were fitted on (first: row {seen[0]}, id "
                f"'{embeddings.ids[seen[0]]}'); fit {type(self).__name__} on a train split, or allow it with "
                "--in-sample (in_sample=True), which the result will say"
            )
        chain = [*embeddings.meta.get("posthoc", []), {"class": _class_path(type(self)), "settings": self.settings}]
        meta = {**embeddings.meta, "posthoc": chain} | ({"in_sample": True} if seen else {})
        moved = {name: self._moved(embeddings, name, fitted.state) for name in embeddings.modalities}
        return replace(embeddings, embeddings=moved, meta=meta)

    def transform(self, rows: Float[Tensor, "n d"], modality: str) -> Float[Tensor, "n d"]:
        """Rows moved and unit-norm, in their dtype and on their device: what `apply` does to a set, for a model's use.

        A row that lands on the origin stays as it was.

        Args:
            rows: unit-norm embeddings, all present.
            modality: whose they are; one that was fitted.
        """
        state = {name: value.to(rows.device) for name, value in self._fitted().state.items()}
        moved = self.move(rows.double(), modality, state)
        norms = moved.norm(dim=1, keepdim=True)
        return torch.where(norms > torch.finfo(rows.dtype).eps, (moved / norms).to(rows.dtype), rows)

    def save(self, path: Path) -> None:
        """Write `path` (.safetensors, settings as JSON in its header), whole or not at all."""
        fitted = self._fitted()
        header = {
            "format": _FORMAT,
            "class": _class_path(type(self)),
            "settings": self.settings,
            "modalities": fitted.modalities,
            "width": fitted.width,
            "row_numbered": fitted.seen.row_numbered,
        }
        tensors = {_STATE + name: value.contiguous() for name, value in fitted.state.items()}
        tensors |= {"seen/ids": fitted.seen.ids, "seen/contents": fitted.seen.contents}
        with whole_file(path) as temporary:
            save_file(tensors, temporary, metadata={_HEADER: json.dumps(header)})

    @classmethod
    def load(cls, path: Path, trusted: Sequence[str] = ()) -> Self:
        """The method that `save` wrote. Nothing the file names is imported unless it is listed here.

        Args:
            path: the file.
            trusted: import paths of further methods that may be loaded (`package.module.Class`). A subclass's own
                `load` needs no list: it loads itself.

        Raises:
            DataError: a missing or damaged file, or one that is not a post-hoc method of this version.
            UsageError: a method that is not trusted, or not the one asked for.
        """
        if not path.is_file():
            raise DataError(f"{path}: no such file; expected a method saved with `closegap posthoc fit`")
        try:
            with safe_open(path, framework="pt") as opened:
                metadata = opened.metadata() or {}
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
        except SafetensorError as error:
            raise DataError(f"{path}: damaged ({error}); fit the method again") from error
        try:
            header = json.loads(metadata.get(_HEADER, "{}"))
            if header.get("format") != _FORMAT:
                raise DataError(f"{path}: not a post-hoc method of this version; write it with `closegap posthoc fit`")
            method = cls._trusted_class(path, header["class"], trusted)(**header["settings"])
            method.fitted = Fitted(
                state={name.removeprefix(_STATE): value for name, value in tensors.items() if name.startswith(_STATE)},
                modalities=tuple(header["modalities"]),
                width=header["width"],
                seen=Seen(tensors["seen/ids"], tensors["seen/contents"], header["row_numbered"]),
            )
        except (AttributeError, ImportError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise DataError(f"{path}: its header cannot be used ({error}); fit the method again") from error
        return method

    @classmethod
    def _trusted_class(cls, path: Path, class_path: str, trusted: Sequence[str]) -> type[Self]:
        if class_path == _class_path(cls):
            return cls
        if class_path not in (*_OWN, *trusted):
            raise UsageError(f"{path}: holds {class_path}, which is not trusted; load it with trusted=['{class_path}']")
        module, _, name = class_path.rpartition(".")
        found = getattr(import_module(module), name)
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise UsageError(f"{path}: holds {class_path}, expected {_class_path(cls)}")
        return found

    def _fitted(self) -> Fitted:
        if self.fitted is None:
            raise UsageError(f"{type(self).__name__} is not fitted; call fit(train) first")
        return self.fitted

    def _check(self, embeddings: EmbeddingSet, fitted: Fitted) -> None:
        name = type(self).__name__
        for modality in embeddings.modalities:
            if modality not in fitted.modalities:
                raise DataError(f"modality '{modality}', but {name} was fitted on {', '.join(fitted.modalities)}")
            width = embeddings.embeddings[modality].shape[1]
            if width != fitted.width:
                raise DataError(f"{modality} has {width} dimensions, but {name} was fitted on {fitted.width}")

    def _moved(self, embeddings: EmbeddingSet, modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        result = embeddings.embeddings[modality].clone()
        lost = 0
        for rows in torch.split(embeddings.mask(modality).nonzero()[:, 0], _BLOCK):
            moved = self.move(result[rows].double(), modality, state)
            norms = moved.norm(dim=1, keepdim=True)
            kept = norms[:, 0] > torch.finfo(result.dtype).eps  # shorter than a rounding error of its origin
            result[rows[kept]] = (moved[kept] / norms[kept]).to(result.dtype)
            lost += int((~kept).sum())
        if lost:
            warnings.warn(
                f"{lost} of {len(result)} rows of {modality} land on the origin under {type(self).__name__} and stay "
                "as they were",
                ClosegapWarning,
                stacklevel=3,
            )
        return result


def _class_path(method: type[PostHoc]) -> str:
    return f"{method.__module__}.{method.__qualname__}"
