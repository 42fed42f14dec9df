"""A connection to a PACS: who asks, and what may come back."""

import logging
import os
import threading
from dataclasses import dataclass
from typing import Any

from closegap.errors import DataError, UsageError, needs
from closegap.kinds.dicom import quiet as quiet

with needs("dicom"):
    from dicomweb_client import DICOMwebClient
    from requests import PreparedRequest, Response, Session
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase, HTTPBasicAuth
    from urllib3.util import Retry

_TOKEN, _USER, _PASSWORD = (f"CLOSEGAP_DICOMWEB_{name}" for name in ("TOKEN", "USER", "PASSWORD"))
_PATIENCE = (10, 60)  # seconds: until a connection stands, and between two pieces of an answer
_AGAIN = Retry(2, backoff_factor=0.2)  # a server closes a connection that was idle as the next request is under way
_LARGEST = 512 * 2**20
_HELD = threading.local()

for _name in ("dicomweb_client", "urllib3"):  # their logs hold UIDs
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class _Bearer(AuthBase):
    token: str

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def client_of(url: str) -> DICOMwebClient:
    """This thread's client of a service; what it signs in with is read from the environment, else from ~/.netrc.

    Raises:
        UsageError: a user without a password, or the other way round.
    """
    held: dict[str, DICOMwebClient] = _HELD.__dict__.setdefault("clients", {})
    if url not in held:
        session = Session()
        session.max_redirects = 0  # nobody else is told what is asked for
        session.auth = _credentials()
        session.headers["Accept-Encoding"] = "identity"  # to compress 8 MB of pixels takes a server seconds
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_AGAIN))
        found = DICOMwebClient(url, session, callback=_expect_size, timeout=_PATIENCE)
        found.set_http_retry_params(max_attempts=3, wait_exponential_multiplier=500)
        held[url] = found
    return held[url]


def _credentials() -> AuthBase | None:
    token, user, password = (os.environ.get(name) for name in (_TOKEN, _USER, _PASSWORD))
    if token:
        return _Bearer(token)
    if bool(user) != bool(password):
        raise UsageError(f"{_USER}, {_PASSWORD}: one is set without the other; set both, or neither")
    return HTTPBasicAuth(user.encode(), password.encode()) if user and password else None


def _expect_size(response: Response, *_: Any, **__: Any) -> Response:
    """Refuse an answer before it is read."""
    size = response.headers.get("Content-Length", "")
    if size.isdecimal() and int(size) > _LARGEST:
        response.close()
        raise DataError(f"{int(size) / 2**20:,.0f} MiB, expected at most {_LARGEST // 2**20}; leave it out")
    return response
