"""The page of a comparison: the answer, one search before and after, verdict, tables, maps, curves, queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from itertools import permutations
from pathlib import Path
from typing import Any

from closegap.data import Case
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.compare import Comparison
from closegap.evaluation.duplicates import duplicate_notes
from closegap.evaluation.series import Series
from closegap.kinds.base import Kind
from closegap.report.answer import answer
from closegap.report.figures import Section
from closegap.report.headlines import told_alone
from closegap.report.html import render_html
from closegap.report.items import hover_texts, shown_items
from closegap.report.sections.arms import arms_section
from closegap.report.sections.curves import training_curves
from closegap.report.sections.frontier import frontier
from closegap.report.sections.histograms import cosine_histograms
from closegap.report.sections.maps import latent_map
from closegap.report.sections.one_search import one_search
from closegap.report.sections.pairs import pairs_section
from closegap.report.sections.queries import Shown, queries_section, top_hits
from closegap.report.sections.reliability import reliability_section
from closegap.report.sections.verdicts import verdict_section
from closegap.report.verdict import too_few_seeds, verdicts
from closegap.report.write import write_report
from closegap.training.validation import validation_figures

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Compared:
    """A comparison and its page.

    Args:
        page: the path of report.html.
        comparison: the arms.
    """

    page: Path
    comparison: Comparison


def write_comparison(
    comparison: Comparison,
    folder: Path,
    title: str,
    cases: Sequence[Case] | None,
    kinds: Mapping[str, Kind],
    histories: Mapping[str, Sequence[History]],
) -> Path:
    """Write report.json and report.html into `folder`, both or neither; the path of the page.

    Args:
        comparison: what was found.
        folder: created if needed.
        title: of the page.
        cases: the evaluated cases, for what is shown of them; None shows none of them.
        kinds: modality name to the kind of its items, which shows them.
        histories: arm to the metrics.jsonl of each of its seeds.
    """
    return write_report(folder, comparison.report, _render(comparison, title, cases, kinds, histories), "compare")


def _render(
    comparison: Comparison,
    title: str,
    cases: Sequence[Case] | None,
    kinds: Mapping[str, Kind],
    histories: Mapping[str, Sequence[History]],
) -> str:
    # Variants stand in the table and on the frontier; a map of each would hide those of the trained arms.
    sets = {arm: found for arm, found in comparison.sets.items() if not {"posthoc", "at_end"} & found.meta.keys()}
    first, subject = next(iter(sets.values())), list(sets)[-1]
    hover = None if cases is None else hover_texts(first, cases, kinds)
    shown = None if cases is None else shown_items(first, cases, kinds)
    found = verdicts(comparison)
    sections = [
        pairs_section(comparison.report, comparison.differences),
        verdict_section(found, too_few_seeds(comparison.report)) if found else None,
        arms_section(comparison.report, baseline=comparison.baseline, differences=comparison.differences),
        latent_map(sets, hover, named=cases is not None),
        cosine_histograms(sets),
        training_curves(histories, validation_figures(first.modalities)),
        frontier([Series(arm.name, [arm]) for arm in comparison.report.arms], comparison.report.figures),
        reliability_section(comparison.report.data.get("reliability", {})),
        None if shown is None else _queries(sets, subject, shown),
    ]
    return render_html(
        comparison.report,
        [section for section in sections if section is not None],
        title=title,
        verdict=answer(comparison) if found else told_alone(comparison),
        made=date.today(),
        version=version("closegap"),
        warnings=[*comparison.report.data.get("notes", ()), *duplicate_notes(comparison.report)],
        opening=one_search(comparison, shown, named=cases is not None),
    )


def _queries(sets: Mapping[str, EmbeddingSet], subject: str, shown: Shown) -> Section:
    """What the first arm and the subject find."""
    first = next(iter(sets))
    directions = list(permutations(sets[first].modalities, 2))
    return queries_section(
        {
            arm: {f"{a}_to_{b}": top_hits(sets[arm], a, b, shown) for a, b in directions}
            for arm in dict.fromkeys([first, subject])
        }
    )
