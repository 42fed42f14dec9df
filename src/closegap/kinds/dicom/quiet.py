"""pydicom, which says nothing: its warnings and its log quote the values of tags, and these name patients."""

import logging
import warnings

from closegap.errors import needs

with needs("dicom"):
    import pydicom

pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"pydicom\.")
