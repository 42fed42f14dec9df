"""What codes mean, as far as an archive tells: the words that its texts have with them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise

from closegap.search.archive.archive import Archive

_CASES = 5_000  # that are looked at
_LEAST = 5  # cases of a code, so that no words are of one patient
_AGREEMENT = 0.4
_BLOCK = 1024
_SHORT = 4  # letters of words such as "with", which no two words have among them
_WORD = re.compile(r"[^\W\d_]{3,}")


def code_words(codes: Mapping[str, Sequence[str]], texts: Mapping[str, str]) -> dict[str, str]:
    """The word, or two words in a row, that goes best with each code; codes that none goes well with are left out.

    How well is Dice's coefficient of the cases that have the code and those whose text has the words,
    2 n(code, words) / (n(code) + n(words)), at least 0.4.

    Args:
        codes: of each case.
        texts: of cases.

    Example:
        >>> texts = {str(n): ("pleural effusion", "joint effusion", "pleural mass")[n % 3] for n in range(30)}
        >>> code_words({str(n): [f"C{n % 3}"] for n in range(30)}, texts)
        {'C0': 'pleural effusion', 'C1': 'joint', 'C2': 'mass'}
    """
    of_code, of_words, of_both = Counter[str](), Counter[str](), defaultdict[str, Counter[str]](Counter)
    for case in codes.keys() & texts.keys():
        words, own = set(_terms(texts[case])), set(codes[case])
        of_code.update(own)
        of_words.update(words)
        for code in own:
            of_both[code].update(words)
    found = {}
    for code in sorted(of_code):
        if of_code[code] < _LEAST:
            continue
        agreement = {
            words: 2 * both / (of_code[code] + of_words[words]) for words, both in of_both[code].items() if both > 1
        }
        best = max(agreement, key=lambda words: (agreement[words], -len(words), words), default="")
        if best and agreement[best] >= _AGREEMENT:
            found[code] = best
    return found


def archived_words(archive: Archive) -> dict[str, str]:
    """Those of an archive's concepts, from its texts; of its first 5,000 cases that have both."""
    codes, texts = dict[str, Sequence[str]](), dict[str, str]()
    told = [name for name, of in archive.about.modalities.items() if of.noun == "text"]
    for name in told:
        ids = archive.index.ids(name)[:_CASES] if name in archive.stats().widths else []
        for start in range(0, len(ids), _BLOCK):
            batch = archive.index.read(name, ids[start : start + _BLOCK])
            for row, preview in zip(batch.rows, batch.previews or (), strict=True):
                if concepts := row.payload.get("concepts"):
                    codes[row.case] = [str(code) for code in concepts]
                    texts[row.case] = f"{texts.get(row.case, '')} {bytes(preview).decode(errors='replace')}"
    return code_words(codes, texts)


def _terms(text: str) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    return chain(words, (f"{one} {next}" for one, next in pairwise(words) if min(len(one), len(next)) > _SHORT))
