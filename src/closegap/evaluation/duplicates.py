"""What a report says of cases that are each other's negatives although their items are the same."""

from collections import defaultdict
from hashlib import blake2b

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.report import Report
from closegap.metrics.figure import words
from closegap.metrics.positives import rows_of


def duplicate_notes(report: Report) -> list[str]:
    """A line for each modality of which cases share items, as `duplicates` of the report's data counts them."""
    found, cases = report.data.get("duplicates", {}), report.data.get("cases")
    split = report.data.get("split", "")
    return [
        f"{counted['cases']:,} of {cases:,} {split} cases share their {words(name)} with another case: they are each "
        "other's negatives; --checks.duplicates merge makes them one case, each other's positives"
        for name, counted in found.items()
    ]


def equal_rows_notes(embeddings: EmbeddingSet) -> list[str]:
    """A line for each modality of which cases have rows that are equal bit by bit to those of other cases."""
    notes = []
    for name in embeddings.modalities:
        rows = rows_of(embeddings, name)
        holding: dict[bytes, set[int]] = defaultdict(set)
        for row, case in zip(rows.embeddings.numpy(), rows.cases.tolist(), strict=True):
            holding[blake2b(row.tobytes(), digest_size=16).digest()].add(case)
        shared: set[int] = set().union(*(cases for cases in holding.values() if len(cases) > 1))
        if shared:
            count = len(set(rows.cases.tolist()))
            notes.append(
                f"{len(shared):,} of {count:,} cases have a row of {words(name)} that equals another case's: they are "
                "each other's negatives; rows of one id are one case, each other's positives (--ids)"
            )
    return notes
