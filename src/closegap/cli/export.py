"""closegap export: a model for programs that know nothing of closegap."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from closegap.cli.arguments import parse, verb_parser
from closegap.errors import ClosegapError, UsageError

_REPORT = "report.json"

_DESCRIPTION = """Write the model of a run, or one that was saved, into a new folder: graphs of ONNX, modules of
sentence-transformers, or closegap's own form. Each is tried before the folder gets its name: it gives what the model
gives. A card, README.md, is in each; its table is of the run's report.json, or of --report.

  closegap export runs/a --onnx chest-onnx
  closegap export runs/a --onnx chest-int8 --precision int8 --posthoc canonical.safetensors
  closegap export runs/a --sentence-transformers chest-st --modalities report
  closegap export runs/a --model chest --licence cc-by-4.0 --data "ROCO, radiology figures with captions."
  closegap evaluate runs/a --split test --out test.json && closegap export runs/a --model chest --report test.json"""


def parser() -> ArgumentParser:
    """What exporting takes."""
    found = verb_parser("export", _DESCRIPTION)
    found.add_argument("model_or_run", type=Path, help="a run's folder, or one that save_pretrained wrote")
    found.add_argument("--onnx", type=Path | None, default=None, help="write graphs of ONNX there, one a modality")
    found.add_argument(
        "--precision", type=Literal["fp32", "fp16", "int8"], default="fp32", help="of the weights of --onnx"
    )
    found.add_argument(
        "--sentence-transformers", type=Path | None, default=None, help="write modules of that library there"
    )
    found.add_argument(
        "--modalities", type=str, nargs="+", default=[], help="those of --sentence-transformers; all by default"
    )
    found.add_argument("--model", type=Path | None, default=None, help="write closegap's own form there, to be shared")
    found.add_argument(
        "--posthoc", type=Path | None, default=None, help="a file of `closegap posthoc fit` to go through"
    )
    found.add_argument("--trust", type=str, nargs="+", default=[], help="classes of others that may be imported")
    found.add_argument("--report", type=Path | None, default=None, help="a report.json for the card's table")
    found.add_argument("--licence", type=str, default="unknown", help="for the card, as the hub calls it: cc-by-4.0")
    found.add_argument("--data", type=str, default="", help="for the card: what the model was trained on")
    found.add_argument("--use", type=str | None, default=None, help="for the card: what it is for")
    return found


def main(arguments: Sequence[str]) -> None:
    """Write a model in the forms that were asked for."""
    given = parse(parser(), arguments)
    forms = {"--onnx": given.onnx, "--sentence-transformers": given.sentence_transformers, "--model": given.model}
    asked = {option: folder for option, folder in forms.items() if folder is not None}
    if not asked:
        raise UsageError(f"expected one of {', '.join(forms)}, with a folder to write")
    for option, folder in asked.items():
        if folder.exists():
            raise UsageError(f"{option} {folder}: exists; name a new folder")
    from closegap.cli.console import say
    from closegap.models.card import Card
    from closegap.posthoc import PostHoc
    from closegap.runs.load import load

    said = {"licence": given.licence, "data": given.data, "report": _report(given)}
    card = Card(**said if given.use is None else {**said, "use": given.use})
    model = load(given.model_or_run, given.trust)
    if given.posthoc is not None:
        model = model.with_posthoc(PostHoc.load(given.posthoc, given.trust))
    if given.onnx is not None:
        from closegap.export.onnx_folder import write_onnx

        write_onnx(model, given.onnx, given.precision, card)
        say(f"{given.onnx}: graphs of {', '.join(model.modalities)} in {given.precision}")
    if given.sentence_transformers is not None:
        from closegap.export.sentence_transformers import write_sentence_transformers

        write_sentence_transformers(model, given.sentence_transformers, given.modalities, card)
        say(f"{given.sentence_transformers}: modules of {', '.join(given.modalities or model.modalities)}")
    if given.model is not None:
        model.save_pretrained(given.model, card=card)
        say(f"{given.model}: model of {', '.join(model.modalities)}")


def _report(given: Namespace) -> Mapping[str, Any] | None:
    """The report for the card: the one that was named, or the run's own, if it has one."""
    path = given.report or given.model_or_run / _REPORT
    if given.report is None and not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ClosegapError(
            f"{path}: cannot be read ({error}); expected a report.json of `closegap evaluate`"
        ) from error
    if not (isinstance(found, dict) and {"arms", "metrics"} <= found.keys()):
        raise ClosegapError(f"{path}: no report; expected what `closegap evaluate RUN --out FILE.json` wrote")
    return found
