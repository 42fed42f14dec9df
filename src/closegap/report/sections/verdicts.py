"""The section of a page that says, task by task, which arm pays."""

from collections.abc import Sequence

from markupsafe import Markup

from closegap.report.answer import sentence
from closegap.report.figures import Section
from closegap.report.verdict import Verdict

_LEAD = (
    "For each task the arm that pays, told by its paired interval against its own control, by the interval over seeds "
    "where it was trained, and against placebos."
)


def verdict_section(found: Sequence[Verdict], seeds: str = "") -> Section:
    """A line for each verdict, with the commands that make the arm.

    Args:
        found: by task and pair of modalities.
        seeds: why nothing can be claimed (`too_few_seeds`).
    """
    items = Markup("").join(
        Markup("<li><b>{}</b>{}{}</li>").format(
            one.about,
            sentence(one, seeds).removeprefix(one.about),
            Markup("").join(Markup("<br><code>{}</code>").format(command) for command in one.commands),
        )
        for one in found
    )
    return Section("What pays, task by task", _LEAD, Markup('<ul class="verdicts">{}</ul>').format(items))
