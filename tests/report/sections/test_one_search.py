"""The same search before and after: the query is the median one, the hits are those of the index."""

import re
from datetime import date

import pytest
import torch
from markupsafe import Markup
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.compare import Comparison, Result, compare
from closegap.metrics.mixed_matched import MixedMatched
from closegap.report.html import render_html
from closegap.report.sections.one_search import one_search
from closegap.report.sections.queries import Item, Shown
from closegap.scores import Standardise


def _sets(n: int = 60) -> tuple[EmbeddingSet, EmbeddingSet]:
    generator = torch.Generator().manual_seed(0)
    cases = torch.randn(n, 16, generator=generator)
    noise = torch.randn(2, n, 16, generator=generator)
    ids = [f"case {i}" for i in range(n)]
    labels = {"organ": [f"organ {i % 3}" for i in range(n)]}

    def rows(apart: float) -> EmbeddingSet:
        places = torch.eye(16)[0] * torch.tensor([[apart], [-apart]])
        image, text = (normalize(cases + 0.8 * noise[i] + places[i], dim=1) for i in range(2))
        return EmbeddingSet({"image": image, "text": text}, ids, labels=labels)

    return rows(2.0), rows(0.0)


def _compared(stage: bool = False) -> Comparison:
    apart, together = _sets()
    after = Result("after", None, together)
    if stage:
        after = Result("after", None, apart, Standardise().fit(apart))
    return compare([Result("before", None, apart), after], 50, metrics=[MixedMatched()])


def _naive_ranks(rows: EmbeddingSet) -> list[int]:
    """Of each text's image among all images and all other texts, the one score after the other."""
    image, text = rows.embeddings["image"].double(), rows.embeddings["text"].double()
    ranks = []
    for i in range(len(image)):
        own = float(text[i] @ image[i])
        others = [float(text[i] @ image[j]) for j in range(len(image)) if j != i]
        others += [float(text[i] @ text[j]) for j in range(len(text)) if j != i]
        ranks.append(1 + sum(score > own for score in others))
    return ranks


def test_the_median_query_is_shown_with_the_ranks_of_its_counterpart() -> None:
    comparison = _compared()
    section = one_search(comparison, None)
    assert section is not None
    before, after = (_naive_ranks(rows) for rows in _sets())
    gains = sorted(b - a for b, a in zip(before, after, strict=True))
    median = str(section.html).split('class="one-search"')[1]
    (asked,) = re.findall(r'class="question">.*?class="tag">case (\d+)<', median, re.DOTALL)
    told = [int(rank) for rank in re.findall(r'at rank <strong class="\w*">([\d,]+)<', median)]
    assert told == [before[int(asked)], after[int(asked)]]
    assert told[0] - told[1] == gains[round(0.5 * 59)]
    assert median.count("<li") - median.count(" missed") == 20


def test_a_score_stage_orders_what_is_found() -> None:
    section = one_search(_compared(stage=True), None)
    assert section is not None
    own = [
        int(number)
        for number in re.findall(r"<strong>(\d+)</strong> of 10 are of the modality text", str(section.html))
    ]
    assert len(own) == 6
    assert sum(own[0::2]) > sum(own[1::2])


@pytest.mark.parametrize("named", [True, False])
def test_cases_are_shown_only_where_they_may_be(named: bool) -> None:
    section = one_search(_compared(), None, named=named)
    assert section is not None
    assert ("case " in str(section.html)) == named
    assert ("same organ" in str(section.html)) == named
    assert "text" in str(section.html)


def test_items_are_shown_escaped_and_pictures_once() -> None:
    comparison = _compared()
    shown: Shown = {
        "image": lambda row: Item(Markup('<img alt="" src="data:,{}">').format(row), visual=True),
        "text": lambda row: Item(Markup("<p>{}</p>").format(f"<b>{row}</b>")),
    }
    section = one_search(comparison, shown)
    assert section is not None
    assert "&lt;b&gt;" in str(section.html)
    assert "<b>0" not in str(section.html)
    pictures = section.shared["pictures"]
    assert {int(number) for number in re.findall(r"data-picture=\"(\d*)\"", str(section.html))} == set(
        range(len(pictures))
    )
    assert len(pictures) == len(set(pictures))
    page = render_html(
        comparison.report, [], title="t", verdict="v", made=date(2026, 1, 1), version="0", opening=section
    )
    assert page.index("v</p>") < page.index('id="section-0"') < page.index('class="facts"')


def test_one_arm_is_searched_alone() -> None:
    alone = compare([Result("original", None, _sets()[0])], 50, metrics=[MixedMatched()])
    section = one_search(alone, None)
    assert section is not None
    assert section.title == "What one query finds"
    assert "Before" not in str(section.html)
