"""The pinned packages are those that the project declares, each with digests, from wherever a person gets packages."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
_RUN = ("train", "image", "text", "plots", "caption")
_DEV = (
    "open-clip",
    "sentence-transformers",
    "lora",
    "mteb",
    "bench",
    "hub",
    "onnx",
    "pandas",
    "search",
    "postgres",
    "milvus",
    "dicom",
    "deidentify",
    "dev",
)


def declared(*extras: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return [found for found in map(Requirement, lines) if found.name != project["name"]]


def pinned(name: str) -> dict[str, list[Requirement]]:
    """Each package with its pins, one for each range of Pythons that differs."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    found: dict[str, list[Requirement]] = {}
    for block in re.split(r"\n(?=\S)", text.replace(" \\\n", "\n")):
        line, *digests = [part.strip() for part in block.splitlines() if not part.strip().startswith("#")] or [""]
        if line:
            assert digests, f"{line}: no digest"
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", digest) for digest in digests)
            requirement = Requirement(line)
            found.setdefault(requirement.name, []).append(requirement)
    return found


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("run", _RUN),
        ("dev", (*_RUN, *_DEV, "offline")),
    ],
)
def test_what_is_declared_is_pinned(name: str, extras: tuple[str, ...]) -> None:
    found = pinned(name)
    for wanted in declared(*extras):
        for pin in found[wanted.name.lower().replace("_", "-")]:
            (one,) = pin.specifier
            assert one.operator == "=="
            assert wanted.specifier.contains(one.version), f"{pin} of requirements/{name}.txt; run `make lock`"


def test_both_files_pin_the_same_versions() -> None:
    run, dev = pinned("run"), pinned("dev")
    assert run.keys() < dev.keys()
    of_run = {name: [pin.specifier for pin in pins] for name, pins in run.items()}
    assert {name: [pin.specifier for pin in dev[name]] for name in run} == of_run


@pytest.mark.parametrize("name", ["run", "dev"])
def test_no_place_is_named(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|file:", text)
