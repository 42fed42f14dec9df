"""Phantoms: generated chest studies and electrocardiograms, each a function of a seed and an index."""

from closegap.phantom.bounds import retrieval_bounds
from closegap.phantom.ecg_source import EcgPhantoms
from closegap.phantom.image import PhantomImage
from closegap.phantom.report import write_report
from closegap.phantom.source import Phantoms
from closegap.phantom.study import Finding, Study, draw_study

__all__ = [
    "EcgPhantoms",
    "Finding",
    "PhantomImage",
    "Phantoms",
    "Study",
    "draw_study",
    "retrieval_bounds",
    "write_report",
]
