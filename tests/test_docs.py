"""The documentation is true: its Python runs, its YAML parses, its commands and links exist."""

import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from closegap.cli.main import main
from closegap.cli.verbs import VERBS
from closegap.runs.config import parse_run

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_WHOLE = re.compile(r"^```python (?:run|draw)$", re.MULTILINE)
EXECUTED = [page for page in PAGES if _WHOLE.search(page.read_text(encoding="utf-8"))]  # from top to bottom, as one
BASE = "configs/roco-small.yaml"  # what snippets of configs are laid over
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")
_OPTION = re.compile(r"--[a-z][\w.-]*")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        if found[1] in languages:
            yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


def every_block(*languages: str) -> pytest.MarkDecorator:
    found = [block for page in PAGES for block in blocks(page, *languages)]
    return pytest.mark.parametrize("block", found, ids=[block.name for block in found])


def every_command() -> pytest.MarkDecorator:
    """The `closegap` commands in blocks and in running text, without what a shell does with them."""
    found: dict[str, str] = {}
    for page in PAGES:
        lines = [line for block in blocks(page, "sh", "bash", "console") for line in _lines(block.text)]
        inline = re.findall(r"`(closegap\s[^`]+)`", page.read_text(encoding="utf-8"))
        lines += [" ".join(command.split()) for command in inline]
        for line in lines:
            if command := re.search(r"(?:^|-m )closegap (.*)", line):
                found.setdefault(re.split(r"\s(?:[|>&#]|&&)\s?", command[1])[0], str(page.relative_to(ROOT)))
    return pytest.mark.parametrize("command", found, ids=[f"{page}: {line}" for line, page in found.items()])


def _lines(text: str) -> list[str]:
    return [line.removeprefix("$ ") for line in text.replace("\\\n", " ").splitlines()]


def run_python(block: Block, folder: Path) -> dict[str, object]:
    script = folder / f"line_{block.line}.py"
    script.write_text(block.text, encoding="utf-8")
    return runpy.run_path(str(script), run_name="my_package")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pages speak of as there already: a finished run at runs/a, and an image."""
    folder = tmp_path_factory.mktemp("finished")
    Image.radial_gradient("L").save(folder / "chest.png")
    small = [
        "data.init_args.cases=60",
        "model.encoders.report.init_args.dim=16",
        "train.steps=2",
        "train.batch_size=16",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOSEGAP_CACHE", str(folder / "cache"))
        given = ["--config", str(ROOT / "configs/demo.yaml"), "--out", str(folder / "runs" / "a")]
        assert main(["train", *given, *(f"--{option}" for option in small)]) == 0
    return folder


@every_block("python")
def test_python_runs(block: Block, elsewhere: Path, request: pytest.FixtureRequest) -> None:
    if '"runs/a"' in block.text:
        shutil.copytree(request.getfixturevalue("finished"), elsewhere, dirs_exist_ok=True)
    run_python(block, elsewhere)


@pytest.mark.parametrize("page", EXECUTED, ids=[str(page.relative_to(ROOT)) for page in EXECUTED])
def test_pages_run_from_top_to_bottom(page: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "theme"))
    executed = import_module("executed").executed
    shown = executed(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))
    assert not _WHOLE.search(shown)
    assert "```{.text .printed}" in shown or "```text" in shown  # something came out


@every_block("yaml")
def test_configs_parse(block: Block, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # `my_package` in a config is what the Python of the same page defines.
    package = ModuleType("my_package")
    if package.__name__ in block.text:
        for part in blocks(block.page, "python"):
            vars(package).update(run_python(part, elsewhere))
    monkeypatch.setitem(sys.modules, package.__name__, package)
    given = set(re.findall(r"^(\w+):", block.text, re.MULTILINE))
    snippet = elsewhere / "snippet.yaml"
    snippet.write_text(block.text, encoding="utf-8")
    base = [] if {"data", "model"} <= given else ["--config", str(ROOT / BASE)]
    parsed = parse_run([*base, "--config", str(snippet)]).as_dict()
    for key in given:
        assert parsed[key]


@every_command()
def test_commands_exist(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = [path for word in shlex.split(command) for path in _expanded(word)]
    if words[0] in ("VERB", "--help", "--version"):
        return
    assert words[0] in VERBS
    options = [word.partition("=")[0] for word in words[1:] if _OPTION.match(word)]
    if options and options[0].endswith(".help"):
        with pytest.raises(SystemExit, match=r"^0$"):
            parse_run(words[1:])
        return
    known = {*_OPTION.findall(help_of(words[0]))}
    for option in options:
        if "." not in option:
            assert option in known
    for config in (word for word in words if word.startswith("configs/")):
        assert Path(config).is_file()
    overrides = [word for option in options if "." in option for word in _option_and_value(words, option)]
    if overrides:  # those that override a config of closegap's, or of the runs that came of one
        named = [word for word in words if word.startswith("configs/")]
        whole = any("\ndata:" in Path(word).read_text(encoding="utf-8") for word in named)
        configs = [part for word in (named if whole else [BASE, *named]) for part in ("--config", word)]
        parse_run([*configs, *overrides])


def _expanded(word: str) -> list[str]:
    """A pattern of configs as the shell expands it."""
    pattern = word.startswith("configs/") and "*" in word
    return sorted(map(str, Path().glob(word))) or [word] if pattern else [word]


def _option_and_value(words: list[str], option: str) -> list[str]:
    at = next(place for place, word in enumerate(words) if word.partition("=")[0] == option)
    return [words[at]] if "=" in words[at] else words[at : at + 2]


@cache
def help_of(verb: str) -> str:
    out = StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as left:
        import_module(f"closegap.cli.{verb}").main(["--help"])
    assert left.value.code == 0
    return out.getvalue()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    assert f"closegap {verb}" in help_of(verb)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        assert (page.parent / target).exists(), target


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
