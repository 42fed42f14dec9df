"""METEOR of a corpus, from the statistics per case that METEOR's own program writes."""

import subprocess

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured
from closegap.metrics.bootstrap import Sampled, Statistic, estimates
from closegap.metrics.captions.base import HEADING, CaptionMetric, Judged
from closegap.metrics.captions.coco import coco, coco_folder, java
from closegap.metrics.captions.pairs import Captions
from closegap.metrics.couple import Counts
from closegap.metrics.figure import Figure

_COLUMNS = 23
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75  # METEOR 1.5's for English
_MATCHERS = (1.0, 0.6, 0.8, 0.6)  # weights of exact, stem, synonym and paraphrase matches


def meteor_figure(tokenization: str) -> Figure:
    """The figure of METEOR with these tokens."""
    meaning = f"Matched words, stems, synonyms; tokens: {tokenization}."
    return Figure(f"meteor/{tokenization}", f"METEOR ({tokenization})", HEADING, "higher", meaning=meaning, key=True)


class Meteor(CaptionMetric):
    """Matched words, stems, synonyms and paraphrases."""

    what = "METEOR"

    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """See `meteor_estimates`."""
        judged.require_java()
        figure = meteor_figure(judged.captions.tokenization)
        return {figure: meteor_estimates(judged.captions, judged.groups, counts)[figure.name]}


def meteor_counts(captions: Captions) -> Float[Tensor, "n 23"]:
    """METEOR's statistics of each case against its best reference: sums of rows are those of a corpus.

    Columns: words of the generated caption and of the reference, then how many of these are function words; for each
    of the four matchers the matched content words of either side, then the matched function words of either; chunks;
    matched words of either.

    Raises:
        MissingExtraError: pycocoevalcap, which brings the program, is not installed.
        UsageError: there is no Java, or it stopped.
    """
    command = [java("METEOR"), "-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", coco("meteor.meteor").METEOR_JAR]
    command += ["-", "-", "-stdio", "-l", "en", "-norm"]
    references, generated = captions.as_coco()
    lines = [" ||| ".join(["SCORE", *references[row], *generated[row]]) + "\n" for row in references]
    done = subprocess.run(
        command, input="".join(lines).encode(), capture_output=True, cwd=coco_folder("meteor.meteor"), check=False
    )
    rows = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
    if len(rows) != len(lines) or any(len(row) != _COLUMNS for row in rows):
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise UsageError(
            f"METEOR: Java stopped with {done.returncode} after {len(rows)} of {len(lines)} cases ({reason})"
        )
    return torch.tensor([[float(number) for number in row] for row in rows], dtype=torch.float64)


def meteor_estimates(captions: Captions, groups: Int[Tensor, "n"], counts: Int[Tensor, "b g"]) -> dict[str, Sampled]:
    """METEOR of the corpus, in [0, 1], with draws: the corpus score of each resample; higher is better.

    (1 - g f^b) P R / (a P + (1 - a) R): P and R are weighted shares of matched words (exact, stem, synonym,
    paraphrase; function words count less), f is chunks per matched word, 0 for a caption that is its reference.

    Reference:
        Denkowski and Lavie, Meteor Universal, WMT 2014.
    """
    return estimates(_statistic(meteor_counts(captions), f"meteor/{captions.tokenization}"), groups, counts)


def _statistic(of_cases: Float[Tensor, "n 23"], name: str) -> Statistic:
    words, matched, chunks = of_cases[:, :2], of_cases[:, 21:], of_cases[:, 20]
    whole = (words == matched).all(1) & (chunks == 1)
    of_cases = of_cases.clone()
    of_cases[whole, 20] = 0

    def statistic(weights: Float[Tensor, "b n"]) -> dict[str, Float[Tensor, "b"]]:
        sums = weights @ of_cases
        function = sums[:, 2:4]
        length = _DELTA * (sums[:, :2] - function) + (1 - _DELTA) * function
        # matcher, content or function words, generated or reference
        of_matchers = sums[:, 4:20].view(-1, len(_MATCHERS), 2, 2)
        kinds = torch.tensor([_DELTA, 1 - _DELTA], dtype=torch.float64)
        found = torch.einsum("bmks,m,k->bs", of_matchers, torch.tensor(_MATCHERS, dtype=torch.float64), kinds)
        precision, recall = (found / length).nan_to_num(0.0).unbind(1)
        mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
        fragmentation = sums[:, 20] / sums[:, 21:].mean(1)
        return {name: (mean * (1 - _GAMMA * fragmentation**_BETA)).nan_to_num(0.0)}

    return statistic
