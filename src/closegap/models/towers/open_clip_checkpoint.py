"""Models of open_clip by name, file or folder."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from closegap.errors import ClosegapError, UsageError, needs
from closegap.models.pretrained import expect_plain_config, from_transformers
from closegap.models.towers.held import held
from closegap.models.weights import locate

with needs("open-clip"):
    import open_clip

OF_TEXT = "text"
"""The folder, inside a tower's own, of the config of a text tower that is one of transformers."""

_HUB, _FOLDER = "hf-hub:", "local-dir:"
_REFUSALS = (AssertionError, ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError)


def whole_model(name: str, pretrained: bool) -> tuple[Any, dict[str, Any]]:
    """The model with both towers, and its config as open_clip writes it.

    Args:
        name: `ARCHITECTURE/TAG`, `ARCHITECTURE/FILE`, a folder, or `hf-hub:ORGANISATION/NAME`.
        pretrained: whether its weights are read, or drawn at random.

    Raises:
        UsageError: no such architecture, or no weights named.
        ClosegapError: what cannot be had, or belongs to another architecture.
    """
    model, weights = parsed(name, pretrained)

    def load() -> Any:
        with loading(name):
            return open_clip.create_model(
                model,
                weights,
                load_weights=pretrained,
                require_pretrained=pretrained,
                pretrained_text=False,
                **_text_here(name, model),
            )

    whole = held("open_clip", name, load) if pretrained else load()
    with loading(name):
        config = open_clip.get_model_config(model)
    return whole, {"model_cfg": config, "preprocess_cfg": dict(whole.visual.preprocess_cfg)}


def _text_here(name: str, model: str) -> dict[str, Any]:
    """What the text tower is made of where it is one of transformers whose config lies in the folder."""
    with loading(name):
        text = open_clip.get_model_config(model)["text_cfg"]
    if "hf_model_name" not in text:
        return {}
    here = Path(locate(name)) / OF_TEXT
    if not here.is_dir():
        expect_no_code(text["hf_model_name"])
        return {}
    return {"text_cfg": {**text, "hf_model_name": str(here), "hf_model_pretrained": False}}


def parsed(name: str, pretrained: bool) -> tuple[str, str | None]:
    """What open_clip calls the architecture, and the weights; a folder and a hub name bring theirs.

    Args:
        name: see `whole_model`.
        pretrained: whether weights are needed.

    Raises:
        UsageError: no such architecture, or no weights named.
    """
    place = locate(name)
    if Path(place).is_dir():
        return f"{_FOLDER}{place}", None
    if name.startswith(_HUB):
        return name, None
    architecture, _, weights = name.partition("/")
    if architecture not in open_clip.list_models():
        close = get_close_matches(architecture, open_clip.list_models(), 3)
        advice = f"did you mean {', '.join(close)}?" if close else "open_clip.list_models() lists them"
        raise UsageError(f"open_clip: {name!r} is no folder, and {architecture!r} no architecture; {advice}")
    if pretrained and not weights:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise UsageError(f"open_clip: {name!r} names no weights; give {architecture}/TAG or /FILE; its tags: {tags}")
    return architecture, weights if pretrained else None


def expect_no_code(name: str) -> None:
    """Refuse a text tower of transformers that comes with code: open_clip would have somebody asked whether to run it.

    Raises:
        ClosegapError: it does, or there is none.
    """
    with needs("text"):
        from transformers import AutoConfig

    with from_transformers("text encoder", name, "give a local folder of a model") as (place, options):
        expect_plain_config(place, options)
        AutoConfig.from_pretrained(place, **options)


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Stands around calls of open_clip: nothing reaches the root logger, which it would set up; refusals are one line.

    Args:
        name: of the model, for messages.

    Raises:
        ClosegapError: whatever open_clip refuses.
    """
    silence = logging.NullHandler()
    logging.getLogger().addHandler(silence)
    try:
        yield
    except _REFUSALS as error:
        reason = " ".join(str(error).split())
        raise ClosegapError(f"open_clip {name!r}: cannot be loaded ({reason}); give a local folder or file") from error
    finally:
        logging.getLogger().removeHandler(silence)
