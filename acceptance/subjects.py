"""The commands that are killed, run twice at once and starved of disk; what each needs, writes and must end in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_QUICK = ("--metrics", "quick")
_SOUND = "../sound"


@dataclass(frozen=True)
class Subject:
    """A command whose end is known.

    Args:
        name: of it.
        arguments: from the verb on, called in a folder of its own.
        results: what it writes there.
        needs: what is copied there before, from what is sound.
        older: a command that wrote to the same place before.
        again: what is called after it was disturbed, in place of the same arguments.
        foreign: that is a command of another end, which is the one that is expected.
        grows: its results come into being bit by bit, so that only their end is judged.
        alone: two of it in one place must not work at the same time; others replace a result as a whole.
    """

    name: str
    arguments: Sequence[str]
    results: Sequence[str]
    needs: Sequence[str] = ()
    older: Sequence[str] = ()
    again: Callable[[Path], Sequence[str]] | None = None
    foreign: bool = False
    grows: bool = False
    alone: bool = False

    def next(self, folder: Path) -> Sequence[str]:
        """The arguments of the call that ends what was disturbed in `folder`."""
        return self.arguments if self.again is None else self.again(folder)


def _train(config: str, out: str = "out") -> Sequence[str]:
    return ("train", "--config", f"{_SOUND}/{config}", "--out", out)


def _resumed(config: str) -> Callable[[Path], Sequence[str]]:
    """What a person types after a kill: on with the run, where there is one."""

    def found(folder: Path) -> Sequence[str]:
        begun = (folder / "out" / "config.yaml").exists()
        return ("train", "--resume", "out") if begun else _train(config)

    return found


def _embed(run: str, *options: str) -> Sequence[str]:
    return ("embed", run, "--data.path", f"{_SOUND}/many.csv", *options, "--out", "out.safetensors")


def _posthoc(method: str, *options: str) -> Sequence[str]:
    files = (f"{_SOUND}/{method}.safetensors", f"{_SOUND}/set.safetensors")
    return ("posthoc", "apply", *files, *options, "--out", "out.safetensors")


def _audit(name: str, *options: str) -> Sequence[str]:
    return ("audit", f"{_SOUND}/{name}.safetensors", *_QUICK, "--resamples", "20", *options, "--out", "out")


def _index(run: str, *options: str) -> Sequence[str]:
    return ("index", "build", run, "--data.path", f"{_SOUND}/many.csv", *options, "--out", "out")


_SET = ("out.safetensors", "out.parquet")
_PAGE = ("out/report.json", "out/report.html")
_STUDY = ("study", "--config", f"{_SOUND}/config.yaml", "--arms", f"{_SOUND}/arm.yaml", f"{_SOUND}/second.yaml")
_COMPARE = ("compare", "run", "second", *_QUICK)

SUBJECTS: Sequence[Subject] = (
    Subject("train", _train("config.yaml"), ("out",), again=_resumed("config.yaml"), grows=True, alone=True),
    Subject("train-frozen", _train("frozen.yaml"), ("out",), again=_resumed("frozen.yaml"), grows=True, alone=True),
    Subject("resume", ("train", "--resume", "stopped"), ("stopped",), needs=("stopped",), grows=True, alone=True),
    Subject("study", (*_STUDY, *_QUICK, "--out", "out"), ("out",), grows=True, alone=True),
    Subject("embed", _embed("run"), _SET, needs=("run",), alone=True),
    Subject("embed-over", _embed("run", "--overwrite"), _SET, ("run", "second"), older=_embed("second"), alone=True),
    Subject(
        "embed-foreign",
        _embed("run"),
        _SET,
        ("run", "second"),
        again=lambda _: _embed("second"),
        foreign=True,
        alone=True,
    ),
    Subject("index", _index("run"), ("out",), needs=("run",), alone=True),
    Subject("index-coded", _index("run", "--storage", "sq8"), ("out",), needs=("run",), alone=True),
    Subject(
        "index-over",
        _index("run", "--overwrite"),
        ("out",),
        ("run", "second"),
        older=_index("second"),
        grows=True,  # between two renames of folders neither is there
        alone=True,
    ),
    Subject(
        "index-add",
        ("index", "add", "archive", "run", "--data.path", f"{_SOUND}/many.csv"),
        ("archive",),
        needs=("run", "archive"),
        grows=True,
        alone=True,
    ),
    Subject(
        "index-fit",
        ("index", "fit", "archive", "--posthoc", "center"),
        ("archive",),
        needs=("archive",),
        grows=True,
        alone=True,
    ),
    Subject("shard", ("shard", "--config", f"{_SOUND}/data.yaml", "--out", "out"), ("out",)),
    Subject("posthoc", _posthoc("method"), _SET),
    Subject("posthoc-over", _posthoc("method", "--overwrite"), _SET, older=_posthoc("other-method")),
    Subject("audit", _audit("set"), _PAGE),
    Subject("audit-over", _audit("set", "--overwrite"), _PAGE, older=_audit("other")),
    Subject("evaluate", ("evaluate", "run", *_QUICK, "--out", "out.json"), ("out.json",), needs=("run",)),
    Subject("compare", (*_COMPARE, "--out", "out"), _PAGE, needs=("run", "second")),
    Subject(
        "compare-over",
        (*_COMPARE, "--overwrite", "--out", "out"),
        _PAGE,
        ("run", "second"),
        older=(*_COMPARE, "--split", "validation", "--out", "out"),
    ),
)
