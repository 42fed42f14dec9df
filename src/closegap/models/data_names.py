"""A model whose modalities are called as the data call them."""

from collections.abc import Mapping, Sequence
from typing import cast

from closegap.errors import UsageError
from closegap.kinds.base import Kind
from closegap.models.heads import Head
from closegap.models.model import Model


def named_after_data(model: Model, kinds: Mapping[str, Kind], chosen: Sequence[str] = ()) -> Model:
    """The part of a model that data have items for, its modalities called as theirs; the model itself where they agree.

    A modality of the model is that of the data which has its name and gives what its tower takes, else the only one
    that gives it.

    Args:
        model: of whatever names, such as image and text.
        kinds: modality name to kind, as a source has them.
        chosen: names of the data's modalities that count; all by default.

    Raises:
        UsageError: fewer than two in common, or several that a tower could take.
    """
    for name in chosen:
        if name not in kinds:
            raise UsageError(f"--names: the data have no modality '{name}'; they have {', '.join(kinds)}")
    names: dict[str, str] = {}
    for own in model.modalities:
        taken = model.encoder(own).takes
        fitting = [name for name in chosen or kinds if isinstance(kinds[name], taken)]
        if own in fitting:
            fitting = [own]
        if len(fitting) > 1:
            raise UsageError(
                f"{' and '.join(fitting)} are {taken.noun}s, and the model has one tower for them, {own}; choose with "
                "--names"
            )
        if fitting and fitting[0] in names:
            raise UsageError(
                f"towers {names[fitting[0]]} and {own} both take {fitting[0]}; call the data's modalities as the model "
                f"does: {', '.join(model.modalities)}"
            )
        if fitting:
            names[fitting[0]] = own
    if len(names) < 2:
        raise UsageError(
            f"the model embeds {_said({own: model.encoder(own).takes for own in model.modalities})}, the data have "
            f"{_said({name: type(kinds[name]) for name in chosen or kinds})}: at least two have to agree"
        )
    if list(names.items()) == [(own, own) for own in model.modalities]:
        return model
    if model.posthoc is not None:
        raise UsageError(
            f"the model's post-hoc map is for {', '.join(model.modalities)}; call the data's modalities like that"
        )
    return _renamed(model, names)


def _renamed(model: Model, names: Mapping[str, str]) -> Model:
    """The same towers, heads and temperature; `names` is from new name to old."""
    heads = iter([model.heads[own] for own in names.values()])
    encoders = {name: model.encoder(own) for name, own in names.items()}
    made = Model(encoders, model.dim, lambda *_: cast(Head, next(heads)), model.temperature)
    return made.train(model.training)


def _said(kinds: Mapping[str, type[Kind]]) -> str:
    return ", ".join(f"{name} ({kind.noun})" for name, kind in kinds.items())
