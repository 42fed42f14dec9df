"""The page in a real browser: by keys alone, in both themes, at all widths, with attacks for names and texts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.search.service import paged
from tests.search.service.paged import ask, keys_of, opened, settled, until, violations

from closegap.search.service.settings import Settings

WIDTHS = (420, 1400, 3840)
WORDS = "effusion of 5 mm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    paged.hostile_archive(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with paged.browser() as found:
        yield found


@pytest.fixture(scope="module")
def address(browser: Browser, folder: Path) -> Iterator[str]:
    with paged.served(Settings(str(folder / "archive"), rate=1000, burst=1000)) as found:
        yield found


def test_from_a_question_to_a_comparison_by_keys_alone(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        ask(page, WORDS)
        assert len(keys_of(page)) == 10
        cases = page.eval_on_selector_all("#hits > li", "items => items.map(item => item.dataset.case)")
        other = next(at for at, case in enumerate(cases) if case != cases[0])
        page.keyboard.press("ArrowDown")
        page.keyboard.press("c")
        assert page.is_visible("#tray")
        for _ in range(other):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("c")
        page.wait_for_selector("#cases[open] .item")
        assert page.eval_on_selector_all("#cases h3", "heads => heads.map(head => head.textContent)") == [
            cases[0],
            cases[other],
        ]
        page.keyboard.press("Escape")
        assert not page.is_visible("#cases")
        page.keyboard.press("m")
        until(page, "document.querySelector('#parts .part') && document.getElementById('progress').hidden")
        assert page.input_value("#parts input") == cases[other]
        page.keyboard.press("?")
        assert page.is_visible("#help")


def test_the_toggle_shows_the_service_s_two_lists(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        with page.expect_response("**/v1/search") as sent:
            ask(page, WORDS)
        answer = sent.value.json()
        lists = {order: [[hit["modality"], hit["id"]] for hit in answer[order]] for order in ("raw", "corrected")}
        assert [json.loads(key) for key in keys_of(page)] == lists["corrected"]
        page.keyboard.press("ArrowDown")
        page.keyboard.press("t")
        assert [json.loads(key) for key in keys_of(page)] == lists["raw"]
        assert page.is_checked("[name=order][value=raw]")
        share = round(100 * sum(hit["modality"] == "report" for hit in answer["raw"]) / len(answer["raw"]))
        told = page.inner_text("#gap-told")
        assert answer["query_modality"] == "report"
        assert (
            f"Own modality (report): {share} % of the hits by raw cosine" in told or lists["raw"] == lists["corrected"]
        )
        changed = sum(a != b for a, b in zip(lists["raw"], lists["corrected"], strict=True))
        assert told.startswith(
            f"{changed} of 10 places changed" if changed else "Raw cosine and standardised scores agree"
        )
        moved = page.locator("#hits .moved").count()
        assert moved == changed


def test_a_link_holds_no_word_and_leads_back(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        ask(page, WORDS)
        link, found = page.url, keys_of(page)
        assert "#q=" in link
        assert not any(word in link for word in WORDS.split() if len(word) > 2)
        with opened(browser, link) as again:
            settled(again)
            assert keys_of(again) == found
            assert again.input_value("#text") == WORDS
            assert again.url == link


def test_attacks_in_names_and_texts_are_text(browser: Browser, address: str, folder: Path) -> None:
    with opened(browser, address) as page:
        ask(page, "effusion img")
        shown = page.locator("#hits .prose").first.text_content()
        assert shown in paged.reports(folder)
        assert page.locator("#hits mark").count() > 0
        page.locator("#hits .case").first.click()
        page.wait_for_selector("#cases[open] .item .prose")
        assert "<svg onload" in page.inner_text("#cases h3")
        until(page, "document.querySelector('#cases .picture canvas')?.width > 4")
        inside = "document.querySelectorAll('#hits :is(script, img, svg), #cases :is(script, img, svg)').length"
        assert page.evaluate(inside) == 0
        assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, address: str, theme: str) -> None:
    with opened(browser, address, color_scheme=theme, bypass_csp=True, reduced_motion="reduce") as page:
        page.wait_for_selector("#start:not([hidden])")
        assert violations(page) == []
        page.click("#filters summary")
        page.click("#with")
        ask(page, WORDS)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("c")
        assert violations(page) == []
        page.keyboard.press("Enter")
        page.wait_for_selector("#cases[open] .item")
        assert violations(page) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(browser: Browser, address: str, width: int) -> None:
    with opened(browser, address, viewport={"width": width, "height": 900}) as page:
        page.click("#filters summary")
        ask(page, WORDS)
        for grouped in (False, True):
            page.set_checked("#grouped", grouped)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # while cards glide, too
            page.evaluate("Promise.all(document.getAnimations().map(found => found.finished))")
            assert page.evaluate("document.querySelector('main').scrollWidth <= innerWidth")
        page.locator("#hits .case").first.click()
        page.wait_for_selector("#cases[open] .item")
        assert page.evaluate(
            "document.getElementById('cases').scrollWidth <= document.getElementById('cases').clientWidth"
        )


def test_the_theme_is_the_system_s_until_one_is_chosen(browser: Browser, address: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, address, color_scheme="dark") as page:
        dark = page.evaluate(background)
        page.click("#theme")
        light = page.evaluate(background)
        assert light != dark
        page.reload()
        assert page.evaluate(background) == light


def test_parts_pictures_filters_and_groups_are_sent_and_shown(browser: Browser, address: str, folder: Path) -> None:
    with opened(browser, address) as page:
        page.wait_for_selector("#start:not([hidden])")
        page.click("#without")
        page.keyboard.type("mass")
        page.click("#filters summary")
        page.uncheck("[name=target][value=image]")
        page.fill("#where", 'split == "test"')
        with page.expect_request("**/v1/search") as sent:
            ask(page, "effusion")
        asked: Any = sent.value.post_data_json
        assert asked["text"] == [{"value": "effusion", "weight": 1}, {"value": "mass", "weight": -0.5}]
        assert (asked["in"], asked["where"]) == (["report"], 'split == "test"')
        assert {json.loads(key)[0] for key in keys_of(page)} == {"report"}
        page.fill("#where", "split ==")
        page.keyboard.press("Enter")
        page.wait_for_selector("#trouble:not([hidden])")
        assert page.inner_text("#trouble-text")
        page.fill("#where", "")
        page.check("[name=target][value=image]")
        page.set_input_files("#file", folder / "data" / "images" / "00.jpg")
        settled(page)
        assert page.locator("#parts .seen canvas").count() == 1
        page.check("#grouped")
        cases = page.eval_on_selector_all("#hits > li", "items => items.map(item => item.dataset.case)")
        assert len(set(cases)) == len(cases)


def test_a_service_that_is_gone_is_said_and_asked_again(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        ask(page, WORDS)
        page.context.set_offline(True)
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        page.wait_for_selector("#trouble:not([hidden])")
        assert "does not answer" in page.inner_text("#trouble-text")
        page.context.set_offline(False)
        page.click("#again")
        settled(page)
        assert not page.is_visible("#trouble")
