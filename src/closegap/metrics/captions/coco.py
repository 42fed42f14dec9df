"""The one door to pycocoevalcap, the COCO caption evaluation, and to the Java that some of its scores run on."""

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from closegap.errors import UsageError, needs


def coco(module: str) -> Any:
    """A module of pycocoevalcap, "cider.cider".

    Raises:
        MissingExtraError: pycocoevalcap is not installed.
    """
    with needs("caption"):
        return import_module(f"pycocoevalcap.{module}")


def coco_folder(module: str) -> Path:
    """The folder of a module of pycocoevalcap: where its jars lie.

    Raises:
        MissingExtraError: pycocoevalcap is not installed.
    """
    return Path(coco(module).__file__).parent


def java(what: str) -> str:
    """The path of the `java` that `what` needs.

    Raises:
        UsageError: there is none.
    """
    found = shutil.which("java")
    if found is None:
        raise UsageError(f"{what} needs Java, and there is no `java` on the PATH; install a Java runtime")
    return found
