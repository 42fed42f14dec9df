"""Pictures that stay in a PACS until they are needed."""

from dataclasses import dataclass, field

from closegap.data.dicomweb.pacs import Pacs
from closegap.errors import DataError, needs
from closegap.kinds.dicom.picture import picture

with needs("dicom"):
    from PIL import Image


@dataclass(frozen=True, repr=False)
class RemotePicture:
    """An instance in a PACS; an `ImageSource`.

    Args:
        pacs: where it is.
        study: its UID, and so are the two others.
        series: of it.
        instance: itself; what is stored under a UID never changes.
        name: what messages say.
        pseudonym: what tells it from any other.
    """

    pacs: Pacs
    study: str
    series: str
    instance: str
    name: str = field(compare=False)
    pseudonym: str = field(compare=False)

    def open(self) -> Image.Image:
        """The picture, fetched anew.

        Raises:
            DataError: one that the PACS does not give, or that cannot be decoded.
            UnavailableError: no answer.
        """
        try:
            return picture(self.pacs.retrieve(self.study, self.series, self.instance))
        except DataError as error:
            raise DataError(f"{self.name}: {error}") from None

    def fingerprint(self) -> bytes:
        """Its pseudonym: nothing is fetched, and nobody reads a UID from it."""
        return self.pseudonym.encode()

    def __repr__(self) -> str:
        return self.name
