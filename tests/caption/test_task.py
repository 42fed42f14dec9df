"""Decoders in the trainer: on a frozen model, jointly, from texts alone; killed and resumed."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.training.config import write_config
from tests.training.tiny import TinySource, tiny_encoders, tiny_run
from torch import Tensor

from closegap.caption import Captioning, CaptionTokenizer, CrossAttentionDecoder, PrefixDecoder
from closegap.caption.decoder import CaptionDecoder
from closegap.caption.frozen import FrozenCaptioning
from closegap.caption.likelihood import log_likelihood
from closegap.caption.memories import CAPTION, MEMORY, memories_and_captions, pairs
from closegap.data import Checks, load_cases
from closegap.data.loader import Draws, GlobalBatches
from closegap.data.orders import shuffled
from closegap.errors import ClosegapError, UsageError
from closegap.infer.embed import embed
from closegap.metrics.captions.likelihood import LOG_LIKELIHOOD
from closegap.runs.checkpoint import checkpoints
from closegap.runs.config import parse_run, save_config
from closegap.runs.folder import chosen_checkpoint
from closegap.runs.log import Nobody, read_metrics
from closegap.runs.run import Run
from closegap.training.trainer import Trainer


def prefix(features: int, tokenizer: CaptionTokenizer) -> CaptionDecoder:
    return PrefixDecoder(features, tokenizer, prefix=2, layers=1, width=16, heads=2, dropout=0.1)


def captioning(**options: Any) -> Captioning:
    given: dict[str, Any] = {"decoder": prefix, "vocabulary": 300, "image": "record", "text": "report"}
    return Captioning(**(given | options))


def captioned_run(aligned: Path | None = None, run: Run | None = None, **options: Any) -> Run:
    training: dict[str, Any] = {"steps": 12, "select": "log_likelihood", "validate_every": 4, "checkpoint_every": 2}
    found = run or tiny_run(**training)
    return replace(found, objective=captioning(model_from=aligned, **options))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An aligned run that tests read."""
    folder = tmp_path_factory.mktemp("aligned") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOSEGAP_CACHE", str(folder.parent / "cache"))
        Trainer(tiny_run(steps=20), folder, Nobody()).train()
    # Only `train.keep` is read from it.
    save_config(parse_run(["--config", str(write_config(folder.parent))]), folder)
    return folder


def _final(folder: Path) -> Mapping[str, Tensor]:
    last = checkpoints(folder / "checkpoints")[-1]
    return {
        f"{path.stem}/{key}": tensor for path in last.glob("*.safetensors") for key, tensor in load_file(path).items()
    }


def _log(folder: Path) -> list[dict[str, Any]]:
    """Without what a clock says."""
    return [
        {key: value for key, value in row.items() if key != "cases_per_s"}
        for row in read_metrics(folder / "metrics.jsonl")
    ]


@pytest.mark.parametrize("condition", ["pairs", "text"])
def test_a_decoder_learns_and_the_frozen_model_stays(aligned: Path, tmp_path: Path, condition: str) -> None:
    run = captioned_run(aligned, tiny_run(steps=60, lr=1e-2, select="log_likelihood"), condition=condition)
    Trainer(run, tmp_path / "run", Nobody()).train()
    before = load_file(chosen_checkpoint(aligned, "best") / "model.safetensors")
    after = load_file(checkpoints(tmp_path / "run" / "checkpoints")[-1] / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    likelihoods = [
        row["validation/log_likelihood"] for row in _log(tmp_path / "run") if "validation/log_likelihood" in row
    ]
    assert likelihoods[-1] > likelihoods[0] + 1
    assert ("validation/log_likelihood_from_text" in _log(tmp_path / "run")[0]) == (condition == "text")
    assert (tmp_path / "run" / "tokenizer" / "tokenizer.json").is_file()


def test_memories_are_the_models_embeddings_and_each_stands_with_its_caption(aligned: Path, tmp_path: Path) -> None:
    trainer = Trainer(captioned_run(aligned, condition="text"), tmp_path / "run", Nobody())
    objective = trainer.task
    assert isinstance(objective, FrozenCaptioning)
    memory, captions = objective.views[MEMORY], objective.views[CAPTION]
    assert memory.features is not None
    assert captions.inputs is not None
    whole = embed(trainer.model, trainer.train_split, torch.device("cpu"))
    expected = whole.embeddings["report"][whole.mask("report")]
    assert torch.equal(memory.features, expected)
    assert objective.tokenizer.decode(captions.inputs) == list(trainer.train_split.views["report"].items)

    draws = Draws(objective.views, trainer.train_split.groups, {}, 0, objective.alike)
    batch = draws.__getitems__([(epoch, case) for epoch in range(3) for case in range(20)])
    found, tokens = memories_and_captions(batch, batch.inputs[MEMORY].values, batch.rows[MEMORY])
    for row, caption in zip(found, objective.tokenizer.decode(tokens), strict=True):
        same = [i for i, text in enumerate(captions.items) if text == caption]
        assert any(torch.equal(row, memory.features[i]) for i in same)


def test_the_likelihood_is_the_mean_over_tokens_of_all_pairs(aligned: Path, tmp_path: Path) -> None:
    trainer = Trainer(captioned_run(aligned), tmp_path / "run", Nobody())
    objective = trainer.task
    assert isinstance(objective, FrozenCaptioning)
    memory, captions = objective.validation[LOG_LIKELIHOOD]
    total, count = 0.0, 0
    items = iter(range(len(captions.items)))
    starts = memory.starts.tolist()
    for case, (first, end) in enumerate(pairwise(starts)):
        for _ in range(int(captions.starts[case + 1] - captions.starts[case])):
            item = next(items)
            if first == end:
                continue
            assert memory.features is not None
            assert captions.inputs is not None
            objective.captioner.eval()
            nll, tokens = objective.captioner(memory.features[first][None], captions.inputs[item][None])
            total, count = total + float(nll.detach()), count + int(tokens)
    found = log_likelihood(objective.captioner, memory, captions, torch.device("cpu"))
    assert found == pytest.approx(-total / count, rel=1e-5)
    assert 0 < len(pairs(memory, captions)[0]) < len(captions.items)  # some records are missing


def test_jointly_the_captions_pull_at_the_model(tmp_path: Path) -> None:
    trainer = Trainer(captioned_run(run=tiny_run(steps=8), weight=2.0), tmp_path / "run", Nobody())
    objective = trainer.task
    draws = Draws(objective.views, trainer.train_split.groups, objective.preparers, trainer.run.seed, objective.alike)
    batch = draws.__getitems__(next(iter(GlobalBatches(len(draws), 16, 1, shuffled(len(draws), 0)))))
    terms, watched = objective.step(objective.module, batch, 0.0)
    assert list(terms) == ["contrastive", "align", "uniformity", "caption"]
    assert list(watched) == ["temperature"]
    terms["caption"].backward()  # type: ignore[no-untyped-call]
    head = trainer.model.heads
    assert head["record"].weight.grad.abs().max() > 0  # type: ignore[union-attr, operator]
    assert head["report"].weight.grad is None  # captions are written from records alone
    trainer.train()
    rows = _log(tmp_path / "run")
    assert {"validation/R@10", "validation/log_likelihood"} <= rows[-1].keys()
    last = rows[-2]
    assert last["loss"] == pytest.approx(sum(last[name] for name in terms), rel=1e-5)


@pytest.mark.parametrize("condition", ["pairs", "text"])
def test_neighbours_are_captions_of_other_groups_in_training_and_validation(
    aligned: Path, tmp_path: Path, condition: str
) -> None:
    trainer = Trainer(captioned_run(aligned, condition=condition, neighbours=2), tmp_path / "run", Nobody())
    task = trainer.task
    assert isinstance(task, FrozenCaptioning)
    cases = [case for case in trainer.train_split.cases for _ in case.views["report"]]
    whole = embed(trainer.model, trainer.train_split, torch.device("cpu"))
    bank = whole.embeddings["report"][whole.mask("report")]
    assert len(bank) == len(cases)

    def expected(query: Tensor, group: str) -> Tensor:
        others = torch.tensor([case.group != group for case in cases])
        nearest = (bank[others] @ query).topk(2).indices
        return torch.cat([query, *bank[others][nearest]])

    draws = Draws(task.views, trainer.train_split.groups, {}, 0, task.alike)
    drawn = [(0, case) for case in range(8)]
    batch = draws.__getitems__(drawn)
    seen: list[Tensor] = []

    def parallel(memory: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(memory)
        found: tuple[Tensor, Tensor] = task.captioner(memory, tokens)
        return found

    task.step(parallel, batch, 0.0)
    queries, rows = batch.inputs[MEMORY].values, batch.rows[MEMORY].tolist()
    groups = [trainer.train_split.cases[drawn[row][1]].group for row in rows]
    made = torch.stack([expected(query, group) for query, group in zip(queries, groups, strict=True)])
    assert len(seen[0])
    assert all(any(torch.allclose(row, other, atol=1e-6) for other in made) for row in seen[0])

    memory, _ = task.validation[LOG_LIKELIHOOD]
    held = trainer.validation_split
    records = embed(trainer.model, held, torch.device("cpu"))
    assert memory.features is not None
    query, case = (
        records.embeddings["record"][records.mask("record")][0],
        next(c for c in held.cases if "record" in c.views),
    )
    torch.testing.assert_close(memory.features[0], expected(query, case.group))


def test_neighbours_need_a_space_that_stays(aligned: Path) -> None:
    for options in ({}, {"model_from": aligned, "freeze": False}):
        with pytest.raises(UsageError, match=r"objective\.neighbours: 2 given, but captions have neighbours only in"):
            captioning(neighbours=2, **options)


class _StopError(Exception):
    pass


class _Killer(Nobody):
    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, step: int, steps: int, terms: Mapping[str, float]) -> None:
        if step == self.at:
            raise _StopError


@pytest.mark.parametrize("way", ["pairs", "text", "neighbours", "joint"])
def test_a_run_that_is_stopped_and_goes_on_is_one_that_was_not(aligned: Path, tmp_path: Path, way: str) -> None:
    def run() -> Run:
        if way == "joint":
            return captioned_run()
        if way == "neighbours":
            return captioned_run(aligned, condition="text", noise=0.5, neighbours=2)
        return captioned_run(aligned, condition=way, noise=0.5)

    Trainer(run(), tmp_path / "whole", Nobody()).train()
    for at in (3, 9):
        with pytest.raises(_StopError):
            Trainer(run(), tmp_path / "stopped", _Killer(at)).train()
    Trainer(run(), tmp_path / "stopped", Nobody()).train()
    expected, found = _final(tmp_path / "whole"), _final(tmp_path / "stopped")
    assert expected.keys() == found.keys()
    assert [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)] == []
    assert _log(tmp_path / "stopped") == _log(tmp_path / "whole")


def test_a_run_goes_on_without_the_run_it_started_from(aligned: Path, tmp_path: Path) -> None:
    shutil.copytree(aligned, tmp_path / "gone")
    with pytest.raises(_StopError):
        Trainer(captioned_run(tmp_path / "gone"), tmp_path / "run", _Killer(9)).train()
    shutil.rmtree(tmp_path / "gone")
    Trainer(captioned_run(tmp_path / "gone"), tmp_path / "run", Nobody()).train()
    assert checkpoints(tmp_path / "run" / "checkpoints")[-1].name == "step-00000012"


def _bert(features: int, tokenizer: CaptionTokenizer) -> CaptionDecoder:
    return CrossAttentionDecoder(features, tokenizer, layers=1, width=16, heads=2)


def _wider(features: int, tokenizer: CaptionTokenizer) -> CaptionDecoder:
    return PrefixDecoder(features, tokenizer, prefix=2, layers=1, width=32, heads=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": "scan"}, r"objective\.image: 'scan' is no modality of the model \(report, record\)"),
        ({"image": "report", "text": "record"}, r"objective\.text: 'record' holds no texts"),
        ({"decoder": _bert, "condition": "text"}, r"objective\.condition: text needs a decoder that reads the shared"),
        ({"decoder": _bert, "neighbours": 2}, r"objective\.neighbours: 2 needs a decoder that reads the shared"),
        ({"neighbours": 500}, r"objective\.neighbours: 500 given, but outside the largest group there are only"),
        ({"decoder": _bert}, r"RecordEncoder has no tokens to attend to"),
        (
            {"tokenizer": "/nowhere/at/all"},
            r"tokenizer '/nowhere/at/all': neither a local folder nor on a reachable hub",
        ),
    ],
)
def test_what_cannot_be_captioned_is_refused(aligned: Path, tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(ClosegapError, match=message):
        Trainer(captioned_run(aligned, **options), tmp_path / "run", Nobody()).train()


@pytest.mark.parametrize("option", [{"micro_batch": 4}, {"shard": True}])
def test_what_goes_with_alignment_alone_is_refused(aligned: Path, tmp_path: Path, option: Any) -> None:
    with pytest.raises(UsageError, match=rf"train\.{next(iter(option))}: goes with alignment alone"):
        Trainer(captioned_run(aligned, tiny_run(**option)), tmp_path / "run", Nobody())


def test_a_decoder_of_another_width_is_refused(aligned: Path, tmp_path: Path) -> None:
    Trainer(captioned_run(aligned), tmp_path / "run", Nobody()).train()
    with pytest.raises(
        ClosegapError, match=r"checkpoint of another decoder \(.* is float32 \(.*16.*\), the config's is float32 \(.*32"
    ):
        Trainer(captioned_run(aligned, decoder=_wider), tmp_path / "run", Nobody()).train()


def test_what_is_not_measured_cannot_select(aligned: Path, tmp_path: Path) -> None:
    run = captioned_run(aligned, tiny_run(select="R@10"))
    with pytest.raises(UsageError, match=r"train\.select: 'R@10' is not measured .*; there are log_likelihood$"):
        Trainer(run, tmp_path / "run", Nobody()).train()


def test_the_tiny_source_lacks_what_these_tests_need_it_to_lack() -> None:
    cases = load_cases(TinySource(), Checks(), list(tiny_encoders())[:2])
    assert any("record" not in case.views for case in cases.split("validation"))
    assert any(len(case.views["report"]) == 2 for case in cases.split("train"))
