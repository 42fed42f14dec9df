"""Malformed inputs by kind. Each is made from a seed, a kind and a number alone."""

from collections.abc import Mapping

from acceptance.inputs import (
    arrays,
    checkpoints,
    clips,
    columns,
    histories,
    images,
    keys,
    models,
    options,
    posthoc,
    recordings,
    sets,
    shards,
    signals,
    tables,
    yaml_texts,
)
from acceptance.inputs.case import Maker

KINDS: Mapping[str, Maker] = {
    "arrays": arrays.make,
    "columns": columns.make,
    "sets": sets.make,
    "tables": tables.make,
    "images": images.make,
    "recordings": recordings.make,
    "signals": signals.make,
    "clips": clips.make,
    "yaml": yaml_texts.make,
    "keys": keys.make,
    "checkpoints": checkpoints.make,
    "posthoc": posthoc.make,
    "models": models.make,
    "histories": histories.make,
    "shards": shards.make,
    "options": options.make,
}
"""What is malformed to what makes it so."""
