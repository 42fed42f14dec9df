"""Views of embeddings in two dimensions, and what such a view keeps of the modality gap."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

Points: TypeAlias = Mapping[str, Float[np.ndarray, "n d"]]
"""Modality name to its points; modalities may differ in their number of points."""


@dataclass(frozen=True)
class Plane:
    """Two orthonormal directions through the pooled mean.

    Args:
        mean: the pooled mean.
        axes: the two directions.
        variance: share of the pooled variance along each, 0..1.
        gap: mean distance between the modalities' means, over their pairs.
        gap_shown: the same between their projections: at most `gap`.
        means: modality name to its mean in the plane.
    """

    mean: Float[np.ndarray, " d"]
    axes: Float[np.ndarray, "2 d"]
    variance: tuple[float, float]
    gap: float
    gap_shown: float
    means: Mapping[str, tuple[float, float]]

    def project(self, rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
        """Coordinates of `rows` in the plane."""
        placed: Float[np.ndarray, "n 2"] = (np.asarray(rows, dtype=np.float64) - self.mean) @ self.axes.T
        return placed


@dataclass(frozen=True)
class View:
    """Modality name to points in two dimensions, and the plane they lie in, if it is one."""

    points: Mapping[str, Float[np.ndarray, "n 2"]]
    plane: Plane | None = None

    @property
    def reach(self) -> float:
        """The largest absolute coordinate."""
        return max((float(np.abs(rows).max()) for rows in self.points.values() if len(rows)), default=0.0)


def pca_plane(points: Points) -> Plane:
    """The first two principal components of all modalities pooled.

    Nothing tells this view about modalities: it shows the gap as far as the gap makes up the variance, and `gap_shown`
    says how far that is. Signs are fixed by the first modality (left) so that arms can be compared by eye.
    """
    return _plane(points, np.empty((0, next(iter(points.values())).shape[1])))


def gap_plane(points: Points) -> Plane:
    """The plane that shows the gap in full: for two modalities, the mean difference and the first component across it.

    With three or more modalities it is the plane in which their means are farthest apart.
    """
    means = np.stack([rows.mean(axis=0, dtype=np.float64) for rows in points.values()])
    _, lengths, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    return _plane(points, directions[:2][lengths[:2] > 1e-9])


def tsne(points: Points, seed: int = 0) -> dict[str, Float[np.ndarray, "n 2"]]:
    """t-SNE of all modalities pooled, scaled into [-1, 1]; perplexity 30, less for fewer than 91 points."""
    pooled = np.concatenate([np.asarray(rows, dtype=np.float32) for rows in points.values()])
    if len(pooled) < 4:
        return {name: np.zeros((len(rows), 2)) for name, rows in points.items()}
    perplexity = min(30.0, (len(pooled) - 1) / 3)
    placed = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=seed, n_jobs=1).fit_transform(pooled)
    placed = placed.astype(np.float64) - (placed.max(axis=0) + placed.min(axis=0)) / 2
    placed /= max(float(np.abs(placed).max()), 1e-12)
    ends = np.cumsum([len(rows) for rows in points.values()])[:-1]
    return dict(zip(points, np.split(placed, ends), strict=True))


def _plane(points: Points, fixed: Float[np.ndarray, "k d"]) -> Plane:
    """The plane of the `fixed` orthonormal directions, completed by principal components across them."""
    pooled = np.concatenate([np.asarray(rows, dtype=np.float64) for rows in points.values()])
    mean = pooled.mean(axis=0)
    centred = pooled - mean
    across = centred - centred @ fixed.T @ fixed
    missing = min(2 - len(fixed), *across.shape)
    with np.errstate(invalid="ignore"):  # points that are all the same: their ratio of variances, 0 / 0, is not used
        found = PCA(missing, random_state=0).fit(across).components_ if missing else fixed[:0]
    axes = np.linalg.qr(np.concatenate([fixed, found]).T)[0].T
    axes = np.pad(axes, ((0, 2 - len(axes)), (0, 0)))  # a line has no second direction
    means = np.stack([rows.mean(axis=0, dtype=np.float64) for rows in points.values()])
    axes *= np.where((means[0] - mean) @ axes.T > 0, -1.0, 1.0)[:, None]
    total = max(float((centred**2).sum()), 1e-12)
    along = ((centred @ axes.T) ** 2).sum(axis=0) / total
    placed = (means - mean) @ axes.T
    centres = {name: (float(x), float(y)) for name, (x, y) in zip(points, placed, strict=True)}
    return Plane(mean, axes, (float(along[0]), float(along[1])), _spread(means), _spread(placed), centres)


def _spread(means: Float[np.ndarray, "m d"]) -> float:
    first, second = np.triu_indices(len(means), k=1)
    return float(np.linalg.norm(means[first] - means[second], axis=1).mean()) if len(first) else 0.0
