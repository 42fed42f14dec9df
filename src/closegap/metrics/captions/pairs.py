"""Generated captions beside their references, as tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from closegap.errors import UsageError
from closegap.metrics.captions.tokens import plain_tokens, ptb_tokens

Tokenization: TypeAlias = Literal["plain", "ptb"]
"""Ours, which runs anywhere; or the Penn Treebank one of the COCO captions, which needs Java."""

CocoCaptions: TypeAlias = dict[int, list[str]]
"""Case to its captions, as pycocoevalcap takes them."""


@dataclass(frozen=True)
class Captions:
    """Generated captions beside their references.

    Args:
        generated: the n generated captions, tokens separated by single spaces; "" where nothing was generated.
        references: the references of each, one at least, in the same form.
        tokenization: how they were cut into tokens; scores carry it in their names.
    """

    generated: Sequence[str]
    references: Sequence[Sequence[str]]
    tokenization: Tokenization

    def as_coco(self) -> tuple[CocoCaptions, CocoCaptions]:
        """References and generated captions as pycocoevalcap's scorers take them, cases in order.

        Raises:
            UsageError: no reference has a word.
        """
        if not any(reference for of_case in self.references for reference in of_case):
            raise UsageError("no reference caption has a word; there is nothing to compare with")
        references = {row: list(of_case) for row, of_case in enumerate(self.references)}
        return references, {row: [caption] for row, caption in enumerate(self.generated)}


def tokenized(
    generated: Sequence[str], references: Sequence[Sequence[str]], tokenization: Tokenization = "plain"
) -> Captions:
    """Captions cut into tokens.

    Args:
        generated: one caption per case.
        references: one or more per case.
        tokenization: "plain" (see `plain_tokens`) or "ptb" (see `ptb_tokens`).

    Raises:
        UsageError: no case, a case without a reference, sides of different length; Java missing for "ptb".
        MissingExtraError: pycocoevalcap missing for "ptb".
    """
    paired(generated, references)
    flat = [*generated, *(reference for of_case in references for reference in of_case)]
    cut = ptb_tokens(flat) if tokenization == "ptb" else [plain_tokens(caption) for caption in flat]
    lines = iter([" ".join(tokens) for tokens in cut])
    return Captions(
        generated=[next(lines) for _ in generated],
        references=[[next(lines) for _ in of_case] for of_case in references],
        tokenization=tokenization,
    )


def paired(generated: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Check that every generated caption has a reference to be compared with.

    Raises:
        UsageError: no case, a case without a reference, sides of different length.
    """
    if not generated:
        raise UsageError("there is no caption to score; give one generated caption per case")
    if len(generated) != len(references):
        raise UsageError(
            f"{len(generated)} generated captions and the references of {len(references)} cases; give one each"
        )
    bare = next((row for row, of_case in enumerate(references) if not of_case), None)
    if bare is not None:
        raise UsageError(f"case {bare} (from 0) has no reference caption; leave the case out, or give it one")
