import hashlib
import re
from collections import Counter

import pytest

from closegap.phantom.catalogue import DEVICE_SIDES, KINDS
from closegap.phantom.draw import Draw
from closegap.phantom.phrase import filled, listed, sentence
from closegap.phantom.record import measurements
from closegap.phantom.report import WrittenReport, write_report
from closegap.phantom.statements import draw_statements, statements
from closegap.phantom.study import Study, draw_study
from closegap.phantom.wording import ABSENT, ADVICE, HEALTHY, PRESENT

STUDIES = [draw_study(0, index) for index in range(1500)]
REPORTS = [write_report(study) for study in STUDIES]

WORDS = {  # what a reader who knows nothing of the generator looks for
    "pneumothorax": r"pneumothorax",
    "free_air": r"free air|free gas|subdiaphragmatic|pneumoperitoneum",
    "mass": r"\bmass\b|mass-like|mass lesion",
    "pleural_effusion": r"effusion|pleural fluid|costophrenic|free of fluid",
    "consolidation": r"consolidation|airspace|infiltrate",
    "edema": r"edema|congestion|congested",
    "nodule": r"nodule|nodular",
    "mediastinal_widening": r"mediastinum|mediastinal",
    "rib_fracture": r"\brib\b|\bribs\b",
    "atelectasis": r"atelectasis|collapse",
    "cardiomegaly": r"cardiomegaly|cardiac (silhouette|enlargement)|heart size|enlarged heart",
    "fibrosis": r"reticular|fibrosis|fibrotic",
    "hilar_enlargement": r"\b(hilum|hila|hilar)\b",
    "hyperinflation": r"hyperinflat|hyperexpanded",
    "hiatal_hernia": r"hernia",
    "scoliosis": r"scolio|the spine is",
    "endotracheal_tube": r"endotracheal|tracheal tube",
    "nasogastric_tube": r"nasogastric|feeding tube",
    "central_line": r"central",
    "pacemaker": r"pacemaker",
    "chest_tube": r"drain|chest tube",
}
HEALTHY_WORDS = r"^no |\bno (evidence|[a-z])|are clear|free of fluid|\bnormal\b|not enlarged|not congested|not widened|intact|straight|not hyper"  # noqa: E501
ADVICE_SENTENCES = {sentence(text) for texts in ADVICE.values() for text in texts}


def claims(report: WrittenReport) -> list[tuple[str, bool, str]]:
    """Finding, whether it is said to be present, and the sentence, read off the text."""
    found = []
    for line in report.text.splitlines():
        body = line.partition(": ")[2] if re.match(r"(Indication|Technique|Findings|Impression): ", line) else line
        if line.startswith(("Indication", "Technique")):
            continue
        for text in re.findall(r"[^.]+(?:\.\d[^.]*)*\.", body):
            said = text.strip()
            if said in ADVICE_SENTENCES:
                continue
            lowered = re.sub(r"^(impression|conclusion|in summary): ", "", said.lower())
            for name, pattern in WORDS.items():
                if re.search(pattern, lowered):
                    found.append((name, not re.search(HEALTHY_WORDS, lowered), lowered))
    return found


def test_every_claim_is_true() -> None:
    for study, report in zip(STUDIES, REPORTS, strict=True):
        for name, present, text in claims(report):
            assert (study.finding(name) is not None) == present, (study, text, report.text)


def test_claims_are_exactly_the_stated_facts() -> None:
    for report in REPORTS:
        read = {(name, "present" if present else "absent") for name, present, _ in claims(report)}
        stated = {(slot, value) for slot, value in report.facts.items() if slot in WORDS}
        assert read == stated, report.text


def test_sides_zones_and_sizes_are_those_of_the_finding() -> None:
    seen: Counter[str] = Counter()
    for study, report in zip(STUDIES, REPORTS, strict=True):
        for name, present, text in claims(report):
            others = [n for n, pattern in WORDS.items() if n != name and re.search(pattern, text)]
            found = study.finding(name)
            if not present or others or found is None:
                continue  # in a sentence on two findings the words are not told apart here
            for side in ("left", "right"):
                if re.search(rf"\b{side}\b", text):
                    assert found.side == side
                    seen["side"] += 1
            if "bilateral" in text or "both sides" in text:
                assert found.side == "bilateral"
            for zone in ("upper", "mid", "lower"):
                if re.search(rf"\b{zone}(dle)? (lung )?zones?\b", text):
                    assert found.zone == zone, (text, found)
                    seen["zone"] += 1
            for size in ("small", "moderate", "large", "mild", "marked", "severe"):
                if re.search(rf"\b{size}\b", text) and "most marked" not in text:
                    assert found.size == size
                    seen["size"] += 1
            if match := re.search(r"(\d+) (mm|cm)\b", text):
                assert found.size == f"{int(match[1]) * (10 if match[2] == 'cm' else 1)} mm"
    assert min(seen[word] for word in ("side", "zone", "size")) > 100


def test_quotations_are_what_was_measured() -> None:
    quoted = Counter[str]()
    for study, report in zip(STUDIES, REPORTS, strict=True):
        known = measurements(study)
        for pattern, column in (
            (r"(\d+)-year-old|aged (\d+)", "age"),
            (r"fever of ([\d.]+) |pyrexia of ([\d.]+\d)", "temperature"),
            (r"CRP (?:of )?(\d+)", "crp"),
            (r"(\d+)%", "spo2"),
        ):
            for match in re.finditer(pattern, report.text):
                value = next(group for group in match.groups() if group)
                assert float(value) == float(known[column]), report.text
                quoted[column] += 1
        if re.search(r"\b(woman|female)\b", report.text, re.IGNORECASE):
            assert study.sex == "female"
        if re.search(r"\b(man|male)\b", report.text, re.IGNORECASE):
            assert study.sex == "male"
        if re.search(r"\bAP\b", report.text):
            assert study.view == "ap"
    assert min(quoted.values()) > 40


def test_the_text_tells_nothing_but_the_facts() -> None:
    """Same statements, same random stream: the same text, whatever else differs in the study."""
    for study in STUDIES[:50]:
        assert write_report(study).facts == draw_statements(study, Draw(0, study.index, "report 0"))
    slim, large = Study(0, 9, "pa", "male", "slim"), Study(0, 9, "pa", "male", "large")
    assert write_report(slim) == write_report(large)


def test_the_main_finding_or_normality_is_always_stated() -> None:
    for study, report in zip(STUDIES, REPORTS, strict=True):
        assert report.facts.get(study.main) == ("yes" if study.main == "normal" else "present")


def test_facts_are_left_out_as_often_as_the_statements_say() -> None:
    offered, made = Counter[str](), Counter[str]()
    for study, report in zip(STUDIES, REPORTS, strict=True):
        for statement in statements(study):
            if statement.needs is None or statement.needs in report.facts:
                key = f"{statement.slot.partition('.')[2]} {statement.probability}"
                offered[key] += 1
                made[key] += statement.slot in report.facts
                assert report.facts.get(statement.slot, statement.value) == statement.value
    for key, count in offered.items():
        assert made[key] / count == pytest.approx(float(key.split()[-1]), abs=3 * (0.25 / count) ** 0.5 + 0.01), key


def test_phrasing_varies() -> None:
    texts = [report.text for report in REPORTS]
    assert len(set(texts)) > 0.99 * len(texts)
    assert 0.3 < sum(text.count("\n") > 0 for text in texts) / len(texts) < 0.6
    lone = Study(0, 0, "pa", "male", "average", findings=STUDIES[0].findings)
    assert len({write_report(lone, reader).text for reader in range(30)}) > 28


def test_texts_are_tidy() -> None:
    for report in REPORTS:
        assert not re.search(r"  |[{}\[\]+]| ,| \.|\.\.|\ba [aeio]|\ban [^aeio8]", report.text), report.text
        assert report.text.endswith(".")
        assert 20 < len(report.text) < 1000


def test_frozen_reports() -> None:
    text = "\n\n".join(report.text for report in REPORTS[:400])
    assert hashlib.blake2b(text.encode(), digest_size=8).hexdigest() == "ce1185f487b10367"


def test_there_are_words_for_everything() -> None:
    assert {name.removesuffix(" bilateral") for name in PRESENT} == {*KINDS, *DEVICE_SIDES}
    assert set(ABSENT) == set(KINDS)
    assert set(HEALTHY) | set(ADVICE) <= set(KINDS)


def test_templates() -> None:
    assert filled("{a} [{size} ]nodule[ in the {place}]", {}) == "a nodule"
    assert filled("{a} [{size} ]effusion", {}) == "an effusion"
    assert filled("{a} {size} nodule", {"size": "8 mm"}) == "an 8 mm nodule"
    assert listed(["a"], "or") == "a"
    assert sentence("done") == "Done."
