"""Several frames of a DICOM data set in one picture."""

from math import ceil, sqrt

from closegap.errors import needs
from closegap.kinds.dicom.picture import frame_count, picture
from closegap.kinds.dicom.windowing import Window

with needs("dicom"):
    from PIL import Image
    from pydicom import Dataset

_MOST, _SIDE = 16, 256


def montage(dataset: Dataset, window: Window | None = None) -> Image.Image:
    """Up to 16 frames, evenly spaced from the first to the last, row by row, each of at most 256 pixels a side.

    Args:
        dataset: as of `picture`.
        window: as of `picture`.

    Raises:
        DataError: as of `picture`.
    """
    frames = frame_count(dataset)
    shown = min(frames, _MOST)
    chosen = [round(i * (frames - 1) / max(1, shown - 1)) for i in range(shown)]
    tiles = []
    for index in chosen:
        tile = picture(dataset, index, window)
        tile.thumbnail((_SIDE, _SIDE))
        tiles.append(tile)
    across = ceil(sqrt(shown))
    width, height = tiles[0].size
    found = Image.new(tiles[0].mode, (across * width, ceil(shown / across) * height))
    for place, tile in enumerate(tiles):
        found.paste(tile, (place % across * width, place // across * height))
    return found
