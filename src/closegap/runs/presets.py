"""The configs that come with closegap."""

from pathlib import Path

from closegap.errors import ClosegapError

ARMS = ("arms/clip-learnable.yaml", "arms/clip-fixed.yaml", "arms/closegap.yaml")
DEMO_ARMS = (*ARMS[:2], "arms/demo-closegap.yaml")
CAPTION_ARMS = ("arms/captions-pairs.yaml", "arms/captions-text.yaml")


def preset(name: str) -> Path:
    """The path of a config: inside the installed package, or at the root of a working copy."""
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parents[1] / "configs"):
        if (folder / name).is_file():
            return folder / name
    raise ClosegapError(f"the config {name} did not come with this installation; install closegap again")
