"""The page of an audit: the answer, what one search finds, verdict, tables, frontier, maps, histograms."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.audit import ORIGINAL, Audit
from closegap.evaluation.report import Estimate
from closegap.metrics.figure import Figure
from closegap.metrics.gap import GAP, GAP_DEBIASED, GAP_FLOOR
from closegap.metrics.mixed_counterpart import EXPECTED_OWN_SHARE, OWN_MODALITY_SHARE
from closegap.report.answer import answer
from closegap.report.html import render_html
from closegap.report.sections.arms import arms_section
from closegap.report.sections.frontier import frontier
from closegap.report.sections.histograms import cosine_histograms
from closegap.report.sections.maps import latent_map
from closegap.report.sections.one_search import one_search
from closegap.report.sections.pairs import pairs_section
from closegap.report.sections.reliability import reliability_section
from closegap.report.sections.verdicts import verdict_section
from closegap.report.verdict import verdicts
from closegap.report.write import write_report

_SHIFT = f"{ORIGINAL} + shift"
_TSNE_ARMS = 3  # a second or two each


def write_audit(
    audit: Audit, folder: Path, title: str = "The modality gap of these embeddings", cases: bool = True
) -> Path:
    """Write report.json and report.html into `folder`, both or neither.

    Args:
        audit: what was found.
        folder: created if needed.
        title: of the page.
        cases: whether points of the map tell their case.

    Returns:
        The path of the page.
    """
    return write_report(folder, audit.comparison.report, _render(audit, title, cases), "audit")


def gap_sentence(audit: Audit) -> str:
    """Whether there is a gap and where it hurts: of the original, or of the first arm that lies in one space."""
    report = audit.comparison.report
    first = report.arms[0]
    original = first.metrics
    gap = next(
        (figure for name, figure in report.figures.items() if figure.name == GAP.name and name in original), None
    )
    if gap is None:
        return "Whether there is a gap was not measured."

    def found(figure: Figure) -> Estimate:
        return original[gap.sibling(figure.name)]

    def text(figure: Figure) -> str:
        return figure.text(found(figure).value)

    of = f"{gap.about}: g" if gap.pair else "G"
    judged = "a gap" if found(GAP_DEBIASED).low else "no gap that this sample can tell"
    parts = [f"{of}ap {text(GAP)}, {text(GAP_FLOOR)} by chance alone: {judged}"]
    if gap.sibling(OWN_MODALITY_SHARE.name) in original:
        parts.append(
            f"in one index of both, {text(OWN_MODALITY_SHARE)} of the top ten are of the query's own modality "
            f"({text(EXPECTED_OWN_SHARE)} if it were blind to modality)"
        )
    arm = "" if first.name == ORIGINAL else f"{first.name}: "
    return f"{arm}{'; '.join(parts)}."


def _render(audit: Audit, title: str, cases: bool) -> str:
    comparison = audit.comparison
    sets = comparison.sets
    found, gap = verdicts(comparison), gap_sentence(audit)
    opening = one_search(comparison, None, named=cases)
    if opening is not None and found:
        opening = replace(opening, lead=f"{gap} {opening.lead}")
    sections = [
        pairs_section(comparison.report, comparison.differences),
        verdict_section(found) if found else None,
        arms_section(comparison.report, baseline=comparison.baseline, differences=comparison.differences),
        frontier(audit.frontier, comparison.report.figures) if len(comparison.report.arms) > 1 else None,
        latent_map(_shift_last(sets), with_tsne=len(sets) <= _TSNE_ARMS, named=cases),
        cosine_histograms(sets),
        reliability_section(comparison.report.data.get("reliability", {})),
    ]
    return render_html(
        comparison.report,
        [section for section in sections if section is not None],
        title=title,
        verdict=answer(comparison) if found else gap,
        made=date.today(),
        version=version("closegap"),
        warnings=audit.notes,
        opening=opening,
    )


def _shift_last(sets: Mapping[str, EmbeddingSet]) -> dict[str, EmbeddingSet]:
    """The map opens with the first and the last arm."""
    return dict(sorted(sets.items(), key=lambda item: item[0] == _SHIFT))
