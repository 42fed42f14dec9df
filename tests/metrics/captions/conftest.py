"""Captions to score: some of a small vocabulary, and real ones of ROCO."""

import random
from pathlib import Path

import pytest

Written = tuple[list[str], list[list[str]]]

_WORDS = ["axial", "ct", "scan", "of", "the", "chest", "shows", "a", "large", "left", "pleural", "effusion", "x-ray"]


@pytest.fixture(scope="session")
def synthetic() -> Written:
    """Generated captions, one of them empty and one right, and one to three references each."""
    rng = random.Random(0)

    def caption() -> str:
        return " ".join(rng.choices(_WORDS, k=rng.randint(1, 12)))

    references = [[caption() for _ in range(rng.randint(1, 3))] for _ in range(40)]
    generated = [caption() for _ in references]
    generated[3], generated[5] = "", references[5][-1]
    return generated, references


@pytest.fixture(scope="session")
def roco(shared: Path) -> Written:
    """The first test captions of ROCO beside those of other test cases: real words, real length, real characters."""
    lines = (shared / "data/roco/data/test/radiology/captions.txt").read_text(encoding="utf-8").split("\n")
    captions = [line.partition("\t")[2].strip() for line in lines if line.strip()][:80]
    return [*captions[1:], captions[0]], [[caption] for caption in captions]
