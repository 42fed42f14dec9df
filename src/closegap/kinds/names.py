"""Kinds by name: how configs and shards write them."""

from importlib import import_module

from closegap import kinds
from closegap.kinds.base import Kind


def kind_names() -> list[str]:
    """The short names of closegap's own kinds: image, text, ..."""
    return [name for name, found in _own().items() if found is not Kind]


def name_of(kind: Kind) -> str:
    """The short name of one of closegap's own kinds, the import path of another's.

    Example:
        >>> from closegap.kinds import CodesKind
        >>> name_of(CodesKind())
        'codes'
    """
    found = type(kind)
    return next((name for name, own in _own().items() if own is found), f"{found.__module__}.{found.__qualname__}")


def own_kind(name: str) -> Kind | None:
    """The kind of a short name; None where closegap has none of that name. Imports nothing from elsewhere."""
    return _own()[name]() if name in kind_names() else None


def kind_at(name: str) -> Kind:
    """The kind of a short name or of the import path of a class.

    Raises:
        ValueError: there is none, or the class is no kind.
    """
    module, _, attribute = name.rpartition(".")
    try:
        found = own_kind(name) if not module else _built(getattr(import_module(module), attribute))
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"{name!r} cannot be had ({error})") from error
    if found is None:
        raise ValueError(f"{name!r} is no kind")
    return found


def _built(named: object) -> Kind | None:
    """A kind of the class at its defaults; None of anything else, which is not called to find out."""
    return named() if isinstance(named, type) and issubclass(named, Kind) else None


def _own() -> dict[str, type[Kind]]:
    """Module name to the kind that it defines."""
    classes = (getattr(kinds, name) for name in kinds.__all__)
    return {found.__module__.rpartition(".")[2]: found for found in classes if issubclass(found, Kind)}
