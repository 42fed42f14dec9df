"""What nothing is wrong with: the table, run, set, method, shards and model that inputs are made of."""

from pathlib import Path
from shutil import copytree
from typing import Any

import yaml

from acceptance import tiny
from acceptance.forked import Child, Command, run
from acceptance.moments import Moment

NAME = "sound"


def make_sound(cases: Path, seen: Path, environment: dict[str, str]) -> Path:
    """The folder `cases`/sound, made by closegap itself.

    Args:
        cases: the folder of all cases; paths in what is made lead from one case to this.
        seen: for what is seen of the commands.
        environment: of the commands.

    Raises:
        RuntimeError: a command failed.
    """
    folder = cases / NAME
    folder.mkdir(parents=True)
    tiny.write_images(folder / "images")
    tiny.write_table(folder / "cases.csv", tiny.rows())
    path = f"../{NAME}/cases.csv"
    config = tiny.config(path)
    config["data"]["init_args"] |= {"group": "patient", "labels": ["sex"]}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    pictures = tiny.config(path, "image", "report", steps=1)
    (folder / "pictures.yaml").write_text(yaml.safe_dump(pictures))
    (folder / "data.yaml").write_text(yaml.safe_dump({"data": tiny.manifest(path, labels=["sex"])}))
    (folder / "arm.yaml").write_text("arm: other\n")

    def call(*arguments: str, moment: Moment | None = None) -> None:
        outcome = run(Command(arguments, folder, moment), seen, environment)
        if outcome.code != (0 if moment is None else -9):
            raise RuntimeError(f"closegap {' '.join(arguments)}: exit {outcome.code}: {outcome.err}")

    call("train", "--config", "config.yaml", "--out", "run")
    # A run that was killed right before its last checkpoint got its name.
    last = folder / "stopped" / "checkpoints" / "step-00000003"
    call("train", "--config", "config.yaml", "--out", "stopped", moment=Moment(last, number=1))
    call("train", "--config", "pictures.yaml", "--out", "pictures")
    for split, name in (("train", "train"), ("validation", "other"), ("test", "set")):
        call("embed", "run", "--split", split, "--out", f"{name}.safetensors")
    call("posthoc", "fit", "--method", "shift", "--train", "train.safetensors", "--out", "method.safetensors")
    call("posthoc", "apply", "method.safetensors", "set.safetensors", "--out", "moved.safetensors")
    call("shard", "--config", "data.yaml", "--out", "shards")
    saved = Child(_save_model, folder, seen=seen).wait()
    if saved.code != 0:
        raise RuntimeError(f"save_pretrained: {saved.err}")
    return folder


def copied(sound: Path, folder: Path, *names: str) -> None:
    """Copy sound files and folders."""
    for name in names:
        if (sound / name).is_dir():
            copytree(sound / name, folder / name)
        else:
            (folder / name).write_bytes((sound / name).read_bytes())


def _save_model(seen: Path, folder: Path) -> dict[str, Any]:
    import os

    import closegap

    os.chdir(folder)
    closegap.load("run").save_pretrained("model")
    return {}
