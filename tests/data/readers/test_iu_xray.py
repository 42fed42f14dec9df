"""IU X-ray: R2Gen's annotation and Open-i's XML, on generated folders with the published names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from closegap.data import BrokenRow, Case, OpenI, R2Gen, load_cases
from closegap.data.readers.patients import Held
from closegap.errors import DataError
from closegap.testing import check_source

Picture = Callable[[Path, int], Path]


def entry(number: int, split: str, **more: Any) -> dict[str, Any]:
    name = f"CXR{number}_IM-{number:04d}"
    paths = [f"{name}/0.png", f"{name}/1.png"]
    return {"id": name, "report": f" The heart is normal in {number} . ", "image_path": paths, "split": split} | more


@pytest.fixture
def annotated(tmp_path: Path, picture: Picture) -> Path:
    root = tmp_path / "iu_xray"
    listed = {
        split: [entry(number, split) for number in numbers]
        for split, numbers in {"train": (2384, 2926), "val": (7,), "test": (8, 9)}.items()
    }
    for found in listed.values():
        for one in found:
            for number, path in enumerate(one["image_path"]):
                picture(root / "images" / path, number + len(one["id"]) + int(one["id"].split("_")[0][3:]))
    (root / "annotation.json").write_text(json.dumps(listed))
    return root


def test_r2gen(annotated: Path) -> None:
    check_source(R2Gen(annotated))
    cases = load_cases(R2Gen(annotated))
    assert {split: len(held) for split, held in cases.splits.items()} == {"train": 2, "validation": 1, "test": 2}
    case = cases.split("train")[0]
    assert (case.id, case.group) == ("CXR2384_IM-2384", "CXR2384")
    assert case.views["report"] == ("The heart is normal in 2384 .",)
    assert [path.name for path in case.views["image"]] == ["0.png", "1.png"]


def test_r2gen_of_mimic_has_subjects(annotated: Path) -> None:
    listed = {"train": [entry(1, "train", subject_id=10000032, study_id=50414267)], "val": [], "test": []}
    (annotated / "mimic.json").write_text(json.dumps(listed))
    (case,) = R2Gen(annotated, "mimic.json").rows()
    assert isinstance(case, Case)
    assert case.group == "10000032"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"id": ""}, "no id"),
        ({"id": 5}, "no id"),
        ({"report": " "}, "empty report"),
        ({"report": None}, "empty report"),
        ({"image_path": []}, "no image"),
        ({"image_path": ["../../etc/passwd"]}, "no image"),
        ({"image_path": ["/etc/passwd"]}, "no image"),
        ({"image_path": "a.png"}, "no image"),
    ],
)
def test_what_is_wrong_with_an_entry(wrong: dict[str, Any], reason: str, annotated: Path) -> None:
    listed = {"train": [entry(1, "train"), entry(2, "train", **wrong)], "val": [None]}
    (annotated / "annotation.json").write_text(json.dumps(listed))
    broken = [row for row in R2Gen(annotated).rows() if isinstance(row, BrokenRow)]
    assert [(row.reason, row.where) for row in broken] == [
        (reason, f"{annotated / 'annotation.json'}, train 2"),
        ("no id", f"{annotated / 'annotation.json'}, val 1"),
    ]


def test_what_is_wrong_with_a_file(annotated: Path) -> None:
    for content, message in (("{", "no JSON"), ("[" * 10_000, "no JSON"), ("[]", "expected lists"), ("{}", "expected")):
        (annotated / "annotation.json").write_text(content)
        with pytest.raises(DataError, match=message):
            list(R2Gen(annotated).rows())
    (annotated / "annotation.json").unlink()
    with pytest.raises(DataError, match="no such file; expected R2Gen's annotation"):
        list(R2Gen(annotated).rows())


def report(number: int, findings: str, images: list[str], *problems: str) -> str:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<eCitation>
  <meta type="rr"/><uId id="CXR{number}"/><pmcId id="{number}"/>
  <MedlineCitation><Article><Abstract>
    <AbstractText Label="COMPARISON">None.</AbstractText>
    <AbstractText Label="INDICATION">Positive TB test</AbstractText>
    <AbstractText Label="FINDINGS">{findings}</AbstractText>
    <AbstractText Label="IMPRESSION">Normal chest  x-XXXX.</AbstractText>
  </Abstract></Article></MedlineCitation>
  <MeSH>{"".join(f"<major>{problem}</major>" for problem in problems)}<automatic>heart</automatic></MeSH>
  {"".join(f'<parentImage id="{image}"><figureId>F1</figureId><caption>PA</caption></parentImage>' for image in images)}
</eCitation>"""


@pytest.fixture
def published(tmp_path: Path, picture: Picture) -> Path:
    root = tmp_path / "openi"
    (root / "ecgen-radiology").mkdir(parents=True)
    for number in range(1, 31):
        images = [f"CXR{number}_1_IM-0001-{view}001" for view in (3, 4)]
        problems = ("Cardiomegaly/mild", "Pulmonary Atelectasis/base/left") if number % 2 else ("normal",)
        text = report(number, "" if number == 4 else f"Clear lungs in {number}.", images, *problems)
        (root / "ecgen-radiology" / f"{number}.xml").write_text(text)
        for view, image in enumerate(images):
            picture(root / f"{image}.png", 3 * number + view)
    return root


def test_openi(published: Path) -> None:
    source = OpenI(published, Held(0.2, 0.2))
    check_source(source)
    cases = load_cases(source)
    assert min(len(cases.split(split)) for split in ("train", "validation", "test")) > 0
    found = {row.id: row for row in source.rows() if isinstance(row, Case)}
    assert list(found)[:3] == ["CXR1", "CXR2", "CXR3"]
    case = found["CXR1"]
    assert case.views["findings"] == ("Clear lungs in 1.",)
    assert case.views["impression"] == ("Normal chest x-XXXX.",)
    assert case.views["problems"] == (("Cardiomegaly/mild", "Pulmonary Atelectasis/base/left"),)
    assert [path.name for path in case.views["image"]] == ["CXR1_1_IM-0001-3001.png", "CXR1_1_IM-0001-4001.png"]
    assert (case.labels, case.concepts) == ({"problem": "Cardiomegaly"}, ("Cardiomegaly", "Pulmonary Atelectasis"))
    assert "findings" not in found["CXR4"].views


def test_broken_reports_are_named(published: Path, tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    texts = {
        "100": ("<eCitation>", "report unreadable"),
        "101": (f"{bomb}]><a>&j;</a>", "report unreadable"),
        "102": ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "report unreadable"),
        "103": (" " * (2**20 + 1), "report unreadable"),
        "104": ("<eCitation/>", "empty report"),
        "105": (report(105, "", ["../../x"]), "no image"),
    }
    for name, (text, _) in texts.items():
        (published / f"{name}.xml").write_text(text)
    broken = [row for row in OpenI(published).rows() if isinstance(row, BrokenRow)]
    assert [(Path(row.where).stem, row.reason) for row in broken] == [(name, one) for name, (_, one) in texts.items()]
    (tmp_path / "empty").mkdir()
    for folder, message in (("empty", "holds no report"), ("none", "no such folder")):
        with pytest.raises(DataError, match=message):
            list(OpenI(tmp_path / folder).rows())
