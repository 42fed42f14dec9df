"""The chest from the side: the breast bone is at the image's left, the spine at its right."""

from closegap.data.phantom.film import Film
from closegap.data.phantom.study import Study


def paint_lateral(film: Film, study: Study) -> None:
    """Everything a lateral film shows."""
