"""Search a folder of images by words with what `closegap export runs/a --onnx DIR` wrote; closegap is not needed.

python examples/onnx_search.py chest-onnx IMAGES "pleural effusion"
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from PIL import Image
from tokenizers import Tokenizer

folder, images, words = Path(sys.argv[1]), sorted(Path(sys.argv[2]).iterdir()), sys.argv[3]
about = json.loads((folder / "closegap-onnx.json").read_text(encoding="utf-8"))["modalities"].values()
image = next(one for one in about if one["kind"] == "image")
text = next(one for one in about if "tokenizer" in one["preparation"])


def square(path: Path) -> np.ndarray:
    side = image["preparation"]["resize"]["longest_side"]
    picture, canvas = Image.open(path), Image.new("RGB", (side, side))
    picture.draft(None, tuple(round(2 * side * length / max(picture.size)) for length in picture.size))
    width, height = (max(1, round(length * side / max(picture.size))) for length in picture.size)
    small = picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    canvas.paste(small, ((side - width) // 2, (side - height) // 2))
    return np.asarray(canvas).transpose(2, 0, 1)


tokens = Tokenizer.from_file(str(folder / text["preparation"]["folder"] / "tokenizer.json")).encode_batch([words])
asked = {"input_ids": [one.ids for one in tokens], "attention_mask": [one.attention_mask for one in tokens]}
(query,) = InferenceSession(folder / text["graph"]).run(None, {name: np.array(ids) for name, ids in asked.items()})
(rows,) = InferenceSession(folder / image["graph"]).run(None, {"pixels": np.stack([square(path) for path in images])})
cosines = rows @ query[0]
for place in np.argsort(-cosines)[:10]:
    print(f"{cosines[place]:.4f} {images[place].name}")
