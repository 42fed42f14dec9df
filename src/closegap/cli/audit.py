"""closegap audit: embeddings that exist, whoever made them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from closegap.bounds import Resamples
from closegap.cli.arguments import add_no_cases, add_out, free, parse_with_overrides, verb_parser
from closegap.cli.audit_model import NO_TRAIN, add_model, embedded, expect_one_origin
from closegap.cli.curves import add_calibrate, chosen_calibration
from closegap.cli.methods import METHODS_HELP, chosen_methods
from closegap.cli.metrics import METRICS_HELP, chosen_metrics
from closegap.cli.stages import SCORES_HELP, chosen_stages
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.embeddings import ArrayFile
    from closegap.embeddings.embedding_set import EmbeddingSet

_DESCRIPTION = """Audit embeddings: do they have a modality gap, does it hurt, what would closing it be worth? Row i of
each array is the same case; with --model, a data set is embedded first. Writes report.json and report.html and prints
the tables.

  closegap audit image.npy text.npy --labels organ.csv:organ --out audit
  closegap audit image.npy text.npy --train image-train.npy text-train.npy --out audit
  closegap audit image.npy text.npy --train image-train.npy text-train.npy --posthoc all --out audit
  closegap audit image.npy text.npy --train image-train.npy text-train.npy --scores standardise --out audit
  closegap audit test.safetensors --reference validation.safetensors --calibrate isotonic --out audit
  closegap audit both.npz:image both.npz:text --groups patients.txt --out audit
  closegap audit test.safetensors --train train.safetensors --posthoc shift center --out audit
  closegap audit --model hf:CLIP --data closegap.data.Roco --data.root ROCO --out audit

Arrays: .npy, .npz, .safetensors, .parquet (a column of lists); FILE:KEY chooses one of several. Columns: .txt, .csv,
.npy, .parquet. One .safetensors file alone is a set of embeddings as `closegap embed` writes it."""

_RECOMMENDED, _RECOMMENDED_SCORES = ("canonical", "placebo"), ("standardise", "offset")  # each with its control

_TRAIN_HELP = (
    "what --posthoc and --scores are fitted on; with neither, these are canonical alignment and standardised scores, "
    "each with its control"
)

_OF_ARRAYS = ("names", "ids", "labels", "groups", "relevance")


def parser() -> ArgumentParser:
    """What the audit takes."""
    found = verb_parser("audit", _DESCRIPTION)
    found.add_argument("files", type=str, nargs="*", help="one array per modality, or one set of embeddings")
    add_model(found)
    found.add_argument(
        "--names",
        type=str | None,
        default=None,
        help="modality names: image,text; with --model, those of the data that count",
    )
    found.add_argument("--ids", type=str | None, default=None, help="the case of each row; rows of one id are one case")
    found.add_argument("--labels", type=str, nargs="+", default=[], help="columns of labels, for grouping and probes")
    found.add_argument("--groups", type=str | None, default=None, help="the patient or article of each row")
    found.add_argument("--relevance", type=str | None, default=None, help="the concepts of each row, as C1;C2")
    found.add_argument("--train", type=str, nargs="+", default=[], help=_TRAIN_HELP)
    found.add_argument("--train-a", type=str | None, default=None, help="train array of the first of two modalities")
    found.add_argument("--train-b", type=str | None, default=None, help="train array of the second")
    found.add_argument("--metrics", type=str, nargs="+", default=["all"], help=METRICS_HELP)
    found.add_argument("--posthoc", type=str, nargs="+", default=[], help=METHODS_HELP)
    found.add_argument("--scores", type=str, nargs="+", default=[], help=SCORES_HELP)
    found.add_argument(
        "--reference", type=str, nargs="+", default=[], help="what score stages are fitted on; default: as --train"
    )
    add_calibrate(found, "--reference or --train")
    found.add_argument("--in-sample", action="store_true", help="allow fitting on what is judged; the report says so")
    found.add_argument("--resamples", type=Resamples, default=1000, help="resamples of the bootstrap")
    found.add_argument("--exact", action="store_true", help="measure all cases, also where they are over 50,000")
    add_out(found, "folder for report.json and report.html")
    add_no_cases(found)
    return found


def main(arguments: Sequence[str]) -> None:
    """Audit embeddings."""
    given, overrides = parse_with_overrides(parser(), arguments)
    expect_one_origin(given, overrides)
    free(given, "report.json", "report.html")
    from closegap.api.bars import Bars
    from closegap.cli.console import console
    from closegap.cli.tables import print_tables
    from closegap.evaluation.audit import audit_arms
    from closegap.report.audit_page import gap_sentence, write_audit

    metrics = chosen_metrics(given.metrics)
    train_files = _train_files(given)
    unasked = given.model is not None and not (given.posthoc or given.scores or given.calibrate)
    if unasked:
        given.posthoc, given.scores = ["all"], ["all"]
    if train_files and not given.posthoc and not given.scores and given.calibrate is None:
        given.posthoc, given.scores = list(_RECOMMENDED), list(_RECOMMENDED_SCORES)
    methods, stages = chosen_methods(given.posthoc), chosen_stages(given.scores)
    if given.reference and not stages and given.calibrate is None:
        raise UsageError("--reference is what score stages are fitted on; choose them, as with --scores all")
    if given.model is not None:
        made = embedded(given, overrides)
        embeddings, notes, train, reference = made.judged, [], made.train, None
        if train is None and unasked:
            methods, stages, notes = {}, {}, [NO_TRAIN]
    else:
        embeddings, notes = _judged(given)
        train = _fitted_on("--train", train_files, embeddings) if train_files else None
        reference = _fitted_on("--reference", given.reference, embeddings) if given.reference else None
    with Bars("measuring") as bars:
        found = audit_arms(
            embeddings,
            methods,
            train,
            in_sample=given.in_sample,
            notes=notes,
            resamples=given.resamples,
            metrics=metrics,
            in_full=given.exact,
            stages=stages,
            reference=reference,
            calibration=chosen_calibration(given.calibrate),
            progress=bars.work,
        )
    print_tables(found.comparison)
    out = console()
    out.print(gap_sentence(found), markup=False)
    page = write_audit(found, given.out, cases=not given.no_cases)  # seconds, for which nobody has to wait
    out.print(f"report: {page}", markup=False)


def _train_files(given: Namespace) -> list[str]:
    pair = [given.train_a, given.train_b]
    if pair == [None, None]:
        return list(given.train)
    if given.train or None in pair:
        raise UsageError("give train arrays as --train A B ..., or as --train-a A --train-b B, both and nothing else")
    return [str(file) for file in pair]


def _judged(given: Namespace) -> "tuple[EmbeddingSet, list[str]]":
    from closegap.embeddings import ArrayFile, embedding_set_from_arrays
    from closegap.embeddings.embedding_set import EmbeddingSet

    if not _is_set(given.files):
        names = None if given.names is None else given.names.split(",")
        return embedding_set_from_arrays(
            [ArrayFile.parse(file) for file in given.files],
            names,
            ids=_source(given.ids),
            groups=_source(given.groups),
            labels=[ArrayFile.parse(file) for file in given.labels],
            relevance=_source(given.relevance),
        )
    described = [option for option in _OF_ARRAYS if given[option]]
    if described:
        raise UsageError(f"--{described[0]} describes arrays, but {given.files[0]} is a set of embeddings with its own")
    return EmbeddingSet.load(Path(given.files[0])), []


def _fitted_on(option: str, files: Sequence[str], embeddings: "EmbeddingSet") -> "EmbeddingSet":
    from closegap.embeddings import ArrayFile, embedding_set_from_arrays
    from closegap.embeddings.embedding_set import EmbeddingSet

    if _is_set(files):
        train = EmbeddingSet.load(Path(files[0]))
    else:
        if len(files) != len(embeddings.modalities):
            raise UsageError(
                f"{option}: {len(files)} arrays, expected {len(embeddings.modalities)}, one for each of "
                f"{', '.join(embeddings.modalities)} in this order"
            )
        train = embedding_set_from_arrays([ArrayFile.parse(file) for file in files], embeddings.modalities)[0]
    if train.modalities != embeddings.modalities:
        raise UsageError(
            f"{option}: modalities {', '.join(train.modalities)}, expected {', '.join(embeddings.modalities)}"
        )
    return train


def _source(text: str | None) -> "ArrayFile | None":
    from closegap.embeddings import ArrayFile

    return None if text is None else ArrayFile.parse(text)


def _is_set(files: Sequence[str]) -> bool:
    return len(files) == 1 and Path(files[0]).suffix == ".safetensors"
