"""What a terminal would obey."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from closegap.printable import is_text, one_line, printable
from closegap.terminal import Terminal


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert not [letter for letter in shown if unicodedata.category(letter)[0] == "C" and letter not in "\n\t"] or any(
        unicodedata.category(letter) in {"Cn", "Co"} for letter in text
    )
    assert printable(shown) == shown


@pytest.mark.parametrize("text", ["Röntgen, 5 µm; 胸部", "two\nlines\tand a tab", ""])
def test_words_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


@given(st.text(max_size=40).map(lambda text: text * 100))
def test_a_line_is_one_and_short(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 1000
    assert len(line.splitlines()) <= 1


def test_a_long_line_keeps_both_ends() -> None:
    assert one_line("given " + "x" * 9000 + " do this").startswith("given xxx")
    assert one_line("given " + "x" * 9000 + " do this").endswith("xxx do this")


def test_half_a_character_is_no_text() -> None:
    assert [is_text(text) for text in ("ä", "\U0001f600", "\ud83d", "a\udcff")] == [True, True, False, False]


def test_a_terminal_shows_what_a_console_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("\x1b]0;mine\x07")
    table.add_row("\x9b31m\u202e")
    Console(width=40).print(table)
    assert set("\x1b\u202e") & set(capsys.readouterr().out), "else there is nothing to mend"
    Terminal(width=40).print(table)
    shown = capsys.readouterr().out
    assert not set("\x1b\x07\x9b\u202e") & set(shown)
    assert "\\x1b]0;" in shown
    assert "\\x9b31m" in shown
