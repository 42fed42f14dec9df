"""Encoders of health records, beside what a loop over events computes."""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from torch import Tensor

from closegap.batch import move
from closegap.errors import UsageError
from closegap.kinds import Event, EventsKind
from closegap.kinds.events import said
from closegap.models import (
    CodeSetEncoder,
    ConcatEncoder,
    EventsAsText,
    EventsEncoder,
    LatentSemanticEncoder,
    SmallTextEncoder,
)
from closegap.models.towers.event_terms import event_terms, value_range
from closegap.models.towers.hashing import hashed_rows
from closegap.testing import check_encoder

Record = tuple[Event, ...]
RECORDS: Sequence[Record] = [
    EventsKind().parse(events)
    for events in (
        [
            ("sex", None, "F"),
            ("LOINC/718-7", -86_400, 9.5, "g/dL", "Hemoglobin"),
            ("ICD10CM/J18.9", -60, None, None, "Pneumonia"),
        ],
        [("LOINC/718-7", -5, 14.0, "g/dL", "Hemoglobin")],
        [("LOINC/718-7", -9, 95.0, "g/L", "Hemoglobin"), ("LOINC/718-7", -8, 11.0, "g/dL"), ("drug/x", -2)],
        [],
    )
]


class AsTheyAre(torch.nn.Module):
    """Layers that do nothing."""

    def forward(self, states: Tensor, src_key_padding_mask: Tensor) -> Tensor:
        del src_key_padding_mask
        return states


def test_every_tower_of_events_holds() -> None:
    torch.manual_seed(0)
    bag = LatentSemanticEncoder(dim=3, buckets=64, terms="events")
    words = EventsAsText(ConcatEncoder([SmallTextEncoder(dim=8, layers=1, heads=2), LatentSemanticEncoder(3, 64)]))
    transformer = EventsEncoder(dim=8, heads=2, max_length=2, buckets=64)
    for encoder in (bag, words, transformer):
        encoder.fit(list(RECORDS) * 3)
        check_encoder(encoder, RECORDS)
        move(encoder.preparer()(RECORDS), "cpu")
    check_encoder(ConcatEncoder([bag, words]).requires_grad_(False), RECORDS)


def test_the_bag_is_latent_semantic_analysis_of_the_terms() -> None:
    records = [record for record in RECORDS for _ in range(3) if record]
    vocabulary = sorted({term for record in records for term in event_terms(record)})
    counts = np.array([[list(event_terms(record)).count(term) for term in vocabulary] for record in records])
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    expected = TruncatedSVD(2, random_state=0).fit_transform(weights)
    encoder = LatentSemanticEncoder(dim=2, buckets=1 << 20, terms="events")
    encoder.fit(records)
    found = encoder(encoder.preparer()(records)).numpy()
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-4)


def test_terms_tell_values_units_recency_and_words() -> None:
    events = {
        "low": Event("a/b", -60, 9.0, "g"),
        "near": Event("a/b", -60, 9.1, "g"),
        "high": Event("a/b", -60, 14.0, "g"),
        "other": Event("a/b", -60, 9.0, "kg"),
        "old": Event("a/b", -(10**9), 9.0, "g"),
        "said": Event("a/b", -60, "Left Lung"),
    }
    of = {name: set(event_terms([event])) for name, event in events.items()}
    assert of["low"] == of["near"]
    assert all(of["low"] != of[name] for name in ("high", "other", "old", "said"))
    assert {"left", "lung", "a/b left lung"} <= of["said"]


@pytest.mark.parametrize(("low", "high"), [(1, 1.05), (100, 101), (0.02, 0.0201)])
def test_ranges_of_values_are_those_of_logarithms(low: float, high: float) -> None:
    assert value_range(low) == value_range(high) != value_range(2 * low)
    assert int(value_range(2 * low)) - int(value_range(low)) == 4
    assert value_range(-low) == f"-{value_range(low)}"


def test_numbers_are_standardised_by_code_and_unit() -> None:
    encoder = EventsEncoder(dim=8, heads=2)
    encoder.fit(RECORDS)
    buckets = len(encoder.mean)
    for unit, values in {"g/dL": [9.5, 14.0, 11.0], "g/L": [95.0]}.items():
        kind = hashed_rows(f"LOINC/718-7 {unit}", buckets)[0]
        assert encoder.mean[kind].item() == pytest.approx(np.mean(values))
        assert encoder.spread[kind].item() == pytest.approx(np.std(values) or 1.0)


def test_the_transformer_sums_what_an_event_says() -> None:
    torch.manual_seed(0)
    encoder = EventsEncoder(dim=8, heads=2, layers=1, buckets=1 << 10).double().eval()
    encoder.layers = cast(Any, AsTheyAre())
    encoder.fit(RECORDS)
    (record,) = RECORDS[:1]
    states = []
    for event, words in zip(record, ([" f"], [" hemoglobin"], [" pneumonia"]), strict=True):
        tokens = [event.code, *words]
        found_rows = [row for token in tokens for row in hashed_rows(token, 1 << 10)]
        state = encoder.tokens.weight[found_rows].sum(0) / math.sqrt(len(tokens))
        known = isinstance(event.value, float)
        kind = hashed_rows(f"{event.code} {event.unit or ''}", 1 << 10)[0]
        z = (event.value - encoder.mean[kind]) / encoder.spread[kind] if isinstance(event.value, float) else 0.0
        state = state + encoder.value(torch.tensor([float(z), float(known)], dtype=torch.float64))
        ago = math.log1p(-event.time / 60) if event.time is not None else 0.0
        angles = [ago * math.pi / 2**wave for wave in range(8)]
        waves = [*map(math.sin, angles), *map(math.cos, angles), ago / 10] if event.time is not None else [0.0] * 17
        states.append(state + encoder.time(torch.tensor([*waves, float(event.time is not None)], dtype=torch.float64)))
    batch = encoder.preparer()([record])
    found = encoder(tuple(part.double() if part.is_floating_point() else part for part in batch))
    torch.testing.assert_close(found[0], torch.stack(states).mean(0), atol=1e-6, rtol=1e-6)


def test_the_order_of_ties_and_huge_numbers_do_not_matter() -> None:
    torch.manual_seed(0)
    encoder = EventsEncoder(dim=8, heads=2).eval()
    one = (Event("a", -5, 1e300), Event("b", -5, -1e300))
    encoder.fit([one])
    found = encoder(encoder.preparer()([one, one[::-1]]))
    assert found.isfinite().all()
    torch.testing.assert_close(found[0], found[1])


def test_records_are_read_out_to_a_tower_of_texts() -> None:
    torch.manual_seed(0)
    text = SmallTextEncoder(dim=8, layers=1, heads=2).eval()
    encoder = EventsAsText(text, most=2)
    records = [record for record in RECORDS if record]
    expected = text(text.preparer()([said(record, 2) for record in records]))
    assert torch.equal(encoder(encoder.preparer()(records)), expected)
    assert encoder.lengths(records) == text.lengths([said(record, 2) for record in records])


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a tower of texts"):
        EventsAsText(CodeSetEncoder())
    with pytest.raises(UsageError, match="multiple of its 3 heads"):
        EventsEncoder(dim=8, heads=3)
    with pytest.raises(UsageError, match="events have no order"):
        LatentSemanticEncoder(terms="events", ngrams=2)
