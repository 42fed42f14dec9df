"""Tokens to embedding rows without a vocabulary."""

from functools import lru_cache
from hashlib import blake2b

HASH = (
    "h is blake2b, of 8 bytes, of the UTF-8 token, little-endian; a token has two rows: "
    "1 + (h mod 2^32) mod (rows - 1) and 1 + (h div 2^32) mod (rows - 1)"
)
"""What `hashed_rows` does, for programs that have to do it, too."""


@lru_cache(maxsize=1 << 18)
def hashed_rows(token: str, buckets: int) -> tuple[int, int]:
    """Two rows in 1..buckets-1 for a token; row 0 is padding.

    A token's embedding is the sum of both rows, so that two tokens are confused only if both of their rows collide
    (Svenstrup et al. 2017, 1709.03933, without the learned importance weights). There is no vocabulary to build,
    store or lack a word.
    """
    value = int.from_bytes(blake2b(token.encode(), digest_size=8).digest(), "little")
    return 1 + (value & 0xFFFFFFFF) % (buckets - 1), 1 + (value >> 32) % (buckets - 1)
