"""Do the encoders take what the data give?"""

from collections.abc import Mapping

from closegap.errors import UsageError
from closegap.kinds.base import Kind
from closegap.models.base import Encoder


def check_kinds(kinds: Mapping[str, Kind], encoders: Mapping[str, Encoder]) -> None:
    """Refuse encoders that take items of another kind than the data give; a modality that the data lack passes.

    Args:
        kinds: modality name to the kind that the data give.
        encoders: modality name to its tower.

    Raises:
        UsageError: one line that names every such encoder by its key.
    """
    wrong = []
    for name, encoder in encoders.items():
        taken: type[Kind] | None = getattr(encoder, "takes", None)
        if taken is None:
            wrong.append(
                f"model.encoders.{name}: {type(encoder).__name__} does not say what it takes; give the class an "
                "attribute such as `takes = TextKind`"
            )
        elif name in kinds and not isinstance(kinds[name], taken):
            given = type(kinds[name]).__name__
            wrong.append(
                f"model.encoders.{name}: {type(encoder).__name__} takes {taken.__name__}, the data give {given} for "
                f"'{name}'"
            )
    if wrong:
        raise UsageError(f"{'; '.join(wrong)}; name another encoder there, or another kind in the data")
