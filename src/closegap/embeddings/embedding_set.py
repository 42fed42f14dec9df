"""A set of embeddings with everything that is needed to judge it: ids, presence, groups, labels, concepts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.embeddings.matrix import checked_array, unit_rows
from closegap.embeddings.set_file import read_set, write_set
from closegap.errors import DataError

ROW_NUMBERED = "ids_are_row_numbers"
"""Key of `meta`: true where no ids were given, so that equal ids of two sets do not mean equal cases."""

NOTES = "notes"
"""Key of `meta`: what a reader must know of how the embeddings came to be, one line each."""


@dataclass(frozen=True, repr=False)
class EmbeddingSet:
    """Embeddings of n rows in M modalities.

    Row i is the same case in every modality that has it. A case with several views of a modality (two captions of one
    figure) takes several rows with the same id; modalities that have no further view are absent there. Rows of one id
    are each other's positives. Modalities of different width are not in one space yet: they can be kept and mapped into
    one, and what needs one space asks for `width`.

    Args:
        embeddings: modality name to (n, d_m) unit-norm rows; absent rows are never read.
        ids: the case of each row.
        present: modality name to the rows that have it; a modality without a key is present everywhere.
        groups: the article or patient of each row; bootstrap resamples these. Defaults to the ids.
        labels: label name to one label per row ("" where unknown).
        concepts: the concepts of each row's case; overlap grades relevance. None where unknown.
        meta: whatever describes where the embeddings come from; JSON.

    Raises:
        DataError: lengths that differ.
    """

    embeddings: Mapping[str, Float[Tensor, "n _"]]
    ids: Sequence[str]
    present: Mapping[str, Bool[Tensor, "n"]] = field(default_factory=dict)
    groups: Sequence[str] | None = None
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    concepts: Sequence[tuple[str, ...]] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ids)
        columns: dict[str, int] = {f"embeddings of {name}": len(rows) for name, rows in self.embeddings.items()}
        columns |= {f"presence of {name}": len(rows) for name, rows in self.present.items()}
        columns |= {f"labels {name}": len(rows) for name, rows in self.labels.items()}
        columns |= {"groups": n if self.groups is None else len(self.groups)}
        columns |= {"concepts": n if self.concepts is None else len(self.concepts)}
        for what, rows_given in columns.items():
            if rows_given != n:
                raise DataError(f"{what}: {rows_given} rows, expected {n}, one per id")

    def __repr__(self) -> str:
        widths = ", ".join(f"{name} {rows.shape[1]}" for name, rows in self.embeddings.items())
        return f"{type(self).__name__}({len(self.ids):,} rows: {widths})"

    @classmethod
    def from_arrays(
        cls,
        *,
        ids: Sequence[Any] | None = None,
        groups: Sequence[Any] | None = None,
        labels: Mapping[str, Sequence[Any]] | None = None,
        **arrays: np.ndarray | Tensor,
    ) -> "EmbeddingSet":
        """The set of arrays in memory, in float32; rows that are not unit-norm are normalised, which its notes say.

        Args:
            ids: the case of each row; row numbers if None, which `meta` then says.
            groups: the article or patient of each row.
            labels: label name to one label per row.
            arrays: modality name to (n, d) array or tensor of half, single or double precision, on any device.

        Raises:
            DataError: another dtype or shape, lengths that differ, or a row that is not finite or zero.

        Example:
            >>> EmbeddingSet.from_arrays(image=np.eye(3), text=np.eye(3))
            EmbeddingSet(3 rows: image 3, text 3)
        """
        embeddings, notes = {}, []
        for name, array in arrays.items():
            rows = checked_array(array.detach().cpu() if isinstance(array, Tensor) else np.asarray(array), name)
            embeddings[name], note = unit_rows(rows, name)
            notes += [note] if note else []
        n = len(next(iter(embeddings.values()), ()))
        return cls(
            embeddings,
            ids=[str(case) for case in (range(n) if ids is None else ids)],
            groups=None if groups is None else [str(group) for group in groups],
            labels={name: [str(label) for label in column] for name, column in (labels or {}).items()},
            meta=({ROW_NUMBERED: True} if ids is None else {}) | ({NOTES: notes} if notes else {}),
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modality names, in the order given."""
        return tuple(self.embeddings)

    @property
    def width(self) -> int:
        """Dimensions of the space that all rows are in.

        Raises:
            DataError: modalities of different width.
        """
        widths = {name: rows.shape[1] for name, rows in self.embeddings.items()}
        if len(set(widths.values())) > 1:
            listed = ", ".join(f"{name} {width}" for name, width in widths.items())
            raise DataError(
                f"the modalities differ in width ({listed}), so they are not in one space; map them into one first, as "
                "`closegap posthoc fit --method canonical` does"
            )
        return next(iter(widths.values()))

    def mask(self, modality: str) -> Bool[Tensor, "n"]:
        """The rows that have `modality`."""
        given = self.present.get(modality)
        return torch.ones(len(self.ids), dtype=torch.bool) if given is None else given

    def select(self, rows: Sequence[int] | Tensor) -> "EmbeddingSet":
        """The set of these rows alone."""
        index = torch.as_tensor(rows)
        picks = index.tolist()
        return replace(
            self,
            embeddings={name: values[index] for name, values in self.embeddings.items()},
            ids=[self.ids[i] for i in picks],
            present={name: values[index] for name, values in self.present.items()},
            groups=None if self.groups is None else [self.groups[i] for i in picks],
            labels={name: [values[i] for i in picks] for name, values in self.labels.items()},
            concepts=None if self.concepts is None else [self.concepts[i] for i in picks],
        )

    def save(self, path: str | Path) -> None:
        """Write `path` (.safetensors) and, beside it, the table of rows (.parquet), which replace an older set whole.

        Raises:
            DataError: a present row that is not finite.
            UsageError: another suffix.
        """
        columns = {"ids": self.ids, "groups": self.groups, "labels": self.labels, "concepts": self.concepts}
        write_set(Path(path), self.embeddings, self.present, columns, self.meta)

    @classmethod
    def load(cls, path: str | Path) -> "EmbeddingSet":
        """Read what `save` wrote; tensors are memory-mapped.

        Raises:
            DataError: a missing or damaged file, one that another program wrote, arrays beside another set's table, or
                a present row that is not finite.
        """
        return cls(**read_set(Path(path)))
