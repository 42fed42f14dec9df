"""A service with its page, over an archive whose names and texts are attacks, and a browser that looks at it."""

import csv
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from tests.cli import tiny

from closegap.cli import main
from closegap.search.service.app import of_settings
from closegap.search.service.settings import Settings

ATTACK = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def hostile_archive(folder: Path) -> Path:
    """An archive of a tiny run; every id and every report begins with markup."""
    data = tiny.manifest(folder / "data")
    rows = [
        (f'{id}"><svg onload=window.hacked=1>/é#', split, patient, image, f"{ATTACK} {report}")
        for id, split, patient, image, report in tiny.read_rows(folder / "data")
    ]
    tiny.write_rows(folder / "data", rows)
    config = tiny.write(folder / "run.yaml", tiny.config(data, arm="hostile"))
    assert main(["train", "--config", str(config), "--seed", "0", "--out", str(folder / "run")]) == 0
    out = folder / "archive"
    assert main(["index", "build", str(folder / "run"), "--thumbnails", "--out", str(out)]) == 0
    return out


def reports(folder: Path) -> list[str]:
    with (folder / "data" / "cases.csv").open(newline="", encoding="utf-8") as file:
        return [row["report"] for row in csv.DictReader(file)]


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The address of a service, in a thread of this process."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(of_settings(settings), log_level="warning", lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's chromium, driven by Playwright; skips where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine: the page is not looked at; `make browser` says how to install it")
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def opened(browser: Browser, address: str, **settings: Any) -> Iterator[Page]:
    """The page in a window of its own; what the console says of errors fails the test."""
    context = browser.new_context(**({"viewport": {"width": 1400, "height": 900}} | settings))
    context.set_default_timeout(60_000)
    page, troubles = context.new_page(), list[str]()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(address)
    yield page
    context.close()
    assert not troubles


def ask(page: Page, words: str) -> None:
    """Ask by the keyboard alone, and wait for the answer."""
    page.wait_for_selector("#start:not([hidden]), #results:not([hidden])")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    settled(page)


def settled(page: Page) -> None:
    """Wait for the answer to what was asked last."""
    until(page, r"/\d hits?\b/.test(document.getElementById('status').textContent)")
    until(page, "document.getElementById('progress').hidden")


def until(page: Page, condition: str) -> None:
    """Wait for a condition in JavaScript; the page's policy forbids what Playwright would wait with."""
    ended = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < ended, condition
        time.sleep(0.05)


def keys_of(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("#hits > li", "items => items.map(item => item.dataset.key)")
    return found


def violations(page: Page) -> list[str]:
    """What axe finds serious or critical."""
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(told => told.violations)")
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in serious]
