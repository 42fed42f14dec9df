"""Classes by name: a module of one of our packages for ours, an import path for anybody's. Names cost no import."""

import ast
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from importlib import import_module
from importlib.util import find_spec
from inspect import isabstract
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar, Generic, Protocol, TypeGuard, TypeVar

from closegap.errors import UsageError


class Listed(Protocol):
    """A dataclass whose fields are its settings, that stands in reports."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    order: ClassVar[int]
    """Where its arm stands, lowest first; those of one order stand as they were named."""

    control: ClassVar[bool]
    """Whether it is there to show what others' gains are worth; its arm stands last."""


T = TypeVar("T", bound=Listed)


@dataclass(frozen=True)
class Family(Generic[T]):
    """The classes that stand under one abstract class, ours and anybody's.

    Args:
        package: of ours; each of its modules defines one class and is its name.
        base: import path of the abstract class.
        noun: what one of them is called in messages.
        fit: the command that takes settings, for those that have no default.
    """

    package: str
    base: str
    noun: str
    fit: str

    def names(self) -> list[str]:
        """Names of ours, by the alphabet; none is imported."""
        modules = iter_modules(import_module(self.package).__path__)
        return sorted(module.name for module in modules if not module.ispkg)

    def summaries(self) -> dict[str, str]:
        """What each of ours does, by its name: the first line of its module, which is read, not imported."""
        found = {}
        for name in self.names():
            spec = find_spec(f"{self.package}.{name}")
            assert spec is not None
            assert spec.origin is not None
            text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
            found[name] = text.partition("\n")[0]
        return found

    def found(self, name: str) -> type[T]:
        """The class of that name.

        Args:
            name: of one of ours, or an import path (`my_package.Mine`), which is imported.

        Raises:
            UsageError: none of that name, or a path that leads to none.
        """
        base = self.base.rpartition(".")[2]
        if "." not in name:
            if name not in self.names():
                known = ", ".join(self.names())
                raise UsageError(f"{name}: no {self.noun}; expected one of {known}, or a class as package.module.Class")
            module = import_module(f"{self.package}.{name}")
            return next(
                found for found in vars(module).values() if self._is_one(found) and found.__module__ == module.__name__
            )
        module_name, _, attribute = name.rpartition(".")
        try:
            found = getattr(import_module(module_name), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(f"{name}: cannot be imported ({error}); expected the import path of a {base}") from error
        if not self._is_one(found):
            raise UsageError(f"{name}: is no {base} that can be built; expected the import path of one")
        return found

    def trusted(self, class_path: str, path: Path, also: Sequence[str], option: str) -> type[T]:
        """The class that a file names, which is imported only if it is ours or listed.

        Args:
            class_path: what the file says.
            path: of the file, for messages.
            also: import paths of further classes that may be loaded.
            option: of the command line that trusts one.

        Raises:
            UsageError: another class, or a path that leads to none.
        """
        module, _, _ = class_path.rpartition(".")
        package, _, name = module.rpartition(".")
        if not (package == self.package and name in self.names()) and class_path not in also:
            raise UsageError(
                f"{path}: holds {class_path}, which is not trusted; if you trust it, name it with "
                f"{option} {class_path} (trusted=['{class_path}'])"
            )
        return self.found(class_path)

    def arm(self, found: type[T]) -> str:
        """What a report calls one: ours by their modules' names, others by their classes'."""
        package, _, module = found.__module__.rpartition(".")
        return module if package == self.package else found.__name__

    def chosen(self, names: Sequence[str]) -> dict[str, T]:
        """One of each at its defaults, by the names of their arms, in the order of reports.

        Args:
            names: of ours or import paths; "all" stands for all of ours, and one that is given twice counts once.

        Raises:
            UsageError: as `found`; a class that needs a setting; two classes of one name.
        """
        every = [*(self.names() if "all" in names else ()), *(name for name in names if name != "all")]
        arms: dict[str, T] = {}
        classes = dict.fromkeys(self.found(name) for name in every)
        for one in sorted(classes, key=lambda one: (one.control, one.order)):
            name = self.arm(one)
            if name in arms:
                raise UsageError(f"two are called {name}; choose one, or give their classes different names")
            for item in fields(one):
                if item.init and item.default is MISSING and item.default_factory is MISSING:
                    raise UsageError(
                        f"{name}: its setting '{item.name}' has no default; give it with `{self.fit} --{item.name}`"
                    )
            arms[name] = one()
        return arms

    def _is_one(self, found: object) -> TypeGuard[type[T]]:
        module, _, name = self.base.rpartition(".")
        base = getattr(import_module(module), name)
        return isinstance(found, type) and issubclass(found, base) and not isabstract(found)


def class_path(found: type) -> str:
    """The import path of a class."""
    return f"{found.__module__}.{found.__qualname__}"
