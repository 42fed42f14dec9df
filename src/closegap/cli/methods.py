"""Which post-hoc methods a command line names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from closegap.errors import UsageError
from closegap.posthoc import method_names

if TYPE_CHECKING:
    from closegap.posthoc import PostHoc

METHODS_HELP = f"post-hoc arms: all, or some of {', '.join(method_names())}, or classes as package.module.Class"

CORRECT_HELP = (
    "also with these post-hoc methods, of those with an anchor: shift, realign, canonical, ..., or package.module.Class"
)


def chosen_methods(names: Sequence[str]) -> dict[str, "PostHoc"]:
    """Arm name to method, unfitted.

    Args:
        names: as given to --posthoc: all, names of ours, import paths.

    Raises:
        UsageError: a name that no method has, or a path that leads to none.
    """
    if not names:
        return {}
    from closegap.posthoc import chosen_arms

    foreign = [name for name in names if name != "all"]
    try:
        return chosen_arms([*method_names(), *foreign] if "all" in names else foreign)
    except UsageError as error:
        raise UsageError(f"--posthoc {error}") from error
