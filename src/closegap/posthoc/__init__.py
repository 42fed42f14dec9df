"""Closing the gap after training: methods fitted on a train split and applied to another.

Each module here defines one method, which commands call by the module's name; what methods share is in `base`.
"""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.posthoc.base.anchor import anchor_of as anchor_of
    from closegap.posthoc.base.method import PostHoc as PostHoc
    from closegap.posthoc.base.names import anchored as anchored
    from closegap.posthoc.base.names import chosen_arms as chosen_arms
    from closegap.posthoc.base.names import method_class as method_class
    from closegap.posthoc.base.names import method_names as method_names
    from closegap.posthoc.base.names import method_summaries as method_summaries
    from closegap.posthoc.base.names import standard_arms as standard_arms
    from closegap.posthoc.base.sweep import Sweep as Sweep
    from closegap.posthoc.canonical import Canonical as Canonical
    from closegap.posthoc.center import Center as Center
    from closegap.posthoc.match_moments import MatchMoments as MatchMoments
    from closegap.posthoc.placebo import Placebo as Placebo
    from closegap.posthoc.procrustes import Procrustes as Procrustes
    from closegap.posthoc.project_out import ProjectOut as ProjectOut
    from closegap.posthoc.realign import ReAlign as ReAlign
    from closegap.posthoc.shift import Shift as Shift
    from closegap.posthoc.whiten import Whiten as Whiten

_HOMES = {
    "Canonical": "closegap.posthoc.canonical",
    "Center": "closegap.posthoc.center",
    "MatchMoments": "closegap.posthoc.match_moments",
    "Placebo": "closegap.posthoc.placebo",
    "PostHoc": "closegap.posthoc.base.method",
    "Procrustes": "closegap.posthoc.procrustes",
    "ProjectOut": "closegap.posthoc.project_out",
    "ReAlign": "closegap.posthoc.realign",
    "Shift": "closegap.posthoc.shift",
    "Sweep": "closegap.posthoc.base.sweep",
    "Whiten": "closegap.posthoc.whiten",
    "anchor_of": "closegap.posthoc.base.anchor",
    "anchored": "closegap.posthoc.base.names",
    "chosen_arms": "closegap.posthoc.base.names",
    "method_class": "closegap.posthoc.base.names",
    "method_names": "closegap.posthoc.base.names",
    "method_summaries": "closegap.posthoc.base.names",
    "standard_arms": "closegap.posthoc.base.names",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
