"""Names that only the holder of a key can lead back to a patient."""

import hashlib
import stat
from pathlib import Path
from typing import Literal, Self

from closegap.errors import UsageError
from closegap.files import regular

_SHORTEST, _LONGEST = 32, 4096  # bytes
_MAKE = "make one with `(umask 077; openssl rand -hex 32 > {})`"

Thing = Literal["patient", "study", "instance", "query", "uid", "shift", "file"]


class Pseudonyms:
    """Digests under a secret key: the same for the same thing, and nothing to anybody without the key.

    Numbers of patients and UIDs are few enough to be tried out one after the other, so that a digest without a key
    would hide nobody.

    Args:
        key: at least 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key).digest()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those of a key file.

        Raises:
            UsageError: no such file, one that others may read, or a short one.
        """
        try:
            mode = regular(path).stat().st_mode
            key = path.read_bytes()[:_LONGEST].strip()
        except FileNotFoundError:
            raise UsageError(f"{path}: no such key; {_MAKE.format(path)}, and keep it as long as the archive") from None
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"{path}: a key that others may read or change; say `chmod 600 {path}`")
        if len(key) < _SHORTEST:
            raise UsageError(f"{path}: a key of {len(key)} bytes, expected at least {_SHORTEST}; {_MAKE.format(path)}")
        return cls(key)

    def of(self, thing: Thing, *names: str) -> str:
        """128 bits in hexadecimal.

        Args:
            thing: what it is of; two things of one name have two pseudonyms.
            names: the parts of its name.

        Example:
            >>> Pseudonyms(bytes(32)).of("study", "1.2.3")
            'cc9f53926f241a2bb31e4e0e79da93b9'
        """
        state = hashlib.blake2b(key=self._key, digest_size=16, person=thing.encode())
        for name in names:
            part = name.encode(errors="surrogatepass")
            state.update(len(part).to_bytes(8, "little") + part)
        return state.hexdigest()

    def patient(self, number: str, issuer: str = "") -> str:
        """The group of a patient.

        Args:
            number: PatientID.
            issuer: IssuerOfPatientID, where the PACS tells one: numbers of two hospitals are different patients'.
        """
        return self.of("patient", number.strip(), issuer.strip())
