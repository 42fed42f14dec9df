"""Terms that name concepts: read from a file, or learned from captions whose concepts are known."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from closegap.errors import DataError, UsageError
from closegap.metrics.captions.tokens import plain_tokens

_ASSOCIATED_AT_ONCE = 512  # concepts
_TRIED = 50  # terms of a concept, the best first


@dataclass(frozen=True)
class Lexicon:
    """Which terms name which concepts.

    Args:
        concepts: term, as plain tokens separated by single spaces, to the concepts (CUIs) it names.
        origin: "given" or "learned"; scores carry it in their names.
    """

    concepts: Mapping[str, frozenset[str]]
    origin: str

    def named(self, caption: str) -> frozenset[str]:
        """The concepts that a caption names.

        Example:
            >>> lexicon = Lexicon({"pleural effusion": frozenset({"C0032227"})}, "given")
            >>> sorted(lexicon.named("A left-sided pleural effusion."))
            ['C0032227']
        """
        found = (self.concepts.get(term) for term in _terms(plain_tokens(caption), self._longest))
        return frozenset().union(*(concepts for concepts in found if concepts))

    @cached_property
    def known(self) -> frozenset[str]:
        """The concepts that have a term: those that can be found at all."""
        return frozenset().union(*self.concepts.values())

    @cached_property
    def _longest(self) -> int:
        return max((term.count(" ") + 1 for term in self.concepts), default=0)


def read_lexicon(path: Path) -> Lexicon:
    """The lexicon of a CSV file with the columns `cui` and `term`, one term a row; a concept may have many.

    Raises:
        DataError: no such file, other columns, a row without a concept or a term, or no row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"cui", "term"} <= set(reader.fieldnames or ()):
                found = ", ".join(reader.fieldnames or ()) or "nothing"
                raise DataError(f"{path}: expected the columns cui and term, found {found}; name them in its first row")
            terms: dict[str, set[str]] = {}
            for row in reader:
                term = " ".join(plain_tokens(row["term"] or ""))
                if not row["cui"] or not term:
                    raise DataError(f"{path}, line {reader.line_num}: expected a concept and a term with a word in it")
                terms.setdefault(term, set()).add(row["cui"].strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable lexicon ({error}); expected a UTF-8 CSV of cui,term") from error
    if not terms:
        raise DataError(f"{path}: no term in it; give one row per term, or leave the lexicon out")
    return Lexicon({term: frozenset(concepts) for term, concepts in terms.items()}, "given")


def learned_lexicon(
    captions: Sequence[str],
    concepts: Sequence[Sequence[str]],
    *,
    longest: int = 3,
    support: int = 5,
    f1: float = 0.6,
    terms: int = 3,
) -> Lexicon:
    """The terms that tell in training captions whether a case has a concept.

    A candidate is an n-gram of plain tokens that `support` captions have at least. For each concept that as many cases
    have, the candidate with the highest F1 as a test of the concept (share of its captions whose case has the concept
    against share of the concept's cases that it finds) is its first term, if that F1 is high enough; each further term
    is the one, of the fifty best that are mostly right, that raises the F1 of all together most. Equals go by the
    longer term, then the alphabet.

    It learns what goes together, not what means the same: "contrast" may name CT where most CT has it.

    Args:
        captions: of the training cases alone.
        concepts: the concepts of each case.
        longest: words of the longest term.
        support: captions that a term, and cases that a concept, must have.
        f1: the least that the first term must reach, 0..1.
        terms: the most for one concept.

    Raises:
        UsageError: captions and concepts that do not pair, or no concept has a term.
    """
    if len(captions) != len(concepts):
        raise UsageError(f"{len(captions)} training captions and the concepts of {len(concepts)} cases; give one each")
    grams, texts = _table([set(_terms(plain_tokens(caption), longest)) for caption in captions], support)
    names, cases = _table([set(of_case) for of_case in concepts], support)
    found: dict[str, set[str]] = {}
    for row, candidates in _candidates(cases, texts, grams, f1):
        for term in _chosen(cases[[row]].indices, candidates, texts, terms):
            found.setdefault(grams[term], set()).add(names[row])
    if not found:
        raise UsageError(
            f"no term of the {len(captions)} training captions tells of a concept (F1 {f1:g} on {support} cases or "
            "more); give a lexicon as a file of cui,term"
        )
    return Lexicon({term: frozenset(of_term) for term, of_term in found.items()}, "learned")


def _terms(tokens: Sequence[str], longest: int) -> Iterator[str]:
    for n in range(1, longest + 1):
        for start in range(len(tokens) - n + 1):
            yield " ".join(tokens[start : start + n])


def _table(sets: Sequence[set[str]], support: int) -> tuple[list[str], csr_array]:
    """The names that `support` of the sets have, longest first, and which set has which, names by sets."""
    counts = Counter(name for names in sets for name in names)
    kept = sorted(
        (name for name, count in counts.items() if count >= support), key=lambda name: (-name.count(" "), name)
    )
    number = {name: place for place, name in enumerate(kept)}
    pairs = [(number[name], row) for row, names in enumerate(sets) for name in names if name in number]
    places, rows = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return kept, csr_array((np.ones(len(pairs)), (places, rows)), shape=(len(kept), len(sets)))


def _candidates(cases: csr_array, texts: csr_array, grams: Sequence[str], f1: float) -> Iterator[tuple[int, list[int]]]:
    """Each concept that has a good enough first term, with the terms of some merit, the best first."""
    of_concepts, of_terms = cases.sum(axis=1), texts.sum(axis=1)
    for start in range(0, len(of_concepts), _ASSOCIATED_AT_ONCE):
        part = slice(start, start + _ASSOCIATED_AT_ONCE)
        together = (cases[part] @ texts.T).tocsr()
        for row in range(together.shape[0]):
            terms, shared = _row(together, row)
            if not len(terms):
                continue
            merit = 2 * shared / (of_concepts[start + row] + of_terms[terms])
            order = np.lexsort((terms, -merit))
            # A further term covers what the first leaves out, so it may be rare; but it must mostly be right.
            right = shared / of_terms[terms] >= f1
            if merit[order[0]] >= f1:
                yield start + row, [int(terms[place]) for place in order if right[place] or place == order[0]]


def _chosen(having: Int[np.ndarray, "c"], candidates: Sequence[int], texts: csr_array, most: int) -> list[int]:
    """The first candidate, then while F1 rises the one whose union with those chosen has the highest."""
    cases = set(having.tolist())
    finds = [set(_row(texts, term)[0].tolist()) for term in candidates[:_TRIED]]
    chosen, covered = [candidates[0]], finds[0]
    while len(chosen) < most:
        merits = [_f1(covered | found, cases) for found in finds]
        if max(merits) <= _f1(covered, cases):
            break
        place = merits.index(max(merits))
        chosen, covered = [*chosen, candidates[place]], covered | finds[place]
    return chosen


def _f1(found: set[int], cases: set[int]) -> float:
    return 2 * len(found & cases) / (len(found) + len(cases))


def _row(table: csr_array, row: int) -> tuple[Int[np.ndarray, "k"], Float[np.ndarray, "k"]]:
    part = slice(table.indptr[row], table.indptr[row + 1])
    return table.indices[part], table.data[part]
