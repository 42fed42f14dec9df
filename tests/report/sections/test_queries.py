from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from markupsafe import Markup

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.report.sections.queries import Item, Query, queries_section, top_hits

MakeSet = Callable[..., EmbeddingSet]


def picture(row: int) -> Item:
    return Item(Markup("<img alt='' src='{}'>").format(row), visual=True)


def words(row: int) -> Item:
    return Item(Markup("<p>text {}</p>").format(row))


def find(given: EmbeddingSet, **options: int) -> list[Query]:
    return top_hits(given, "image", "report", {"image": picture, "report": words}, **options)


def test_hits_and_rank_agree_with_a_sorted_gallery(make_set: MakeSet) -> None:
    given = make_set(n=15, offset=3.0)
    found = find(given, queries=15)
    assert {query.id for query in found} == set(given.ids)
    for query in found:
        row = list(given.ids).index(query.id)
        cosines = [float(given.embeddings["image"][row] @ other) for other in given.embeddings["report"]]
        order = sorted(range(15), key=lambda i: -cosines[i])
        assert [hit.id for hit in query.hits] == [given.ids[i] for i in order[:5]]
        assert query.rank == order.index(row) + 1
        assert query.gallery == 15
        assert [hit.match for hit in query.hits] == [i == row for i in order[:5]]
        assert [hit.item.html for hit in query.hits] == [f"<p>text {i}</p>" for i in order[:5]]


def test_choice_is_seeded_and_the_same_for_every_arm(make_set: MakeSet) -> None:
    first, second = find(make_set(seed=0), queries=4), find(make_set(seed=1), queries=4)
    assert [query.id for query in first] == [query.id for query in second]
    assert [query.id for query in first] != [query.id for query in find(make_set(), queries=4, seed=5)]


def test_any_row_of_the_case_is_a_match_and_absent_rows_are_not_searched(make_set: MakeSet) -> None:
    given = make_set(n=6, absent={"image": [1], "report": [5]})
    given = replace(given, ids=["a", "a", "b", "c", "d", "e"])
    found = find(given)
    assert {query.id for query in found} == {"a", "b", "c", "d"}
    assert all(query.gallery == 5 for query in found)
    (query,) = (query for query in found if query.id == "a")
    assert sum(hit.match for hit in query.hits) == 2


def test_ties_count_by_index(make_set: MakeSet) -> None:
    same = torch.ones(4, 2) / 2**0.5
    given = replace(make_set(n=4), embeddings={"image": same, "report": same})
    assert sorted(query.rank for query in find(given)) == [1, 2, 3, 4]


def test_nothing_in_common_is_an_error(make_set: MakeSet) -> None:
    with pytest.raises(DataError, match="queries image to report: no case has both"):
        find(make_set(n=4, absent={"image": [0, 1], "report": [2, 3]}))


def test_section_shares_pictures_and_shows_one_arm(make_set: MakeSet) -> None:
    arms = {name: {"image_to_report": find(make_set(seed=i), queries=3)} for i, name in enumerate("ab")}
    section = queries_section(arms)
    assert [control.name for control in section.controls] == ["arm"]
    assert section.controls[0].initial == "b"
    assert len(section.shared["pictures"]) == 3
    assert section.html.count("<article") == 6
    assert "of 24" in section.html


def test_pictures_stand_side_by_side_and_texts_below_each_other(make_set: MakeSet) -> None:
    shown = {"image": picture, "report": words}
    to_texts = {"image_to_report": top_hits(make_set(n=3), "image", "report", shown)}
    to_images = {"report_to_image": top_hits(make_set(n=3), "report", "image", shown)}
    assert 'class="hits texts"' in queries_section({"a": to_texts}).html
    section = queries_section({"a": to_images})
    assert 'class="hits images"' in section.html
    assert "<img" not in section.html  # each is held once, and put in place where it is found
    assert len(section.shared["pictures"]) == 3
