"""Towers, heads and temperature together."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor, nn

from closegap.batch import Activations, Batch, Features, move
from closegap.bounds import Width
from closegap.checked import Checked
from closegap.errors import UsageError
from closegap.models.ahead import ahead
from closegap.models.base import Encoder
from closegap.models.heads import Head, LinearHead
from closegap.models.temperature import LearnableTemperature, Temperature

if TYPE_CHECKING:
    from closegap.embeddings.embedding_set import EmbeddingSet
    from closegap.models.card import Card
    from closegap.posthoc import PostHoc


class Model(Checked, nn.Module):
    """One tower and one head per modality, into one space of unit vectors. The only place that normalises.

    Args:
        encoders: modality name to its tower.
        dim: width of the shared space.
        head: builds a projection head from (features, dim); one per modality.
        temperature: what cosines are divided by.

    Attributes:
        stand_ins: modality name to prepared items that its tower is run on where a batch has none, for processes that
            have to run the same towers; their embeddings are dropped, and the gradient is zero.
        posthoc: a fitted map that finished embeddings go through; training and losses do not see it.

    Raises:
        UsageError: fewer than two modalities, or a name that is empty or has a dot.
    """

    def __init__(
        self,
        encoders: dict[str, Encoder],
        dim: Width = 512,
        head: Callable[[int, int], Head] = LinearHead,
        temperature: Temperature | None = None,
    ) -> None:
        super().__init__()
        if len(encoders) < 2:
            raise UsageError(f"model.encoders: {sorted(encoders)} given; at least two modalities are needed")
        for name in encoders:
            if not name or "." in name:
                raise UsageError(f"model.encoders: {name!r} given; a modality's name is not empty and has no dot")
        self.dim = dim
        self.encoders = nn.ModuleDict(encoders)
        self.heads = nn.ModuleDict({name: head(encoder.dim, dim) for name, encoder in encoders.items()})
        self.temperature = LearnableTemperature() if temperature is None else temperature
        self.stand_ins: dict[str, Any] = {}
        self.posthoc: PostHoc | None = None

    @staticmethod
    def from_pretrained(folder: Path | str, trusted: Sequence[str] = ()) -> "Model":
        """The model that `save_pretrained` wrote, in evaluation mode, on the CPU.

        Nothing is unpickled, and nothing is imported that the folder names, but closegap's own parts and what is
        trusted here.

        Args:
            folder: the model's.
            trusted: class paths of further encoders, heads, temperatures, post-hoc methods (`my_package.MyEncoder`).

        Raises:
            UsageError: a part that is not trusted.
            ClosegapError: no model, a damaged one, or a named tower that is no longer what it was.
        """
        from closegap.models.folder import read_model

        return read_model(Path(folder), trusted)

    def save_pretrained(
        self, folder: Path | str, towers: Literal["inside", "named"] = "inside", card: "Card | None" = None
    ) -> None:
        """Write all that is needed to embed into a new folder, whole or not at all.

        What was written is read back before the folder gets its name: a folder that is there can be loaded.

        Args:
            folder: must not exist.
            towers: "inside" stores every tower; "named" leaves out the weights of frozen ones, which are then rebuilt
                from what their constructor was given (a name on a hub, a path), and compared by fingerprint on loading.
            card: what README.md says beside what the model knows of itself; it may be changed afterwards.

        Raises:
            UsageError: the folder exists.
            ClosegapError: a part that cannot be rebuilt from a file.
        """
        from closegap.models.card import Card
        from closegap.models.folder import write_model

        write_model(self, Path(folder), towers, card or Card())

    def push_to_hub(
        self,
        name: str,
        card: "Card | None" = None,
        *,
        private: bool = True,
        token: str | None = None,
        towers: Literal["inside", "named"] = "inside",
    ) -> str:
        """Save the model, with its card, and upload it to the Hugging Face hub; the address of the commit.

        Args:
            name: the repository, "organisation/name"; made if it is not there.
            card: see `save_pretrained`.
            private: whether a repository that is made is seen by its owner alone.
            token: of a person with the right to write; by default the one that `hf auth login` keeps.
            towers: see `save_pretrained`.

        Raises:
            UsageError: no name of a repository.
            ClosegapError: the hub is not reached, or refuses.
        """
        from closegap.models.card import Card
        from closegap.models.hub import push_model

        return push_model(self, name, towers, card or Card(), private, token)

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
        """Features of prepared items, before projection, or from `Activations` on; given `Features` pass through."""
        if isinstance(inputs, Features):
            return inputs.values
        if isinstance(inputs, Activations):
            weights = next(self.encoders[modality].parameters())
            return self.encoder(modality).resume(replace(inputs, values=inputs.values.to(weights.dtype)))
        features: Tensor = self.encoders[modality](inputs)
        return features

    def project(self, modality: str, features: Float[Tensor, "k features"]) -> Float[Tensor, "k d"]:
        """Unit vectors in the shared space, in float32 at least, whatever the precision of the towers."""
        values = self.heads[modality](features)
        return F.normalize(values if values.dtype == torch.float64 else values.float(), dim=-1)

    def encode(self, modality: str, inputs: Any) -> Float[Tensor, "k d"]:
        """Unit vectors of prepared items, as they are trained."""
        return self._encoded(modality, inputs)

    @torch.no_grad()
    def embed(
        self,
        /,
        *,
        batch_size: int = 64,
        progress: Callable[[int, int], None] | None = None,
        **items: Iterable[Any],
    ) -> dict[str, Float[Tensor, "n d"]]:
        """Unit vectors of raw items, in their order, where the model is: `embed(image=["a.png"], report=["normal"])`.

        The model is evaluated, and left in its mode. Embeddings go through `posthoc` where there is one.

        Args:
            batch_size: items at once.
            progress: called with (items done, items to do).
            items: modality name to a list of its items, in whatever numbers.

        Raises:
            UsageError: a modality that the model has not, or something else than a list.
            DataError: an item that cannot be read.
        """
        given = {name: self._parsed(name, values) for name, values in items.items()}
        device = next(self.parameters()).device
        training, done, total = self.training, 0, sum(map(len, given.values()))
        embedded = {}
        if training:
            self.eval()
        try:
            for name, values in given.items():
                batches = [values[first : first + batch_size] for first in range(0, len(values), batch_size)]
                parts = [torch.empty(0, self.dim, device=device)]
                for inputs in ahead(self.encoder(name).preparer(), batches):
                    parts.append(self.encode(name, move(inputs, device)))
                    done += len(parts[-1])
                    if progress is not None:
                        progress(done, total)
                embedded[name] = self.corrected(name, torch.cat(parts))
        finally:
            if training:
                self.train()
        return embedded

    def _parsed(self, modality: str, items: Iterable[Any]) -> list[Any]:
        """The items as the modality's kind has them."""
        if modality not in self.modalities:
            raise UsageError(f"embed: no modality '{modality}'; the model has {', '.join(self.modalities)}")
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
            raise UsageError(
                f"embed: {modality} is a {type(items).__name__}, expected a list of items; put it into [ ]"
            )
        kind = self.encoder(modality).takes()
        return [kind.parse(item) for item in items]

    def corrected(self, modality: str, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Embeddings moved by the post-hoc map; as they are without one."""
        return rows if self.posthoc is None else self.posthoc.transform(rows, modality)

    def with_posthoc(self, fitted: "PostHoc | None") -> Self:
        """A model of the same towers whose embeddings go through this map.

        Args:
            fitted: a method fitted on embeddings of this model; None for none.

        Raises:
            UsageError: not fitted, or for other modalities or another width.
        """
        if fitted is not None:
            _expect_fit(fitted, self.modalities, self.dim)
        moved = copy.copy(self)
        moved.posthoc = fitted
        return moved

    def forward(
        self, batch: Batch, progress: float = 1.0
    ) -> tuple[dict[str, Float[Tensor, "n d"]], dict[str, Bool[Tensor, "n"]], Float[Tensor, ""]]:
        """Embeddings and presence by modality, and the temperature. Absent rows are zero here, and never read."""
        n = len(batch.groups)
        embeddings, present = {}, {}
        for name in self.modalities:
            rows = batch.rows[name]
            inputs = batch.inputs[name] if len(rows) else self.stand_ins.get(name)
            values = self._untouched(name) if inputs is None else self._encoded(name, inputs)[: len(rows)]
            embeddings[name] = values.new_zeros(n, self.dim).index_copy(0, rows, values)
            present[name] = torch.zeros(n, dtype=torch.bool, device=rows.device).index_fill(0, rows, True)
        return embeddings, present, self.temperature(progress)

    def _encoded(self, modality: str, inputs: Any) -> Float[Tensor, "k d"]:
        """What `forward` calls: sharding gathers parameters around `encode` and `forward`, which must not be nested."""
        return self.project(modality, self.features(modality, inputs))

    def _untouched(self, modality: str) -> Float[Tensor, "0 d"]:
        """No rows, but tied to the tower's parameters, so that distributed training sees a (zero) gradient for each."""
        parameters = [p for part in (self.encoders, self.heads) for p in part[modality].parameters()]
        zero = parameters[-1].new_zeros(())
        for parameter in parameters:
            if parameter.requires_grad:
                zero = zero + 0 * parameter.sum()
        return zero.expand(0, self.dim)

    @property
    def fits_heads(self) -> bool:
        """Whether the heads start from the features of the training cases."""
        return any(self._head(name).fitted for name in self.modalities)

    def fit_heads(self, features: "EmbeddingSet") -> None:
        """Let the heads start from these features of training cases, one row a case."""
        heads = {name: self._head(name) for name in self.modalities}
        type(heads[self.modalities[0]]).fit(heads, features)

    def _head(self, modality: str) -> Head:
        found = self.heads[modality]
        assert isinstance(found, Head)
        return found

    def fit(self, items: Mapping[str, Sequence[Any]]) -> None:
        """Let each tower learn the statistics of its training items."""
        for name in self.modalities:
            self.encoder(name).fit(items.get(name, ()))


def _expect_fit(fitted: "PostHoc", modalities: Sequence[str], dim: int) -> None:
    name = type(fitted).__name__
    if fitted.fitted is None:
        raise UsageError(f"{name} is not fitted; call fit(train) first")
    lacking = [modality for modality in modalities if modality not in fitted.fitted.modalities]
    if lacking:
        raise UsageError(
            f"{name} was fitted on {', '.join(fitted.fitted.modalities)}, not on {lacking[0]}; fit it on embeddings of "
            "all the model's modalities"
        )
    for modality in modalities:
        if (width := fitted.fitted.widths[modality]) != dim:
            raise UsageError(f"{name} was fitted on {width} dimensions of {modality}, the model has {dim}")
