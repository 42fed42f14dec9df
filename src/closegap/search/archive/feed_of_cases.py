"""Rows of cases, embedded by a model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from closegap.data import Case
from closegap.data.broken_item import naming_broken_items
from closegap.data.loader import Views
from closegap.data.verification import content_digests
from closegap.infer.embed import embed_views
from closegap.infer.features import FeatureCache
from closegap.kinds import Kind
from closegap.models.model import Model
from closegap.runs.open import best_device
from closegap.search.archive.about import Modality
from closegap.search.archive.feed import CONTENT, Draft, Feed, payload, row_id
from closegap.search.archive.shown import shown
from closegap.search.row import Row

_CASES = 256  # of a piece: what a kill costs at most


class FeedOfCases(Feed):
    """Rows of the cases of a source.

    Args:
        model: raw, without a map of its own.
        cases: sound ones.
        kinds: of the modalities that the model and the data have in common, in order.
        thumbnails: whether pictures are kept of what is visual.
        cache: of features of frozen towers, where they are worth looking up.
    """

    def __init__(
        self,
        model: Model,
        cases: Sequence[Case],
        kinds: Mapping[str, Kind],
        thumbnails: bool,
        cache: FeatureCache | None = None,
    ) -> None:
        self._device = best_device()
        self._model, self._cache = model.to(self._device), cache
        self._cases, self._kinds, self._thumbnails = cases, kinds, thumbnails
        self.modalities: Mapping[str, Modality] = {
            name: Modality(kind.noun, kind.visual) for name, kind in kinds.items()
        }
        self.labels = tuple(sorted({name for case in cases for name in case.labels}))
        self.cases = len(cases)

    def case_ids(self) -> Iterable[str]:
        """See `Feed`."""
        return [case.id for case in self._cases]

    def pieces(self) -> Iterator[Mapping[str, Sequence[Draft]]]:
        """See `Feed`."""
        for start in range(0, len(self._cases), _CASES):
            cases = self._cases[start : start + _CASES]
            found = {name: self._drafts(name, kind, cases) for name, kind in self._kinds.items()}
            yield {name: drafts for name, drafts in found.items() if drafts}

    def vectors(self, modality: str, items: Sequence[Any]) -> Float[np.ndarray, "n d"]:
        """See `Feed`."""
        encoder = self._model.encoder(modality)
        held = Views(list(items), torch.arange(len(items) + 1))
        given = set(map(id, items))
        cases = [case for case in self._cases if not given.isdisjoint(map(id, case.views.get(modality, ())))]
        with naming_broken_items(cases, {modality: self._kinds[modality]}):
            if self._cache is not None and encoder.untrained:
                held = replace(held, features=self._cache.features(encoder, held.items, self._device))
            batch = 8 if self._device.type == "cpu" and held.features is None else 64
            rows: np.ndarray = embed_views(self._model, modality, held, self._device, batch).numpy()
        return rows

    def preview(self, modality: str, item: Any) -> bytes:
        """See `Feed`."""
        return shown(self._kinds[modality], item, self._thumbnails)

    def _drafts(self, modality: str, kind: Kind, cases: Sequence[Case]) -> list[Draft]:
        held = [(case, view, item) for case in cases for view, item in enumerate(case.views.get(modality, ()))]
        digests = content_digests(kind, [item for _, _, item in held])
        known = {case.id: self._known(case) for case in cases}
        return [
            Draft(Row(row_id(case.id, view), case.id, case.group, {**known[case.id], CONTENT: content}), item)
            for (case, view, item), content in zip(held, digests, strict=True)
        ]

    def _known(self, case: Case) -> dict[str, Any]:
        """What filters may ask of a case: also the columns of its record, where it has one."""
        columns: dict[str, Any] = {}
        for name, kind in self._kinds.items():
            if kind.of_row:
                for item in case.views.get(name, ()):
                    columns |= {column: value for column, value in item.items() if value is not None}
        return payload(case.split, case.labels, case.concepts, columns)
