"""What a structured report in DICOM says in words."""

from closegap.errors import DataError, needs
from closegap.kinds.dicom import quiet as quiet

with needs("dicom"):
    from pydicom import Dataset

_MOST = 100_000  # content items


def report_text(dataset: Dataset) -> str:
    """The text of all content items of type TEXT, a line each, in the order of the document; "" where it has none.

    Names, dates, codes, numbers and references are items of other types, and left out. What was dictated stays as it
    is: it may name people.

    Args:
        dataset: of a structured report.

    Raises:
        DataError: a damaged one. No value of a tag is in the message.
    """
    lines, seen = list[str](), 0
    try:
        pending = list(reversed(dataset.get("ContentSequence") or ()))
        while pending:
            item, seen = pending.pop(), seen + 1
            if seen > _MOST:
                raise DataError(f"a report of more than {_MOST:,} items; leave it out")
            if item.get("ValueType") == "TEXT" and item.get("TextValue"):
                lines.append(" ".join(str(item.TextValue).split()))
            pending += reversed(item.get("ContentSequence") or ())
    except DataError:
        raise
    except Exception as error:  # hostile and damaged data sets meet pydicom with whatever they please
        raise DataError(f"a damaged report ({type(error).__name__})") from None
    return "\n".join(filter(None, lines))
