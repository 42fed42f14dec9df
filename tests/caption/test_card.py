import csv
import json
import re
from pathlib import Path

import pytest
import torch
from markupsafe import Markup
from PIL import Image
from torch.nn.functional import normalize

from closegap.caption.card import caption_card
from closegap.caption.examples import captioned_images, captioned_section
from closegap.caption.page import write_captions_report
from closegap.caption.predictions import write_predictions
from closegap.errors import UsageError
from closegap.evaluation.compare import compare_cards
from closegap.kinds import ImageKind
from closegap.metrics.captions.lexicon import Lexicon

REFERENCES = [["ct of the chest shows a mass"], ["mri of the knee", "knee mri"], ["chest x-ray"], ["a b & <i>c</i>"]]
GENERATED = ["ct of the chest", "mri of the brain", "", "a chest x-ray"]
GROUPS = ["p1", "p1", "p2", "p3"]
LEXICON = Lexicon({"chest": frozenset({"C1"}), "knee": frozenset({"C2"})}, "given")


def picture(row: int) -> Markup:
    return ImageKind().show(Image.new("L", (300, 200), 40 * row))


def test_every_score_that_can_be_had_is_on_the_card() -> None:
    pytest.importorskip("pycocoevalcap")
    rows = normalize(torch.eye(4) + 0.1, dim=1)
    card = caption_card(
        GENERATED, REFERENCES, GROUPS, lexicon=LEXICON, concepts=[["C1"], ["C2"], ["C1", "C9"], []],
        embeddings=(rows, rows), java=False, resamples=20,
    )  # fmt: skip
    assert set(card.metrics) == {
        *(f"bleu-{n}/plain" for n in (1, 2, 3, 4)), "rouge-l/plain", "cider/plain", "rouge-1/imageclef",
        *(f"concept_{score}/{of}/given" for score in ("f1", "precision", "recall")
          for of in ("reference_text", "case_concepts")),
        *(f"generated_to_image/{score}" for score in ("R@1", "R@5", "R@10", "mrr", "median_rank")),
        "distinct_captions", "mean_words", "mean_words/reference",
    }  # fmt: skip
    assert {item.what for item in card.skipped} == {"METEOR", "SPICE", "BERTScore"}
    assert list(card.figures) == list(card.metrics)
    assert all(figure.meaning for figure in card.figures.values())


def test_what_cannot_be_had_is_listed_and_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rouge.rouge", "cider.cider", "meteor.meteor", "spice.spice"):
        monkeypatch.setitem(__import__("sys").modules, f"pycocoevalcap.{module}", None)
    monkeypatch.setenv("PATH", "")
    card = caption_card(GENERATED, REFERENCES, GROUPS, resamples=5)
    reasons = {item.what: item.reason for item in card.skipped}
    assert "closegap[caption]" in reasons["ROUGE-L"]
    assert "closegap[caption]" in reasons["CIDEr"]
    assert "no `java` on the PATH" in reasons["METEOR"]
    assert "lexicon" in reasons["concept F1, reference text"]
    assert "embeddings" in reasons["rank of the true image"]
    assert {name.partition("/")[0] for name in card.metrics} == {
        "bleu-1", "bleu-2", "bleu-3", "bleu-4", "rouge-1", "distinct_captions", "mean_words",
    }  # fmt: skip


def test_groups_that_do_not_pair() -> None:
    with pytest.raises(UsageError, match="4 captions and the groups of 2 cases"):
        caption_card(GENERATED, REFERENCES, ["a", "b"])


def test_what_one_arm_lacks_names_it() -> None:
    def card(generated: list[str]) -> object:
        return caption_card(generated, REFERENCES, GROUPS, lexicon=LEXICON, java=False, resamples=5)

    comparison = compare_cards({"silent": [card([""] * 4)], "decoder": [card(GENERATED), card(GENERATED)]})  # type: ignore[list-item]
    whats = {item.what for item in comparison.report.skipped}
    assert "concept_precision/reference_text/given of silent" in whats
    assert "BERTScore" in whats
    assert comparison.report.data["seed_spread"]["decoder"]["rouge-1/imageclef"] == 0
    assert comparison.differences["decoder"]["rouge-1/imageclef"].value > 0


def test_the_page_shows_what_is_said_and_escapes_it(tmp_path: Path) -> None:
    arms = {"constant": ["<script>"] * 4, "decoder": GENERATED}
    cards = {arm: [caption_card(said, REFERENCES, GROUPS, java=False, resamples=5)] for arm, said in arms.items()}
    page = write_captions_report(
        tmp_path, ["i1", "i2", "i3", "i4"], arms, picture, references=REFERENCES, comparison=compare_cards(cards)
    )
    text = page.read_text(encoding="utf-8")
    assert "Research use only, not for diagnosis." in text
    assert "decoder against constant: ROUGE-1 (ImageCLEF) 0.000" in text
    assert "a b &amp; &lt;i&gt;c&lt;/i&gt;" in text
    assert "&lt;script&gt;" in text
    assert text.count('class="captioned"') == 4
    stored = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in stored["arms"]] == ["constant", "decoder"]


def test_images_stand_in_the_order_of_a_score() -> None:
    arms = {"constant": ["knee"] * 4, "decoder": GENERATED}
    cases = captioned_images(["0", "1", "2", "3"], arms, picture, REFERENCES)
    section = captioned_section(cases, "decoder")
    assert [control.name for control in section.controls] == ["order", "arm"]
    places = [json.loads(found.replace("&#34;", '"')) for found in re.findall('data-places="([^"]*)"', section.html)]
    for arm, captioner in enumerate(arms):
        for order, sign in (("best", -1), ("worst", 1)):
            when = {"order": order, "arm": captioner}
            at = [next(place for shown, place in of_case if shown == when) for of_case in places]
            merits = [
                sign * case.said[arm].scores["ROUGE-1"]
                for _, case in sorted(zip(at, cases, strict=True), key=lambda pair: pair[0])
            ]
            assert sorted(at) == [0, 1, 2, 3]
            assert merits == sorted(merits)


def test_images_without_a_true_caption_have_no_scores(tmp_path: Path) -> None:
    page = write_captions_report(tmp_path, ["a", "b"], {"decoder": ["x", ""]}, picture).read_text(encoding="utf-8")
    assert "2 images were captioned." in page
    assert "ROUGE" not in page
    assert "True caption" not in page
    assert not (tmp_path / "report.json").exists()


def test_a_draw_of_the_images() -> None:
    ids = [str(i) for i in range(30)]
    drawn = [case.id for case in captioned_images(ids, {"a": ids}, picture, shown=5)]
    assert drawn == [case.id for case in captioned_images(ids, {"b": ids}, picture, shown=5)]
    assert len(set(drawn)) == 5
    with pytest.raises(UsageError, match="a: 1 captions of 30 images"):
        captioned_images(ids, {"a": ["x"]}, picture)


def test_predictions_are_a_submission(tmp_path: Path) -> None:
    file = tmp_path / "run" / "captions.csv"
    write_predictions(file, ["i1", "i2"], ['a "left"\nmass, 3 cm', ""])
    with file.open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [["ID", "Caption"], ["i1", 'a "left" mass, 3 cm'], ["i2", ""]]
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3


def test_predictions_that_are_none_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 ids and 1 captions"):
        write_predictions(tmp_path / "c.csv", ["a", "b"], ["x"])
    with pytest.raises(UsageError, match="the id 'a' occurs twice"):
        write_predictions(tmp_path / "c.csv", ["a", "a"], ["x", "y"])
    assert not list(tmp_path.iterdir())
