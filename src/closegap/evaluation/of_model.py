"""A model's embeddings of a data set, to be audited: what is judged, and what arms are fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from closegap.data import Checks, Source, load_cases
from closegap.data.cache import private_cache
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.infer.embed import embed
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import prepare, verifiers
from closegap.models.data_names import named_after_data
from closegap.models.model import Model
from closegap.runs.config import CONFIG
from closegap.runs.load import load
from closegap.runs.log import Watcher
from closegap.runs.open import best_device, open_run
from closegap.runs.source import read_source

_FITTED_ON = "train"


@dataclass(frozen=True)
class EmbeddedData:
    """Two splits of a data set.

    Args:
        judged: the split that was asked for.
        train: the train split; None where there is none, or where it is judged.
    """

    judged: EmbeddingSet
    train: EmbeddingSet | None


def embed_data(
    model: str, arguments: Sequence[str], split: str, names: Sequence[str], watcher: Watcher, batch_size: int
) -> EmbeddedData:
    """Embed a split of a data set, and its train split, with a model of whatever library.

    Features of frozen towers are kept in the user's cache: the next audit of the same model finds them.

    Args:
        model: a run, a model's folder, or a name that `closegap.load` takes.
        arguments: that say where cases come from (`--data.root DIR`); a run needs none, and takes overrides.
        split: what is judged.
        names: the data's modalities that count; all that the model can embed by default.
        watcher: who is told how it goes.
        batch_size: items at once.

    Raises:
        UsageError: no data, or modalities that do not go together.
        ClosegapError: no such model.
        DataError: cases that are not sound, or none in the split.
    """
    found, data, checks, cache = _opened(model, arguments)
    found, device = named_after_data(found, data.kinds, names).to(best_device()), best_device()
    splits = list(dict.fromkeys([split, _FITTED_ON]))
    looking = verifiers(found, cache, device, watcher.features)
    loaded = load_cases(data, checks, found.modalities, watcher.images, looking, splits)
    loaded.split(split)
    embedded = {}
    for name in splits:
        if name in loaded.splits:
            prepared = prepare(loaded.split(name), found, cache, device, watcher.features)
            embedded[name] = replace(embed(found, prepared, device, batch_size), meta={"split": name, "model": model})
    return EmbeddedData(embedded[split], embedded.get(_FITTED_ON) if split != _FITTED_ON else None)


def _opened(model: str, arguments: Sequence[str]) -> tuple[Model, Source, Checks, FeatureCache | None]:
    if (Path(model) / CONFIG).is_file():
        run = open_run(Path(model), arguments).run
        return run.model, run.data, run.checks, FeatureCache.of_run(run.train)
    cache = FeatureCache(private_cache("features"))
    return load(model), *read_source(arguments), cache
