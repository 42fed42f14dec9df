"""What every kind of item must hold to."""

import pickle
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from markupsafe import Markup

from closegap.files import digest
from closegap.kinds.base import Kind
from closegap.kinds.stored import Stored

_NO_ITEMS: Sequence[Any] = (None, object(), "", b"", (), [], {}, (None,), [object()], {"": object()})
_HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&"
_THREADS, _REPEATS = 4, 3
_ACTIVE = frozenset({"script", "iframe", "object", "embed", "link", "meta", "base", "form"})
_ADDRESSES = frozenset({"src", "href", "xlink:href", "srcset", "poster", "action", "data"})


def check_kind(kind: Kind, items: Sequence[Any]) -> None:
    """Look at items, and at what are none, tell them apart, pack and show them, and compare what must agree.

    Args:
        kind: at the settings to check.
        items: sound ones that differ from each other, at least two, small: pictures below 200 pixels a side. Texts in
            them are replaced by hostile ones, to see whether what is shown is escaped.

    Raises:
        AssertionError: what does not hold, in one line.

    Example:
        >>> from closegap.kinds import TextKind
        >>> check_kind(TextKind(), ["no effusion", "a mass in the left lung"])
    """
    assert len(items) > 1, f"{len(items)} items given, expected at least two that differ"
    copied = _check_class(kind)
    for item in items:
        problem = kind.problem(item)
        assert problem is None, f"{_name(kind)}: a problem with the item {_told(item)}: {problem}"
    _check_refusals(kind)
    _check_fingerprints(kind, copied, items)
    with TemporaryDirectory() as folder:
        for number, item in enumerate(items):
            _check_packed(kind, item, Path(folder) / f"{number}.archive")
    for item in items:
        _check_parsed(kind, item)
        _check_shown(kind, item)
        hostile = _with_hostile_texts(item)
        if _problem(kind, hostile) is None:
            _check_shown(kind, hostile)
    _check_views(kind, items)


def _check_class(kind: Kind) -> Kind:
    """The kind as a worker process gets it."""
    name = _name(kind)
    try:
        type(kind)()
    except TypeError as error:
        raise AssertionError(
            f"{name}: cannot be made without arguments ({error}); give its settings defaults"
        ) from error
    word = bool(kind.noun.strip()) and kind.noun.isprintable()
    assert word, f"{name}: its noun is {kind.noun!r}, expected a word"
    try:
        copied: Kind = pickle.loads(pickle.dumps(kind))  # noqa: S301 - our own bytes
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        raise AssertionError(f"{name}: does not travel to worker processes ({error})") from error
    return copied


def _check_refusals(kind: Kind) -> None:
    for thing in _NO_ITEMS:
        problem = _problem(kind, thing)
        assert problem is None or isinstance(problem, str), f"{_name(kind)}: problem returns a {type(problem).__name__}"
        assert problem, f"{_name(kind)}: no problem is found with {_told(thing)}; say in a few words why it is no item"
        assert len(problem.splitlines()) == 1, f"{_name(kind)}: the problem with {_told(thing)} is not told in one line"
        try:
            kind.place(thing)
        except Exception as error:
            raise AssertionError(
                f"{_name(kind)}: place raises {type(error).__name__} for {_told(thing)} ({error}); it is asked before "
                "problem is, and returns None for what lies in no file"
            ) from error


def _problem(kind: Kind, thing: Any) -> str | None:
    try:
        return kind.problem(thing)
    except Exception as error:
        raise AssertionError(
            f"{_name(kind)}: problem raises {type(error).__name__} for {_told(thing)} ({error}); return what is wrong"
        ) from error


def _check_fingerprints(kind: Kind, copied: Kind, items: Sequence[Any]) -> None:
    name, found = _name(kind), [kind.fingerprint(item) for item in items]
    seen: dict[bytes, Any] = {}
    for item, one in zip(items, found, strict=True):
        assert isinstance(one, bytes), f"{name}: fingerprint returns a {type(one).__name__}, expected bytes"
        assert one not in seen, f"{name}: {_told(seen[one])} and {_told(item)} have one fingerprint"
        seen[one] = item
        try:
            travelled = pickle.loads(pickle.dumps(item))  # noqa: S301 - our own bytes
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise AssertionError(f"{name}: {_told(item)} does not travel to worker processes ({error})") from error
        assert kind.fingerprint(item) == one, f"{name}: the fingerprint of {_told(item)} changes from call to call"
        assert copied.fingerprint(travelled) == one, f"{name}: {_told(item)} has another fingerprint once it travelled"
        place = kind.place(item)
        assert place is None or place.file.exists(), f"{name}: {_told(item)} lies in {place}, which does not exist"
    with ThreadPoolExecutor(_THREADS) as pool:
        again = list(pool.map(kind.fingerprint, list(items) * _REPEATS))
    assert again == found * _REPEATS, f"{name}: fingerprints change when threads ask for them"


def _check_packed(kind: Kind, item: Any, archive: Path) -> None:
    name, packed = _name(kind), kind.pack(item)
    assert isinstance(packed, bytes), f"{name}: pack returns a {type(packed).__name__}, expected bytes"
    if kind.compact:
        try:
            packed.decode("utf-8", errors="surrogatepass")
        except UnicodeDecodeError as error:
            raise AssertionError(f"{name}: compact, but {_told(item)} is not packed to UTF-8 ({error})") from error
    suffix = kind.suffix(packed)
    assert re.fullmatch(r"\.\w[\w.]*", suffix), f"{name}: suffix is {suffix!r}, expected one such as '.npy'"
    _check_same(kind, kind.unpack(packed), item, "packed and unpacked")
    archive.write_bytes(b"before" + packed + b"behind")
    stored = Stored(archive, len(b"before"), len(packed), digest(packed))
    _check_same(kind, kind.stored(stored), item, "stored in an archive")


def _check_same(kind: Kind, found: Any, item: Any, how: str) -> None:
    name = _name(kind)
    problem = _problem(kind, found)
    assert problem is None, f"{name}: {how}, {_told(item)} has a problem: {problem}"
    same = kind.fingerprint(found) == kind.fingerprint(item) or kind.show(found) == kind.show(item)
    assert same, f"{name}: {how}, {_told(item)} has another fingerprint, and is shown otherwise"


def _check_parsed(kind: Kind, item: Any) -> None:
    try:
        parsed = kind.parse(item)
    except Exception as error:
        raise AssertionError(f"{_name(kind)}: parse refuses {_told(item)}, which is an item ({error})") from error
    assert kind.fingerprint(parsed) == kind.fingerprint(item), f"{_name(kind)}: parse makes another item of an item"


def _check_shown(kind: Kind, item: Any) -> None:
    name, shown, text = _name(kind), kind.show(item), kind.text(item)
    assert isinstance(shown, Markup), f"{name}: show returns a {type(shown).__name__}, expected markupsafe.Markup"
    assert shown.strip(), f"{name}: nothing is shown of {_told(item)}"
    reader = _Reader()
    reader.feed(shown)
    assert not reader.found, (
        f"{name}: what is shown of {_told(item)} has {reader.found[0]}; escape texts with Markup('...').format(text), "
        "and load nothing but data:"
    )
    assert isinstance(text, str), f"{name}: text returns a {type(text).__name__}, expected a str"
    assert len(text.splitlines()) <= 1, f"{name}: the text of {_told(item)} has several lines"


def _check_views(kind: Kind, items: Sequence[Any]) -> None:
    name, views = _name(kind), kind.views(items)
    given = isinstance(views, tuple) and len(views) > 0
    assert given, f"{name}: views makes {_told(views)} of items, expected a tuple of them"
    for item in (*items, *views):
        problem, concepts = _problem(kind, item), kind.concepts(item)
        assert problem is None, f"{name}: a problem with what views makes of items: {problem}"
        sound = isinstance(concepts, tuple) and all(isinstance(concept, str) for concept in concepts)
        assert sound, f"{name}: concepts returns {_told(concepts)}, expected a tuple of str"


def _with_hostile_texts(item: Any) -> Any:
    """The item with every text inside it, names of columns too, replaced by one that HTML must not be made of."""
    if isinstance(item, str):
        return _HOSTILE
    if isinstance(item, Mapping):
        return {_with_hostile_texts(key): _with_hostile_texts(value) for key, value in item.items()}
    if type(item) in (tuple, list):
        return type(item)(_with_hostile_texts(part) for part in item)
    if is_dataclass(item) and not isinstance(item, type):
        texts = [one.name for one in fields(item) if one.init and isinstance(getattr(item, one.name), str)]
        return replace(item, **dict.fromkeys(texts, _HOSTILE))
    return item


class _Reader(HTMLParser):
    """What HTML does besides showing something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ACTIVE:
            self.found.append(f"a <{tag}>")
        for name, value in attrs:
            if name.startswith("on"):
                self.found.append(f"an {name}")
            elif name in _ADDRESSES and not (value or "").lstrip().startswith(("data:", "#")):
                self.found.append(f"a {name} of {value!r}")


def _told(thing: Any) -> str:
    told = repr(thing)
    return told if len(told) <= 60 else f"{told[:57]}..."


def _name(kind: Kind) -> str:
    return type(kind).__name__
