"""A small template language for sentences."""

import re
from collections.abc import Mapping

_GROUP = re.compile(r"\[([^\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


def filled(template: str, words: Mapping[str, str]) -> str:
    """The template with its slots filled, cleaned of double spaces, with "a" or "an" as the next word asks.

    `{slot}` is replaced by its word; `[...]` is dropped when a slot inside it has no word; `{a}` is the article.

    Example:
        >>> filled("{a} [{size} ]nodule[ in the {place}]", {"place": "left lung"})
        'a nodule in the left lung'
        >>> filled("{a} [{size} ]nodule", {"size": "8 mm"})
        'an 8 mm nodule'
    """

    def group(match: re.Match[str]) -> str:
        inner = match.group(1)
        return inner if all(slot in words or slot == "a" for slot in _SLOT.findall(inner)) else ""

    text = _GROUP.sub(group, template)
    text = _SLOT.sub(lambda match: match.group(0) if match.group(1) == "a" else words[match.group(1)], text)
    text = re.sub(r"\{a\} (?=[aeiou8])", "an ", text).replace("{a}", "a")
    return re.sub(r" +", " ", text).strip()


def slots(template: str) -> set[str]:
    """The slots of a template, the article apart."""
    return set(_SLOT.findall(template)) - {"a"}


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def listed(items: list[str], last: str) -> str:
    """The items separated by commas, `last` ("and", "or") before the last one.

    Example:
        >>> listed(["effusion", "pneumothorax", "fracture"], "or")
        'effusion, pneumothorax or fracture'
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"
