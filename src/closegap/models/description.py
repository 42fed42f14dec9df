"""What a model's folder says of its parts, in JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from closegap.errors import ClosegapError
from closegap.files import digest, regular

_FORMAT = 2
_DIGEST = "digest"  # of all the rest


@dataclass(frozen=True)
class PartDescription:
    """A head or a temperature.

    Args:
        class_path: its class.
        init_args: what its constructor is given.
    """

    class_path: str
    init_args: Mapping[str, Any]


@dataclass(frozen=True)
class TowerDescription:
    """An encoder.

    Args:
        class_path: its class.
        init_args: what its constructor was given; None where JSON has no form for it.
        packed: what it is rebuilt from where its weights are inside the folder; None for one that is named.
        frozen: whether no parameter of it is trained.
        fingerprint: of its weights and preparation.
    """

    class_path: str
    init_args: Mapping[str, Any] | None
    packed: Mapping[str, Any] | None
    frozen: bool
    fingerprint: str


@dataclass(frozen=True)
class ModelDescription:
    """A model.

    Args:
        dim: width of the shared space.
        encoders: by modality, in order.
        heads: by modality.
        temperature: what cosines are divided by.
        posthoc: whether a fitted map is beside it.
        files: path in the folder to the digest of each of the other files.
    """

    dim: int
    encoders: Mapping[str, TowerDescription]
    heads: Mapping[str, PartDescription]
    temperature: PartDescription
    posthoc: bool
    files: Mapping[str, str]

    def write(self, path: Path) -> None:
        """Write `path`."""
        said = {"format": _FORMAT, **asdict(self)}
        text = json.dumps({**said, _DIGEST: _digest(said)}, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "ModelDescription":
        """What `write` wrote.

        Raises:
            ClosegapError: no such file, or one that says something else.
        """
        try:
            content = json.loads(regular(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ClosegapError(f"{path}: no such file; expected a folder that save_pretrained wrote") from None
        except (OSError, RecursionError, ValueError) as error:
            raise ClosegapError(f"{path}: damaged ({error}); save the model again") from error
        version = content.get("format") if isinstance(content, dict) else None
        if version != _FORMAT:
            raise ClosegapError(f"{path}: {_of_another_version(version)}")
        if content.pop(_DIGEST, None) != _digest(content):
            raise ClosegapError(
                f"{path}: damaged (not what was written); copy the folder again, or save the model again"
            )
        try:
            found = cls(
                dim=content["dim"],
                encoders={name: TowerDescription(**entry) for name, entry in content["encoders"].items()},
                heads={name: PartDescription(**entry) for name, entry in content["heads"].items()},
                temperature=PartDescription(**content["temperature"]),
                posthoc=content["posthoc"],
                files=dict(content["files"].items()),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ClosegapError(f"{path}: damaged ({type(error).__name__}: {error}); save the model again") from error
        if found.heads.keys() != found.encoders.keys():
            raise ClosegapError(f"{path}: damaged (heads and encoders of other modalities); save the model again")
        return found


def _of_another_version(version: Any) -> str:
    if isinstance(version, int) and version > _FORMAT:
        return f"format {version}, this closegap reads {_FORMAT}; install a newer one to load the model"
    return f"format {version}, this closegap reads {_FORMAT}; save the model again, from its run, with this one"


def _digest(said: Mapping[str, Any]) -> str:
    return digest(json.dumps(said, sort_keys=True).encode())
