"""A malformed input is made from its seed, kind and number alone, and what is wrong with how it is taken is told."""

import os
import random
import sys
from pathlib import Path

import pytest
from acceptance.findings import Seen, findings, tree
from acceptance.forked import GIB, Child, Command, Outcome, run
from acceptance.inputs import KINDS
from acceptance.inputs.case import Place
from acceptance.moments import Moment
from acceptance.sound import NAME, make_sound
from acceptance.watched import Watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are watched through /proc")

REFUSED = "closegap: cases.csv, row 3: no age; expected a number\n"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    make_sound(root, root.with_name("seen"), {"CLOSEGAP_CACHE": str(root.with_name("cache")), "OMP_NUM_THREADS": "1"})
    return root


def made(folder: Path, kind: str, number: int) -> dict[str, bytes]:
    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)
    try:
        KINDS[kind](Place(random.Random(f"0/{kind}/{number}"), number, Path("..") / NAME))
    finally:
        os.chdir(before)
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_is_the_same_each_time(kind: str, cases: Path) -> None:
    for number in range(4):
        first, second = (made(cases / f"{kind}-{number}-{turn}", kind, number) for turn in (1, 2))
        assert first == second


def seen(code: int | None = 1, err: str = REFUSED, expected: str = "any", out: str = "", **said: object) -> Seen:
    outcome = Outcome(code, out, err, 0.1, int(said.pop("memory", 0)))  # type: ignore[call-overload]
    told = {"arguments": ("audit",), "names": "", "new": (), "ran": (), "wrong": ""} | said
    return Seen(outcome, expected=expected, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (seen(None), "hangs"),
        (seen(err="Traceback (most recent call last):\n  ...\n"), "a traceback"),
        (seen(err="closegap: a bug in closegap: KeyError\n"), "confesses a bug"),
        (seen(-11), "exit -11"),
        (seen(memory=3 * GIB), "takes 3.0 GiB"),
        (seen(ran=["os.system ('x',)"]), "executed os.system"),
        (seen(0, "", "refused"), "took what it should refuse"),
        (seen(0, "", wrong="another gap"), "another gap"),
        (seen(expected="taken"), "refused what it should take"),
        (seen(err=""), "no line"),
        (seen(err=f"something else\n{REFUSED}"), "2 lines"),
        (seen(err="closegap: \x1b[31m\n"), "control characters"),
        (seen(2, names="train.lr"), "does not name train.lr"),
        (seen(new=["out"]), "left out beside a refusal"),
        (seen(0, "", new=["out/.report.json.x"]), "left out/.report.json.x"),
    ],
)
def test_what_is_wrong_is_found(found: Seen, said: str) -> None:
    assert said in findings(found)[0]


def test_nothing_is_wrong_with_one_line_and_with_a_success() -> None:
    assert findings(seen()) == []
    assert findings(seen(2, "closegap: warning: slow\n" + REFUSED)) == []
    assert findings(seen(0, "", "taken", new=["out/report.json"])) == []


def test_a_tree_tells_new_and_changed_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    before = tree(tmp_path)
    (tmp_path / "a").write_text("another")
    (tmp_path / "folder").mkdir()
    after = tree(tmp_path)
    assert {name for name in after if before.get(name) != after[name]} == {"a", "folder"}


def _watched(seen: Path) -> dict[str, object]:
    watch = Watch()
    os.system(":")
    return {"ran": watch.ran}


def _hangs(seen: Path) -> dict[str, object]:
    while True:
        pass


def _fails(seen: Path) -> dict[str, object]:
    raise ValueError("of the attack itself")


def test_what_a_child_runs_is_noted(tmp_path: Path) -> None:
    assert Child(_watched, seen=tmp_path).wait().answer["ran"] == ["os.system (b':',)"]


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    assert Child(_hangs, seen=tmp_path).wait(patience=2).code is None


def test_an_attack_that_fails_is_no_success(tmp_path: Path) -> None:
    assert "of the attack itself" in Child(_fails, seen=tmp_path).wait().answer["failed"]


def test_a_moment_comes_at_the_change_that_it_names(cases: Path, tmp_path: Path) -> None:
    arguments = ("posthoc", "fit", "--method", "shift", "--train", str(cases / NAME / "train.safetensors"))
    desk, seen = tmp_path / "desk", tmp_path / "seen"
    desk.mkdir()

    def fit(out: str, moment: Moment) -> Outcome:
        return run(Command((*arguments, "--out", out), desk, moment), seen)

    counted = fit("counted.safetensors", Moment(desk))
    assert counted.code == 0
    changes = counted.answer["changes"]
    assert changes >= 3  # a temporary file, its mode, its name
    assert fit("killed.safetensors", Moment(desk, number=changes)).code == -9
    assert fit("past.safetensors", Moment(desk, number=changes + 1)).code == 0
    starved = fit("full.safetensors", Moment(desk, "full", 1))
    assert starved.code == 1
    assert "No space left on device" in starved.err
    assert not (desk / "full.safetensors").exists()
