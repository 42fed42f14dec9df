"""A service with keys, as each role sees it."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.search.archives import built, embedded
from tests.search.service.served import Served, served

from closegap.search.archive.archive import Archive
from closegap.search.archive.changing import refit
from closegap.search.archive.fitting import Wanted
from closegap.search.service.keys import ROLES, make_key, revoke_key
from closegap.search.service.trail import verify

_ASK = {"cases": [{"id": "c007", "modality": "image"}], "k": 5}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    built(folder / "archive")
    return folder


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    return {role: make_key(home / "keys.json", f"the {role}", role) for role in ROLES}


@pytest.fixture(scope="module")
def service(home: Path, keys: dict[str, str]) -> Iterator[Served]:
    options = ("--keys", str(home / "keys.json"), "--log", str(home / "audit.jsonl"), "--rate", "500", "--burst", "500")
    with served(home / "archive", *options) as found:
        yield found


def _asked(service: Served, key: str, **more: Any) -> Any:
    with service.client(key) as client:
        return client.post("/v1/search", json=_ASK | more)


def test_hits_are_those_of_the_archive_in_both_merges(service: Served, keys: dict[str, str], home: Path) -> None:
    from closegap.search.archive.query import Part, Query

    answer = _asked(service, keys["reader"]).json()
    with Archive(home / "archive") as archive:
        for name, merge in (("corrected", "corrected"), ("raw", "cosine")):
            query = Query([Part.case("c007", modality="image")], k=5, merge=merge)  # type: ignore[arg-type]
            expected = [(hit.modality, hit.id, hit.score) for hit in archive.ask(query).hits]
            assert [(hit["modality"], hit["id"], hit["score"]) for hit in answer[name]] == expected
        said = archive.ask(Query([Part.case("c007", modality="image")], k=5))
        assert (answer["not_sure"], answer["p_value"]) == (said.unsure, said.p_value)
        assert said.unsure is not None
    assert answer["token"]
    assert "c007" not in answer["token"]


def test_a_role_may_do_what_it_is_for(service: Served, keys: dict[str, str]) -> None:
    expected = {"": (401, 401, 401), "reader": (200, 403, 403), "writer": (200, 404, 403), "admin": (200, 404, 200)}
    for role, statuses in expected.items():
        with service.client(keys.get(role, "")) as client:
            found = (client.get("/v1/archive"), client.delete("/v1/cases/none"), client.get("/metrics"))
            assert tuple(one.status_code for one in found) == statuses, role
            assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("key", ["cg_", "cg_1_2", "x", "cg_%s_" % ("a" * 12), "Bearer", "é"])
def test_what_is_no_key_is_refused(service: Served, key: str) -> None:
    with service.client() as client:
        answer = client.get("/v1/archive", headers=[(b"authorization", f"Bearer {key}".encode())])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_holds_until_it_is_revoked(service: Served, home: Path) -> None:
    key = make_key(home / "keys.json", "for a day", "reader")
    assert _asked(service, key).status_code == 200
    assert key.rpartition("_")[2] not in (home / "keys.json").read_text()
    revoke_key(home / "keys.json", key.split("_")[1])
    assert _asked(service, key).status_code == 401


def test_a_case_that_is_deleted_is_found_no_more(service: Served, keys: dict[str, str]) -> None:
    with service.client(keys["writer"]) as client:
        assert {one["modality"] for one in client.get("/v1/cases/c011").json()["items"]} == {
            "image",
            "report",
            "record",
        }
        assert client.delete("/v1/cases/c011").json()["rows"] == 4
        assert client.get("/v1/cases/c011").status_code == 404
    hits = _asked(service, keys["reader"], k=200).json()
    assert "c011" not in {hit["case"] for name in ("corrected", "raw") for hit in hits[name]}


def test_new_corrections_and_a_new_build_are_seen_without_a_restart(
    service: Served, keys: dict[str, str], home: Path
) -> None:
    before = _asked(service, keys["reader"]).json()["version"]
    with Archive(home / "archive", "write") as archive:
        refit(archive, Wanted(scores="none", calibrate="none"))
    assert _asked(service, keys["reader"]).json()["version"] > before
    built(home / "other", embedded(cases=30, seed=1))
    shutil.move(home / "archive", home / "old")
    shutil.move(home / "other", home / "archive")
    with service.client(keys["reader"]) as client:
        rows = {one["name"]: one["rows"] for one in client.get("/v1/archive").json()["modalities"]}
    shutil.move(home / "archive", home / "other")
    shutil.move(home / "old", home / "archive")
    assert rows["report"] == 30


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"k": 201}, 400),
        ({"k": "5"}, 400),
        ({"k": True}, 400),
        ({"url": "http://localhost/"}, 400),
        ({"cases": [{"id": "Mrs Jones"}]}, 404),
        ({"where": "finding == 'Mrs Jones' or"}, 400),
        ({"where": "Mrs_Jones"}, 400),
        ({"where": "Mrs_Jones == 1"}, 400),
        ({"text": [{"value": "\n"}]}, 400),
        ({"where": "'; DROP TABLE rows; --"}, 400),
        ({"in": ["Mrs Jones"]}, 400),
        ({"quotas": {"Mrs Jones": 1}}, 400),
        ({"text": [{"value": "Mrs Jones"}]}, 400),
        ({"cases": [{"id": "c007", "weight": 0}]}, 400),
        ({"cases": [{"id": "c007"}, {"id": "c007", "weight": -1}]}, 400),
    ],
)
def test_what_is_refused_is_refused_in_one_line_without_what_was_asked(
    service: Served, keys: dict[str, str], asked: dict[str, Any], status: int
) -> None:
    answer = _asked(service, keys["reader"], **asked)
    assert answer.status_code == status, answer.text
    assert "\n" not in answer.json()["error"]
    assert "Jones" not in answer.text
    assert "Jones" not in service.said.read_text()


def test_images_are_limited_by_bytes_pixels_and_format(service: Served, keys: dict[str, str]) -> None:
    def sent(content: bytes) -> int:
        with service.client(keys["reader"]) as client:
            return client.post("/v1/search", files={"image": ("../../etc/passwd", content)}).status_code

    buffer = BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    assert sent(buffer.getvalue()) == 413
    assert sent(b"x" * (17 * 2**20)) == 413
    assert sent(b"%!PS-Adobe-3.0 EPSF-3.0\n") == 415
    assert sent(b"\x89PNG\r\n\x1a\n") == 415


def test_a_request_under_another_name_or_from_another_site_is_refused(service: Served, keys: dict[str, str]) -> None:
    with service.client(keys["reader"]) as client:
        assert client.get("/v1/archive", headers={"host": "evil.example"}).status_code == 400
        assert client.post("/v1/search", json=_ASK, headers={"origin": "https://evil.example"}).status_code == 403
        assert client.post("/v1/search", json=_ASK, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        answer = client.get("/docs")
    assert "access-control-allow-origin" not in answer.headers
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert (answer.headers["x-content-type-options"], answer.headers["referrer-policy"]) == ("nosniff", "no-referrer")


def test_a_link_leads_back_to_the_question(service: Served, keys: dict[str, str]) -> None:
    with service.client(keys["reader"]) as client:
        token = client.post("/v1/search", json=_ASK).json()["token"]
        found = client.get(f"/v1/permalinks/{token}").json()["query"]
        assert (found["cases"][0]["id"], found["k"], found["in"]) == ("c007", 5, [])
        assert client.post("/v1/search", json=found).status_code == 200
        assert client.get("/v1/permalinks/none").status_code == 404


def test_a_client_that_is_slow_is_not_waited_for(service: Served) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        idle.settimeout(20)
        began = time.monotonic()
        assert idle.recv(100) == b""
        assert 5 < time.monotonic() - began < 18


def test_figures_and_log_tell_nothing_of_questions(service: Served, keys: dict[str, str], home: Path) -> None:
    where = "finding == 'F2' and case != 'a patient'"
    assert _asked(service, keys["reader"], where=where).status_code == 200
    with service.client(keys["admin"]) as client:
        figures = client.get("/metrics").text
    assert 'closegap_requests_total{method="POST",route="/v1/search",status="200"}' in figures
    log = (home / "audit.jsonl").read_text()
    assert "a patient" not in figures + log + service.said.read_text()
    last = [line for line in map(json.loads, log.splitlines()) if line["action"] == "search"][-1]
    assert last["who"] == "the reader"
    assert last["ids"]
    assert verify(home / "audit.jsonl").lines == len(log.splitlines())


def test_too_many_requests_wait_and_those_in_flight_end(home: Path) -> None:
    with served(home / "archive", "--rate", "1", "--burst", "3") as found:
        statuses = [_asked(found, "").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        body = b'{"cases": [{"id": "c007"}]}'
        head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        time.sleep(2)
        with socket.create_connection(("127.0.0.1", found.port)) as slow:
            slow.sendall(head.encode() + body[:5])
            time.sleep(0.5)
            found.process.terminate()
            threading.Timer(1, slow.sendall, [body[5:]]).start()
            slow.settimeout(20)
            assert slow.recv(20).startswith(b"HTTP/1.1 200")
        assert found.process.wait(20) in (0, -15)
