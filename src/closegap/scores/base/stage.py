"""What every score stage looks like: fitted on reference queries, applied to scores, kept in one file."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.checked import Checked
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.embeddings.row_norms import row_norms, unusable_row
from closegap.errors import DataError, UsageError
from closegap.families import class_path
from closegap.fitted_file import FittedFile, Kept
from closegap.scores.base.names import STAGES
from closegap.scores.base.z_scores import Spread, z_scores

_FILE = FittedFile("closegap_scores", 1, "a score stage", "closegap scores fit")


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind.

    Args:
        state: the estimates.
        items: how many reference items each modality had: the best of many is better than the best of few.
    """

    state: Mapping[str, Tensor]
    items: Mapping[str, int]


@dataclass(eq=False)
class ScoreStage(Checked, ABC):
    """What scores go through before the items of several modalities are merged into one list.

    A stage is a dataclass whose fields are its settings (JSON values; the command line makes options of them), with two
    pure functions: `estimate` reads reference embeddings, `adjust` maps scores with what was estimated. Items of one
    modality keep their order: only the merge changes. Fitting, refusing, saving and loading are done here.

    Example:
        >>> from closegap.scores import Standardise
        >>> rows = torch.nn.functional.normalize(torch.randn(2, 20, 8, generator=torch.manual_seed(0)), dim=2)
        >>> reference = EmbeddingSet({"image": rows[0], "text": rows[1]}, [f"case {i}" for i in range(20)])
        >>> stage = Standardise().fit(reference)
        >>> stage.adjusted(rows[1, :2] @ rows[0].T, "text", "image").shape
        torch.Size([2, 20])
    """

    order: ClassVar[int] = 100
    """Where its arm stands in reports, lowest first; those of one order stand as they were named."""

    control: ClassVar[bool] = False
    """Whether it is there to show what others' gains are worth; its arm stands last."""

    of_z_scores: ClassVar[bool] = False
    """Whether `adjust` is given each query's z-scores among all targets of the modality instead of cosines."""

    fitted: Fitted | None = field(init=False, default=None, repr=False)

    @abstractmethod
    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """The named float64 tensors that `adjust` needs, from the present rows of the reference.

        No label is read, and no pair is needed.
        """

    @abstractmethod
    def adjust(
        self,
        scores: Float[Tensor, "q t"],
        query_modality: str,
        target_modality: str,
        state: Mapping[str, Tensor],
    ) -> Float[Tensor, "q t"]:
        """The scores of some queries as they are merged, in their dtype.

        It never turns the order of two targets round, and gives scores near the scale of cosines, where those that
        rounding cannot tell apart are ties.

        Args:
            scores: cosines, or z-scores where the stage is `of_z_scores`; the columns are targets of one modality. -inf
                is what a query does not search, and stays so.
            query_modality: that of all queries.
            target_modality: that of all targets.
            state: of `estimate`.
        """

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor was given."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def fit(self, reference: EmbeddingSet) -> Self:
        """This stage, estimated on reference embeddings: those of a train or validation split, or the archive itself.

        Raises:
            DataError: fewer than two modalities, of different widths, one with rows of fewer than two cases, or rows
                that are not finite.
        """
        names = reference.modalities
        if len(names) < 2:
            raise DataError(f"{len(names)} modality {list(names)}; scores are merged of at least two")
        _ = reference.width  # modalities of different width have no scores
        items = {}
        for name in names:
            present = reference.mask(name)
            if bad := unusable_row(row_norms(reference.embeddings[name]), present):
                raise DataError(f"{name} of row {bad[0]} (id '{reference.ids[bad[0]]}') {bad[1]}; leave the row out")
            cases = {reference.ids[row] for row in present.nonzero()[:, 0].tolist()}
            if len(cases) < 2:
                raise DataError(f"{len(cases)} case has {name}; a reference needs at least two of each modality")
            items[name] = int(present.sum())
        self.fitted = Fitted(self.estimate(reference), items)
        return self

    def adjusted(
        self,
        scores: Float[Tensor, "q t"],
        query_modality: str,
        target_modality: str,
        spread: Spread | None = None,
    ) -> Float[Tensor, "q t"]:
        """The scores of some queries of one modality against items of one modality, to be merged with others.

        Args:
            scores: cosines; the columns are all targets of one modality, or some of them where `spread` is given.
            query_modality: that of all queries; one that was fitted.
            target_modality: that of all targets; one that was fitted.
            spread: of each query's cosines among all targets of the modality.

        Raises:
            UsageError: not fitted.
            DataError: a modality that was not fitted.
        """
        fitted = self._fitted()
        for name in (query_modality, target_modality):
            if name not in fitted.items:
                known = ", ".join(fitted.items)
                raise DataError(f"modality '{name}', but {type(self).__name__} was fitted on {known}")
        given = z_scores(scores, spread) if self.of_z_scores else scores
        return self.adjust(given, query_modality, target_modality, fitted.state)

    def save(self, path: str | Path) -> None:
        """Write `path` (.safetensors, settings as JSON in its header), whole or not at all."""
        _FILE.write(Path(path), self.kept())

    def kept(self) -> Kept:
        """What `save` writes.

        Raises:
            UsageError: not fitted.
        """
        fitted = self._fitted()
        return Kept(class_path(type(self)), self.settings, {"items": dict(fitted.items)}, fitted.state)

    @classmethod
    def load(cls, path: str | Path, trusted: Sequence[str] = ()) -> Self:
        """The stage that `save` wrote. Nothing the file names is imported unless it is listed here.

        Args:
            path: the file.
            trusted: import paths of further stages that may be loaded (`package.module.Class`). A subclass's own `load`
                needs no list: it loads itself.

        Raises:
            DataError: a missing or damaged file, or one that is not a score stage of this version.
            UsageError: a stage that is not trusted, or not the one asked for.
        """
        path = Path(path)
        return cls.of(_FILE.read(path), path, trusted)

    @classmethod
    def of(cls, kept: Kept, path: Path, trusted: Sequence[str] = ()) -> Self:
        """The stage of which a file holds `kept`.

        Args:
            kept: of such a stage.
            path: the file, for errors.
            trusted: as in `load`.

        Raises:
            DataError: parts that do not fit the class.
            UsageError: a stage that is not trusted, or not the one asked for.
        """
        own = kept.class_path == class_path(cls)
        found = cls if own else STAGES.trusted(kept.class_path, path, trusted, "--method")
        if not issubclass(found, cls):
            raise UsageError(f"{path}: holds {kept.class_path}, expected {class_path(cls)}")
        try:
            stage = found(**kept.settings)
            stage.fitted = Fitted(kept.tensors, _sound_items(kept.says["items"]))
            stage._expect_state()
        except UsageError:
            raise
        except Exception as error:  # whatever a constructor or a map makes of another's settings or state
            raise _FILE.unusable(path, error) from error
        return stage

    def _expect_state(self) -> None:
        """Try the map on a few scores of every pair of modalities, so that a state that does not fit is found early.

        Raises:
            ValueError: another shape comes out, or scores that are not finite or in another order.
        """
        scores = torch.linspace(-1, 1, 5).expand(2, -1)
        for query, target in product(self._fitted().items, repeat=2):
            found = self.adjusted(scores, query, target)
            if found.shape != scores.shape or not found.isfinite().all() or (found.diff(dim=1) < 0).any():
                raise ValueError(f"its state does not map scores of {target} for {query} to finite ones of their order")

    def _fitted(self) -> Fitted:
        if self.fitted is None:
            raise UsageError(f"{type(self).__name__} is not fitted; call fit(reference) first")
        return self.fitted


def pair(query_modality: str, target_modality: str) -> str:
    """The key of an ordered pair of modalities in a state."""
    return f"{query_modality}|{target_modality}"


def _sound_items(said: Any) -> dict[str, int]:
    """How many items each modality had.

    Raises:
        ValueError: the file says something else.
    """
    if not isinstance(said, dict) or len(said) < 2 or any(type(n) is not int or n < 2 for n in said.values()):
        raise ValueError(f"items {said!r}, expected two modalities or more with their numbers of items")
    return said
