"""What a person who finds a model should know of it: README.md, in the form that hubs read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import yaml

from closegap.models.model import Model

CARD = "README.md"

Form: TypeAlias = Literal["closegap", "onnx", "sentence-transformers"]

_USE = "Research on multimodal search and alignment."
_LIMITS = (
    "Not for diagnosis, nor for any decision on a patient.",
    "Figures are of the data named here; on other devices, hospitals, languages and populations they are unknown.",
    "Embeddings of patients' items can be linked with each other: treat them as the items themselves.",
)
_CALLS: Mapping[Form, str] = {
    "closegap": 'import closegap\n\nmodel = closegap.load("FOLDER_OR_HUB_NAME")\nrows = model.embed({items})',
    "onnx": 'import json\n\nimport onnxruntime\n\nabout = json.load(open("closegap-onnx.json"))  # what graphs take, '
    'how items are prepared\nsession = onnxruntime.InferenceSession(about["modalities"]["{first}"]["graph"])',
    "sentence-transformers": "from sentence_transformers import SentenceTransformer\n\n"
    'model = SentenceTransformer("FOLDER_OR_HUB_NAME")\nrows = model.encode(["..."]{route})',
}


@dataclass(frozen=True)
class Card:
    """What a model's card says beside what the model knows of itself.

    Args:
        licence: as the hub calls it, in lower case: "cc-by-nc-4.0".
        data: what it was trained on, in a sentence or two.
        use: what it is for.
        limits: what it is not for, a line each.
        report: the content of a report.json, whose key figures become a table; None for none.
    """

    licence: str = "unknown"
    data: str = ""
    use: str = _USE
    limits: Sequence[str] = _LIMITS
    report: Mapping[str, Any] | None = None


def model_card(model: Model, card: Card, form: Form = "closegap", modalities: Sequence[str] = ()) -> str:
    """The card of a model: a YAML header of metadata, and Markdown.

    Args:
        model: the model.
        card: what else is said.
        form: what the card lies beside.
        modalities: those that were exported; all by default.
    """
    chosen = list(modalities) or list(model.modalities)
    header = yaml.safe_dump(_metadata(card, form), sort_keys=False, allow_unicode=True)
    return f"---\n{header}---\n\n" + "\n\n".join(_sections(model, card, form, chosen)) + "\n"


def _metadata(card: Card, form: Form) -> dict[str, Any]:
    found: dict[str, Any] = {
        "license": card.licence,
        "library_name": form,
        "pipeline_tag": "feature-extraction",
        "tags": ["closegap", "multimodal", "modality-gap"],
    }
    if card.report is not None and (arms := card.report["arms"]):
        data = card.report.get("data", {})
        split = str(data.get("split", "unknown"))
        results = [
            {
                "task": {"type": "retrieval"},
                "dataset": {"type": "unknown", "name": card.data or "unknown", "split": split},
                "metrics": [
                    {"type": name, "name": _named(figure), "value": arms[-1]["metrics"][name]["value"]}
                    for name, figure in _key_figures(card.report)
                    if name in arms[-1]["metrics"]
                ],
            }
        ]
        found["model-index"] = [{"name": arms[-1]["name"], "results": results}]
    return found


def _sections(model: Model, card: Card, form: Form, modalities: Sequence[str]) -> Iterator[str]:
    yield "# " + " and ".join(modalities) + " in one space"
    yield f"Unit vectors of {', '.join(modalities)}: what belongs together lies close, whichever it is."
    items = ", ".join(f"{name}=[...]" for name in modalities)
    route = f', task="{modalities[0]}"' if len(modalities) > 1 else ""
    call = _CALLS[form].replace("{items}", items).replace("{first}", modalities[0]).replace("{route}", route)
    yield f"```python\n{call}\n```"
    yield "## Parts"
    rows = [
        (name, type(model.encoder(name)).__name__, type(model.heads[name]).__name__, model.encoder(name).takes.__name__)
        for name in modalities
    ]
    yield _table(("modality", "tower", "head", "takes"), rows)
    correction = "none" if model.posthoc is None else type(model.posthoc).__name__
    yield f"Width {model.dim}, temperature {model.temperature(1.0).item():.3g}, post-hoc map: {correction}."
    yield f"## Data\n\n{card.data or 'Whoever made this model did not say what it was trained on.'}"
    if card.report is not None:
        yield from _measured(card.report)
    unknown = card.licence == "unknown"
    yield f"## Licence\n\n{'Not given: ask whoever made this model.' if unknown else card.licence}"
    yield f"## Intended use\n\n{card.use}"
    yield "## Limits\n\n" + "\n".join(f"- {line}" for line in card.limits)


def _measured(report: Mapping[str, Any]) -> Iterator[str]:
    data, arms = report.get("data", {}), report["arms"]
    gallery = ", ".join(f"{count} of {name}" for name, count in data.get("gallery", {}).items())
    yield (
        "## Measured\n\n"
        + f"Split `{data.get('split', 'unknown')}`{f', a gallery of {gallery}' if gallery else ''}; 95% intervals."
    )
    rows = [
        (_named(figure), *(_shown(arm["metrics"].get(name), figure["unit"]) for arm in arms), figure["meaning"])
        for name, figure in _key_figures(report)
    ]
    yield _table(("", *(arm["name"] for arm in arms), "what it is"), rows)
    yield "A small gap alone is worth nothing: a gap near 0 is free, and cosines can be inflated. Look at the tasks."


def _key_figures(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, figure) for name, figure in report["metrics"].items() if figure.get("key")]


def _named(figure: Mapping[str, Any]) -> str:
    return figure["label"] if figure["heading"] == "Gap" else f"{figure['heading']}: {figure['label']}"


def _shown(estimate: Mapping[str, Any] | None, unit: str) -> str:
    if estimate is None:
        return ""
    value, low, high = (_number(estimate[key], unit) for key in ("value", "low", "high"))
    return value + (f" ({low} to {high})" if low else "")


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f}%" if unit == "percent" else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
