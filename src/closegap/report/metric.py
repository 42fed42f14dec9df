"""What a metric's name means to a reader: its label, its place, its better direction and how its value is written."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from closegap.report.report import Estimate

Direction: TypeAlias = Literal["up", "down", "zero", "none"]
"""Better when higher, when lower, when near 0; or neither, for what only explains another number."""

Unit: TypeAlias = Literal["decimal", "percent", "count"]

ARROWS: dict[Direction, str] = {"up": "↑", "down": "↓", "zero": "→0", "none": ""}
WORDS: dict[Direction, str] = {
    "up": "higher is better",
    "down": "lower is better",
    "zero": "near 0 is better",
    "none": "neither direction is better by itself",
}


@dataclass(frozen=True)
class Metric:
    """A metric as a reader sees it.

    Args:
        name: its name in report.json.
        pair: the modalities it is about where there are more than two ("image|caption"), else "".
        base: the name without the pair.
        group: the heading it stands under.
        label: what to call it under that heading.
        direction: where better is.
        unit: how its values are written; "percent" for fractions.
        meaning: one sentence.
        order: its place among all metrics.
    """

    name: str
    pair: str
    base: str
    group: str
    label: str
    direction: Direction
    unit: Unit
    meaning: str
    order: int

    @property
    def title(self) -> str:
        """Label with as much of the group as it needs to stand alone."""
        return self.label if self.group in _PLAIN else f"{self.group.removeprefix('Retrieval, ')} {self.label}"

    def text(self, value: float) -> str:
        """The value as written: percents with one decimal, other numbers with three.

        Example:
            >>> describe("image_to_caption/R@10").text(0.2125)
            '21.2%'
            >>> describe("gap").text(0.1134)
            '0.113'
        """
        return f"{self.number(value)}%" if self.unit == "percent" else self.number(value)

    def number(self, value: float) -> str:
        """The value without its unit sign."""
        if self.unit == "percent":
            return _unsigned_zero(f"{100 * value:.1f}")
        if self.unit == "count":
            return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
        return _unsigned_zero(f"{value:.3f}")

    def interval(self, estimate: Estimate) -> str:
        """The 95% interval as written; empty where there is none.

        Example:
            >>> describe("gap").interval(Estimate(0.11, 0.1, 0.12))
            '[0.100, 0.120]'
        """
        if estimate.low is None or estimate.high is None:
            return ""
        return f"[{self.number(estimate.low)}, {self.number(estimate.high)}]"

    def merit(self, value: float) -> float | None:
        """A number that is higher when the value is better; None where neither direction is."""
        merits = {"up": value, "down": -value, "zero": -abs(value), "none": None}
        return merits[self.direction]


def describe(name: str) -> Metric:
    """The metric of this name; an unknown name is shown as it is, with three decimals and no direction.

    Example:
        >>> describe("image|caption:image_to_caption/R@5").title
        'image → caption R@5'
    """
    pair, _, base = name.rpartition(":")
    for order, (pattern, group, label, direction, unit, meaning) in enumerate(_CATALOGUE):
        match = re.fullmatch(pattern, base)
        if match:
            fields = {key: value.replace("_", " ") for key, value in match.groupdict("").items()}
            return Metric(
                name=name,
                pair=pair,
                base=base,
                group=group.format(**fields),
                label=label.format(**fields).strip(),
                direction=direction,
                unit=unit,
                meaning=meaning.format(**fields),
                order=order,
            )
    return Metric(name, pair, base, "Other", base, "none", "decimal", "", len(_CATALOGUE))


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text


_RETRIEVAL = r"(?P<a>[^/]+)_to_(?P<b>[^/]+)/"
_TO = "Retrieval, {a} → {b}"
_MIXED = "Mixed search"
_BALANCED = "Balanced mixed search"
_CAPTIONS = "Captions"
_NAMED = "Concepts in captions"
_PLAIN = ("Gap", "Grouping", "Distribution", "Geometry", _CAPTIONS, _NAMED, "Other")

# pattern of the name, heading, label, direction, unit, meaning; the order is the order of every table
_CATALOGUE: tuple[tuple[str, str, str, Direction, Unit, str], ...] = (
    ("gap", "Gap", "Modality gap", "down", "decimal", "Distance between the modalities' mean embeddings, 0 to 2."),
    (
        "gap_floor",
        "Gap",
        "Sampling floor",
        "none",
        "decimal",
        "The gap that a sample of this size shows even where the populations have none.",
    ),
    ("gap_debiased", "Gap", "Debiased gap", "down", "decimal", "The gap with its sampling floor taken out."),
    (
        "cos_true_pairs",
        "Gap",
        "cos true pairs",
        "none",
        "decimal",
        "Mean cosine of true pairs; a cone inflates it, so read it beside the null.",
    ),
    ("cos_null", "Gap", "cos null", "zero", "decimal", "Mean cosine of items that do not belong together."),
    ("cos_corrected", "Gap", "cos corrected", "up", "decimal", "Cosine of true pairs minus the null."),
    ("rmg", "Gap", "Relative gap (RMG)", "down", "decimal", "Distance of true pairs relative to distances inside."),
    (_RETRIEVAL + r"R@(?P<k>\d+)", _TO, "R@{k}", "up", "percent", "Queries with a true match in the top {k}."),
    (_RETRIEVAL + "median_rank", _TO, "Median rank", "down", "count", "Median rank of the best true match."),
    (_RETRIEVAL + "mrr", _TO, "MRR", "up", "decimal", "Mean of 1 / rank of the best true match."),
    (_RETRIEVAL + "map", _TO, "mAP", "up", "decimal", "Mean average precision over all true matches."),
    (
        _RETRIEVAL + "(?P<x>hubness_skewness)",
        _TO,
        "Hubness (skewness)",
        "down",
        "decimal",
        "Skewness of how often items are retrieved.",
    ),
    (_RETRIEVAL + "never_retrieved", _TO, "Never retrieved", "down", "percent", "Items in no query's top ten."),
    (_RETRIEVAL + "(?P<x>.+)", _TO, "{x}", "none", "decimal", ""),
    (r"R@(?P<k>\d+)", "Retrieval", "R@{k}", "up", "percent", "Mean over pairs of modalities and directions."),
    (
        r"mixed/R@(?P<k>\d+)",
        _MIXED,
        "R@{k}",
        "up",
        "percent",
        "True counterpart in the top {k} of one index of both modalities; gameable alone.",
    ),
    (
        "mixed/own_modality_share",
        _MIXED,
        "Own-modality share",
        "down",
        "percent",
        "Share of the top ten in the query's own modality.",
    ),
    ("mixed/expected_own_share", _MIXED, "Expected share", "none", "percent", "What a blind index would give."),
    (
        r"mixed/ndcg@(?P<k>\d+)/chance",
        _MIXED,
        "nDCG@{k} by chance",
        "none",
        "decimal",
        "What a random order of the index scores.",
    ),
    (
        r"mixed/ndcg@(?P<k>\d+)[/_]?(?P<x>.*)",
        _MIXED,
        "nDCG@{k} {x}",
        "up",
        "decimal",
        "Graded relevance in one index, own modality counted where it is relevant.",
    ),
    ("mixed/median_rank", _MIXED, "Median rank", "down", "count", "Median rank of the true counterpart."),
    ("mixed/mrr", _MIXED, "MRR", "up", "decimal", "Mean of 1 / rank of the true counterpart."),
    ("mixed/map", _MIXED, "mAP", "up", "decimal", "Mean average precision of the true counterparts."),
    ("mixed/(?P<x>.+)", _MIXED, "{x}", "none", "decimal", ""),
    (
        r"mixed_balanced/R@(?P<k>\d+)",
        _BALANCED,
        "R@{k}",
        "up",
        "percent",
        "Each case is stored in one modality; a further view of it is the query.",
    ),
    (
        "mixed_balanced/modality_difference",
        _BALANCED,
        "Modality difference",
        "zero",
        "percent",
        "Recall of cases stored as one modality minus the other; 0: the index is blind to modality.",
    ),
    ("mixed_balanced/median_rank", _BALANCED, "Median rank", "down", "count", "Median rank of the case."),
    ("mixed_balanced/mrr", _BALANCED, "MRR", "up", "decimal", "Mean of 1 / rank of the case."),
    ("mixed_balanced/map", _BALANCED, "mAP", "up", "decimal", "Mean average precision of the case."),
    ("mixed_balanced/(?P<x>.+)", _BALANCED, "{x}", "none", "decimal", ""),
    (
        "v_measure(/(?P<x>.+))?",
        "Grouping",
        "V-measure {x}",
        "up",
        "decimal",
        "k-means on the pooled modalities against the labels.",
    ),
    ("ari(/(?P<x>.+))?", "Grouping", "ARI {x}", "up", "decimal", "Adjusted Rand index of k-means against the labels."),
    (
        "nmi(/(?P<x>.+))?",
        "Grouping",
        "NMI {x}",
        "up",
        "decimal",
        "Normalised mutual information of k-means and the labels.",
    ),
    ("homogeneity(/(?P<x>.+))?", "Grouping", "Homogeneity {x}", "up", "decimal", "Each cluster holds one label only."),
    (
        "(probe[/_])?majority(/(?P<x>.+))?",
        "Probes",
        "Majority {x}",
        "none",
        "percent",
        "What always naming the commonest label gives.",
    ),
    ("knn[/_](?P<x>.+)", "Probes", "kNN, {x}", "up", "percent", "Nearest neighbours tell the label."),
    ("(linear|probe)[/_](?P<x>.+)", "Probes", "Linear, {x}", "up", "percent", "A linear probe tells the label."),
    (
        "separability_auc",
        "Separability",
        "AUC",
        "down",
        "decimal",
        "How well a classifier tells the modalities apart; 0.5: not at all.",
    ),
    (
        "separability_accuracy",
        "Separability",
        "Accuracy",
        "down",
        "percent",
        "Items whose modality a classifier tells; 50%: as good as guessing.",
    ),
    (
        "(centred_)?frechet(_centred)?",
        "Distribution",
        "Fréchet distance",
        "down",
        "decimal",
        "Between the centred modalities.",
    ),
    ("(squared_)?mmd", "Distribution", "MMD", "down", "decimal", "Maximum mean discrepancy of the modalities."),
    ("mean_angular/(?P<x>.+)", "Geometry", "Mean cosine, {x}", "none", "decimal", "Mean cosine inside {x}."),
    ("uniformity/(?P<x>.+)", "Geometry", "Uniformity, {x}", "down", "decimal", "Spread inside {x} over the sphere."),
    ("cross_uniformity", "Geometry", "Cross-uniformity", "down", "decimal", "Spread between non-pairs."),
    ("centroid_uniformity", "Geometry", "Centroid uniformity", "down", "decimal", "Spread of the cases' centroids."),
    (
        "effective_rank/?(?P<x>.*)",
        "Geometry",
        "Effective rank {x}",
        "up",
        "count",
        "Number of dimensions in use (entropy of singular values).",
    ),
    (
        "gap_top_dimensions",
        "Geometry",
        "Gap in its top dimensions",
        "none",
        "percent",
        "Share of the squared gap that its few largest dimensions carry.",
    ),
    (
        r"bleu-(?P<n>\d)/(?P<x>.+)",
        _CAPTIONS,
        "BLEU-{n} ({x})",
        "up",
        "decimal",
        "Share of n-grams up to {n} words that the reference has, of the corpus; tokens: {x}.",
    ),
    ("rouge-l/(?P<x>.+)", _CAPTIONS, "ROUGE-L ({x})", "up", "decimal", "Longest common subsequence; tokens: {x}."),
    (
        "cider/(?P<x>.+)",
        _CAPTIONS,
        "CIDEr ({x})",
        "up",
        "decimal",
        "Likeness of n-grams, weighted by how few cases have them, 0 to 10; tokens: {x}.",
    ),
    ("meteor/(?P<x>.+)", _CAPTIONS, "METEOR ({x})", "up", "decimal", "Matched words, stems, synonyms; tokens: {x}."),
    ("spice/(?P<x>.+)", _CAPTIONS, "SPICE ({x})", "up", "decimal", "Matched objects and relations; tokens: {x}."),
    (
        "rouge-1/imageclef",
        _CAPTIONS,
        "ROUGE-1 (ImageCLEF)",
        "up",
        "decimal",
        "Common words, as ImageCLEFmedical has it.",
    ),
    (
        "bertscore/(?P<x>.+)",
        _CAPTIONS,
        "BERTScore ({x})",
        "up",
        "decimal",
        "Words matched by the language model {x}; unscaled, so even unrelated captions score well above 0.",
    ),
    (
        "concept_f1/(?P<x>reference_text|case_concepts)/(?P<y>.+)",
        _NAMED,
        "Concept F1, {x}",
        "up",
        "decimal",
        "Concepts that captions name by {y} terms against those of the {x}.",
    ),
    (
        "concept_precision/(?P<x>reference_text|case_concepts)/(?P<y>.+)",
        _NAMED,
        "Concept precision, {x}",
        "up",
        "decimal",
        "Named concepts that are right; low is invention.",
    ),
    (
        "concept_recall/(?P<x>reference_text|case_concepts)/(?P<y>.+)",
        _NAMED,
        "Concept recall, {x}",
        "up",
        "decimal",
        "Concepts that are named; low is silence.",
    ),
    (
        "distinct_captions",
        _CAPTIONS,
        "Distinct",
        "none",
        "percent",
        "Different captions among all; next to 0 is a captioner that says one thing.",
    ),
    ("mean_words/?(?P<x>.*)", _CAPTIONS, "Words {x}", "none", "count", "Mean length of the captions in words."),
)
