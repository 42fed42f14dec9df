"""Towers, projection heads, temperatures, and the model that joins them.

Names are imported when first used: a timm tower does not wait for transformers, nor the other way round.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from closegap.encoders.base import Encoder as Encoder
    from closegap.encoders.batch import Batch as Batch
    from closegap.encoders.batch import Features as Features
    from closegap.encoders.concepts import ConceptSetEncoder as ConceptSetEncoder
    from closegap.encoders.heads import LinearHead as LinearHead
    from closegap.encoders.heads import MLPHead as MLPHead
    from closegap.encoders.image_timm import TimmImageEncoder as TimmImageEncoder
    from closegap.encoders.model import MultimodalModel as MultimodalModel
    from closegap.encoders.small import SmallImageEncoder as SmallImageEncoder
    from closegap.encoders.small import SmallTextEncoder as SmallTextEncoder
    from closegap.encoders.tabular import TabularEncoder as TabularEncoder
    from closegap.encoders.temperature import FixedTemperature as FixedTemperature
    from closegap.encoders.temperature import LearnableTemperature as LearnableTemperature
    from closegap.encoders.temperature import ScheduledTemperature as ScheduledTemperature
    from closegap.encoders.text_huggingface import TransformersTextEncoder as TransformersTextEncoder

_HOME = {
    "Batch": "batch",
    "ConceptSetEncoder": "concepts",
    "Encoder": "base",
    "Features": "batch",
    "FixedTemperature": "temperature",
    "LearnableTemperature": "temperature",
    "LinearHead": "heads",
    "MLPHead": "heads",
    "MultimodalModel": "model",
    "ScheduledTemperature": "temperature",
    "SmallImageEncoder": "small",
    "SmallTextEncoder": "small",
    "TabularEncoder": "tabular",
    "TimmImageEncoder": "image_timm",
    "TransformersTextEncoder": "text_huggingface",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
