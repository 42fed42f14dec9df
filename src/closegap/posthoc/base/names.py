"""Methods by name: a module of `closegap.posthoc` for ours, an import path for anybody's. Names cost no import."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from importlib import import_module
from inspect import isabstract
from typing import TYPE_CHECKING, Any, TypeGuard

from closegap.errors import UsageError
from closegap.families import Family

if TYPE_CHECKING:
    from closegap.posthoc.base.method import PostHoc

METHODS: "Family[PostHoc]" = Family(
    package="closegap.posthoc",
    base="closegap.posthoc.base.method.PostHoc",
    noun="post-hoc method",
    fit="closegap posthoc fit",
)
"""Ours are the modules of `closegap.posthoc`."""


def method_names() -> list[str]:
    """Names of our methods, by the alphabet: the modules of `closegap.posthoc`, none of which is imported.

    Example:
        >>> method_names()
        ['canonical', 'center', 'match_moments', 'placebo', 'procrustes', 'project_out', 'realign', 'shift', 'whiten']
    """
    return METHODS.names()


def method_summaries() -> dict[str, str]:
    """What each of our methods does, by its name: the first line of its module, which is read, not imported."""
    return METHODS.summaries()


def is_own(class_path: str) -> bool:
    """Whether a class's import path lies in one of our methods' modules; nothing is imported."""
    module, _, _ = class_path.rpartition(".")
    package, _, name = module.rpartition(".")
    return package == METHODS.package and name in method_names()


def method_class(name: str) -> type["PostHoc"]:
    """The class of a method.

    Args:
        name: of one of ours (`shift`), or an import path (`my_package.Mine`), which is imported.

    Raises:
        UsageError: no method of that name, or a path that leads to none.
    """
    if "." not in name:
        if name not in method_names():
            known = ", ".join(standard_arms())
            raise UsageError(f"{name}: no post-hoc method; expected one of {known}, or a class as package.module.Class")
        module = import_module(f"{METHODS.package}.{name}")
        return next(
            found for found in vars(module).values() if _is_method(found) and found.__module__ == module.__name__
        )
    module_name, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{name}: cannot be imported ({error}); expected the import path of a PostHoc") from error
    if not _is_method(found):
        raise UsageError(f"{name}: is no PostHoc that can be built; expected the import path of one")
    return found


def arm_name(method: type["PostHoc"]) -> str:
    """What a report calls a method: ours by their modules' names, others by their classes'.

    Example:
        >>> from closegap.posthoc import ProjectOut
        >>> arm_name(ProjectOut)
        'project_out'
    """
    return METHODS.arm(method)


def chosen_arms(names: Sequence[str]) -> dict[str, "PostHoc"]:
    """These methods at their defaults, unfitted, by the names of their arms, in the order of reports.

    Args:
        names: of ours or import paths; one that is given twice counts once.

    Raises:
        UsageError: as `method_class`; a class that needs a setting; two classes of one name.
    """
    classes = dict.fromkeys(method_class(name) for name in names)
    arms: dict[str, PostHoc] = {}
    for method in sorted(classes, key=lambda method: (method.control, method.order)):
        name = arm_name(method)
        if name in arms:
            raise UsageError(f"two methods are called {name}; choose one, or give their classes different names")
        arms[name] = method(**_settings_at_hand(method, {}))
    return arms


def standard_arms() -> dict[str, "PostHoc"]:
    """Each of our methods at its defaults, unfitted, by the name of its arm; the placebo last.

    Example:
        >>> list(standard_arms())
        ['shift', 'center', 'realign', 'match_moments', 'procrustes', 'project_out', 'whiten', 'canonical', 'placebo']
    """
    return chosen_arms(method_names())


def anchored(name: str, anchor: str) -> "PostHoc":
    """A method, unfitted, that leaves one modality where it is.

    Args:
        name: as in `method_class`; of a method with the setting `anchor`.
        anchor: the modality that stays.

    Raises:
        UsageError: as `method_class`; a method without that setting.
    """
    known = [own for own, arm in standard_arms().items() if "anchor" in arm.settings]
    method = method_class(name) if "." in name or name in known else None
    if method is None or "anchor" not in {item.name for item in fields(method) if item.init}:
        raise UsageError(
            f"{name}: no post-hoc method with an anchor, the modality that stays; expected one of {', '.join(known)}, "
            "or a class that has one as package.module.Class"
        )
    return method(**_settings_at_hand(method, {"anchor": anchor}))


def _settings_at_hand(method: type["PostHoc"], given: Mapping[str, Any]) -> Mapping[str, Any]:
    for item in fields(method):
        if item.init and item.name not in given and item.default is MISSING and item.default_factory is MISSING:
            raise UsageError(
                f"{arm_name(method)}: its setting '{item.name}' has no default; "
                f"give it with `closegap posthoc fit --{item.name}`"
            )
    return given


def _is_method(found: object) -> "TypeGuard[type[PostHoc]]":
    from closegap.posthoc.base.method import PostHoc

    return isinstance(found, type) and issubclass(found, PostHoc) and not isabstract(found)
