from closegap.models.towers.hashing import hashed_rows


def test_rows_are_fixed_and_never_the_padding() -> None:
    assert hashed_rows("mass", 1 << 14) == hashed_rows("mass", 1 << 14) == (12351, 9304)
    assert {row for number in range(200) for row in hashed_rows(f"{number}", 4)} == {1, 2, 3}


def test_tokens_spread_and_are_rarely_confused() -> None:
    tokens = [f"token {number}" for number in range(2000)]
    pairs = [hashed_rows(token, 1000) for token in tokens]
    counts = [0] * 1000
    for pair in pairs:
        for row in pair:
            counts[row] += 1
    assert counts[0] == 0
    assert max(counts[1:]) < 4 * 4000 / 999  # about 4 a row
    assert len(set(pairs)) > 1990  # of one row alone, all but about 860 would be confused
