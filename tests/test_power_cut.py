"""After a power cut, with what was not synced lost, cut short or reordered, one finds the old, the new or nothing."""

from pathlib import Path

import pytest
import torch
from tests.power import after_power_cuts, recorded
from tests.runs.test_checkpoint import Trained

from closegap.files import whole_files, whole_folder, write_text
from closegap.runs import checkpoint


def test_what_is_not_synced_is_seen_to_be_lost(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "a").write_text("old")
    with recorded(disk) as recorder:
        (disk / "b").write_text("new!")
        (disk / "b").replace(disk / "a")
    found = {
        tuple((path.name, path.read_text()) for path in sorted(state.iterdir()))
        for state in after_power_cuts(recorder, tmp_path / "cuts")
    }
    assert {(("a", "old"),), (("a", ""),), (("a", "ne"),), (("a", "new!"),), (("a", "old"), ("b", ""))} <= found


def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    write_text(disk / "a.txt", "old")
    with recorded(disk) as recorder:
        write_text(disk / "a.txt", "new!")
        write_text(disk / "deep" / "er" / "b.txt", "new!")
    found = set()
    for state in after_power_cuts(recorder, tmp_path / "cuts"):
        found.add((state / "a.txt").read_text())
        b = state / "deep" / "er" / "b.txt"
        if b.exists():
            assert b.read_text() == "new!"
            assert (state / "a.txt").read_text() == "new!"
    assert found == {"old", "new!"}
    assert b.exists()  # after the last sync, nothing can be lost


def test_files_that_belong_together_are_never_mixed(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    names = ("report.json", "report.html", "captions.csv")

    def write(content: str) -> None:
        with whole_files(*(disk / name for name in names)) as temporaries:
            for temporary in temporaries:
                temporary.write_text(content)

    write("old")
    with recorded(disk) as recorder:
        write("new!")
    found = set()
    for state in after_power_cuts(recorder, tmp_path / "cuts"):
        if (state / "report.json").exists():
            found.add(tuple((state / name).read_text() for name in names))
        else:
            found.add(())
    assert found == {("old",) * 3, ("new!",) * 3, ()}


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with recorded(disk) as recorder, whole_folder(disk / "model") as temporary:
        (temporary / "towers").mkdir()
        for name in ("model.json", "towers/a"):
            (temporary / name).write_text("new!")
    found = set()
    for state in after_power_cuts(recorder, tmp_path / "cuts"):
        folder = state / "model"
        found.add(folder.exists() and tuple((folder / name).read_text() for name in ("model.json", "towers/a")))
    assert found == {False, ("new!", "new!")}


@pytest.mark.parametrize("best", [1, 3])
def test_a_checkpoint_is_whole_or_absent_and_the_one_before_is_there(tmp_path: Path, best: int) -> None:
    folder = tmp_path / "disk" / "checkpoints"
    trained = Trained()
    for step in (1, 2):
        trained.save(folder, step, best_step=1)
    with recorded(folder) as recorder:
        trained.save(folder, 3, best_step=best)
        checkpoint.prune(folder)
    newest = set()
    for state in after_power_cuts(recorder, tmp_path / "cuts"):
        found = checkpoint.checkpoints(state)
        newest.add(found[-1].name)
        other = Trained(steps=0)
        for path in found:
            checkpoint.load_model(path, other.model)
            checkpoint.load_beside(path, "loss", other.loss)
            assert torch.equal(
                other.tensors()["model/heads.report.weight"], trained.tensors()["model/heads.report.weight"]
            )
        if (found[-1] / "optimizer.safetensors").exists():  # pruned else
            checkpoint.load_optimizer(found[-1], other.optimizer)
    assert newest == {"step-00000002", "step-00000003"}
