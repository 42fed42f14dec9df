"""Help and completion: at once, which means without torch and its company, and readable."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.tiny import Cli

from closegap.cli.sections import SECTIONS
from closegap.cli.verbs import VERBS
from closegap.runs.config import run_parser

HEAVY = {
    "accelerate",
    "av",
    "numpy",
    "PIL",
    "plotly",
    "pyarrow",
    "scipy",
    "sklearn",
    "soundfile",
    "soxr",
    "timm",
    "torch",
    "transformers",
}

_IMPORTED = """
import sys
from closegap.cli import main

for command in {commands!r}:
    try:
        main(command)
    except SystemExit as left:
        assert left.code == 0
    loaded = {{module.partition(".")[0] for module in sys.modules}} & {heavy!r}
    if loaded:
        sys.exit(f"{{command}} imports {{loaded}}")
"""


def test_help_imports_nothing_heavy() -> None:
    commands = [["--help"], ["train", "--help", "train"], ["--print-completion", "bash"]]
    for name, verb in VERBS.items():
        commands += [[name, "--help"], *([name, action, "--help"] for action in verb.actions)]
    code = _IMPORTED.format(commands=commands, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def explained(capsys: pytest.CaptureFixture[str], cli: Cli, *arguments: str) -> str:
    with pytest.raises(SystemExit, match=r"^0$"):
        cli(*arguments)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "<class" not in printed.out
    return printed.out


def test_help_of_training_fits_a_screen_or_two(capsys: pytest.CaptureFixture[str], cli: Cli) -> None:
    text = explained(capsys, cli, "train", "--help")
    assert len(text.splitlines()) < 50
    for section in SECTIONS:
        assert f"\n  {section} " in text


def test_the_sections_are_those_of_the_config() -> None:
    keys = {key.partition(".")[0] for key in run_parser().get_defaults().keys()}  # noqa: SIM118 - a namespace
    assert {*SECTIONS} == keys - {"config", "seed", "arm", "control"}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("train", "--train.batch_size BATCH_SIZE\n"),
        ("checks", "--checks.max_skipped MAX_SKIPPED\n"),
        ("model", "--model.dim DIM       width of the shared space. (whole number from 1 to"),
        ("data", "  closegap.data.Manifest\n      A table (CSV, TSV, JSONL, Parquet)"),
        ("loss", "  closegap.losses.GapClosing\n      InfoNCE + align * Align True Pairs"),
    ],
)
def test_a_section_is_explained(capsys: pytest.CaptureFixture[str], cli: Cli, section: str, expected: str) -> None:
    text = explained(capsys, cli, "train", "--help", section)
    assert text.startswith(f"{section}: {SECTIONS[section].about}\n")
    assert expected in text
    assert explained(capsys, cli, "train", f"--help={section}") == text


def test_a_class_is_explained(capsys: pytest.CaptureFixture[str], cli: Cli) -> None:
    text = explained(capsys, cli, "train", "--loss.help", "closegap.losses.GapClosing")
    assert "--loss.align ALIGN" in text
    text = explained(capsys, cli, "shard", "--data.help=closegap.data.Roco")
    assert "--data.root ROOT" in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--help", "losss"), "--help losss: no such section; did you mean loss?"),
        (("--help=music",), f"--help music: no such section; there are {', '.join(SECTIONS)}"),
        (("--data.help", "nowhere.Data"), "--data.help nowhere.Data: cannot be imported (No module named 'nowhere')"),
        (("--data.help", "closegap.losses.info_nce"), "--data.help closegap.losses.info_nce: no class; expected"),
    ],
)
def test_help_that_cannot_be_given(cli: Cli, arguments: tuple[str, ...], expected: str) -> None:
    found = cli("train", *arguments)
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert found.err.startswith(f"closegap: {expected}")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("audti",), "no verb 'audti'; did you mean audit?"),
        (
            ("audit", "a.npy", "b.npy", "--label", "c.csv", "--out", "o"),
            "--label: no such option; did you mean --labels?",
        ),
        (
            ("audit", "a.npy", "b.npy", "--in_sample", "--out", "o"),
            "--in_sample: no such option; did you mean --in-sample?",
        ),
        (("demo", "--step", "3", "--out", "o"), "--step: no such option; did you mean --steps?"),
        (("train", "--train.epoch", "3"), "--train.epoch: no such option; did you mean --train.epochs?"),
        (("shard", "--shard", "3", "--out", "o", "--data", "closegap.data.ImageFolder"), "--shard: no such option; "),
    ],
)
def test_a_slip_is_an_error_with_a_suggestion(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = cli(*arguments)
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert found.err.startswith(f"closegap: {expected}")
    assert not list(tmp_path.iterdir())


def test_a_shell_completes_verbs_and_options(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "closegap.bash"
    script.write_text(cli("--print-completion", "bash").out, encoding="utf-8")
    asked = """
complete -p closegap >&2
for words in "closegap po" "closegap posthoc f" "closegap audit --lab" "closegap train --train.b"; do
  COMP_WORDS=($words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
  _shtab_closegap
  echo "${COMPREPLY[@]}"
done
"""
    done = subprocess.run(["bash", "-c", f"source {script}\n{asked}"], capture_output=True, text=True, timeout=30)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["posthoc"],
        ["fit"],
        ["--labels"],
        ["--train.batch_size"],
    ], done.stderr
    found = cli("--print-completion", "basic")
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("closegap: --print-completion 'basic': expected one of bash, zsh")
    assert cli("--print-completion=zsh").out.startswith("#compdef closegap")


@pytest.mark.parametrize(
    ("verb", "advice"),
    [
        ("train", "`closegap train --resume RUN`, with the run's folder, goes on from its last checkpoint"),
        ("study", "the same command goes on where it stopped"),
        ("audit", "nothing was written to --out; give the command again"),
    ],
)
def test_who_stops_a_verb_is_told_how_to_go_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, verb: str, advice: str
) -> None:
    def interrupted(arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"closegap.cli.{verb}.main", interrupted)
    found = cli(verb, "--out", "somewhere")
    assert (found.code, found.out, found.err) == (130, "", f"closegap: stopped; {advice}\n")
