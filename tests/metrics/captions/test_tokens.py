import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closegap.errors import UsageError
from closegap.metrics.captions.pairs import tokenized
from closegap.metrics.captions.tokens import plain_tokens, ptb_tokens

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no java on the PATH: PTB tokens are not checked")


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("Chest X-ray (PA view).", ["chest", "x-ray", "pa", "view"]),
        ("1,250 mL, 3.5 cm; T2-weighted", ["1,250", "ml", "3.5", "cm", "t2-weighted"]),
        ("patient\u2019s / patient's", ["patient's", "patient's"]),
        ("hydro-aériques _ 5% -", ["hydro-aériques", "5"]),
        (" ...", []),
    ],
)
def test_plain_tokens(caption: str, tokens: list[str]) -> None:
    assert plain_tokens(caption) == tokens


@given(st.text())
def test_plain_tokens_of_plain_tokens_are_the_same(caption: str) -> None:
    tokens = plain_tokens(caption)
    assert plain_tokens(" ".join(tokens)) == [part for token in tokens for part in plain_tokens(token)]
    assert all(token and not any(character.isspace() for character in token) for token in tokens)


@needs_java
def test_ptb_tokens_are_those_of_pycocoevalcap(roco: tuple[list[str], list[list[str]]]) -> None:
    module = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer")
    captions = [caption for caption in roco[0] if caption.isascii()]
    theirs = module.PTBTokenizer().tokenize({i: [{"caption": caption}] for i, caption in enumerate(captions)})
    assert [" ".join(tokens) for tokens in ptb_tokens(captions)] == [theirs[i][0] for i in range(len(captions))]


@needs_java
def test_ptb_keeps_captions_apart_whatever_they_contain() -> None:
    pytest.importorskip("pycocoevalcap")
    assert ptb_tokens(["one\u2028two\r\nthree", "", "é - 5 cm."]) == [["one", "two", "three"], [], ["é", "5", "cm"]]


def test_without_java_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycocoevalcap")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="needs Java, and there is no `java` on the PATH"):
        tokenized(["a"], [["a"]], "ptb")


@pytest.mark.parametrize(
    ("generated", "references", "message"),
    [
        ([], [], "no caption to score"),
        (["a"], [["a"], ["b"]], "1 generated captions and the references of 2 cases"),
        (["a", "b"], [["a"], []], "case 1 .* has no reference"),
    ],
)
def test_sides_that_do_not_pair(generated: list[str], references: list[list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tokenized(generated, references)
