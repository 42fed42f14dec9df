"""The methods that stand beside a model in every comparison."""

from closegap.posthoc.base import PostHoc
from closegap.posthoc.center import Center
from closegap.posthoc.placebo import Placebo
from closegap.posthoc.procrustes import Procrustes
from closegap.posthoc.project_out import ProjectOut
from closegap.posthoc.realign import ReAlign
from closegap.posthoc.shift import Shift
from closegap.posthoc.whiten import Whiten


def standard_arms() -> dict[str, PostHoc]:
    """Every method at its defaults, unfitted, by the name of its arm; the placebo last.

    Example:
        >>> list(standard_arms())
        ['shift', 'center', 'realign', 'procrustes', 'project_out', 'whiten', 'placebo']
    """
    return {
        "shift": Shift(),
        "center": Center(),
        "realign": ReAlign(),
        "procrustes": Procrustes(),
        "project_out": ProjectOut(),
        "whiten": Whiten(),
        "placebo": Placebo(),
    }
