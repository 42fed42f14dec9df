"""How a person comes to ask on the page, in a real browser: with a key, by a pasted or dropped picture, in limits."""

import csv
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.cli import tiny
from tests.search.service import paged
from tests.search.service.paged import ask, keys_of, opened, settled, until, violations

from closegap.cli import main
from closegap.search.service.keys import make_key
from closegap.search.service.settings import Settings

TRANSFER = """([content, type]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "Mrs Jones.jpg", { type }));
  return data;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of images, reports and codes, each of which goes with a word of the reports."""
    folder = tmp_path_factory.mktemp("asking")
    data = tiny.manifest(folder / "data")
    rows = tiny.read_rows(folder / "data")
    with (folder / "data" / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("id", "split", "patient", "image", "report", "codes"))
        table.writerows((*row, f"C-{row[4].split()[0][:2].upper()};C-{number}") for number, row in enumerate(rows))
    data["init_args"]["modalities"]["codes"] = {"kind": "codes", "columns": ["codes"]}
    config = tiny.config(data)
    config["model"]["encoders"]["codes"] = tiny.encoder("LatentSemanticEncoder", dim=8, buckets=64, terms="codes")
    assert main(["train", "--config", str(tiny.write(folder / "run.yaml", config)), "--out", str(folder / "run")]) == 0
    out = folder / "archive"
    assert main(["index", "build", str(folder / "run"), "--thumbnails", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with paged.browser() as found:
        yield found


@pytest.fixture(scope="module")
def address(browser: Browser, folder: Path) -> Iterator[str]:
    with paged.served(Settings(str(folder), rate=1000, burst=1000)) as found:
        yield found


def given(page: Page, event: str, image: Path, kind: str = "image/jpeg") -> None:
    """Give the page a file as the browser does: with its bytes, in an event."""
    transfer = page.evaluate_handle(TRANSFER, [b64encode(image.read_bytes()).decode(), kind])
    if event == "paste":
        made = "(data) => dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, cancelable: true}))"
        page.evaluate(made, transfer)
    else:
        page.dispatch_event("main", event, {"dataTransfer": transfer})


def test_a_key_is_asked_for_kept_in_the_tab_and_asked_for_again(browser: Browser, folder: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys.json", "a ward", "reader")
    with (
        paged.served(Settings(str(folder), keys=str(tmp_path / "keys.json"), rate=1000, burst=1000)) as address,
        opened(browser, address, bypass_csp=True, reduced_motion="reduce") as page,
    ):
        page.wait_for_selector("#key[open]")
        assert violations(page) == []
        assert page.evaluate("document.activeElement.id") == "key-value"
        page.keyboard.type("cg_wrong_key")
        page.keyboard.press("Enter")
        page.wait_for_selector("#key[open]")
        assert "no key" in page.inner_text("#trouble-text")
        page.keyboard.type(key)
        page.keyboard.press("Enter")
        ask(page, "effusion")
        assert len(keys_of(page)) == 10
        until(page, "document.querySelector('#hits .picture canvas')?.width > 4")  # thumbnails are sent the key, too
        page.reload()
        settled(page)
        assert not page.is_visible("#key")
        assert key not in page.content() + page.url
        assert page.evaluate("Object.values(localStorage).join()").find(key) < 0
        with opened(browser, address) as other:
            other.wait_for_selector("#key[open]")


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(browser: Browser, address: str, folder: Path, event: str) -> None:
    image = folder.parent / "data" / "images" / "03.jpg"
    with opened(browser, address) as page:
        page.wait_for_selector("#start:not([hidden])")
        page.click("#filters summary")
        page.uncheck("[name=target][value=report]")
        page.uncheck("[name=target][value=codes]")
        if event == "drop":
            given(page, "dragover", image)
            assert page.is_visible("#drop")
        given(page, event, image)
        settled(page)
        assert not page.is_visible("#drop")
        assert page.locator("#parts .seen canvas").count() == 1
        assert "cosine 1.000" in page.locator("#hits [data-case=c3][data-modality=image]").inner_text()
        given(page, event, image, "text/plain")
        until(page, "document.getElementById('status').textContent.startsWith('That is no picture')")
        assert page.locator("#parts .seen canvas").count() == 1


def test_modalities_are_limited_where_that_is_wanted(browser: Browser, address: str) -> None:
    with opened(browser, address, bypass_csp=True, reduced_motion="reduce") as page:
        page.wait_for_selector("#start:not([hidden])")
        page.click("#filters summary")
        assert page.locator("[name=quota]:visible").count() == 0
        with page.expect_request("**/v1/search") as sent:
            ask(page, "effusion")
        asked: Any = sent.value.post_data_json
        assert "quotas" not in asked
        page.check("#limited")
        page.fill("[data-modality=report]", "2")
        assert page.inner_text("#asked") == "at most 2 of report"
        assert violations(page) == []
        with page.expect_request("**/v1/search") as sent:
            ask(page, "")
        asked = sent.value.post_data_json
        assert asked["quotas"] == {"report": 2}
        names = [json.loads(key)[0] for key in keys_of(page)]
        assert (len(names), names.count("report") <= 2) == (10, True)
        with opened(browser, page.url) as again:
            settled(again)
            assert again.input_value("[data-modality=report]") == "2"
            assert keys_of(again) == keys_of(page)
        page.uncheck("#limited")
        assert page.inner_text("#asked") == ""


def test_codes_stand_with_the_words_that_texts_have_with_them(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.wait_for_selector("#start:not([hidden])")
        page.click("#filters summary")
        page.uncheck("[name=target][value=image]")
        page.uncheck("[name=target][value=report]")
        ask(page, "mass")
        until(page, "document.querySelector('#hits .meaning')")
        shown = page.eval_on_selector_all("#hits .codes li", "items => items.map(item => item.textContent)")
        assert {one for one in shown if " " in one} <= {"C-MA mass", "C-EF effusion", "C-FR fracture", "C-NO nodule"}
        assert any(one.startswith("C-") and " " not in one for one in shown)  # one of a single case means nothing
        assert set(page.locator("#hits .meaning mark").all_inner_texts()) <= {"mass"}
