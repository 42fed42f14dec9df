"""Where cases come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path

from closegap.checked import Checked
from closegap.data.case import Row
from closegap.kinds.base import Kind


class Source(Checked, ABC):
    """A data set as somebody published it. It reports broken rows and leaves the policy to `load_cases`."""

    @property
    @abstractmethod
    def kinds(self) -> Mapping[str, Kind]:
        """Name of each modality that cases can have, to the kind of its items.

        Raises:
            DataError: they depend on what is on the disk, and nothing is there.
        """

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """All cases of all splits, and the rows that could not be read, in a fixed order.

        Raises:
            DataError: the data set as a whole is unusable (no such folder, no captions file, no such column).
        """

    @property
    def data_root(self) -> Path | None:
        """The folder that the data lie in, which messages about rows leave out of paths; None where there is none."""
        return None

    @property
    def identity(self) -> str | None:
        """What it is, told without a name, where its rows come and go, as in an archive that is in use; else None.

        Long work on such a source goes on with the rows that are there then, where any other has to be as it was.
        """
        return None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that cases can have."""
        return tuple(self.kinds)
