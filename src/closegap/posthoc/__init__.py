"""Closing the gap after training: methods fitted on a train split and applied to another."""

from closegap.posthoc.arms import standard_arms
from closegap.posthoc.base import PostHoc
from closegap.posthoc.center import Center
from closegap.posthoc.placebo import Placebo
from closegap.posthoc.procrustes import Procrustes
from closegap.posthoc.project_out import ProjectOut
from closegap.posthoc.realign import ReAlign
from closegap.posthoc.shift import Shift
from closegap.posthoc.whiten import Whiten

__all__ = [
    "Center",
    "Placebo",
    "PostHoc",
    "Procrustes",
    "ProjectOut",
    "ReAlign",
    "Shift",
    "Whiten",
    "standard_arms",
]
