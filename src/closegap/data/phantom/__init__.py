"""Phantoms: generated chest studies, each a function of a seed and an index."""

from closegap.data.phantom.bounds import retrieval_bounds
from closegap.data.phantom.image import PhantomImage
from closegap.data.phantom.report import write_report
from closegap.data.phantom.source import Phantoms
from closegap.data.phantom.study import Finding, Study, draw_study

__all__ = ["Finding", "PhantomImage", "Phantoms", "Study", "draw_study", "retrieval_bounds", "write_report"]
