"""Kills one command at each of its changes of files, and says what is found then, and after the command is given again.

    python -m tests.acceptance.kills FOLDER SCENARIO

FOLDER holds what the scenario starts from; prints a JSON list of [found after the kill, found in the end].
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch

import closegap.api.bars
import closegap.cli.embed
import closegap.cli.posthoc
import closegap.cli.shard
import closegap.data.readers.write_shards
import closegap.infer.parts
import closegap.infer.ray
import closegap.models
import closegap.phantom
import closegap.posthoc
import closegap.runs.config
import closegap.runs.open  # all of it before the first fork, so that no child imports anything  # noqa: F401
from closegap.cli import main
from closegap.embeddings import EmbeddingSet
from closegap.errors import DataError
from closegap.files import file_digest

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod"}


def killed(moment: int, folder: Path, arguments: list[str]) -> bool:
    """Whether the command, in a process of its own, got as far as that change of something in the folder."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        with Path(os.devnull).open("w") as silence:
            os.dup2(silence.fileno(), 1)
            os.dup2(silence.fileno(), 2)
        sys.addaudithook(_killer(moment, str(folder)))
        os._exit(main(arguments))
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, (arguments, status)
    return False


def _killer(moment: int, folder: str) -> Callable[[str, tuple[object, ...]], None]:
    count = 0

    def hook(event: str, given: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in _CHANGES) and str(given[0]).startswith(folder):
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def moments(work: Path, before: Path, arguments: list[str], look: Callable[[Path], str]) -> list[list[str]]:
    """What `look` sees in `work`, which begins as a copy of `before`, after each kill, and after the same command."""
    seen: list[list[str]] = []
    going = True
    while going:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(before, work)
        going = killed(len(seen) + 1, work, arguments)
        found = look(work)
        if "--overwrite" in arguments or found == "nothing":
            assert not killed(10**9, work, arguments)
        left = sorted(file.name for file in work.rglob("*") if file.name.startswith(".") or "unfinished" in file.name)
        seen.append([found, " ".join([look(work), *left])])
    return seen


def _set(work: Path) -> str:
    try:
        found = EmbeddingSet.load(work / "out.safetensors")
    except DataError:
        return "refused" if (work / "out.safetensors").exists() else "nothing"
    rows = torch.stack(list(found.embeddings.values())).double().sum(2).round(decimals=4).tolist()
    return f"{found.ids} {rows}"


def _shards(work: Path) -> str:
    if not (work / "shards").exists():
        return "nothing"
    return " ".join(f"{file.name} {file_digest(file)}" for file in sorted((work / "shards").iterdir()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    root, scenario = Path(sys.argv[1]), sys.argv[2]
    work, out = root / "work", str(root / "work" / "out.safetensors")
    maps = [str(root / f"{name}.safetensors") for name in ("map", "set")]
    phantoms = ["--data", "closegap.phantom.Phantoms", "--data.cases", "4", "--data.size", "32"]
    commands: dict[str, tuple[Callable[[Path], str], list[str]]] = {
        "embed": (_set, ["embed", str(root / "run"), "--split", "validation", "--out", out, "--overwrite"]),
        "posthoc": (_set, ["posthoc", "apply", *maps, "--out", out, "--overwrite"]),
        "shard": (_shards, ["shard", *phantoms, "--out", str(work / "shards")]),
    }
    look, arguments = commands[scenario]
    print(json.dumps(moments(work, root / "before", arguments, look)))
