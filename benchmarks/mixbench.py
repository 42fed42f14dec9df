"""Mixed-modality search on sets in the layout of MixBench: what closes the gap, beside separate indexes.

    closegap embed RUN --data.class_path closegap.data.MixBench --data.root sets/roco --out sets.safetensors
    closegap embed RUN --split validation --out validation.safetensors
    python benchmarks/mixbench.py sets/roco --keys image=image caption=text --embeddings sets.safetensors \
        --fit validation.safetensors --out roco.json

Several `--embeddings`, each with its `--fit`, are seeds of one model; sets whose names differ after the last dot are
one mixture, dealt out by several seeds. Units of an interval are the queries of all of them, drawn by group; arms are
paired. Post-hoc methods are fitted on `--fit`; a document of several modalities, and so a query, is the mean of its
corrected views. Stages are fitted on the same cases, dealt out to modalities in the proportions of the set; behind
methods `standardise` alone. Without documents of two kinds there is nothing to merge, and stages are left out.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.data import Columns, JudgedSet, MixBench
from closegap.embeddings import EmbeddingSet
from closegap.embeddings.fused import fused_name, with_fused
from closegap.errors import DataError
from closegap.metrics.bootstrap import Sampled, estimates, resample_counts, weighted_means
from closegap.metrics.index import MixedIndex
from closegap.metrics.judged import answers_across, judged_relevance, judged_search
from closegap.metrics.positives import Rows, codes, rows_of
from closegap.posthoc import PostHoc, chosen_arms
from closegap.scores import STAGES, ScoreStage

METHODS = ("center", "match_moments", "project_out", "whiten", "canonical")
STAGES_TRIED = ("standardise", "offset", "zscore", "rank_fusion")
FIGURES = ("ndcg@10", "ndcg@10_of_found", "R@10", "across", "own_modality_share", "expected_own_share")
PLAIN, ALL = "cosine", "all"

Key: TypeAlias = tuple[str, str, str]
"""Arm, kind of query, figure."""


@dataclass
class Units:
    """Values of every query of every seed and set, by arm and figure; the same queries in the same order for each."""

    kinds: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    values: dict[tuple[str, str], list[Tensor]] = field(default_factory=dict)

    def add(self, arm: str, queries: Rows, found: Mapping[str, Float[Tensor, "q"]], groups: Sequence[str]) -> None:
        if arm == PLAIN:
            self.kinds += [queries.modality] * len(groups)
            self.groups += groups
        for name, column in found.items():
            self.values.setdefault((arm, name), []).append(column)

    def estimates(self, resamples: int) -> dict[Key, Sampled]:
        """Each figure of each arm by kind of query, and over all kinds, which weigh alike; with ratios."""
        groups, kinds = codes(self.groups), list(dict.fromkeys(self.kinds))
        of_kind = {kind: torch.tensor([one == kind for one in self.kinds]) for kind in kinds}
        columns = {
            "|".join((arm, kind, name)): torch.cat(parts).where(of_kind[kind], torch.nan)
            for (arm, name), parts in self.values.items()
            for kind in kinds
        }
        means, arms = weighted_means(columns), list(dict.fromkeys(arm for arm, _ in self.values))

        def statistic(weights: Float[Tensor, "b u"]) -> dict[str, Float[Tensor, "b"]]:
            found = means(weights)
            for arm in arms:
                for name in FIGURES:
                    of_kinds = torch.stack([found["|".join((arm, kind, name))] for kind in kinds])
                    found["|".join((arm, ALL, name))] = of_kinds.nanmean(0)
                for kind in (*kinds, ALL):
                    at = "|".join((arm, kind, ""))
                    found[f"{at}ratio"] = found[f"{at}R@10"] / found[f"{at}across"]
            return found

        measured = estimates(statistic, groups, resample_counts(1 + int(groups.max()), resamples))
        found: dict[Key, Sampled] = {}
        for name, value in measured.items():
            arm, kind, figure = name.split("|")
            found[arm, kind, figure] = value
            found[arm, kind, f"{figure} gain"] = value.minus(measured[f"{PLAIN}|{kind}|{figure}"])
        return found


def arms(fit: EmbeddingSet, methods: Sequence[str]) -> Iterator[tuple[str, PostHoc | None, EmbeddingSet]]:
    """Each method fitted, and what it makes of the set that it is fitted on; first none."""
    yield PLAIN, None, fit
    for name, method in chosen_arms(methods).items():
        fitted = method.fit(fit)
        yield name, fitted, fitted.apply(fit, in_sample=True)


def dealt(fit: EmbeddingSet, judged: JudgedSet, modalities: Sequence[str]) -> EmbeddingSet:
    """The set with each of its cases in one form, in the proportions of the documents."""
    forms = [fused_name(shown) for shown in judged.documents.values()]
    every = with_fused(fit, modalities)
    whole = every.mask(fused_name(modalities)).nonzero().squeeze(1)
    order = whole[torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))]
    present, start, done = {}, 0, 0
    for name in every.modalities:
        done += forms.count(name)
        end = round(done / len(forms) * len(order))
        present[name] = torch.zeros(len(every.ids), dtype=torch.bool)
        present[name][order[start:end]] = True
        start = end
    return replace(every, present=present)


def parts_of(embeddings: EmbeddingSet, shown: Mapping[str, Sequence[str]]) -> list[Rows]:
    """The rows of these cases, each in the form in which it is shown, form by form."""
    place = {case: row for row, case in enumerate(embeddings.ids)}
    parts = []
    for name in embeddings.modalities:
        rows, wanted = rows_of(embeddings, name), torch.zeros(len(embeddings.ids), dtype=torch.bool)
        wanted[[place[case] for case, of_case in shown.items() if fused_name(of_case) == name]] = True
        if wanted.any():
            parts.append(rows.pick(wanted[rows.index]))
    return parts


def searched(
    units: Units,
    judged: JudgedSet,
    moved: EmbeddingSet,
    places: Mapping[str, int],
    fit: EmbeddingSet,
    arm: str,
    tried: Mapping[str, ScoreStage],
    modalities: Sequence[str],
) -> None:
    """Every query of a set in its index, by the cosines of an arm and by what its stages make of them."""
    moved = moved.select([places[case] for case in (*judged.queries, *judged.documents)])
    place = {case: row for row, case in enumerate(moved.ids)}
    pairs = [(place[q], place[d], float(g)) for q, of_query in judged.grades.items() for d, g in of_query.items() if g]
    every, answer = torch.arange(len(moved.ids)), max(grade for _, _, grade in pairs)
    grades = judged_relevance(pairs, len(every))(every, every)
    parts = parts_of(moved, judged.documents)
    whole = {
        part.modality: parts_of(moved, dict.fromkeys(judged.documents, part.modality.split("+")))[0] for part in parts
    }
    fitted: dict[str, ScoreStage | None] = {arm: None}
    if len(parts) > 1:
        reference = dealt(fit, judged, modalities)
        fitted |= {f"{arm} + {name}": stage.fit(reference) for name, stage in tried.items()}

    def relevance(queries: Int[Tensor, "q"], items: Int[Tensor, "g"]) -> Float[Tensor, "q g"]:
        return grades[queries[:, None], items]

    for queries in parts_of(moved, judged.queries):
        across = answers_across(queries, MixedIndex(parts), whole, relevance, answer)
        groups = [moved.groups[row] for row in queries.index.tolist()]
        for name, stage in fitted.items():
            found = judged_search(queries, MixedIndex(parts, stage), relevance, answer)
            units.add(name, queries, {**found, "across": across}, groups)


def table(found: Mapping[Key, Sampled]) -> str:
    """An arm a row: nDCG of each kind of query, then over kinds, with the gain over the cosine; what mixing costs."""
    kinds = list(dict.fromkeys(kind for _, kind, _ in found))
    lines = [
        ["arm", *(f"nDCG@10, {kind}" for kind in kinds), "R@10, %", "across, %", "ratio", "own share, %", "of found"]
    ]
    lines.append(["---"] * len(lines[0]))
    for arm in dict.fromkeys(arm for arm, _, _ in found):
        at = {name: one.value for (a, kind, name), one in found.items() if (a, kind) == (arm, ALL)}
        cells = [_gained(found, (arm, kind, "ndcg@10"), ".3f") for kind in kinds]
        cells += [_gained(found, (arm, ALL, "R@10"), ".1f", 100), f"{100 * at['across']:.1f}", f"{at['ratio']:.2f}"]
        cells.append(f"{100 * at['own_modality_share']:.0f} of {100 * at['expected_own_share']:.0f}")
        lines.append([arm, *cells, f"{at['ndcg@10_of_found']:.3f}"])
    return "\n".join(f"| {' | '.join('' if cell.startswith('nan') else cell for cell in line)} |" for line in lines)


def _gained(found: Mapping[Key, Sampled], key: Key, form: str, unit: float = 1) -> str:
    one, gain = found[key], found[(*key[:2], f"{key[2]} gain")]
    interval, sign = (one, "") if key[0] == PLAIN else (gain, "+")
    bounds = ", ".join("" if at is None else format(unit * at, sign + form) for at in (interval.low, interval.high))
    told = "" if key[0] == PLAIN else f"{unit * gain.value:+{form}} "
    return f"{unit * one.value:{form}} {told}[{bounds}]"


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="a set, or a folder of sets")
    parser.add_argument("--sets", nargs="+", help="their names; all by default")
    parser.add_argument("--keys", nargs="+", default=["image=image", "text=text"], help="modality=key of the layout")
    parser.add_argument("--embeddings", type=Path, nargs="+", required=True)
    parser.add_argument("--fit", type=Path, nargs="+", required=True)
    parser.add_argument("--posthoc", nargs="*", default=METHODS)
    parser.add_argument("--scores", nargs="*", default=STAGES_TRIED)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if len(given.embeddings) != len(given.fit):
        parser.error(f"{len(given.embeddings)} --embeddings and {len(given.fit)} --fit; give one for each")
    keys = dict(pair.split("=") for pair in given.keys)
    source = MixBench(given.root, {name: Columns("text", [key]) for name, key in keys.items()}, given.sets)
    sets, units = source.judged(), dict[str, Units]()
    for at, fitted_on in zip(given.embeddings, given.fit, strict=True):
        embeddings, fit = EmbeddingSet.load(at), EmbeddingSet.load(fitted_on)
        places = {case: row for row, case in enumerate(embeddings.ids)}
        for judged in sets:
            if missing := next((case for case in (*judged.queries, *judged.documents) if case not in places), None):
                raise DataError(f"{at}: has no '{missing}'; embed the sets as they are")
        for arm, method, moved_fit in arms(fit, given.posthoc):
            moved = with_fused(embeddings if method is None else method.apply(embeddings), list(keys))
            tried = STAGES.chosen(
                given.scores if arm == PLAIN else [one for one in given.scores if one == "standardise"]
            )
            for judged in sets:
                of_mixture = units.setdefault(judged.name.rpartition(".")[0] or judged.name, Units())
                searched(of_mixture, judged, moved, places, moved_fit, arm, tried, list(keys))
    rows = []
    for mixture, of_mixture in units.items():
        found = of_mixture.estimates(given.resamples)
        print(f"{mixture}\n\n{table(found)}\n", flush=True)
        for (arm, queries, figure), one in found.items():
            row = {"mixture": mixture, "arm": arm, "queries": queries, "figure": figure}
            rows.append({**row, "value": one.value, "low": one.low, "high": one.high})
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
