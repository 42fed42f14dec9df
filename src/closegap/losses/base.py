"""What every loss looks like."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from closegap.checked import Checked
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.types import Embeddings, Groups, Present


class Loss(Checked, nn.Module, ABC):
    """Named, already weighted terms over the embeddings of the global batch; the total is always their sum.

    A loss knows nothing of processes, models or configs: the training step gathers the batch and calls it. A new one
    defines `terms`.
    """

    def forward(
        self,
        embeddings: Embeddings,
        present: Present,
        temperature: float | Float[Tensor, ""],
        progress: float,
        groups: Groups | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted terms of a batch that is checked here, once, with autocast off.

        Args:
            embeddings: unit-norm rows by modality; row i is the same case in each.
            present: which rows have a modality; a modality without a key is present everywhere. Absent rows are never
                read: they touch neither values nor gradients, whatever they hold.
            temperature: tau, what cosines are divided by.
            progress: share of training done, in [0, 1]; schedules depend on it.
            groups: rows of one group are not each other's negatives.

        Raises:
            UsageError: parts of the batch that do not fit together; too few modalities, or an anchor that is none.
        """
        batch = EmbeddedBatch(embeddings, present, temperature, progress, groups)
        with torch.autocast(batch.device.type, enabled=False):
            return self.terms(batch)

    @abstractmethod
    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The weighted terms of a checked batch.

        What is made of other losses calls their `terms` too. `mean_over_pairs` hands out the rows of two modalities
        that are present; who takes `batch.embeddings` leaves absent rows alone.
        """
