"""From a PACS to an answer and back to the study, and nobody's name on the way."""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from acceptance.forked import Command
from acceptance.forked import start as start_command
from acceptance.indexed import indexed
from acceptance.moments import Moment
from PIL import Image
from pydicom import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, generate_uid
from tests.cli.tiny import Cli
from tests.data.dicomweb import fixtures
from tests.data.dicomweb.filled import Filled, fill
from tests.data.dicomweb.fixtures import STUDIES
from tests.data.dicomweb.orthanc import Orthanc, orthanc
from tests.data.dicomweb.studies import radiograph, report
from tests.processes import start

from closegap.data.dicomweb.pacs import Pacs
from closegap.data.dicomweb.pseudonyms import Pseudonyms
from closegap.search.archive import feed_of_cases

server, filled, secret = fixtures.server, fixtures.filled, fixtures.secret

COUNTS = {"image": 20, "report": 13}  # every fourth study has two pictures, every fifth no report; and two more


@pytest.fixture(autouse=True)
def nobody_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"CLOSEGAP_DICOMWEB_{name}", raising=False)


def stats(cli: Cli, archive: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("index", "stats", archive, "--json").out)
    return found


def test_a_pacs_becomes_an_archive_that_leads_back(
    cli: Cli, runs: Path, server: Orthanc, filled: Filled, secret: Path, tmp_path: Path
) -> None:
    source = ("--source", server.address, "--key", secret)
    built = cli("index", "build", runs / "a", *source, "--thumbnails", "--out", tmp_path / "archive")
    assert (built.code, built.err) == (0, "")
    assert stats(cli, tmp_path / "archive")["rows"] == COUNTS
    study, (text,) = next(iter(filled.texts.items()))
    asked = ("search", tmp_path / "archive", "--text", text, "--json", "-k", 3)
    hits = json.loads(cli(*asked, "--in", "report").out)["hits"]
    assert text in [hit["text"] for hit in hits]
    hit = next(hit for hit in hits if hit["text"] == text)
    assert hit["payload"]["imaging"] == "CR"
    where = f'imaging == "CR" and study_year == "{hit["payload"]["study_year"]}"'
    assert json.loads(cli(*asked, "--where", where).out)["hits"]
    assert not json.loads(cli(*asked, "--where", 'imaging == "CT"').out)["hits"]
    back = cli("index", "resolve", f"{hit['id']}#3", *source)
    patient = Pseudonyms.read(secret).patient(filled.patients[study][1])
    assert back.out == (
        f"{hit['case']} of patient {patient}: http://127.0.0.1:{server.port}/dicom-web/studies/{study}\n"
    )
    lost = cli("index", "resolve", "0" * 32, hit["case"], *source)
    assert (lost.code, lost.out) == (1, back.out)
    assert f"{'0' * 32}: no study has this pseudonym" in lost.err
    gone = cli("index", "delete", tmp_path / "archive", "--group", patient)
    assert gone.code == 0
    assert hit["case"] not in cli(*asked).out


def test_what_is_there_already_is_not_fetched_again(
    cli: Cli, runs: Path, server: Orthanc, filled: Filled, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = ("--source", f"{server.address}?PatientID=MRN-0-QX", "--key", secret)
    every = ("--source", server.address, "--key", secret)
    assert cli("index", "build", runs / "a", *some, "--scores", "none", "--out", tmp_path / "archive").code == 0
    added = cli("index", "add", tmp_path / "archive", *every)
    assert added.code == 0, added.err
    assert stats(cli, tmp_path / "archive")["rows"] == COUNTS
    fetched: list[str] = []
    retrieve = Pacs.retrieve

    def retrieved(*of: Any) -> Any:
        fetched.append(of[3])
        return retrieve(*of)

    monkeypatch.setattr(Pacs, "retrieve", retrieved)
    again = cli("index", "add", tmp_path / "archive", *every)
    assert f"0 rows embedded, {STUDIES + 2} cases looked at" in again.out
    assert len(fetched) == COUNTS["report"]


def test_no_byte_that_is_written_names_anybody(runs: Path, secret: Path, tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as server:
        filled = fill(server, 8)
        broken = radiograph(Image.new("L", (40, 40), 9), ("Broken^Bo", "MRN-7b-QX"), generate_uid(prefix=None))
        broken.PixelData = broken.PixelData[:7]
        server.store([broken])
        filled.secrets |= {str(broken.StudyInstanceUID), str(broken.SOPInstanceUID), "Broken", "MRN-7b-QX"}
        told = _commands(runs, server.address, secret, tmp_path / "written", tmp_path / "seen")
    assert "DEBUG" in told
    files = [path for path in (tmp_path / "written").rglob("*") if path.is_file()]
    assert {"index.sqlite", "memory.sqlite3"} <= {path.name for path in files}
    for place, content in [("printed", told.encode()), *((str(path), path.read_bytes()) for path in files)]:
        for word in (*filled.secrets, "DROP"):
            assert word.encode() not in content, f"{place}: {word}"
            assert word.encode("utf-16-le") not in content, f"{place}: {word}"


def _commands(runs: Path, address: str, secret: Path, written: Path, seen: Path) -> str:
    """What builds print that fail, that are of one patient, and that leave out, with the whole log."""
    written.mkdir()
    known = {"CLOSEGAP_LOG": "DEBUG", "CLOSEGAP_CACHE": str(written / "cache"), "TMPDIR": str(written)}
    known |= {"XDG_STATE_HOME": str(written / "state"), "HOME": str(written)}
    told = ""
    for name, query, further, code in (
        ("failed", "", [], 1),
        ("one", "?PatientID=MRN-0-QX", ["--thumbnails"], 0),
        ("skipped", "", ["--thumbnails", "--checks.on_error", "skip", "--checks.max_skipped", "0.5"], 0),
    ):
        source = ["--source", f"{address}{query}", "--key", str(secret), "--out", str(written / name), *further]
        command = Command(["index", "build", str(runs / "a"), *source], Path.cwd())
        found = start_command(command, seen / name, known).wait()
        assert found.code == code, found.err[-2000:]
        told += found.out + found.err
    return told


def test_a_killed_build_goes_on_with_what_is_there_then(cli: Cli, runs: Path, secret: Path, tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as server:
        filled = fill(server, 6)
        build = ("index", "build", runs / "a", "--source", server.address, "--key", secret, "--out")
        assert cli(*build, tmp_path / "whole").code == 0
        for number in (3, 25, 45):
            killed = start(*build, tmp_path / "again", seen=tmp_path / "seen", moment=Moment(tmp_path, number=number))
            assert killed.wait().code == -9
            assert not (tmp_path / "again").exists()
        assert cli(*build, tmp_path / "again").code == 0
        assert indexed(tmp_path / "again" / "index") == indexed(tmp_path / "whole" / "index")
        assert not (tmp_path / "again.parts").exists()
        late = cli(*build, tmp_path / "late", "--fit-on", "train")  # fails once the rows are there
        assert late.code == 1
        gone, new, names = next(iter(filled.pictures)), generate_uid(prefix=None), Pseudonyms.read(secret)
        assert names.of("study", gone).encode() in indexed(tmp_path / "late.parts" / "archive" / "index")
        server.forget(gone)
        server.store([radiograph(Image.new("L", (40, 40), 9), ("New^Nora", "MRN-9-QX"), new)])
        assert cli(*build, tmp_path / "late").code == 0
        held = indexed(tmp_path / "late" / "index")
        assert names.of("study", new).encode() in held
        assert names.of("study", gone).encode() not in held


def test_a_server_that_dies_costs_what_it_was_at(
    cli: Cli, runs: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_of_cases, "_CASES", 4)
    with orthanc(tmp_path / "orthanc") as server:
        fill(server, 10)
        build = ("index", "build", runs / "a", "--source", server.address, "--key", secret, "--out")
        assert cli(*build, tmp_path / "whole").code == 0
        retrieve, fetched = Pacs.retrieve, list[str]()

        def retrieved(*of: Any) -> FileDataset:
            fetched.append(of[3])
            if len(fetched) == 16:
                server.stop(kill=True)
            return retrieve(*of)  # type: ignore[return-value]

        monkeypatch.setattr(Pacs, "retrieve", retrieved)
        died = cli(*build, tmp_path / "again")
        assert died.code == 1
        assert f"{server.address}: no answer; is the server there" in died.err
        assert died.err.count("\n") == 1
        assert not (tmp_path / "again").exists()
        server.start()
        fetched.clear()
        fetched += [""] * 100
        assert cli(*build, tmp_path / "again").code == 0
        assert len(fetched) - 100 < 9 + 13, "what was embedded before is not fetched again"
        assert indexed(tmp_path / "again" / "index") == indexed(tmp_path / "whole" / "index")


def test_a_broken_picture_is_refused_or_left_out(cli: Cli, runs: Path, secret: Path, tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as server:
        fill(server, 10)
        for number in range(2):
            study = generate_uid(prefix=None)
            broken = radiograph(Image.new("L", (40, 40), 9), (f"Broken{number}^Bo", f"MRN-{number}b-QX"), study)
            if number:
                broken.PixelData = broken.PixelData[:7]
            else:
                broken.PixelData = encapsulate([b"\x00\x00\x01\xb3" * 9])
                broken["PixelData"].VR = "OB"
                broken.file_meta.TransferSyntaxUID = MPEG2MPML
            server.store([broken, report("Broken.", (f"Broken{number}^Bo", f"MRN-{number}b-QX"), study)])
        source = ("--source", server.address, "--key", secret, "--out", tmp_path / "archive")
        refused = cli("index", "build", runs / "a", *source)
        assert refused.code == 1
        assert re.fullmatch(
            r"closegap: case '([0-9a-f]{32})': modality 'image': case '\1', picture 0: "
            r"(pixels that are damaged, or not as their tags say \(ValueError\)"
            r"|transfer syntax MPEG2 Main Profile / Main Level \(1\.2\.840\.10008\.1\.2\.4\.100\), "
            r"which is none of pictures)"
            r"; mend it, or leave such rows out with --checks\.on_error skip\n",
            refused.err,
        )
        assert not (tmp_path / "archive").exists()
        too_many = cli("index", "build", runs / "a", *source, "--checks.on_error", "skip")
        assert "2 of 14 rows are broken: image unreadable 2, more than --checks.max_skipped 0.05" in too_many.err
        skipped = cli("index", "build", runs / "a", *source, "--checks.on_error", "skip", "--checks.max_skipped", "0.2")
        assert skipped.code == 0, skipped.err
        assert "left out: image unreadable 2" in skipped.out
        assert stats(cli, tmp_path / "archive")["rows"] == {"image": 14, "report": 9}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "dicomweb://127.0.0.1:9/dicom-web"], "dicomweb://127.0.0.1:9/dicom-web: no answer"),
        (["--source", "SERVER/nothing"], "/nothing: 404, no DICOMweb there; name its path"),
        (["--source", "ROOT"], ": 400, it refuses what it is asked; name its path, often /dicom-web"),
        (["--source", "TLS"], ": no TLS there; without it the address begins with dicomweb://"),
        (["--source", "SERVER?PatientID=nobody"], "/dicom-web: no study matches; ask for others in the address"),
        (["--source", "SERVER?Modality=CT"], "has a picture or a report; ask for others in the address, after its ?"),
        (["--source", "SERVER", "--images", "."], "--images, --source: both are given; take one"),
    ],
)
def test_what_goes_wrong_is_one_line(
    cli: Cli,
    runs: Path,
    server: Orthanc,
    filled: Filled,
    secret: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    root = server.address.removesuffix("/dicom-web")
    tls = server.address.replace("dicomweb://", "dicomwebs://")
    places = {"SERVER": server.address, "ROOT": root, "TLS": tls}
    given = [re.sub("^(SERVER|ROOT|TLS)", lambda found: places[found[1]], argument) for argument in arguments]
    found = cli("index", "build", runs / "a", *given, "--key", secret, "--out", tmp_path / "archive")
    assert found.code in (1, 2)
    assert message in found.err
    assert found.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_key_and_a_source_go_together(cli: Cli, runs: Path, secret: Path, tmp_path: Path) -> None:
    build = ("index", "build", runs / "a", "--out", tmp_path / "archive")
    assert "--key: not given" in cli(*build, "--source", "dicomweb://pacs/x").err
    assert "--key: goes with --source" in cli(*build, "--key", secret).err


class _Other(BaseHTTPRequestHandler):
    """Something else than a PACS, as its path says."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        page = self.path.split("/")[1]
        status = {"moved": 302, "busy": 503, "broken": 500}.get(page, 200)
        self.send_response(status)
        if page == "moved":
            self.send_header("Location", "http://127.0.0.1:9/secret")
        body = {"words": b'["study"]', "huge": b"", "odd": b'[{"0020000D": {"Value": ["../../etc"]}}]'}.get(
            page, b"<html>"
        )
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(2**40 if page == "huge" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("html", "answers, but not as DICOMweb does; name its path"),
        ("words", "answers, but not as DICOMweb does"),
        ("moved", "sends to another address; give that one"),
        ("busy", "takes too long to answer; the same command goes on"),
        ("broken", "500, it refuses what it is asked"),
        ("huge", "1,048,576 MiB, expected at most 512"),
        ("odd", "tells of 1 studies without a sound UID"),
    ],
)
def test_what_is_no_pacs_is_one_line(
    cli: Cli, runs: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, message: str
) -> None:
    monkeypatch.setenv("CLOSEGAP_DICOMWEB_TOKEN", "a token")
    seen: list[str] = []
    other = ThreadingHTTPServer(("127.0.0.1", 0), type("Other", (_Other,), {"seen": seen}))
    Thread(target=other.serve_forever, daemon=True).start()
    try:
        address = f"dicomweb://127.0.0.1:{other.server_address[1]}/{page}"
        out = tmp_path / "archive"
        found = cli("index", "build", runs / "a", "--source", address, "--key", secret, "--out", out)
    finally:
        other.shutdown()
        other.server_close()
    assert found.code == 1
    assert message in found.err
    assert found.err.count("\n") == 1
    assert set(seen) == {"Bearer a token"}
    assert "a token" not in found.err
    assert not list(tmp_path.iterdir())
