"""An archive says "not sure" of what comes nearer to nothing than its own rows do without their group."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.search.archives import MODALITIES, built, embedded

import closegap.search
from closegap.cli import main
from closegap.embeddings import EmbeddingSet
from closegap.search import Archive, Part, Query
from closegap.search.archive.changing import refit
from closegap.search.archive.fitting import Wanted

CASES = 120


def expected(embeddings: EmbeddingSet, archive: Archive, target: str) -> list[float]:
    """The highest cosine with another group's row, of each image, by comparing it with every row."""
    held = archive.corrections
    asked = held.moved(embeddings.embeddings["image"], "image").double()
    rows = held.moved(embeddings.embeddings[target], target).double()
    assert embeddings.groups is not None
    found = []
    for number, group in enumerate(embeddings.groups):
        there = [
            float(asked[number] @ rows[row])
            for row in embeddings.mask(target).nonzero()[:, 0].tolist()
            if embeddings.groups[row] != group
        ]
        found.append(max(there))
    return found


@pytest.mark.parametrize("posthoc", ["none", "canonical"])
def test_the_best_are_those_of_an_exhaustive_search(tmp_path: Path, posthoc: str) -> None:
    embeddings = embedded(300)
    assert embeddings.groups is not None
    with closegap.search.open(built(tmp_path / "a", embeddings, Wanted(posthoc))) as archive:
        unanswered = archive.corrections.unanswered
        assert unanswered is not None
        assert unanswered.targets == archive.rows()
        for target in MODALITIES:
            held, naive = unanswered.best[f"image|{target}"], np.array(expected(embeddings, archive, target))
            assert len(held) == len(set(embeddings.groups))
            nearest = np.abs(held[:, :1].numpy() - naive[None]).min(axis=1)
            assert nearest.max() < 1e-6
            assert (held.diff(dim=1) <= 0).all()
            assert (held[:, 1:] < held[:, :1]).any()


def test_what_is_far_from_all_is_not_sure(tmp_path: Path) -> None:
    embeddings = embedded(CASES)
    with closegap.search.open(built(tmp_path / "a", embeddings)) as archive:
        away = -sum(embeddings.embeddings[name].double().mean(0) for name in MODALITIES)
        far = archive.ask(Query([Part.vector(away, "image")]))
        assert far.unsure
        assert far.hits
        told = [archive.ask(Query([Part.case(f"c{case:03}", modality="image")])) for case in range(CASES)]
        assert sum(bool(answer.unsure) for answer in told) <= 0.1 * CASES
        for answer in told[:20]:
            assert answer.unsure == (answer.p_value is not None and answer.p_value <= 0.1)


def test_neither_merge_nor_number_of_hits_changes_it(tmp_path: Path) -> None:
    with closegap.search.open(built(tmp_path / "a", wanted=Wanted("canonical"))) as archive:
        for case in ("c003", "c010", "c057"):
            question = [Part.case(case, modality="report")]
            values = {
                archive.ask(Query(question, k, merge="cosine" if raw else "corrected", quotas={"image": 1})).p_value
                for k in (1, 30)
                for raw in (False, True)
            }
            assert len(values) == 1


def test_fewer_rows_are_compared_with_fewer(tmp_path: Path) -> None:
    """Without that, a condition that leaves an eighth would make far more questions unsure."""
    embeddings = embedded(1200, dim=32)
    assert embeddings.groups is not None
    part = [f"E{case % 8}" for case in (int(name[1:]) for name in embeddings.ids)]
    embeddings = EmbeddingSet(
        embeddings.embeddings, embeddings.ids, embeddings.present, embeddings.groups, {"eighth": part}
    )
    with closegap.search.open(built(tmp_path / "a", embeddings)) as archive:
        answers = [
            archive.ask(Query([Part.case(f"c{case:03}", modality="image")], 1, ["report"], "eighth == 'E3'", alpha=0.2))
            for case in range(0, 1200, 8)
        ]
        assert sum(bool(answer.unsure) for answer in answers) / len(answers) < 0.3
        unanswered = archive.corrections.unanswered
        assert unanswered is not None
        best = [{"report": answer.hits[0].cosine} for answer in answers]
        among_all = [unanswered.p_value(of, "image", archive.rows()) for of in best]
        assert sum(value is not None and value <= 0.2 for value in among_all) / len(answers) > 0.5


@pytest.mark.parametrize("fit_on", ["archive", "file"])
def test_any_reference_will_do(tmp_path: Path, fit_on: str) -> None:
    folder = built(tmp_path / "a")
    reference = tmp_path / "reference.safetensors"
    embedded(80, seed=3).save(reference)
    with Archive(folder, "write") as archive:
        before = archive.stats().version
        told = refit(archive, Wanted(fit_on="archive" if fit_on == "archive" else str(reference)))
        assert archive.stats().version == before + 1
        assert told[-1].startswith("Not sure: the archive" if fit_on == "archive" else "Not sure: embeddings of a file")
        unanswered = archive.corrections.unanswered
        assert unanswered is not None
        assert len(unanswered.best["image|report"]) == (60 if fit_on == "archive" else 40)
        refit(archive, Wanted(calibrate="none"))
        assert archive.ask(Query([Part.case("c003")])).unsure is None


def test_one_modality_alone_is_enough(tmp_path: Path) -> None:
    embeddings = embedded()
    rows = embeddings.mask("image")
    groups = [group for group, there in zip(embeddings.groups or (), rows.tolist(), strict=True) if there]
    ids = [name for name, there in zip(embeddings.ids, rows.tolist(), strict=True) if there]
    images = EmbeddingSet({"image": embeddings.embeddings["image"][rows]}, ids, groups=groups)
    with closegap.search.open(built(tmp_path / "a", images)) as archive:
        assert archive.ask(Query([Part.case("c003")])).unsure is False
        away = -torch.ones(1, 16).double() - 3 * torch.eye(16)[:1].double()
        assert archive.ask(Query([Part.vector(away[0], "image")])).unsure


def test_a_command_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = built(tmp_path / "a")
    assert main(["search", str(folder), "--id", "c003", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["unsure"] is False
    assert 0.1 < said["p_value"] <= 1
    assert main(["search", str(folder), "--id", "c003", "--alpha", "0.999"]) == 0
    assert "not sure: " in capsys.readouterr().out
    assert main(["search", str(folder), "--id", "c003", "--approximate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == said
    assert main(["search", str(folder), "--id", "c003"]) == 0
    assert "not sure" not in capsys.readouterr().out
