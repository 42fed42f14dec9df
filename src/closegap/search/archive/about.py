"""What an archive says of itself, in the file that makes a folder one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from closegap.errors import DataError, UsageError
from closegap.files import write_text

ABOUT = "archive.json"
_FORMAT = 1


@dataclass(frozen=True)
class Modality:
    """What the items of a modality are.

    Args:
        noun: what one is called.
        visual: whether it is shown as a picture; what is not is shown as a text.
    """

    noun: str = "item"
    visual: bool = False


@dataclass(frozen=True)
class Engine:
    """Where an archive's rows lie, if not in its folder.

    Args:
        address: of `open_index`, without a password.
        id: by which the index there knows the archive.
    """

    address: str
    id: str


@dataclass(frozen=True)
class About:
    """What is fixed when an archive is built.

    Args:
        modalities: name to what its items are, in order.
        model: whether the archive has a model, and can be asked by texts and images.
        source: what it was built from, in a word or two.
        engine: that keeps its rows; None for the folder itself.
        labels: names of the labels that rows have, among what else filters know of them.
        thumbnails: whether pictures are kept of what is visual.
        relinkage_limit: of an archive that was declared to be de-identified, the share of items that may be re-linked;
            None for any other.
    """

    modalities: Mapping[str, Modality]
    model: bool
    source: str
    engine: Engine | None = None
    labels: tuple[str, ...] = ()
    thumbnails: bool = False
    relinkage_limit: float | None = None
    format: int = field(default=_FORMAT)

    def write(self, folder: Path) -> None:
        """Write it into the archive's folder, whole or not at all."""
        write_text(folder / ABOUT, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "About":
        """What the folder says.

        Raises:
            UsageError: no archive.
            DataError: a damaged file, or one of another version.
        """
        path = folder / ABOUT
        if not path.is_file():
            raise UsageError(f"{folder}: no archive; build one with `closegap index build`, or name the folder of one")
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            if said.get("format") != _FORMAT:
                raise DataError(f"{path}: not of this version; build the archive again")
            return _about(said)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise DataError(f"{path}: damaged ({reason}); take it from a backup") from error


def _about(said: Mapping[str, Any]) -> About:
    modalities = {str(name): Modality(str(of["noun"]), bool(of["visual"])) for name, of in said["modalities"].items()}
    rest = {item.name: said[item.name] for item in fields(About) if item.name != "modalities"}
    engine = None if said["engine"] is None else Engine(str(said["engine"]["address"]), str(said["engine"]["id"]))
    return About(modalities, **rest | {"labels": tuple(map(str, said["labels"])), "engine": engine})
