"""Sections of a report in free text."""

import re
from collections.abc import Mapping

_HEADING = re.compile(r"^[ \t]*(?P<name>[A-Z][A-Z /,&()-]{2,60}?)[ \t]*:", re.MULTILINE)
_NAMES = {
    "findings": ("FINDINGS", "FINDING", "FINDINGS AND IMPRESSION", "FINDINGS/IMPRESSION", "FINDINGS AND IMPRESSIONS"),
    "impression": ("IMPRESSION", "IMPRESSIONS", "CONCLUSION", "CONCLUSIONS", "IMPRESSION AND RECOMMENDATION"),
}
_OURS = {heading: name for name, headings in _NAMES.items() for heading in headings}


def sections(text: str) -> Mapping[str, str]:
    r"""Findings and impression of a report, as far as it has them: each runs from its heading to the next one.

    A heading is capitals at the beginning of a line before a colon; lines are joined. Of two of one name both are kept.

    Example:
        >>> sections("FINAL REPORT\n INDICATION: Cough.\n\n FINDINGS:\n Clear\n lungs.\n\n IMPRESSION: Normal.")
        {'findings': 'Clear lungs.', 'impression': 'Normal.'}
    """
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)][: len(headings)]
    found: dict[str, list[str]] = {}
    for heading, end in zip(headings, ends, strict=True):
        name = _OURS.get(" ".join(heading["name"].split()))
        words = " ".join(text[heading.end() : end].split())
        if name is not None and words:
            found.setdefault(name, []).append(words)
    return {name: " ".join(parts) for name, parts in found.items()}
