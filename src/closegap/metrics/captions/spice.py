"""SPICE of captions: pycocoevalcap's F1 of scene-graph tuples per case, where its models and an old Java are there."""

import subprocess

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.captions.coco import coco, coco_folder, java
from closegap.metrics.captions.pairs import Captions

_MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def spice(captions: Captions) -> Float[Tensor, "n"]:
    """SPICE of each case, in [0, 1]; higher is better. NaN where neither side names an object.

    Nothing is downloaded: the parser's models must lie where pycocoevalcap looks for them.

    Raises:
        MissingExtraError: pycocoevalcap is not installed.
        UsageError: no Java, no models, or SPICE stopped.

    Reference:
        Anderson et al., SPICE: Semantic Propositional Image Caption Evaluation, ECCV 2016.
    """
    module = coco("spice.spice")
    java("SPICE")
    library = coco_folder("spice.spice") / "lib"
    missing = [name for name in _MODELS if not (library / name).is_file()]
    if missing:
        raise UsageError(f"SPICE needs Stanford CoreNLP 3.6.0, and {missing[0]} is not in pycocoevalcap's spice/lib")
    try:
        of_cases = module.Spice().compute_score(*captions.as_coco())[1]
    except (subprocess.CalledProcessError, OSError) as error:
        raise UsageError(f"SPICE stopped ({error}); it needs Java 8 and 8 GB of memory") from error
    return torch.tensor([case["All"]["f"] for case in of_cases], dtype=torch.float64)


def spice_estimates(captions: Captions, groups: Int[Tensor, "n"], counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """Mean of `spice` with draws."""
    return estimates(weighted_means({f"spice/{captions.tokenization}": spice(captions)}), groups, counts)
