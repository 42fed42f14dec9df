"""The site that `make docs` built: nothing is fetched, and its search answers from a file."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.search.service.paged import browser, opened

SITE = Path(__file__).parents[2] / "site"
_LOADED = re.compile(r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(https?:)?//""")
_LINKED = re.compile(r"""<link\b[^>]*\bhref=["']?(?:https?:)?//[^>]*>""")
_IN_STYLE = re.compile(r"""(?:url\(["']?|@import\s+["'])(?:https?:)?//""")

pytestmark = pytest.mark.skipif(not SITE.is_dir(), reason="no site/; `make docs` builds it")


def test_pages_load_nothing_from_elsewhere() -> None:
    pages = list(SITE.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not _LOADED.search(text), page
        assert not [link for link in _LINKED.findall(text) if 'rel="canonical"' not in link], page
    for style in SITE.rglob("*.css"):
        assert not _IN_STYLE.search(style.read_text(encoding="utf-8")), style


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(("asked", "found"), [("placebo", "glossary"), ("GramVolume", "reference/losses")])
def test_search_answers_from_a_file(window: Browser, asked: str, found: str) -> None:
    requests: list[str] = []
    with opened(window, (SITE / "index.html").as_uri()) as page:
        page.on("request", lambda request: requests.append(request.url))
        page.reload()
        page.fill("input.md-search__input", asked)
        page.locator(f"a.md-search-result__link[href*='{found}.html']").first.wait_for(state="attached", timeout=20_000)
    assert requests
    assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in requests), requests


@pytest.mark.parametrize("width", [420, 1400])
@pytest.mark.parametrize("name", ["index", "gap", "results", "tutorials/clip", "reference/search"])
def test_no_page_is_wider_than_its_window(window: Browser, name: str, width: int) -> None:
    with opened(window, (SITE / f"{name}.html").as_uri(), viewport={"width": width, "height": 900}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
