import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tests.figures
from PIL import Image

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.report import Arm, Estimate, Report, Skipped
from closegap.evaluation.series import Series
from closegap.kinds import ImageKind, TextKind
from closegap.report.figures import Section
from closegap.report.html import facts, render_html, script_json
from closegap.report.sections.arms import arms_section
from closegap.report.sections.curves import training_curves
from closegap.report.sections.frontier import frontier
from closegap.report.sections.histograms import cosine_histograms
from closegap.report.sections.maps import latent_map
from closegap.report.sections.queries import Item, Shown, queries_section, top_hits

MakeSet = Callable[..., EmbeddingSet]
EVIL = """</script><script>alert(1)</script><img src="https://example.org/x" onerror='alert(2)'>"&amp;<!--"""
VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Elements with their attributes, the text of scripts, and whether elements close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(name)) is not None]


def page(sections: list[Section], report: Report | None = None, **changes: Any) -> str:
    options = {"title": "Title", "verdict": "It works.", "made": date(2026, 3, 1), "version": "0.1.0", **changes}
    return render_html(report or Report([]), sections, **options)


def everything(make_set: MakeSet, evil: str, names: tuple[str, ...]) -> tuple[Report, list[Section]]:
    """A page's sections with `evil` in every text that comes from outside."""
    sets = {f"{evil} {i}": make_set(names, n=8, seed=i) for i in range(3)}
    sets = {
        arm: EmbeddingSet(s.embeddings, ids=[f"{evil}{i}" for i in range(8)], labels={evil: [evil] * 8}, meta=s.meta)
        for arm, s in sets.items()
    }
    pairs = [f"{a}|{b}:" for a, b in pairwise(names)] if len(names) > 2 else [""]
    metrics = {
        f"{pair}{name}": Estimate(0.1, 0.0, 0.2)
        for pair in pairs
        for name in ("gap", "cos_null", f"{names[0]}_to_{names[1]}/R@10", f"{names[1]}_to_{names[0]}/R@10", evil)
    }
    arms = [Arm(arm, metrics) for arm in sets]
    report = tests.figures.report(arms, [Skipped(evil, evil)], {"split": evil, evil: [evil], "gallery": {evil: 8}})
    shown: Shown = {
        names[0]: lambda row: Item(ImageKind().show(Image.new("L", (8, 8), row)), visual=True),
        names[1]: lambda row: Item(TextKind().show(evil)),
    }
    direction = f"{names[0]}_to_{names[1]}"
    logged = tests.figures.figures(["gap", f"{evil}_to_{evil}/R@10", f"{direction}/R@10"])
    rows = [{"step": step, **{f"validation/{name}": 0.1 for name in logged}} for step in (1, 2)]
    differences = {arm.name: metrics for arm in arms[1:]}
    sections = [
        arms_section(report, baseline=arms[0].name, differences=differences),
        latent_map(sets, [evil] * 8, with_tsne=False),
        cosine_histograms(sets),
        training_curves({arm: [rows, rows] for arm in sets}, logged.values()),
        queries_section({arm: {direction: top_hits(s, names[0], names[1], shown)} for arm, s in sets.items()}),
        frontier([Series(arm.name, [arm]) for arm in arms], report.figures),
        Section(evil, evil),
    ]
    return report, [section for section in sections if section is not None]


@pytest.mark.parametrize("names", [("image", "report"), ("image", "report", "record"), (EVIL, "report")])
def test_user_text_is_inert_everywhere(make_set: MakeSet, names: tuple[str, ...]) -> None:
    report, sections = everything(make_set, EVIL, names)
    found = Page(page(sections, report, title=EVIL, verdict=EVIL, version=EVIL, warnings=[EVIL]))
    scripts = [attributes for tag, attributes in found.elements if tag == "script"]
    assert len(scripts) == len(sections) + 2
    assert sum("type" not in attributes for attributes in scripts) == 2
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert all(not value.startswith("http") for value in found.attributes("src") + found.attributes("href"))
    assert found.text.count(EVIL) > 20
    assert found.open == []


def test_nothing_is_fetched_and_only_the_pages_own_scripts_run(make_set: MakeSet) -> None:
    report, sections = everything(make_set, "plain", ("image", "report"))
    html = page(sections, report)
    found = Page(html)
    assert not found.attributes("src")
    assert all(target.startswith("#section-") for target in found.attributes("href"))
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = (a["content"] for t, a in found.elements if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    own = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    assert {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own} == allowed
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_payloads_are_json_without_nan(make_set: MakeSet) -> None:
    report, sections = everything(make_set, EVIL, ("image", "report", "record"))
    payloads = re.findall(r'<script type="application/json" class="payload">(.*?)</script>', page(sections, report))
    assert len(payloads) == len(sections)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    for payload, section in zip(payloads, sections, strict=True):
        loaded = json.loads(payload, parse_constant=refuse)
        assert set(loaded["state"]) == {control.name for control in section.controls}
        assert len(loaded["plots"]) == len(section.plots)


def test_controls_offer_every_option_and_select_the_first(make_set: MakeSet) -> None:
    report, sections = everything(make_set, "plain", ("image", "report"))
    found = Page(page(sections, report))
    chosen = [a for t, a in found.elements if t in ("option", "input") and ("selected" in a or "checked" in a)]
    assert len(chosen) == sum(len(section.controls) for section in sections)


def test_a_page_without_sections_or_figures_is_small() -> None:
    html = page([Section("Only text", "Nothing to draw.")])
    assert len(html) < 40_000
    assert "Nothing to draw." in Page(html).text
    assert "Research use only, not for diagnosis." in Page(page([])).text


def test_plotly_is_inlined_once(make_set: MakeSet) -> None:
    html = page([cosine_histograms({"a": make_set()}), cosine_histograms({"a": make_set()})])
    assert html.count("<script>") == 2
    assert 1_000_000 < len(html) < 8_000_000


def test_arms_table_marks_and_keeps_what_is_absent_apart() -> None:
    first = {"gap": Estimate(0.5, 0.4, 0.6), "cos_null": Estimate(0.0), "x_to_y/R@10": Estimate(0.2125)}
    second = {"gap": Estimate(0.1, 0.0, 0.2), "cos_null": Estimate(0.0)}
    report = tests.figures.report(
        [Arm("base", first), Arm("closed", second)], data={"seed_spread": {"closed": {"gap": 0.0123}}}
    )
    differences = {"closed": {"gap": Estimate(-0.4, -0.5, -0.3)}}
    html = str(arms_section(report, baseline="base", differences=differences).html)
    assert '<span class="best">0.100</span><span class="better">▲</span>' in html
    assert "difference -0.400 [-0.500, -0.300]" in html
    assert "21.2%" in html
    assert '<span class="absent">·</span>' in html
    assert "sd 0.012 over seeds" in html
    assert "All 3 metrics" in html


def test_arms_table_says_why_a_gap_is_missing() -> None:
    html = arms_section(tests.figures.report([Arm("a", {"gap": Estimate(0.1), "v_measure": Estimate(0.2)})])).html
    assert "0.100" not in html
    assert "without cos_null" in html


def test_facts() -> None:
    data = {
        "split": "test",
        "gallery": {"image": 1185, "caption": 1184},
        "seeds": {"a": [0, 1], "b": [0, 1]},
        "seed_spread": {"a": {"gap": 0.1}},
        "placebo": True,
        "share": 0.12345,
        "note": None,
    }
    assert facts(data) == [
        ("split", "test"),
        ("gallery", "image 1,185, caption 1,184"),
        ("seeds", "0, 1"),
        ("placebo", "yes"),
        ("share", "0.1235"),
    ]


def test_script_json_keeps_values_and_ends_no_script() -> None:
    value = {"text": EVIL + "\u2028", "numbers": [1, 2.5, True, None]}
    text = script_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028") & set(text)
    assert script_json([float("nan"), float("inf"), 1.0]) == "[null,null,1.0]"


def test_report_json_survives_a_round_trip(tmp_path: Path) -> None:
    metrics = {"gap": Estimate(0.1, 0.05, 0.15), "cos_null": Estimate(0.01), "v_measure": Estimate(0.2)}
    data = {"split": "test", "gallery": {"image": 4}}
    report = tests.figures.report([Arm("a", metrics)], [Skipped("captions", "no decoder")], data)
    report.save(tmp_path / "report.json")
    loaded = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert set(loaded) == {"schema", "arms", "metrics", "skipped", "data"}
    assert loaded["schema"] == 2
    again = [
        Arm(arm["name"], {name: Estimate(**estimate) for name, estimate in arm["metrics"].items()})
        for arm in loaded["arms"]
    ]
    assert again == report.arms
    assert [Skipped(**item) for item in loaded["skipped"]] == report.skipped
    assert loaded["data"] == data
    assert loaded["arms"][0]["metrics"]["v_measure"] == {"value": 0.2, "low": None, "high": None}
    assert list(loaded["metrics"]) == ["gap", "cos_null", "v_measure"]
    assert loaded["metrics"]["gap"] == {
        "label": "Modality gap",
        "heading": "Gap",
        "direction": "lower",
        "unit": "decimal",
        "meaning": "Distance between the modalities' mean embeddings, 0 to 2.",
        "key": True,
    }
    assert (loaded["metrics"]["cos_null"]["direction"], loaded["metrics"]["cos_null"]["target"]) == (None, 0)


def test_report_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        tests.figures.report([Arm("a", {"gap": Estimate(float("nan"))})]).save(tmp_path / "report.json")
    assert not (tmp_path / "report.json").exists()


def test_a_number_that_nothing_describes_is_refused() -> None:
    with pytest.raises(ValueError, match="arm 'a' has a number 'gap' that no figure describes"):
        Report([Arm("a", {"gap": Estimate(0.1)})])
