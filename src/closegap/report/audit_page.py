"""The page of an audit: verdict, table, frontier, maps, histograms."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.audit import Audit
from closegap.evaluation.metric import describe
from closegap.files import write_text
from closegap.report.html import render_html
from closegap.report.sections.arms import arms_section
from closegap.report.sections.frontier import frontier
from closegap.report.sections.histograms import cosine_histograms
from closegap.report.sections.maps import latent_map
from closegap.report.verdict import verdict

_TSNE_ARMS = 3  # a second or two each


def write_audit(audit: Audit, folder: Path, title: str = "The modality gap of these embeddings") -> Path:
    """Write report.json and report.html into `folder`, both or, where the page cannot be drawn, neither.

    Args:
        audit: what was found.
        folder: created if needed.
        title: of the page.

    Returns:
        The path of the page.
    """
    text = _render(audit, title)
    audit.comparison.report.save(folder / "report.json")
    page = folder / "report.html"
    write_text(page, text)
    return page


def audit_verdict(audit: Audit) -> str:
    """Whether there is a gap, where it hurts and what shifting it away does; of the first pair of modalities."""
    original = audit.comparison.report.arms[0]
    gap = next(name for name in original.metrics if describe(name).base == "gap")
    pair = gap.removesuffix("gap")

    def text(name: str) -> str:
        return describe(name).text(original.metrics[pair + name].value)

    of = f"{describe(gap).pair.replace('|', ' and ')}: g" if pair else "G"
    told = bool(original.metrics[pair + "gap_debiased"].low)
    judged = "a gap" if told else "no gap that this sample can tell"
    parts = [f"{of}ap {text('gap')}, {text('gap_floor')} by chance alone: {judged}"]
    if pair + "mixed/own_modality_share" in original.metrics:
        parts.append(
            f"in one index of both, {text('mixed/own_modality_share')} of the top ten are of the query's own modality "
            f"({text('mixed/expected_own_share')} if it were blind to modality)"
        )
    sentence = "; ".join(parts) + "."
    if not any(arm.name == "shift" for arm in audit.comparison.report.arms):
        return sentence
    return f"{sentence} After training, {verdict(audit.comparison, 'shift')}"


def _render(audit: Audit, title: str) -> str:
    comparison = audit.comparison
    sets = comparison.sets
    sections = [
        arms_section(comparison.report, baseline=comparison.baseline, differences=comparison.differences),
        frontier(audit.frontier) if len(sets) > 1 else None,
        latent_map(_shift_last(sets), with_tsne=len(sets) <= _TSNE_ARMS),
        cosine_histograms(sets),
    ]
    facts = {name: value for name, value in comparison.report.data.items() if name != "notes"}
    return render_html(
        replace(comparison.report, data=facts),
        [section for section in sections if section is not None],
        title=title,
        verdict=audit_verdict(audit),
        made=date.today(),
        version=version("closegap"),
        warnings=audit.notes,
    )


def _shift_last(sets: Mapping[str, EmbeddingSet]) -> dict[str, EmbeddingSet]:
    """The map opens with the first and the last arm."""
    return dict(sorted(sets.items(), key=lambda item: item[0] == "shift"))
