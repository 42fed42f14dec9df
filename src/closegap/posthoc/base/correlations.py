"""Regularised canonical correlations of two modalities or more, from their covariances."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import scipy.linalg
import torch
from jaxtyping import Float
from torch import Tensor

from closegap.errors import DataError
from closegap.posthoc.base.products import Products

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Directions:
    """Directions in which modalities agree, most first.

    Args:
        maps: of each modality, from its centred rows to canonical variates of unit variance, (d_m, k).
        correlations: of the k variates, in [0, 1], falling.
        ridge: that they were found at.
    """

    maps: Mapping[str, Float[Tensor, "_ k"]]
    correlations: Float[Tensor, "k"]
    ridge: float


class Correlations:
    """Canonical directions at any ridge, from one eigendecomposition of each modality's covariance.

    C_m = cov(x_m) + ridge mean(diag cov(x_m)) I. Two modalities: the SVD of C_a^-1/2 C_ab C_b^-1/2 = U diag(rho) V^T;
    the maps are C_a^-1/2 U and C_b^-1/2 V. More: the eigenvectors of the block matrix of all C_m^-1/2 C_mn C_n^-1/2
    (identities on its diagonal), each modality's part times sqrt(M); an eigenvalue l stands for the mean correlation
    (l - 1) / (M - 1); below 0 the modalities disagree, and the direction is left out. Both agree at two. A
    cross-covariance is of the rows that have both; of none it is zero.

    Args:
        products: of the rows to fit on, two modalities at least.

    Reference:
        Two: Hotelling, Relations between two sets of variates, 1936; the ridge: Vinod 1976. More: MAXVAR, Kettenring,
        Canonical analysis of several sets of variables, Biometrika 58, 1971.
    """

    def __init__(self, products: Products) -> None:
        self.modalities = list(dict.fromkeys(a for a, _ in products.counts))
        self.means = {name: products.mean(name) for name in self.modalities}
        self._covariances = {name: products.covariance(name, name) for name in self.modalities}
        self._values: dict[str, Tensor] = {}
        self._vectors: dict[str, Tensor] = {}
        for name in self.modalities:
            values, self._vectors[name] = torch.linalg.eigh(self._covariances[name])
            self._values[name] = values.clamp(min=0)
        # Each cross-covariance in the eigenvectors of its two modalities: a ridge then only scales it.
        self._crossed = {
            (a, b): self._vectors[a].T @ products.covariance(a, b) @ self._vectors[b]
            for a, b in combinations(self.modalities, 2)
            if products.counts[a, b] > 1
        }

    def at(self, ridge: float) -> Directions:
        """The directions at a ridge.

        Raises:
            DataError: a covariance that cannot be inverted.
        """
        scales = {name: self._inverse_roots(name, ridge) for name in self.modalities}
        crossed = {(a, b): scales[a][:, None] * value * scales[b] for (a, b), value in self._crossed.items()}
        if len(self.modalities) == 2:
            whitened, correlations = self._of_two(crossed)
        else:
            whitened, correlations = self._of_many(crossed)
        maps = {name: self._vectors[name] @ (scales[name][:, None] * whitened[name]) for name in self.modalities}
        first = maps[self.modalities[0]]
        signs = first.gather(0, first.abs().argmax(0, keepdim=True)).sign()  # of an eigenvector it is anybody's guess
        return Directions({name: value * signs for name, value in maps.items()}, correlations.clamp(0, 1), ridge)

    def loadings(self, name: str, directions: Directions, dim: int) -> Float[Tensor, "k d"]:
        """From a modality's first `dim` variates back to its centred rows: maps^T C_m.

        Of two modalities with all variates the inverse of the maps, with fewer the least squares one.
        """
        maps = directions.maps[name][:, :dim].T
        return maps @ self._covariances[name] + directions.ridge * self._values[name].mean() * maps

    def covariance(self, name: str) -> Float[Tensor, "d d"]:
        """Covariance of a modality, without a ridge."""
        return self._covariances[name]

    def _inverse_roots(self, name: str, ridge: float) -> Float[Tensor, "_"]:
        values = self._values[name] + ridge * self._values[name].mean()
        if values.min() <= _ROUNDING * values.max().clamp(
            min=1.0
        ):  # rows are unit vectors: what is smaller is rounding
            raise DataError(
                f"the covariance of {name} cannot be inverted; canonical alignment needs rows that vary and more of "
                "them than dimensions, or a ridge above 0"
            )
        return values.rsqrt()

    def _of_two(
        self, crossed: Mapping[tuple[str, str], Float[Tensor, "_ _"]]
    ) -> tuple[dict[str, Float[Tensor, "_ k"]], Float[Tensor, "k"]]:
        a, b = self.modalities
        left, correlations, right = _svd(crossed[a, b])
        return {a: left, b: right.T}, correlations

    def _of_many(
        self, crossed: Mapping[tuple[str, str], Float[Tensor, "_ _"]]
    ) -> tuple[dict[str, Float[Tensor, "_ k"]], Float[Tensor, "k"]]:
        # Where fewer rows than dimensions were seen, most directions have no variance, and agree with nothing.
        seen = {name: values > _ROUNDING * values.max() for name, values in self._values.items()}
        counts = [int(seen[name].sum()) for name in self.modalities]
        ends = dict(zip(self.modalities, torch.tensor(counts).cumsum(0).tolist(), strict=True))
        places = {name: slice(end - count, end) for (name, end), count in zip(ends.items(), counts, strict=True)}
        block = torch.eye(sum(counts), dtype=torch.float64)
        for (a, b), value in crossed.items():
            block[places[a], places[b]] = value[seen[a]][:, seen[b]]
            block[places[b], places[a]] = block[places[a], places[b]].T
        values, vectors = torch.linalg.eigh(block)
        many, k = len(self.modalities), min(len(values) for values in self._values.values())
        shared = int((values.flip(0)[:k] >= 1).sum())  # the others are directions in which modalities disagree
        parts = {name: torch.zeros(len(self._values[name]), k, dtype=torch.float64) for name in self.modalities}
        for name, place in places.items():
            parts[name][seen[name], :shared] = many**0.5 * vectors.flip(1)[place, :shared]
        correlations = torch.zeros(k, dtype=torch.float64)
        correlations[:shared] = (values.flip(0)[:shared] - 1) / (many - 1)
        return parts, correlations


def _svd(matrix: Float[Tensor, "d e"]) -> tuple[Float[Tensor, "d k"], Float[Tensor, "k"], Float[Tensor, "k e"]]:
    """Singular vectors and values; where there are fewer rows than dimensions the quick algorithm may not converge."""
    try:
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        return left, values, right
    except RuntimeError:  # torch.linalg.LinAlgError is one
        u, s, vt = scipy.linalg.svd(matrix.numpy(), full_matrices=False, lapack_driver="gesvd")
        return torch.from_numpy(u), torch.from_numpy(s), torch.from_numpy(vt)
