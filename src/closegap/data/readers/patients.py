"""What stands for a patient outside the data, and the split that each is in."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal, TypeAlias

from closegap.bounds import Seed, ShareBelowOne
from closegap.checked import check_fields
from closegap.errors import DataError, UsageError

Ids: TypeAlias = Literal["kept", "digest"]
_LONGEST_KEY = 64  # bytes that BLAKE2 takes


def pseudonym(ids: Ids, key: Path | None) -> Callable[[str], str]:
    """From an id of the data to what stands for it in cases, and so in reports, logs and indexes.

    A plain digest hides an id from a reader, not from somebody who tries all the numbers that a hospital gives out; a
    digest with a key that is kept elsewhere hides it from both.

    Args:
        ids: "kept" leaves them as they are, "digest" replaces them.
        key: a file of at least 16 bytes that nobody else has; digests only.

    Raises:
        UsageError: a key for ids that are kept.
        DataError: no such file, or too short a key.
    """
    if ids == "kept":
        if key is not None:
            raise UsageError("key: given, but ids are kept; say ids: digest")
        return str
    secret = b""
    if key is not None:
        try:
            secret = Path(key).read_bytes().strip()
        except OSError as error:
            raise DataError(f"{key}: no key can be read ({error.strerror}); expected a file of random bytes") from error
        if len(secret) < 16:
            raise DataError(f"{key}: {len(secret)} bytes, expected a key of at least 16, from `openssl rand -hex 32`")
        secret = secret if len(secret) <= _LONGEST_KEY else blake2b(secret).digest()
    return lambda name: blake2b(name.encode(errors="surrogatepass"), digest_size=10, key=secret).hexdigest()


@dataclass(frozen=True)
class Held:
    """Which shares of the patients are held out, where the data do not say; a patient is in one split, always.

    Args:
        validation: share of the patients.
        test: share of the patients.
        seed: which these are.
    """

    validation: ShareBelowOne = 0.1
    test: ShareBelowOne = 0.1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.validation + self.test >= 1:
            raise UsageError(
                f"held: {self.validation:g} and {self.test:g} given, expected shares that leave some to train"
            )

    def split(self, group: str) -> str:
        """The split of a patient."""
        state = blake2b(f"{self.seed}/{group}".encode(errors="surrogatepass"), digest_size=8)
        place = int.from_bytes(state.digest(), "big") / 2**64
        return "test" if place < self.test else "validation" if place < self.test + self.validation else "train"
