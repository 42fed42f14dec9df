"""Pages whose code is run: blocks of `python run` stand above what they print, `python draw` gives way to it."""

import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from types import ModuleType

_BLOCK = re.compile(r"^```python (run|draw)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class BlockError(Exception):
    """A block of a page that failed; says where."""


def executed(page: str, text: str) -> str:
    """The page with what its blocks printed; they share one module, in which workers find what it defines.

    Args:
        page: its name.
        text: in Markdown.

    Raises:
        BlockError: a block failed.
    """
    if not _BLOCK.search(text):
        return text
    return "".join(_parts(page, text))


def _parts(page: str, text: str) -> Iterator[str]:
    module = ModuleType(re.sub(r"\W", "_", page))
    sys.modules[module.__name__] = module
    end = 0
    try:
        for block in _BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            printed = StringIO()
            try:
                with redirect_stdout(printed):
                    exec(compile("\n" * line + block[2], page, "exec"), vars(module))
            except Exception as error:
                raise BlockError(f"{page}:{line}: {type(error).__name__}: {error}") from error
            yield text[end : block.start()]
            yield _shown(block[1], block[2], printed.getvalue())
            end = block.end()
    finally:
        del sys.modules[module.__name__]
    yield text[end:]


def _shown(how: str, code: str, printed: str) -> str:
    if how == "draw":
        return printed
    said = f"\n\n```{{.text .printed}}\n{printed}```" if printed else ""
    return f"```python\n{code}```{said}"
