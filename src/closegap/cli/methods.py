"""Which post-hoc methods a command line names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.posthoc import PostHoc

METHODS = "shift, center, realign, procrustes, project_out, whiten, placebo"
"""What help says without importing them: the names of `standard_arms`."""

METHODS_HELP = f"post-hoc arms: all, or some of {METHODS}"


def chosen_methods(names: Sequence[str]) -> "dict[str, PostHoc]":
    """Arm name to method, unfitted.

    Raises:
        UsageError: a name that no method has.
    """
    if not names:
        return {}
    from closegap.posthoc import standard_arms

    everything = standard_arms()
    if "all" in names:
        return everything
    unknown = [name for name in names if name not in everything]
    if unknown:
        raise UsageError(f"--posthoc {unknown[0]}: expected all, or some of {', '.join(everything)}")
    return {name: method for name, method in everything.items() if name in names}
