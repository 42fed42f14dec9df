"""An archive answers as an exhaustive search of its rows would, in either merge, and keeps up with what is put in."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.search.archives import MODALITIES, built, embedded

import closegap.search
from closegap.embeddings import EmbeddingSet
from closegap.errors import UsageError
from closegap.posthoc import Canonical, Center
from closegap.scores import ScoreStage, Standardise, ZScore
from closegap.search import Archive, Part, Query
from closegap.search.archive.fitting import Wanted
from closegap.search.archive.query import Merge

K = 12


def naive(embeddings: EmbeddingSet, archive: Archive, case: str, cosine: bool) -> list[tuple[str, str]]:
    """The first hits of a case's first image, by comparing it with every row in double precision."""
    held = archive.corrections
    moved = (
        {}
        if held.posthoc is None
        else {name: held.posthoc.transform(embeddings.embeddings[name], name) for name in MODALITIES}
    )
    space = {
        name: (embeddings.embeddings[name] if cosine else moved.get(name, embeddings.embeddings[name])).double()
        for name in MODALITIES
    }
    asking = [row for row, name in enumerate(embeddings.ids) if name == case]
    views = embeddings.embeddings["image"][asking].double().sum(0)
    query = views / views.norm()
    if not cosine and held.posthoc is not None:
        query = held.posthoc.transform(query[None].float(), "image")[0].double()
    found = []
    for name in MODALITIES:
        there = embeddings.mask(name).nonzero()[:, 0]
        scores = space[name][there] @ query
        if not cosine and held.stage is not None:
            scores = held.stage.adjusted(scores[None], "image", name)[0]
        for row, score in zip(there.tolist(), scores.tolist(), strict=True):
            if not (name == "image" and embeddings.ids[row] == case):
                found.append((score, name, embeddings.ids[row]))
    return [(name, row) for _, name, row in sorted(found, key=lambda one: -one[0])[:K]]


@pytest.mark.parametrize("posthoc", ["none", "center", "canonical"])
@pytest.mark.parametrize("scores", ["none", "standardise", "zscore", "offset"])
def test_an_answer_is_that_of_an_exhaustive_search(tmp_path: Path, posthoc: str, scores: str) -> None:
    embeddings = embedded()
    folder = built(tmp_path / "a", embeddings, Wanted(posthoc, scores))
    with closegap.search.open(folder) as archive:
        for case in ("c000", "c007", "c050"):
            for merge in ("corrected", "cosine"):
                answer = archive.ask(Query([Part.case(case, modality="image")], k=K, merge=merge))
                expected = naive(embeddings, archive, case, merge == "cosine")
                assert [(hit.modality, hit.case) for hit in answer.hits] == expected


def test_both_numbers_of_a_hit_are_the_same_in_either_merge(tmp_path: Path) -> None:
    with closegap.search.open(built(tmp_path / "a", wanted=Wanted("center", "standardise"))) as archive:
        one, other = (
            {(hit.modality, hit.id): hit for hit in archive.ask(Query([Part.case("c003")], 60, merge=merge)).hits}
            for merge in ("corrected", "cosine")
        )
        both = one.keys() & other.keys()
        assert len(both) > 10
        for key in both:
            assert one[key].cosine == pytest.approx(other[key].cosine, abs=1e-6)
            assert one[key].score == pytest.approx(other[key].score, abs=1e-6)
            assert one[key].probability == pytest.approx(other[key].probability, abs=1e-6)


def test_one_question_is_answered_by_both_merges_at_once(tmp_path: Path) -> None:
    with closegap.search.open(built(tmp_path / "a", wanted=Wanted("center", "standardise"))) as archive:
        question = Query([Part.case("c003")], 20, where="finding in ('F1', 'F2')")
        merges: tuple[Merge, ...] = ("corrected", "cosine")
        both = archive.answers(question, merges)
        for answer, merge in zip(both, merges, strict=True):
            alone = archive.ask(replace(question, merge=merge))
            assert (answer.hits, answer.merge, answer.version) == (alone.hits, merge, alone.version)
        assert both[0].hits != both[1].hits


def test_mean_and_spread_are_those_of_all_rows(tmp_path: Path) -> None:
    embeddings = embedded()
    with closegap.search.open(built(tmp_path / "a", embeddings, Wanted("none", "zscore"))) as archive:
        queries = embeddings.embeddings["report"][:5].double()
        for name in MODALITIES:
            scores = queries @ embeddings.embeddings[name][embeddings.mask(name)].double().T
            spread = archive.corrections.moments[name].spread(queries)
            assert torch.allclose(spread.mean[:, 0], scores.mean(1), atol=1e-9)
            assert torch.allclose(spread.deviation[:, 0], scores.std(1, correction=0), atol=1e-9)


def test_parts_are_summed_in_the_space_each_is_moved_into(tmp_path: Path) -> None:
    embeddings = embedded()
    with closegap.search.open(built(tmp_path / "a", embeddings, Wanted("center", "none"))) as archive:
        image, report = embeddings.embeddings["image"][0], embeddings.embeddings["report"][2]
        posthoc = archive.corrections.posthoc
        assert isinstance(posthoc, Center)
        total = posthoc.transform(image[None], "image")[0] - 0.5 * posthoc.transform(report[None], "report")[0]
        parts = [Part.vector(image.numpy(), "image"), Part.vector(report.numpy(), "report", weight=-0.5)]
        answer = archive.ask(Query(parts, k=1, within=["record"]))
        rows = posthoc.transform(embeddings.embeddings["record"][embeddings.mask("record")], "record")
        best = float((rows @ (total / total.norm())).max())
        assert answer.hits[0].score == pytest.approx(best, abs=1e-5)
        assert answer.query_modality == "image"
        assert answer.notes


def test_filters_quotas_and_targets_hold(tmp_path: Path) -> None:
    with closegap.search.open(built(tmp_path / "a")) as archive:
        answer = archive.ask(Query([Part.case("c001")], 20, where="finding == 'F2'"))
        assert {hit.payload["finding"] for hit in answer.hits} == {"F2"}
        answer = archive.ask(Query([Part.case("c001")], 20, quotas={"image": 3, "report": 2}))
        names = [hit.modality for hit in answer.hits]
        assert (names.count("image"), names.count("report"), names.count("record")) == (3, 2, 15)
        answer = archive.ask(Query([Part.case("c001")], 20, within=["report"]))
        assert {hit.modality for hit in answer.hits} == {"report"}
        assert [hits[0].case for hits in answer.cases] == list(dict.fromkeys(hit.case for hit in answer.hits))


def test_new_corrections_are_seen_by_who_reads_already(tmp_path: Path) -> None:
    folder = built(tmp_path / "a", wanted=Wanted(scores="none", calibrate="none"))
    question = Query([Part.case("c004", modality="image")], 5)
    with closegap.search.open(folder) as reader:
        before = reader.ask(question)
        with Archive(folder, "write") as writer:
            held = closegap.search.Corrections.of(Center().fit(embedded()), None, None)
            version = writer.put(held)
            first = reader.ask(question)
            assert (first.version, before.version) == (version, version - 1)
            assert [hit.score for hit in first.hits] != [hit.score for hit in before.hits]
            assert [hit.score for hit in before.hits] == [hit.cosine for hit in before.hits]
            writer.put(closegap.search.Corrections.of(Canonical().fit(embedded()), None, None))
            assert len(writer.stats().widths) == 9
            writer.purge()
            assert sorted(writer.stats().widths) == sorted(
                [*MODALITIES, *(writer.corrections.partition(name) for name in MODALITIES)]
            )
        assert reader.ask(question).version == version + 1


def test_a_patient_is_forgotten_also_by_moved_rows_and_moments(tmp_path: Path) -> None:
    embeddings = embedded()
    folder = built(tmp_path / "a", embeddings, Wanted("center", "zscore"))
    row = embeddings.ids.index("c008")
    with Archive(folder, "write") as archive:
        moved = archive.corrections.moved(embeddings.embeddings["report"][row][None], "report").numpy()
        count = sum(
            int(embeddings.mask(name)[i])
            for name in MODALITIES
            for i, g in enumerate(embeddings.groups or ())
            if g == "p004"
        )
        assert archive.delete(groups=["p004"]) == count
        for name in MODALITIES:
            partition = archive.corrections.partition(name)
            assert (
                archive.corrections.moments[partition].count == archive.rows()[name] == archive.stats().rows[partition]
            )
        archive.purge()
        with pytest.raises(UsageError, match="no case 'c008'"):
            archive.ask(Query([Part.case("c008")]))
    files = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert all(name in files for name in (b"c010", b"p005"))
    assert not any(name in files for name in (b"c008", b"c009", b"p004"))
    for vector in (embeddings.embeddings["report"][row].numpy(), moved[0]):
        assert np.asarray(vector, np.float32).tobytes() not in files


def test_stages_keep_what_they_are(tmp_path: Path) -> None:
    kinds: dict[str, type[ScoreStage]] = {"standardise": Standardise, "zscore": ZScore}
    for name, kind in kinds.items():
        with closegap.search.open(built(tmp_path / name, wanted=Wanted(scores=name))) as archive:
            assert isinstance(archive.corrections.stage, kind)
            assert any(kind.__name__ in line for line in archive.corrections.fitted_on)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Query("effusion"), "without a model; ask by the id of a case"),
        (Query([Part.case("none")]), "no case 'none' in the archive"),
        (Query([Part.case("c001", modality="sound")]), "modality 'sound' is not in the archive"),
        (Query([Part.case("c001")], within=["sound"]), "modality 'sound' is not in the archive"),
        (Query([Part.case("c001")], where="age >"), "filter 'age >'"),
        (
            Query([Part.case("c001")], where="not findin == 'F1'"),
            "no row of the archive knows it; did you mean finding",
        ),
        (Query([Part.case("c001"), Part.case("c001", weight=-1.0)]), "cancel each other out"),
    ],
)
def test_what_cannot_be_asked_is_one_line(tmp_path: Path, question: Query, message: str) -> None:
    with closegap.search.open(built(tmp_path / "a")) as archive:
        with pytest.raises(UsageError, match=message) as error:
            archive.ask(question)
        assert "\n" not in str(error.value)
