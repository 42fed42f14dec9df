"""A PACS with some studies, and a key for the pseudonyms of its patients, for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.data.dicomweb.filled import Filled, fill
from tests.data.dicomweb.orthanc import Orthanc, orthanc
from tests.data.dicomweb.test_pseudonyms import key

STUDIES = 15


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("pacs") / "orthanc") as found:
        yield found


@pytest.fixture(scope="module")
def filled(server: Orthanc) -> Filled:
    return fill(server, STUDIES)


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return key(tmp_path_factory.mktemp("key"))
