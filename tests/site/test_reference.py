"""The reference has every public name, and names nothing that is not there."""

import re
from importlib import import_module
from importlib.util import find_spec
from inspect import ismodule
from pathlib import Path

import pytest

import closegap

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PACKAGES = sorted(
    f"closegap.{init.parent.name}"
    for init in ROOT.glob("src/closegap/*/__init__.py")
    if "__all__" in init.read_text(encoding="utf-8")
)
_ENTRY = re.compile(r"^::: (closegap[\w.]*)$", re.MULTILINE)


def documented(page: str) -> list[str]:
    """The dotted names that a page shows."""
    return _ENTRY.findall((REFERENCE / f"{page}.md").read_text(encoding="utf-8"))


def is_module(name: str) -> bool:
    parent, _, _ = name.rpartition(".")
    return hasattr(import_module(parent), "__path__") and find_spec(name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_on_the_page_of_its_package(package: str) -> None:
    page = documented(package.rpartition(".")[2])
    assert sorted(name.rpartition(".")[2] for name in page) == sorted(import_module(package).__all__)


def test_every_name_of_the_face_is_shown() -> None:
    modules = {name for name in closegap.__all__ if ismodule(getattr(closegap, name))}
    assert {name.rpartition(".")[2] for name in documented("closegap")} == {*closegap.__all__} - modules - {
        "__version__"
    }
    assert all(documented(name) for name in modules)
    assert {name.rpartition(".")[2] for name in PACKAGES} <= {page.stem for page in REFERENCE.glob("*.md")}


@pytest.mark.parametrize("page", sorted(page.stem for page in REFERENCE.glob("*.md")))
def test_what_is_shown_is_there_and_no_module_of_the_same_name(page: str) -> None:
    for name in documented(page):
        home, _, last = name.rpartition(".")
        assert hasattr(import_module(home), last), name
        assert not is_module(name), f"{name} is a module; name the one in it"


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")}
    assert len(listed) == len(set(listed))
    assert set(listed) - pages == {"changelog.md", "security.md", "contributing.md", "acceptance.md"}
    assert pages <= set(listed)
