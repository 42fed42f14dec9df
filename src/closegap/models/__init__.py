"""Towers, projection heads, temperatures, and the model that joins them."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.models.base import Encoder as Encoder
    from closegap.models.canonical_head import CanonicalHead as CanonicalHead
    from closegap.models.heads import Head as Head
    from closegap.models.heads import IdentityHead as IdentityHead
    from closegap.models.heads import LinearHead as LinearHead
    from closegap.models.heads import MLPHead as MLPHead
    from closegap.models.model import Model as Model
    from closegap.models.temperature import FixedTemperature as FixedTemperature
    from closegap.models.temperature import LearnableTemperature as LearnableTemperature
    from closegap.models.temperature import ScheduledTemperature as ScheduledTemperature
    from closegap.models.towers.codes import CodeSetEncoder as CodeSetEncoder
    from closegap.models.towers.concat import ConcatEncoder as ConcatEncoder
    from closegap.models.towers.events import EventsEncoder as EventsEncoder
    from closegap.models.towers.events_as_text import EventsAsText as EventsAsText
    from closegap.models.towers.frames import FramesEncoder as FramesEncoder
    from closegap.models.towers.latent_semantic import LatentSemanticEncoder as LatentSemanticEncoder
    from closegap.models.towers.log_mel_statistics import LogMelStatistics as LogMelStatistics
    from closegap.models.towers.open_clip import OpenClipImageEncoder as OpenClipImageEncoder
    from closegap.models.towers.open_clip import OpenClipTextEncoder as OpenClipTextEncoder
    from closegap.models.towers.record import RecordEncoder as RecordEncoder
    from closegap.models.towers.sentence_transformers import (
        SentenceTransformersImageEncoder as SentenceTransformersImageEncoder,
    )
    from closegap.models.towers.sentence_transformers import (
        SentenceTransformersTextEncoder as SentenceTransformersTextEncoder,
    )
    from closegap.models.towers.small import SmallImageEncoder as SmallImageEncoder
    from closegap.models.towers.small import SmallTextEncoder as SmallTextEncoder
    from closegap.models.towers.small_audio import SmallAudioEncoder as SmallAudioEncoder
    from closegap.models.towers.small_audio import SmallAudioTransformerEncoder as SmallAudioTransformerEncoder
    from closegap.models.towers.small_signal import SmallSignalEncoder as SmallSignalEncoder
    from closegap.models.towers.small_signal import SmallSignalTransformerEncoder as SmallSignalTransformerEncoder
    from closegap.models.towers.timm import TimmImageEncoder as TimmImageEncoder
    from closegap.models.towers.transformers import TransformersTextEncoder as TransformersTextEncoder
    from closegap.models.towers.transformers_audio import TransformersAudioEncoder as TransformersAudioEncoder
    from closegap.models.towers.transformers_dual import DualImageEncoder as DualImageEncoder
    from closegap.models.towers.transformers_dual import DualTextEncoder as DualTextEncoder
    from closegap.models.towers.transformers_video import TransformersVideoEncoder as TransformersVideoEncoder

_HOMES = {
    "CanonicalHead": "closegap.models.canonical_head",
    "CodeSetEncoder": "closegap.models.towers.codes",
    "ConcatEncoder": "closegap.models.towers.concat",
    "DualImageEncoder": "closegap.models.towers.transformers_dual",
    "DualTextEncoder": "closegap.models.towers.transformers_dual",
    "Encoder": "closegap.models.base",
    "EventsAsText": "closegap.models.towers.events_as_text",
    "EventsEncoder": "closegap.models.towers.events",
    "FixedTemperature": "closegap.models.temperature",
    "FramesEncoder": "closegap.models.towers.frames",
    "Head": "closegap.models.heads",
    "IdentityHead": "closegap.models.heads",
    "LatentSemanticEncoder": "closegap.models.towers.latent_semantic",
    "LearnableTemperature": "closegap.models.temperature",
    "LinearHead": "closegap.models.heads",
    "LogMelStatistics": "closegap.models.towers.log_mel_statistics",
    "MLPHead": "closegap.models.heads",
    "Model": "closegap.models.model",
    "OpenClipImageEncoder": "closegap.models.towers.open_clip",
    "OpenClipTextEncoder": "closegap.models.towers.open_clip",
    "RecordEncoder": "closegap.models.towers.record",
    "ScheduledTemperature": "closegap.models.temperature",
    "SentenceTransformersImageEncoder": "closegap.models.towers.sentence_transformers",
    "SentenceTransformersTextEncoder": "closegap.models.towers.sentence_transformers",
    "SmallAudioEncoder": "closegap.models.towers.small_audio",
    "SmallAudioTransformerEncoder": "closegap.models.towers.small_audio",
    "SmallImageEncoder": "closegap.models.towers.small",
    "SmallSignalEncoder": "closegap.models.towers.small_signal",
    "SmallSignalTransformerEncoder": "closegap.models.towers.small_signal",
    "SmallTextEncoder": "closegap.models.towers.small",
    "TimmImageEncoder": "closegap.models.towers.timm",
    "TransformersAudioEncoder": "closegap.models.towers.transformers_audio",
    "TransformersTextEncoder": "closegap.models.towers.transformers",
    "TransformersVideoEncoder": "closegap.models.towers.transformers_video",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
