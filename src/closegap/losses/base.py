"""What every loss looks like."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from closegap.types import Embeddings, Groups, Present


class Loss(nn.Module, ABC):
    """Named, already weighted terms over the embeddings of the global batch; the total is always their sum.

    A loss knows nothing of processes, models or configs: the training step gathers the batch and calls it.
    """

    @abstractmethod
    def forward(
        self,
        embeddings: Embeddings,
        present: Present,
        temperature: Float[Tensor, ""],
        progress: float,
        groups: Groups | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted terms.

        Args:
            embeddings: unit-norm rows by modality; row i is the same case in each.
            present: which rows have a modality; a modality without a key is present everywhere. Absent rows touch
                neither values nor gradients.
            temperature: tau, what cosines are divided by.
            progress: share of training done, in [0, 1]; schedules depend on it.
            groups: rows of one group are not each other's negatives.
        """
