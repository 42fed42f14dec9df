"""Asking a PACS and fetching from it, with errors that say nothing of whom it was asked about."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from closegap.data.dicomweb.address import Address
from closegap.data.dicomweb.record import uid
from closegap.data.dicomweb.session import client_of
from closegap.errors import ClosegapError, DataError, UnavailableError, needs

with needs("dicom"):
    from pydicom import Dataset
    from requests import HTTPError, RequestException
    from requests.exceptions import ConnectionError, InvalidURL, SSLError, Timeout, TooManyRedirects
    from retrying import RetryError

Record = Mapping[str, Any]
T = TypeVar("T")

_PAGE = 200
_GOES_ON = "the same command goes on where it stopped"
_AWAY = (429, 502, 503, 504)


@dataclass(frozen=True)
class Pacs:
    """A DICOMweb service; small, immutable and picklable, because it travels to worker processes.

    Args:
        address: of it, and which of its studies are meant.
    """

    address: Address

    def studies(self) -> Iterator[Record]:
        """The studies that are meant, each once, page after page.

        Raises:
            ClosegapError: the service refuses, or is none.
            UnavailableError: no answer.
        """
        seen: set[str | None] = set()
        while True:  # until a page has nothing new: some services know no pages, others make them shorter than asked
            page = self._found(
                "search_for_studies",
                limit=_PAGE,
                offset=len(seen),
                fields=["IssuerOfPatientID"],
                search_filters=dict(self.address.query.get("study", {})),
            )
            fresh = {uid(record, "StudyInstanceUID"): record for record in page}
            fresh = {name: record for name, record in fresh.items() if name not in seen}
            if not fresh:
                return
            seen.update(fresh)
            yield from fresh.values()

    def series(self, study: str) -> list[Record]:
        """The series of a study that are meant; see `studies`."""
        wanted = dict(self.address.query.get("series", {}))
        return self._found("search_for_series", study, fields=["BodyPartExamined"], search_filters=wanted)

    def instances(self, study: str, series: str) -> list[Record]:
        """The instances of a series that are meant; see `studies`."""
        wanted = dict(self.address.query.get("instance", {}))
        return self._found("search_for_instances", study, series, fields=["Rows"], search_filters=wanted)

    def retrieve(self, study: str, series: str, instance: str) -> Dataset:
        """An instance, as it was stored.

        Raises:
            DataError: there is none any more, or a damaged one.
            UnavailableError: no answer.
        """
        return self._asked(
            lambda: client_of(self.address.url).retrieve_instance(
                study, series, instance, media_types=(("application/dicom", "*"),)
            )
        )

    def _found(self, search: str, *names: str, **wanted: Any) -> list[Record]:
        found: object = self._asked(lambda: getattr(client_of(self.address.url), search)(*names, **wanted), asking=True)
        if not isinstance(found, list) or not all(isinstance(record, Mapping) for record in found):
            raise self._no_dicomweb()
        return found

    def _asked(self, ask: Callable[[], T], asking: bool = False) -> T:
        """What a request brings; whatever goes wrong is told without the address of what was asked for.

        Args:
            ask: sends it.
            asking: whether it is a search, which has to work; of one instance it may be the instance's own fault.
        """
        try:
            return ask()
        except ClosegapError:
            raise
        except HTTPError as error:
            raise self._refused(0 if error.response is None else error.response.status_code, asking) from None
        except (TooManyRedirects, InvalidURL):
            raise ClosegapError(f"{self}: sends to another address; give that one") from None
        except SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                raise ClosegapError(f"{self}: no TLS there; without it the address begins with dicomweb://") from None
            raise ClosegapError(
                f"{self}: its certificate is not trusted here; name who signed it in REQUESTS_CA_BUNDLE"
            ) from None
        except (Timeout, RetryError):
            raise UnavailableError(f"{self}: takes too long to answer; {_GOES_ON}") from None
        except ConnectionError:
            raise UnavailableError(f"{self}: no answer; is the server there? Then {_GOES_ON}") from None
        except Exception as error:
            if asking:  # no JSON
                raise self._no_dicomweb() from None
            if isinstance(error, RequestException):
                raise UnavailableError(f"{self}: broke off an answer; {_GOES_ON}") from None
            raise DataError(f"no instance that can be read ({type(error).__name__})") from None

    def _refused(self, status: int, asking: bool) -> ClosegapError:
        if status in (401, 403):
            return ClosegapError(
                f"{self}: {status}, it wants another name and password, or a token; give them in "
                "CLOSEGAP_DICOMWEB_USER and CLOSEGAP_DICOMWEB_PASSWORD, in CLOSEGAP_DICOMWEB_TOKEN, or in ~/.netrc"
            )
        if status in _AWAY:
            return UnavailableError(f"{self}: {status}, it is not available; {_GOES_ON}")
        if not asking:
            return DataError(f"the PACS does not give it ({status})")
        if status in (404, 405):
            return ClosegapError(f"{self}: {status}, no DICOMweb there; name its path, often /dicom-web, and its port")
        return ClosegapError(
            f"{self}: {status}, it refuses what it is asked; name its path, often /dicom-web, or ask for something "
            "else after the ?"
        )

    def _no_dicomweb(self) -> ClosegapError:
        return ClosegapError(f"{self}: answers, but not as DICOMweb does; name its path, often /dicom-web")

    def __str__(self) -> str:
        return self.address.shown
