"""Options of the verbs, given wrongly."""

import shutil
from pathlib import Path

from acceptance.inputs.arrays import good, npy
from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import STRANGE

_NUMBERS = ("0", "-1", "x", "1.5", "nan", "inf", "1e3", "", "99999999999999999999", "1" * 400, "null", "١٢")
_TEXTS = (
    "",
    ",",
    "a",
    "a,b,c",
    "a,a",
    "é,\U0001f600",
    "x/y,../z",
    "a" * 3000 + ",b",
    "a,b,",
    *(text.replace("\0", "") for text in STRANGE),
)
_PATHS = (
    "",
    ".",
    "/",
    "a.npy",
    "/proc/x",
    "/dev/null",
    "/dev/null/x",
    "nowhere",
    "a" * 300,
    "out/" * 60,
    "set.safetensors",
    "run",
)
_CLASSES = (
    "os.system",
    "builtins.eval",
    "x",
    "",
    ".",
    "closegap",
    "closegap.losses.InfoNCE",
    "subprocess.Popen",
    "nowhere.Class",
)


def make(place: Place) -> Case:
    """A verb with one option or argument that is not what it should be."""
    random = place.random
    pick = random.choice
    for name in "ab":
        Path(f"{name}.npy").write_bytes(npy(good(random)))
    for name in ("set.safetensors", "set.parquet", "method.safetensors"):
        shutil.copy(place.sound / name, name)
    shutil.copytree(place.sound / "run", "run")
    audit = ["audit", "a.npy", "b.npy", "--resamples", "2", "--metrics", "quick"]
    phantoms = ["shard", "--data", "closegap.phantom.Phantoms", "--data.size", "32", "--data.cases"]
    apply = ["posthoc", "apply", "method.safetensors", "set.safetensors"]
    fit = ["posthoc", "fit", "--method", "shift", "--train", "set.safetensors"]
    train = ["train", "--config", str(place.sound / "config.yaml"), "--train.steps", "1"]
    calls = [
        *([*audit, "--names", pick(_TEXTS)], [*audit[:3], "--metrics", "quick", "--resamples", pick(_NUMBERS)]),
        *(
            [*audit, "--posthoc", pick(["all", "shift", "x", "", "shift shift", *_CLASSES])],
            [*audit[:5], "--metrics", pick(_CLASSES)],
        ),
        *(
            [*audit, "--ids", pick(_PATHS)],
            [*audit, "--train", pick(_PATHS), "--posthoc", "all"],
            [*audit, "--labels", pick(_PATHS)],
        ),
        *(
            ["audit", pick(_PATHS), pick(_PATHS)],
            ["audit", "a.npy"],
            ["audit"],
            ["audit", "run"],
            [*audit, pick(_TEXTS)],
        ),
        *(
            [*phantoms, pick([*_NUMBERS[:6], "2"])],
            [*phantoms, "2", "--seed", pick(_NUMBERS)],
            [*phantoms, "2", "--shard_mib", pick(_NUMBERS)],
        ),
        *(
            ["shard", "--data", pick(_CLASSES)],
            ["shard", "--data", "closegap.data.ImageFolder", "--data.root", pick(_PATHS)],
        ),
        *(
            [*apply[:3], pick(_PATHS)],
            [*apply[:2], pick(_PATHS), "set.safetensors"],
            [*apply, "--method", pick(_CLASSES)],
        ),
        *(
            [*fit, "--fraction", pick(_NUMBERS)],
            [*fit[:3], pick([*_CLASSES, "procrustes", "whiten"]), *fit[4:]],
            [*fit[:5], pick(_PATHS)],
        ),
        *(
            ["embed", "run", "--split", pick(_TEXTS)],
            ["embed", pick(_PATHS)],
            ["embed", "run", "--images", pick(_PATHS)],
        ),
        *(["embed", "run", "--batch-size", pick(_NUMBERS)], ["embed", "run", "--data.path", pick(_PATHS)]),
        *(
            ["evaluate", "run", "--split", pick(_TEXTS)],
            ["evaluate", pick(_PATHS)],
            ["compare", "run", pick(_PATHS)],
            ["compare", pick(_PATHS)],
        ),
        *(
            [*train, "--seed", pick(_NUMBERS)],
            [*train, f"--train.{pick(['lr', 'batch_size', 'betas', 'warmup', 'x'])}", pick(_NUMBERS)],
        ),
        *(
            [*train, pick(["--loss", "--model.head", "--data", "--objective"]), pick(_CLASSES)],
            ["train", "--config", pick(_PATHS)],
        ),
        *(
            ["train", "--resume", pick(_PATHS)],
            ["train", "--resume"],
            ["train"],
            ["caption", "run"],
            ["caption", pick(_PATHS)],
        ),
        *(
            ["study", "--config", pick(_PATHS)],
            ["study", "--config", str(place.sound / "config.yaml"), "--seeds", pick(_NUMBERS)],
        ),
        *(
            ["demo", "--steps", pick(_NUMBERS[:6])],
            [pick(_TEXTS)],
            [pick(["--nonsense", "audti", "-x", "--print-completion"])],
            ["posthoc", pick(_TEXTS)],
        ),
    ]
    arguments = pick(calls)
    outs = {"embed": "out.safetensors", "posthoc": "out.safetensors", "evaluate": "out.json"}
    if arguments[:2] != ["train", "--resume"]:
        arguments = [*arguments, "--out", outs.get(arguments[0], "out") if random.random() < 0.85 else pick(_PATHS)]
    return Case(arguments)
