"""Sound through any audio tower of transformers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.bounds import NonNegativeInt, Seconds
from closegap.errors import needs
from closegap.files import digest
from closegap.kinds.audio import AudioKind
from closegap.kinds.recording import Recording
from closegap.models.pretrained import expect_plain_config, from_transformers
from closegap.models.towers.pretrained_tower import PretrainedTower, loaded

with needs("text"):
    from transformers import (
        AutoConfig,
        AutoFeatureExtractor,
        AutoModel,
        ClapAudioConfig,
        ClapAudioModelWithProjection,
        ClapConfig,
    )

_SHORTEST = 0.1  # seconds; convolutions over less have nothing to give
_UNUSED = ("masked_spec_embed", "decoder.")
_STILL = {
    "apply_spec_augment": False,
    "layerdrop": 0.0,
    "encoder_layerdrop": 0.0,
}  # drawn by NumPy, or not in the graph


class SoundPreparer:
    """Recordings to what a feature extractor of transformers makes of each, padded to the longest.

    Each goes through the extractor alone, so that nothing depends on what stands beside it, and is cut before to what
    the extractor takes, which would otherwise choose a part at random.

    Args:
        extractor: of transformers.
        seconds: that are heard of each; the rest is cut.
    """

    def __init__(self, extractor: Any, seconds: float) -> None:
        self._extractor = extractor
        self.rate = int(extractor.sampling_rate)
        self._whole = getattr(extractor, "n_samples", None)  # of those that fill up with silence, such as Whisper's
        longest = self._whole or getattr(extractor, "nb_max_samples", None)
        self.seconds = seconds if longest is None else min(seconds, longest / self.rate)

    def __call__(self, items: Sequence[Path | str | Recording]) -> dict[str, Tensor]:
        """The batch: what the extractor gives, `lengths` of it before padding, and which `share` of that is sound."""
        rows = [self._one(item) for item in items]
        names = list(rows[0]) if rows else []
        found = {name: _padded([row[name] for row in rows]) for name in names}
        return found

    def _one(self, item: Path | str | Recording) -> dict[str, Any]:
        samples = AudioKind().parse(item).samples(self.rate, self.seconds)[0].mean(0)
        samples = np.pad(samples, (0, max(0, round(_SHORTEST * self.rate) - len(samples))))
        made = self._extractor(samples, sampling_rate=self.rate, return_tensors="np")
        found = {name: np.asarray(value)[0] for name, value in made.items()}
        if "is_longer" in found:
            found["is_longer"] = np.zeros_like(found["is_longer"])  # an extractor of CLAP says so of one at random
        first = next(iter(found.values()))
        share = 1.0 if self._whole is None else len(samples) / self._whole
        return {**found, "lengths": np.int64(len(first)), "share": np.float32(share)}

    def __repr__(self) -> str:
        return f"SoundPreparer({digest(self._extractor.to_json_string().encode())}, {self.seconds:g})"


class TransformersAudioEncoder(PretrainedTower):
    """An audio tower of transformers with pooling: CLAP, AST, Wav2Vec2, HuBERT, WavLM, Whisper's encoder, and others.

    Recordings of one length go through it together, each length by itself: padding changes what most of them give.

    Args:
        name: a hub name or a local directory; `package:<package>/<folder>` names one inside an installed package.
        pooling: "own" takes what the tower gives of a whole sound: CLAP's projection, AST's pooled tokens; where it
            gives nothing of that kind, and for "mean", the mean over all places that are of the recording.
        seconds: that are heard of each recording, the rest is cut; at most what the tower takes.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.
        pretrained: False starts from random weights of the named architecture.
        checkpointing: recompute activations in the backward pass, for less memory.

    Raises:
        ClosegapError: no such model, locally or on the hub, weights of another one or pickled, or code of its own.
    """

    takes = AudioKind

    def __init__(
        self,
        name: str,
        pooling: Literal["own", "mean"] = "own",
        seconds: Seconds = 10.0,
        trained_blocks: NonNegativeInt | None = 0,
        pretrained: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self._own = pooling == "own"
        unused = _UNUSED[:1] if self._own else (*_UNUSED[:1], "audio_projection.")
        self._adopt(*_load(name, pretrained), trained_blocks, checkpointing, unused)
        projected = self._own and isinstance(self.tower, ClapAudioModelWithProjection)
        self.dim = int(self.tower.config.projection_dim if projected else self.tower.config.hidden_size)
        self._preparer = SoundPreparer(self._preparing, seconds)

    def preparer(self) -> Callable[[Sequence[Any]], dict[str, Tensor]]:
        """Decoding, resampling, and what the tower's own extractor does."""
        return self._preparer

    def forward(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "n dim"]:
        """Pooled features."""
        given = dict(inputs)
        lengths, share = given.pop("lengths"), given.pop("share")
        longest = next(iter(given.values())).shape[1]
        rows, found = [], []
        for length in sorted(set(lengths.tolist())):
            alike = (lengths == length).nonzero()[:, 0]
            cut = {key: value[alike] for key, value in given.items()}
            cut = {key: value[:, :length] if value.shape[1] == longest else value for key, value in cut.items()}
            rows.append(alike)
            found.append(self._pooled(cut, share[alike]))
        return torch.cat(found)[torch.cat(rows).argsort()]

    def fingerprint(self) -> str:
        """As every encoder's, architecture and pooling included."""
        said = f"{type(self.tower).__name__} {getattr(self.tower.config, 'hidden_act', '')} {self._own}"
        return digest(super().fingerprint().encode(), said.encode())

    def _pooled(self, inputs: Mapping[str, Tensor], share: Float[Tensor, "n"]) -> Float[Tensor, "n dim"]:
        output = self.tower(**inputs)
        for own in ("audio_embeds", "pooler_output"):
            pooled: Tensor | None = output.get(own)
            if self._own and pooled is not None:
                return pooled
        states: Tensor = output.last_hidden_state
        if states.ndim == 4:  # CLAP: features, then places
            return states.flatten(2).mean(2)
        sound = (share * states.shape[1]).ceil()
        mask = (torch.arange(states.shape[1], device=states.device) < sound[:, None]).to(states.dtype)
        return (states * mask[..., None]).sum(1) / sound[:, None]


def _padded(values: Sequence[Any]) -> Float[Tensor, "n ..."] | Int[Tensor, "n ..."]:
    """Stacked, each filled up with zeros along its first side."""
    arrays = [torch.as_tensor(np.asarray(value)) for value in values]
    if arrays[0].ndim == 0:
        return torch.stack(arrays)
    return torch.nn.utils.rnn.pad_sequence(arrays, batch_first=True)


def _load(name: str, pretrained: bool) -> tuple[Any, Any]:
    advice = "give a local directory with config, preprocessor_config, weights"
    with from_transformers("audio encoder", name, advice) as (place, options):
        expect_plain_config(place, options)
        extractors: Any = AutoFeatureExtractor
        extractor = extractors.from_pretrained(place, **options)
        config = AutoConfig.from_pretrained(place, **options)
        clap = isinstance(config, ClapConfig | ClapAudioConfig)
        config = getattr(config, "audio_config", config) if clap else config
        for key, value in _STILL.items():
            if hasattr(config, key):
                setattr(config, key, value)
        models: Any = ClapAudioModelWithProjection if clap else AutoModel
        if pretrained:
            model = loaded(models, place, f"audio encoder {name!r}", options, _UNUSED, config=config)
        else:
            model = models(config) if clap else models.from_config(config, trust_remote_code=False)
    return (model.get_encoder() if config.is_encoder_decoder else model), extractor
