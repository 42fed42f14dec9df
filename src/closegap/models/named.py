"""Models of other libraries, by library and name: `hf:openai/clip-vit-base-patch32`, or a folder for the name."""

from collections.abc import Callable
from importlib import import_module

from closegap.errors import UsageError
from closegap.models.base import Encoder
from closegap.models.heads import IdentityHead
from closegap.models.model import Model
from closegap.models.temperature import LearnableTemperature

_TOWERS = {
    "open_clip": ("closegap.models.towers.open_clip", "open_clip_towers"),
    "hf": ("closegap.models.towers.transformers_dual", "dual_towers"),
    "st": ("closegap.models.towers.sentence_transformers", "sentence_transformers_towers"),
}
_MAX_SCALE = 100.0


def is_named(address: str) -> bool:
    """Whether it calls a model by its library, rather than a folder.

    Example:
        >>> is_named("hf:google/siglip-base-patch16-224"), is_named("runs/a")
        (True, False)
    """
    return address.partition(":")[0] in _TOWERS and ":" in address


def named_model(address: str) -> Model:
    """A model of another library as that library embeds: its towers, frozen, no heads, its own temperature.

    Modalities are called image and text, audio and text of CLAP.

    Args:
        address: `open_clip:`, `hf:` (transformers) or `st:` (sentence-transformers), and a name or a folder.

    Raises:
        UsageError: no name, or a model without two towers.
        ClosegapError: no such model, here or on a hub.
        MissingExtraError: the library is not installed.
    """
    library, _, name = address.partition(":")
    if not name:
        raise UsageError(f"{address}: no name after it; give {library}:NAME or {library}:FOLDER")
    home, builder = _TOWERS[library]
    towers: Callable[[str], tuple[dict[str, Encoder], float | None]] = getattr(import_module(home), builder)
    encoders, tau = towers(name)
    temperature = None if tau is None else LearnableTemperature(tau, max(_MAX_SCALE, 1 / tau))
    return Model(encoders, next(iter(encoders.values())).dim, IdentityHead, temperature).eval()
