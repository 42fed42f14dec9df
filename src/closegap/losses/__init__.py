"""Losses over the embeddings of a batch: pure functions of tensors, and modules that name and weight their terms."""

from closegap.losses.base import Loss
from closegap.losses.centroid_uniformity import CentroidUniformity, centroid_uniformity
from closegap.losses.centroids import centroids
from closegap.losses.compose import AUTHORS_ALIGN, AUTHORS_UNIFORMITY, GapClosing, Weighted, WeightedSum
from closegap.losses.contrastive import InfoNCE, info_nce
from closegap.losses.cyclip import CyCLIP
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.over_negatives import logsumexp_over_negatives, sum_over_negatives
from closegap.losses.processes import Processes, dividing_work
from closegap.losses.rows import mean_over_pairs
from closegap.losses.sigmoid import SigLIP
from closegap.losses.tiling import tiling
from closegap.losses.true_pairs import AlignToCentroid, AlignTruePairs, centroid_distance, true_pair_distance
from closegap.losses.uniformity import UniformityAlignment, cross_uniformity, uniformity
from closegap.losses.volume import GramVolume

__all__ = [
    "AUTHORS_ALIGN",
    "AUTHORS_UNIFORMITY",
    "AlignToCentroid",
    "AlignTruePairs",
    "CentroidUniformity",
    "CyCLIP",
    "EmbeddedBatch",
    "GapClosing",
    "GramVolume",
    "InfoNCE",
    "Loss",
    "Processes",
    "SigLIP",
    "UniformityAlignment",
    "Weighted",
    "WeightedSum",
    "centroid_distance",
    "centroid_uniformity",
    "centroids",
    "cross_uniformity",
    "dividing_work",
    "info_nce",
    "logsumexp_over_negatives",
    "mean_over_pairs",
    "sum_over_negatives",
    "tiling",
    "true_pair_distance",
    "uniformity",
]
