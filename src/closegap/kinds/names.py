"""Kinds by name: how configs and shards write them."""

from importlib import import_module

from closegap import kinds
from closegap.kinds import _HOMES
from closegap.kinds.base import Kind


def kind_names() -> list[str]:
    """The short names of closegap's own kinds: image, text, ..."""
    return list(_own())


def name_of(kind: Kind) -> str:
    """The short name of one of closegap's own kinds, the import path of another's.

    Example:
        >>> from closegap.kinds import CodesKind
        >>> name_of(CodesKind())
        'codes'
    """
    module, attribute = type(kind).__module__, type(kind).__qualname__
    name = module.rpartition(".")[2]
    return name if _HOMES.get(attribute) == module and name in _own() else f"{module}.{attribute}"


def own_kind(name: str) -> Kind | None:
    """The kind of a short name; None where closegap has none of that name. Imports nothing from elsewhere."""
    attribute = _own().get(name)
    if attribute is None:
        return None
    found: Kind = getattr(kinds, attribute)()
    return found


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


def _own() -> dict[str, str]:
    """Module name to the name of the kind that it defines; none is imported, as each may need an extra."""
    return {home.rpartition(".")[2]: name for name, home in _HOMES.items() if name.endswith("Kind") and name != "Kind"}
