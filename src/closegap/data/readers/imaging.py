"""Which imaging method a caption speaks of."""

import re

_WORDS = {  # parts of words, in any case
    "angiography": "angiogra|arteriogra|venogra|aortogra|digital subtraction",
    "CT": r"comput(?:ed|eri[sz]ed|er)[ -](?:axial )?tomogra|cat[ -]scan",
    "fluoroscopy": "fluorosc|barium|o?esophagogra|cholangiogra|urogra|cysto(?:urethro)?gra|hysterosalpingogra",
    "mammography": "mammogra",
    "MRI": "magnetic[ -]resonance|t[12][ -]?w",
    "PET": "positron[ -]emission",
    "radiography": "x[ -]?ray|radiogra|roentgeno|panoram|(?:ortho)?pantomogra|skiagra",
    "scintigraphy": "scintigra|bone scan",
    "ultrasound": "ultraso|sonogra|echocardiogra|doppler|echogra",
}
_ABBREVIATIONS = {  # whole words, in capitals
    "angiography": "DSA",
    "CT": "(?:CB|HR|MD|MS|CE|NC)?CTA?s?",
    "fluoroscopy": "ERCP",
    "mammography": "MMG",
    "MRI": "[fc]?MR(?:I|A|CP)?s?|FLAIR|DWI|STIR",
    "PET": "PET|FDG",
    "radiography": "OPG|CXR|XR",
    "scintigraphy": "SPECT",
    "ultrasound": "US|TEE|TTE|EUS",
}
_PATTERN = re.compile(
    "|".join(rf"(?P<{method}>(?i:{words})|\b(?:{_ABBREVIATIONS[method]})\b)" for method, words in _WORDS.items())
)


def imaging_method(caption: str) -> str:
    """The imaging method that the caption names first, "" where it names none.

    Example:
        >>> imaging_method("Axial computed tomography angiogram of the chest")
        'CT'
        >>> imaging_method("Postoperative decreased size of the cyst")
        ''
    """
    match = _PATTERN.search(caption)
    return (match.lastgroup or "") if match else ""
