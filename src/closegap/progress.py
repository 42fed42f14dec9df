"""How far work has got. Free of heavy imports, so that anything may report."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (done, to do) while something takes a while."""
