"""SPICE of captions: pycocoevalcap's F1 of scene-graph tuples per case, where its models and an old Java are there."""

import subprocess

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.captions.base import HEADING, CaptionMetric, Judged
from closegap.metrics.captions.coco import coco, coco_folder, java
from closegap.metrics.captions.pairs import Captions
from closegap.metrics.couple import Counts
from closegap.metrics.figure import Figure

_MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def spice_figure(tokenization: str) -> Figure:
    """The figure of SPICE with these tokens."""
    meaning = f"Matched objects and relations; tokens: {tokenization}."
    return Figure(f"spice/{tokenization}", f"SPICE ({tokenization})", HEADING, "higher", meaning=meaning, key=True)


class Spice(CaptionMetric):
    """Matched objects, attributes and relations."""

    what = "SPICE"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `spice_estimates`."""
        judged.require_java()
        figure = spice_figure(judged.captions.tokenization)
        return {figure: spice_estimates(judged.captions, judged.groups, counts)[figure.name]}


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
