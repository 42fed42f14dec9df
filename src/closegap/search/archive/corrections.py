"""What makes the scores of an archive comparable, and says what they are worth; one version of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from jaxtyping import Float
from torch import Tensor

from closegap.calibration import Calibration, Unanswered
from closegap.errors import DataError
from closegap.files import digest
from closegap.posthoc import PostHoc
from closegap.scores import ScoreStage
from closegap.scores.base.stage import pair
from closegap.sealed import load_sealed, read_says, save_sealed
from closegap.search.archive.moments import Moments

_MAP, _STAGE, _CALIBRATION = "posthoc.safetensors", "scores.safetensors", "calibration.safetensors"
_UNANSWERED, _MOMENTS, _SAYS = "unanswered.safetensors", "moments.safetensors", "corrections.json"
_KEY, _AGAIN = "closegap_moments", "fit the corrections again with `closegap index fit`"


@dataclass(frozen=True, eq=False)
class Corrections:
    """Map, then score stage, then calibration; each may be missing.

    Args:
        posthoc: what raw rows and raw queries are moved by.
        stage: what scores of moved rows go through.
        calibration: what a score is worth after the stage.
        unanswered: what tells whether anything is near enough to a question.
        moments: partition to those of its rows, of partitions that are searched, where the stage is of z-scores.
        fitted_on: what each part was fitted on, a line each.
        derived: what the names of the partitions of moved rows end with; "" without a map.
    """

    posthoc: PostHoc | None = None
    stage: ScoreStage | None = None
    calibration: Calibration | None = None
    unanswered: Unanswered | None = None
    moments: Mapping[str, Moments] = field(default_factory=dict)
    fitted_on: Sequence[str] = ()
    derived: str = ""

    @classmethod
    def of(
        cls,
        posthoc: PostHoc | None,
        stage: ScoreStage | None,
        calibration: Calibration | None,
        fitted_on: Sequence[str] = (),
    ) -> Self:
        """Corrections that are not in an archive yet, and so without moments."""
        derived = "" if posthoc is None else f"@{digest(_saved(posthoc.save))[:12]}"
        return cls(posthoc, stage, calibration, fitted_on=tuple(fitted_on), derived=derived)

    @property
    def of_z_scores(self) -> bool:
        """Whether the stage asks how a question's scores lie among all rows."""
        return self.stage is not None and self.stage.of_z_scores

    def partition(self, modality: str) -> str:
        """Where the rows that are searched lie."""
        return modality + self.derived

    def moved(self, rows: Float[Tensor, "n d"], modality: str) -> Float[Tensor, "n k"]:
        """Raw unit rows of a modality, moved and unit-norm."""
        return rows if self.posthoc is None else self.posthoc.transform(rows, modality)

    def adjusted(
        self, cosines: Float[Tensor, "t"], query: Float[Tensor, "k"], query_modality: str, target_modality: str
    ) -> Float[Tensor, "t"]:
        """Scores, in float64, of some rows of a modality as they are merged with those of others.

        Args:
            cosines: of the moved query and moved rows.
            query: moved and unit-norm.
            query_modality: of the query.
            target_modality: of the rows.
        """
        scores = cosines.double()
        if self.stage is None:
            return scores
        held = self.moments.get(self.partition(target_modality))
        spread = None if held is None else held.spread(query[None])
        return self.stage.adjusted(scores[None], query_modality, target_modality, spread=spread)[0]

    def worth(
        self, scores: Float[Tensor, "t"], query_modality: str, target_modality: str, candidates: int, alpha: float
    ) -> tuple[list[float | None], list[bool | None]]:
        """The probability of each score, and whether it lies in the set of answers; None where nothing tells.

        Args:
            scores: of `adjusted`.
            query_modality: of the query.
            target_modality: of the rows.
            candidates: how many rows of that modality were searched.
            alpha: how often the set of answers may miss.
        """
        found, ways = self.calibration, (query_modality, target_modality)
        if found is None or pair(*ways) not in (found.fitted or {}):
            return [None] * len(scores), [None] * len(scores)
        of_pair = found.of_pair(*ways)
        among = max(float(candidates), of_pair.relevant / of_pair.queries + 1)
        values = found.probability(scores, *ways, candidates=among if found.relevance == "pairs" else None)
        return values.tolist(), (scores >= found.threshold(*ways, alpha)).tolist()

    def files(self) -> dict[str, bytes]:
        """What an index keeps of them."""
        found = {_SAYS: json.dumps({"fitted_on": list(self.fitted_on), "derived": self.derived}).encode()}
        parts = {_MAP: self.posthoc, _STAGE: self.stage, _CALIBRATION: self.calibration, _UNANSWERED: self.unanswered}
        found |= {name: _saved(part.save) for name, part in parts.items() if part is not None}
        if self.moments:
            tensors, counts = dict[str, Tensor](), dict[str, int]()
            for number, (name, held) in enumerate(self.moments.items()):
                tensors |= {f"{number}/mean": held.mean, f"{number}/second": held.second}
                counts[name] = held.count
            found[_MOMENTS] = _saved(lambda path: save_sealed(Path(path), tensors, _KEY, {"counts": counts}))
        return found

    @classmethod
    def read(cls, files: Mapping[str, bytes], trusted: Sequence[str] = ()) -> Self:
        """What `files` gave.

        Args:
            files: of an index; none are no corrections.
            trusted: import paths of further methods and stages that may be loaded.

        Raises:
            DataError: damaged.
            UsageError: a method or a stage that is not trusted.
        """
        if not files:
            return cls()
        with TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)

            def loaded(name: str, load: Callable[..., Any]) -> Any:
                return load(Path(folder) / name, trusted) if name in files else None

            says = _says(files)
            return cls(
                loaded(_MAP, PostHoc.load),
                loaded(_STAGE, ScoreStage.load),
                loaded(_CALIBRATION, Calibration.load),
                Unanswered.load(Path(folder) / _UNANSWERED) if _UNANSWERED in files else None,
                _moments(Path(folder) / _MOMENTS) if _MOMENTS in files else {},
                tuple(says["fitted_on"]),
                says["derived"],
            )


def _says(files: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(files[_SAYS])
        return {"fitted_on": [str(line) for line in found["fitted_on"]], "derived": str(found["derived"])}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{_SAYS} of the archive is damaged; {_AGAIN}") from error


def _moments(path: Path) -> dict[str, Moments]:
    counts = read_says(path, _KEY, _AGAIN).get("counts")
    tensors = load_sealed(path, _AGAIN)
    try:
        return {
            name: Moments(int(count), tensors[f"{number}/mean"].clone(), tensors[f"{number}/second"].clone())
            for number, (name, count) in enumerate(dict(counts or {}).items())
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{_MOMENTS} of the archive is damaged; {_AGAIN}") from error


def _saved(save: Callable[[Path], None]) -> bytes:
    """The content of a file that something saves itself to."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "saved.safetensors"
        save(path)
        return path.read_bytes()
