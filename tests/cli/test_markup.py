"""Markup in names, ids, labels, texts and arms: a report shows it as what it is, and a browser runs none of it."""

import csv
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.cli import tiny
from tests.cli.tiny import Cli

PAYLOADS = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "'><svg onload=alert(1)>",
    "</script><script>alert(1)</script>",
    "</title></style><script>alert(1)</script>",
    '<a href="javascript:alert(1)">x</a>',
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<meta http-equiv=refresh content='0;url=http://example.org'>",
    "<base href=http://example.org><form action=http://example.org>",
    "<!--",
    "\u2028</script>",
    "{{ 7 * 7 }}{% raw %}",
    "=HYPERLINK(1)",
    "&lt;b&gt;",
]


class Elements(HTMLParser):
    """The tags of a page, and the attributes that do something."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.acting: list[tuple[str, str | None]] = []
        self.policies = 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.policies += ("http-equiv", "Content-Security-Policy") in attrs
        elsewhere = [(name, value) for name, value in attrs if name in {"href", "src", "action"}]
        self.acting += [(name, value) for name, value in elsewhere if not (value or "").startswith(("data:", "#"))]
        self.acting += [(name, value) for name, value in attrs if name.startswith("on") or name == "srcdoc"]


def harmless(page: Path) -> Elements:
    found = Elements(page)
    assert found.acting == []
    assert found.policies == 1
    assert not found.tags & {"iframe", "base", "form", "object", "embed", "link"}
    return found


def column(path: Path, header: str, cells: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[header], *([cell] for cell in cells)])
    return path


@pytest.mark.parametrize("name", PAYLOADS[::3])
def test_markup_in_an_audit(cli: Cli, tmp_path: Path, name: str) -> None:
    texts = PAYLOADS * 2
    for seed, file in enumerate("ab"):
        np.save(tmp_path / f"{file}.npy", np.random.default_rng(seed).normal(size=(len(texts), 4)))
    labels = column(tmp_path / "labels.csv", name, texts)
    ids = column(tmp_path / "ids.csv", "id", [f"{text} {row}" for row, text in enumerate(texts)])
    found = cli(
        *("audit", tmp_path / "a.npy", tmp_path / "b.npy", f"--names={name.replace(',', '')},b"),
        *("--labels", labels, "--ids", ids, "--groups", ids, "--metrics", "quick", "--resamples", 2),
        *("--out", tmp_path / "out"),
    )
    assert found.code == 0, found.err
    harmless(tmp_path / "out" / "report.html")


def test_markup_in_a_run(cli: Cli, tmp_path: Path) -> None:
    data = tiny.manifest(tmp_path / "data")
    rows = [
        (f"{PAYLOADS[row % len(PAYLOADS)]} {row}", split, f"{PAYLOADS[(row + 1) % len(PAYLOADS)]} {row}", image, text)
        for row, (_, split, _, image, _) in enumerate(tiny.read_rows(tmp_path / "data"))
        for text in [PAYLOADS[(row + 2) % len(PAYLOADS)]]
    ]
    tiny.write_rows(tmp_path / "data", rows)
    config = tiny.write(tmp_path / "config.yaml", tiny.config(data, arm=PAYLOADS[0]))
    assert cli("train", "--config", config, "--out", tmp_path / "run").code == 0
    page = tmp_path / "run" / "report.html"
    harmless(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.read_text(encoding="utf-8"), "else nothing was shown"
    assert cli("compare", tmp_path / "run", "--out", tmp_path / "compared").code == 0
    harmless(tmp_path / "compared" / "report.html")
