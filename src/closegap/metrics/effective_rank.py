"""How many dimensions embeddings use."""

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.figure import Figure, words

_ROWS_AT_ONCE = 8192


def effective_rank_figure(modality: str = "") -> Figure:
    """The figure of the effective rank of a modality, or of both together."""
    return Figure(
        f"effective_rank/{modality}" if modality else "effective_rank",
        f"Effective rank {words(modality)}".strip(),
        "Geometry",
        "higher",
        "count",
        "Number of dimensions in use (entropy of singular values).",
        of_one=bool(modality),
    )


def effective_rank(x: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Exp of the entropy of the normalised singular values, in [1, min(n, d)]; higher uses more dimensions.

    The rows are not centred: a cone is a large first singular value and lowers it.

    Raises:
        UsageError: no rows, or all of them zero.

    Reference:
        Roy and Vetterli, The effective rank: a measure of effective dimensionality, 2007.
    """
    eigenvalues, _ = spectrum(gram(x))
    if not eigenvalues.any():
        raise UsageError("the effective rank needs a row that is not zero")
    return rank_of_spectrum(eigenvalues)


def rank_of_spectrum(eigenvalues: Float[Tensor, "... d"]) -> Float[Tensor, "..."]:
    """The effective rank from squared singular values."""
    singular = eigenvalues.sqrt()
    shares = singular / singular.sum(-1, keepdim=True)
    entropy: Float[Tensor, ...] = torch.special.entr(shares).sum(-1)
    return entropy.exp()


def gram(x: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """Sum of the rows' outer products, in float64; of several sets of rows the sum of theirs."""
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64, device=x.device)
    for some in torch.split(x, _ROWS_AT_ONCE):
        wide = some.double()
        found.addmm_(wide.T, wide)
    return found


def spectrum(of: Float[Tensor, "d d"]) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
    """Squared singular values of the rows that a `gram` is of, ascending, and the right singular vectors in columns."""
    eigenvalues, vectors = torch.linalg.eigh(of)
    # A dimension that is not used has an eigenvalue of rounding size, of which the square root would be visible.
    noise = eigenvalues[-1].clamp(min=0) * len(of) * torch.finfo(torch.float64).eps
    return torch.where(eigenvalues > noise, eigenvalues, 0.0), vectors
