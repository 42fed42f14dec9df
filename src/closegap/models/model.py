"""Towers, heads and temperature together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor, nn

from closegap.batch import Batch, Features
from closegap.errors import UsageError
from closegap.models.base import Encoder
from closegap.models.heads import LinearHead
from closegap.models.temperature import LearnableTemperature, Temperature


class Model(nn.Module):
    """One tower and one head per modality, into one space of unit vectors. The only place that normalises.

    Args:
        encoders: modality name to its tower.
        dim: width of the shared space.
        head: builds a projection head from (features, dim); one per modality.
        temperature: what cosines are divided by.

    Attributes:
        stand_ins: modality name to prepared items that its tower is run on where a batch has none, for processes that
            have to run the same towers; their embeddings are dropped, and the gradient is zero.

    Raises:
        UsageError: fewer than two modalities.
    """

    def __init__(
        self,
        encoders: dict[str, Encoder],
        dim: int = 512,
        head: Callable[[int, int], nn.Module] = LinearHead,
        temperature: Temperature | None = None,
    ) -> None:
        super().__init__()
        if len(encoders) < 2:
            raise UsageError(f"model.encoders: {sorted(encoders)} given; at least two modalities are needed")
        self.dim = dim
        self.encoders = nn.ModuleDict(encoders)
        self.heads = nn.ModuleDict({name: head(encoder.dim, dim) for name, encoder in encoders.items()})
        self.temperature = LearnableTemperature() if temperature is None else temperature
        self.stand_ins: dict[str, Any] = {}

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modality names, in the order of the config."""
        return tuple(self.encoders)

    def encoder(self, modality: str) -> Encoder:
        """The tower of a modality."""
        found = self.encoders[modality]
        assert isinstance(found, Encoder)
        return found

    def preparers(self) -> dict[str, Callable[[Sequence[Any]], Any]]:
        """What turns each modality's raw items into inputs."""
        return {name: self.encoder(name).preparer() for name in self.modalities}

    def features(self, modality: str, inputs: Any) -> Float[Tensor, "k features"]:
        """Features of prepared items, before projection; given `Features` pass through."""
        if isinstance(inputs, Features):
            return inputs.values
        features: Tensor = self.encoders[modality](inputs)
        return features

    def project(self, modality: str, features: Float[Tensor, "k features"]) -> Float[Tensor, "k d"]:
        """Unit vectors in the shared space, in float32 at least, whatever the precision of the towers."""
        values = self.heads[modality](features)
        return F.normalize(values if values.dtype == torch.float64 else values.float(), dim=-1)

    def embed(self, modality: str, inputs: Any) -> Float[Tensor, "k d"]:
        """Unit vectors of prepared items."""
        return self._embedded(modality, inputs)

    def forward(
        self, batch: Batch, progress: float = 1.0
    ) -> tuple[dict[str, Float[Tensor, "n d"]], dict[str, Bool[Tensor, "n"]], Float[Tensor, ""]]:
        """Embeddings and presence by modality, and the temperature. Absent rows are zero here, and never read."""
        n = len(batch.groups)
        embeddings, present = {}, {}
        for name in self.modalities:
            rows = batch.rows[name]
            inputs = batch.inputs[name] if len(rows) else self.stand_ins.get(name)
            values = self._untouched(name) if inputs is None else self._embedded(name, inputs)[: len(rows)]
            embeddings[name] = values.new_zeros(n, self.dim).index_copy(0, rows, values)
            present[name] = torch.zeros(n, dtype=torch.bool, device=rows.device).index_fill(0, rows, True)
        return embeddings, present, self.temperature(progress)

    def _embedded(self, modality: str, inputs: Any) -> Float[Tensor, "k d"]:
        """What `forward` calls: sharding gathers parameters around `embed` and `forward`, which must not be nested."""
        return self.project(modality, self.features(modality, inputs))

    def _untouched(self, modality: str) -> Float[Tensor, "0 d"]:
        """No rows, but tied to the tower's parameters, so that distributed training sees a (zero) gradient for each."""
        parameters = [p for part in (self.encoders, self.heads) for p in part[modality].parameters()]
        zero = parameters[-1].new_zeros(())
        for parameter in parameters:
            if parameter.requires_grad:
                zero = zero + 0 * parameter.sum()
        return zero.expand(0, self.dim)

    def fit(self, items: Mapping[str, Sequence[Any]]) -> None:
        """Let each tower learn the statistics of its training items."""
        for name in self.modalities:
            self.encoder(name).fit(items.get(name, ()))
