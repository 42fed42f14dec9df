"""A PACS is a source like any other: what is in it comes out, and nobody's name."""

import pickle
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.certificate import self_signed
from tests.data.dicomweb import fixtures
from tests.data.dicomweb.filled import Filled, fill
from tests.data.dicomweb.fixtures import STUDIES
from tests.data.dicomweb.orthanc import Orthanc, orthanc
from tests.data.dicomweb.test_pseudonyms import key
from tests.data.dicomweb.tls import in_front_of

from closegap.data import Case, Checks, DicomWeb, load_cases
from closegap.data.dicomweb import pacs, session
from closegap.data.dicomweb.pseudonyms import Pseudonyms
from closegap.errors import ClosegapError, DataError, UnavailableError
from closegap.testing import check_source

server, filled, secret = fixtures.server, fixtures.filled, fixtures.secret


def cases(server: Orthanc, secret: Path, query: str = "") -> dict[str, Case]:
    found = [row for row in DicomWeb(server.address + query, secret).rows() if isinstance(row, Case)]
    return {case.id: case for case in found}


def test_a_pacs_is_a_source(server: Orthanc, filled: Filled, secret: Path) -> None:
    check_source(DicomWeb(server.address, secret))


def test_every_study_comes_out_with_its_pictures_and_words(server: Orthanc, filled: Filled, secret: Path) -> None:
    found, names = cases(server, secret), Pseudonyms.read(secret)
    assert list(found) == sorted(found)
    assert found.keys() == {names.of("study", study) for study in filled.patients}
    for study, patient in filled.patients.items():
        case = found[names.of("study", study)]
        assert case.group == names.patient(patient[1])
        assert case.views.get("report", ()) == filled.texts.get(study, ())
        pictures = [np.asarray(item.open()).astype(int) for item in case.views.get("image", ())]
        expected = [np.asarray(image).astype(int) for image in filled.pictures.get(study, [])]
        assert len(pictures) == len(expected)
        for one, other in zip(pictures, expected, strict=True):
            assert np.abs(one - other).max() <= 1
    groups = Counter(case.group for case in found.values())
    assert groups.most_common(1)[0][1] > 1


def test_labels_are_words_of_dicom(server: Orthanc, filled: Filled, secret: Path) -> None:
    found, names = cases(server, secret), Pseudonyms.read(secret)
    (hostile,) = (study for study, patient in filled.patients.items() if "DROP" in patient[0])
    assert found[names.of("study", hostile)].labels == {}
    others = [found[names.of("study", study)].labels for study in filled.pictures if study != hostile]
    assert {(labels["imaging"], labels["body_part"]) for labels in others} == {("CR", "CHEST")}
    assert {labels["study_year"] for labels in others} <= {"2019", "2020"}


def test_nothing_of_a_case_names_anybody(server: Orthanc, filled: Filled, secret: Path) -> None:
    for case in cases(server, secret).values():
        told = [case.id, case.group, case.labels, case.views, *map(repr, case.views.get("image", ()))]
        told += [item.fingerprint() for item in case.views.get("image", ())]
        assert not [word for word in filled.secrets if word in repr(told)]


def test_what_is_asked_for_in_the_address_comes(server: Orthanc, filled: Filled, secret: Path) -> None:
    everything = cases(server, secret)
    of_one = cases(server, secret, "?PatientID=MRN-0-QX")
    group = Pseudonyms.read(secret).patient("MRN-0-QX")
    assert of_one.keys() == {name for name, case in everything.items() if case.group == group}
    pictures = cases(server, secret, "?Modality=CR")
    assert not any("report" in case.views for case in pictures.values())
    assert len(pictures) == STUDIES
    reports = cases(server, secret, "?SOPClassUID=1.2.840.10008.5.1.4.1.1.88.11")
    assert {name: case.views["report"] for name, case in reports.items()} == {
        name: case.views["report"] for name, case in everything.items() if "report" in case.views
    }
    with pytest.raises(DataError, match="no study matches"):
        cases(server, secret, "?PatientID=nobody")
    with pytest.raises(DataError, match="none of 1 studies has a picture or a report"):
        cases(server, secret, "?ModalitiesInStudy=RTPLAN")


def test_another_key_makes_other_names(server: Orthanc, filled: Filled, secret: Path, tmp_path: Path) -> None:
    one, other = cases(server, secret), cases(server, key(tmp_path, b"8" * 64))
    assert not one.keys() & other.keys()
    assert DicomWeb(server.address, secret).identity != DicomWeb(server.address, tmp_path / "key").identity


def test_the_way_back(server: Orthanc, filled: Filled, secret: Path) -> None:
    names = Pseudonyms.read(secret)
    found = {case: (group, address) for case, group, address in DicomWeb(server.address, secret).studies()}
    for study, patient in filled.patients.items():
        group, address = found[names.of("study", study)]
        assert address == f"http://127.0.0.1:{server.port}/dicom-web/studies/{study}"
        assert group == names.patient(patient[1])


def test_an_instance_that_is_gone_is_the_cases_own_fault(server: Orthanc, filled: Filled, secret: Path) -> None:
    case = next(case for case in cases(server, secret).values() if "image" in case.views)
    (item, *_) = case.views["image"]
    object.__setattr__(item, "instance", "1.2.3.4")
    with pytest.raises(DataError, match=rf"^case '{case.id}', picture 0: the PACS does not give it \(404\)$"):
        item.open()


def test_a_server_that_dies_is_nobodys_fault(secret: Path, tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as server:
        fill(server, 3)
        source = DicomWeb(server.address, secret)
        case = next(row for row in source.rows() if isinstance(row, Case) and "image" in row.views)
        server.stop(kill=True)
        for ask in (lambda: list(source.rows()), pickle.loads(pickle.dumps(case)).views["image"][0].open):  # noqa: S301
            with pytest.raises(UnavailableError, match="no answer; is the server there") as error:
                ask()
            assert "studies/" not in str(error.value)
            assert error.value.__suppress_context__
        with pytest.raises(UnavailableError):
            load_cases(source, Checks(on_error="skip"))


@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        ("ann", "word: ä", None),
        ("ann", "wrong", "401, it wants another name and password"),
        ("", "", "401, it wants another name"),
        ("ann", "", "one is set without the other"),
    ],
)
def test_a_server_that_knows_its_users(
    server_with_users: Orthanc,
    secret: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    password: str,
    words: str | None,
) -> None:
    monkeypatch.setenv("CLOSEGAP_DICOMWEB_USER", user)
    monkeypatch.setenv("CLOSEGAP_DICOMWEB_PASSWORD", password)
    if words is None:
        assert len(cases(server_with_users, secret)) == 5
        return
    with pytest.raises(ClosegapError, match=words) as error:
        cases(server_with_users, secret)
    assert "wrong" not in str(error.value)


def test_netrc_signs_in(
    server_with_users: Orthanc, secret: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text('machine 127.0.0.1 login ben password "plain"\n')
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert len(cases(server_with_users, secret)) == 5


def test_tls_is_spoken_with_whom_an_authority_vouches_for(
    server: Orthanc, filled: Filled, secret: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate, private = self_signed(tmp_path)
    plain = cases(server, secret)
    with in_front_of(server.port, certificate, private) as port:
        source = DicomWeb(f"dicomwebs://127.0.0.1:{port}/dicom-web", secret)
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        with pytest.raises(ClosegapError, match="its certificate is not trusted here; name who signed it in") as error:
            list(source.rows())
        assert "\n" not in str(error.value)
        monkeypatch.setattr(session, "_HELD", threading.local())
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        found = {case.id: case for case in source.rows() if isinstance(case, Case)}
        assert found.keys() == plain.keys()
        assert {name for name, case in found.items() if case.views.get("image")} == {
            Pseudonyms.read(secret).of("study", study) for study in filled.pictures
        }
        for name, case in found.items():
            pixels = [[image.open().tobytes() for image in one.views.get("image", ())] for one in (case, plain[name])]
            assert pixels[0] == pixels[1]


@pytest.fixture(scope="module")
def server_with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("pacs") / "orthanc", users={"ben": "plain", "ann": "word: ä"}) as found:
        fill(found, 3)
        yield found


@pytest.fixture(autouse=True)
def pages_and_nobody_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies come in several pages, and each test has a session of its own, without a user of the machine's."""
    monkeypatch.setattr(pacs, "_PAGE", 4)
    for name in ("USER", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"CLOSEGAP_DICOMWEB_{name}", raising=False)
    monkeypatch.setattr(session, "_HELD", threading.local())
