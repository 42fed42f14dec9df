"""Several workers are one service; over TLS, too."""

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from tests.certificate import self_signed
from tests.search.archives import built
from tests.search.service.served import Served, served

from closegap.search.service.keys import make_key
from closegap.search.service.permalinks import Permalinks
from closegap.search.service.shared import Shared

_ASK = {"cases": [{"id": "c007"}], "k": 5}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("workers") / "archive")


def workers(service: Served) -> list[int]:
    """The processes that answer."""
    children = psutil.Process(service.process.pid).children()
    return [child.pid for child in children if "resource_tracker" not in " ".join(child.cmdline())]


@contextmanager
def held(process: int) -> Iterator[None]:
    """Keep a worker from answering, so that the other one does."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it was taken for dead, and another was put in its place
            os.kill(process, signal.SIGCONT)


def test_links_and_limits_hold_for_both_workers(archive: Path) -> None:
    with served(archive, "--workers", "2", "--rate", "0.001", "--burst", "6") as found:
        first, second = workers(found)
        with held(first), found.client() as client:
            link = client.post("/v1/search", json=_ASK).json()["token"]
            statuses = [client.get("/v1/archive").status_code for _ in range(2)]
        with held(second), found.client() as client:
            question = client.get(f"/v1/permalinks/{link}")
            statuses += [client.get("/v1/archive").status_code for _ in range(4)]
    assert question.json()["query"]["cases"][0]["id"] == "c007"
    assert statuses == [200, 200, 200, 200, 429, 429]


def test_what_workers_share_ends_with_the_service(archive: Path, tmp_path: Path) -> None:
    with served(archive, "--workers", "2") as found, found.client() as client:
        assert client.post("/v1/search", json=_ASK).status_code == 200
        opened = {file.path for process in workers(found) for file in psutil.Process(process).open_files()}
        (shared,) = (Path(path) for path in opened if path.endswith("shared.sqlite"))
        assert shared.parent.stat().st_mode & 0o077 == 0
    assert not shared.parent.exists()


def test_the_newest_links_are_kept_within_limits(tmp_path: Path) -> None:
    one, other = (Permalinks(Shared(tmp_path / "shared.sqlite")) for _ in range(2))
    tokens = [one.put({"number": number}) for number in range(2005)]
    assert [other.get(token) for token in tokens[:5]] == [None] * 5
    assert [other.get(token) for token in tokens[5:]] == [{"number": number} for number in range(5, 2005)]
    large = [other.put({"noise": os.urandom(5 * 2**20).hex()}) for _ in range(7)]
    assert one.get(tokens[-1]) is None
    assert [one.get(token) is not None for token in large] == [False] * 2 + [True] * 5


def test_tls_with_a_certificate_of_one_s_own(archive: Path, tmp_path: Path) -> None:
    certificate, private = self_signed(tmp_path)
    key = make_key(tmp_path / "keys.json", "a ward", "reader")
    options = ("--certificate", str(certificate), "--certificate-key", str(private))
    trusting = ssl.create_default_context(cafile=str(certificate))
    with served(archive, *options, "--keys", str(tmp_path / "keys.json"), tls=trusting) as found:
        with found.client(key) as client:
            answer = client.post("/v1/search", json=_ASK)
            assert (answer.status_code, answer.url.scheme) == (200, "https")
            assert client.get("/").status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"https://127.0.0.1:{found.port}/healthz")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{found.port}/healthz")
        old = ssl.create_default_context(cafile=str(certificate))
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://127.0.0.1:{found.port}/healthz", verify=old)
