"""Conditions and payloads of all sorts, for engines that evaluate them in their own language."""

from hypothesis import strategies as st

from closegap.search.filter import All, Among, Compare, Either, Filter, Holds, Missing

NUMBERS = st.integers(-(2**53), 2**53) | st.integers(-2, 2) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
VALUES = NUMBERS | TEXTS | st.booleans()
KEYS = st.sampled_from(["age", "größe", "a.b", "id", "case"])
PAYLOADS = st.dictionaries(
    st.sampled_from(["age", "größe", "a.b"]),
    VALUES | st.none() | st.lists(VALUES | st.none(), max_size=3) | st.just({"b": 1}),
)
SEVERAL = st.lists(NUMBERS, min_size=1, max_size=3) | st.lists(TEXTS, min_size=1, max_size=3)
LEAVES: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Compare, KEYS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), NUMBERS | TEXTS),
    st.builds(Compare, KEYS, st.sampled_from(["==", "!="]), st.booleans()),
    st.builds(Among, KEYS, SEVERAL.map(tuple), st.booleans()),
    st.builds(Holds, KEYS, VALUES, st.booleans()),
    st.builds(Missing, KEYS, st.booleans()),
)
FILTERS = st.recursive(
    LEAVES,
    lambda parts: (
        st.builds(All, st.lists(parts, min_size=1, max_size=3).map(tuple))
        | st.builds(Either, st.lists(parts, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=4,
)
