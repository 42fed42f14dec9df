"""YAML files that are read without surprises: small, looked through before anything is made of them, every key once."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from closegap.errors import UsageError

_LARGEST = 2**20  # bytes of a file
_DEEPEST = 40  # levels of lists and mappings
_MOST = 100_000  # values, those that aliases stand for included
_LONGEST = 300  # digits of a number
_TOO_LONG = f"a number of over {_LONGEST} digits"
_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "seq", "map")}
_MERGE = f"{_TAG}merge"
_FLOAT = re.compile(
    r"[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]?\d+)?|\.(inf|Inf|INF))$"
    r"|\.(nan|NaN|NAN)$"
)
_EXPECTED = "expected keys and values, such as data: and model:"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Dates stay text, and 1e-3 is a number, as in YAML 1.2 and in the parser of options."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # of PyYAML, which copies it before it adds to it
        letter: [(tag, form) for tag, form in forms if tag not in (f"{_TAG}timestamp", f"{_TAG}float")]
        for letter, forms in _Base.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))


def read_config_file(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        UsageError: names the file, and the line where there is one.
    """
    if path.is_dir():
        raise UsageError(f"{path}: a folder; --config expects a YAML file")
    if not path.is_file():
        raise UsageError(f"{path}: no such file; --config expects a YAML file")
    if path.stat().st_size > _LARGEST:
        raise UsageError(f"{path}: larger than {_LARGEST >> 20} MiB; --config expects a YAML file of keys and values")
    try:
        content = _loaded(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{path}{place}: not YAML ({error.problem}); --config expects a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a text file in UTF-8; --config expects a YAML file") from error
    if content is None:
        raise UsageError(f"{path}: empty; {_EXPECTED}")
    if not isinstance(content, dict):
        raise UsageError(f"{path}: {_EXPECTED}, found {'a list' if isinstance(content, list) else f'{content!r:.40}'}")
    return content


def expect_small(text: str, where: str) -> None:
    """Refuse a text that is small itself and would be huge, or without end, once it is read as YAML.

    Args:
        text: of an option, or a value of a config; whatever is no YAML passes.
        where: what comes before the message.

    Raises:
        UsageError: it nests too deeply, or its aliases stand for too much.
    """
    with suppress(yaml.YAMLError):
        try:
            _expect_small(text)
        except _TooMuchError as error:
            raise UsageError(f"{where}: {error.problem}") from error


class _TooMuchError(yaml.MarkedYAMLError):  # type: ignore[misc]
    """YAML that would take more than it says."""


def _loaded(text: str) -> Any:
    _expect_small(text)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        for inner in _nodes(node):
            _expect_plain(inner)
        return loader.construct_document(node)
    except (ValueError, KeyError) as error:  # a tag and a value that do not go together: !!int x
        raise yaml.MarkedYAMLError(problem=f"a value cannot be read: {error}") from error
    finally:
        loader.dispose()


def _expect_small(text: str) -> None:
    """Look at the events of a text, which take no memory and no recursion."""
    sizes: dict[str, int] = {}  # of what anchors stand for
    open_: list[tuple[str | None, int]] = []  # anchors of what is not closed yet, and how much came before it
    count = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in (anchor for anchor, _ in open_):
                raise _TooMuchError(problem=f"*{event.anchor} stands inside itself", problem_mark=event.start_mark)
            count += sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            sizes |= {} if anchor is None else {anchor: count - before}
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            sizes |= {} if event.anchor is None else {event.anchor: 1}
            if len(event.value) > _LONGEST and event.implicit[0] and event.value.lstrip("+-").isdigit():
                raise _TooMuchError(problem=_TOO_LONG, problem_mark=event.start_mark)
        if len(open_) > _DEEPEST:
            raise _TooMuchError(problem=f"nested in over {_DEEPEST} levels", problem_mark=event.start_mark)
        if count > _MOST:
            raise _TooMuchError(
                problem=f"over {_MOST} values, those that aliases stand for included", problem_mark=event.start_mark
            )


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every node once."""
    pending, seen = [root], {id(root)}
    while pending:
        node = pending.pop()
        yield node
        inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        for part in [] if isinstance(node, yaml.ScalarNode) else inner:
            if id(part) not in seen:
                seen.add(id(part))
                pending.append(part)


def _expect_plain(node: yaml.Node) -> None:
    """Refuse a value that no config has, and a key that is no text or comes twice."""
    if node.tag not in _TAGS and node.tag != _MERGE:
        raise yaml.MarkedYAMLError(problem=f"a value of the type {node.tag!r:.60}", problem_mark=node.start_mark)
    if node.tag in (f"{_TAG}int", f"{_TAG}float") and len(node.value) > _LONGEST:
        raise yaml.MarkedYAMLError(problem=_TOO_LONG, problem_mark=node.start_mark)
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, _ in node.value:
        if key.tag == _MERGE:
            continue
        if key.tag != f"{_TAG}str":
            shown = f"{key.value!r:.40}" if isinstance(key, yaml.ScalarNode) else "of several parts"
            raise yaml.MarkedYAMLError(problem=f"a key {shown} that is no text", problem_mark=key.start_mark)
        if key.value in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key.value!r:.40} comes twice", problem_mark=key.start_mark)
        seen.add(key.value)
