"""The page of captioners: verdict, table of arms, images with what is said of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup

from closegap.caption.examples import captioned_images, captioned_section
from closegap.evaluation.compare import Comparison
from closegap.evaluation.report import Report
from closegap.report.headlines import headlines, sentence
from closegap.report.html import render_html
from closegap.report.sections.arms import arms_section
from closegap.report.write import write_report

_WARNING = "Generated captions name findings that are not in the image, and leave out others that are."


def write_captions_report(
    folder: Path,
    ids: Sequence[str],
    generated: Mapping[str, Sequence[str]],
    image: Callable[[int], Markup],
    *,
    references: Sequence[Sequence[str]] = (),
    comparison: Comparison | None = None,
    baselines: Collection[str] = (),
    title: str = "Generated captions",
    shown: int = 50,
    seed: int = 0,
    beside: Mapping[str, Callable[[Path], None]] | None = None,
) -> Path:
    """Write report.html into `folder`, and report.json where there is a comparison; all or nothing.

    Args:
        folder: created if needed.
        ids: of the images.
        generated: captioner to its caption of each image, baselines included.
        image: an image as its kind shows it, by number; asked for those that are shown.
        references: the true captions of each image; empty where there are none.
        comparison: of the captioners' cards (`caption_card`, `compare_cards`).
        baselines: which of the captioners know no language; the verdict is on the last of the others.
        title: of the page.
        shown: how many images, drawn at random; 0 shows no case.
        seed: of the draw.
        beside: name of a further file to what writes it.

    Returns:
        The path of the page.

    Raises:
        UsageError: captions or references that do not pair with the ids.
    """
    cases = captioned_images(ids, generated, image, references, shown=shown, seed=seed)
    report = Report([], data={"images": len(ids)}) if comparison is None else comparison.report
    subject = ([arm for arm in generated if arm not in baselines] or list(generated))[-1]
    sections = [captioned_section(cases, subject)] if shown else []
    if comparison is not None:
        table = arms_section(report, baseline=comparison.baseline, differences=comparison.differences)
        sections = [replace(table, lead="Every arm captioned the same images."), *sections]
    text = render_html(
        # Where the runs lie is for report.json.
        replace(report, data={name: value for name, value in report.data.items() if name != "runs"}),
        sections,
        title=title,
        verdict=f"{len(ids)} images were captioned." if comparison is None else caption_verdict(comparison, subject),
        made=date.today(),
        version=version("closegap"),
        warnings=[_WARNING],
    )
    return write_report(folder, None if comparison is None else report, text, "caption", beside)


def caption_verdict(comparison: Comparison, subject_name: str) -> str:
    """ROUGE-1, CIDEr and concept F1 of an arm, where they were computed, against the baseline."""
    subject = next(arm for arm in comparison.report.arms if arm.name == subject_name)
    return sentence(comparison, subject.name, headlines(comparison.report, subject))
