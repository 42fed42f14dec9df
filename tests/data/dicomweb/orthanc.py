"""A real PACS: Debian's Orthanc with its DICOMweb plug-in, on a free port of this machine."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset

_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass
class Orthanc:
    """A server that can be killed and started again.

    Args:
        folder: of its configuration, its storage and its log.
        users: name to password; nobody signs in where there are none.
        settings: further ones of its configuration.
    """

    folder: Path
    users: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder.mkdir(parents=True)
        said = {
            "Name": "tests",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": self.port,
            "DicomServerEnabled": False,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(self.users),
            "RegisteredUsers": self.users,
            "Plugins": [str(_PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **self.settings,
        }
        (self.folder / "orthanc.json").write_text(json.dumps(said))

    @property
    def address(self) -> str:
        """As a person names it."""
        return self.url.replace("http", "dicomweb", 1)

    @property
    def url(self) -> str:
        """Of its DICOMweb."""
        scheme = "https" if self.settings.get("SslEnabled") else "http"
        return f"{scheme}://127.0.0.1:{self.port}/dicom-web"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")
        assert program is not None
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen([program, str(self.folder / "orthanc.json")], stdout=log, stderr=log)
        log.close()
        ended = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < ended:
            try:
                requests.get(f"{self.url}/studies?limit=1", timeout=5, verify=False)
            except requests.ConnectionError:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise AssertionError((self.folder / "log").read_text(errors="replace")[-2000:])

    def stop(self, kill: bool = False) -> None:
        """End it."""
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(60)

    def client(self) -> DICOMwebClient:
        """Who stores in it."""
        session = requests.Session()
        session.auth = next(iter(self.users.items()), None)
        session.verify, session.trust_env = False, False
        return DICOMwebClient(self.url, session)

    def forget(self, study: str) -> None:
        """Delete a study, by its UID."""
        root = f"http://127.0.0.1:{self.port}"
        wanted: Any = {"Level": "Study", "Query": {"StudyInstanceUID": study}}
        for name in requests.post(f"{root}/tools/find", json=wanted, timeout=60).json():
            requests.delete(f"{root}/studies/{name}", timeout=60).raise_for_status()

    def store(self, datasets: Sequence[Dataset]) -> None:
        """Store by STOW-RS, some at a time."""
        client = self.client()
        for start in range(0, len(datasets), 16):
            answer = client.store_instances(datasets[start : start + 16])
            assert not answer.get("FailedSOPSequence"), "not stored"


@contextmanager
def orthanc(folder: Path, users: dict[str, str] | None = None, **settings: Any) -> Iterator[Orthanc]:
    """A running server; skips where Debian's packages are not installed."""
    if shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin") is None or not _PLUGIN.exists():
        pytest.skip("no Orthanc with DICOMweb on this machine: no PACS is asked; `make orthanc` says how to install it")
    server = Orthanc(folder, users or {}, settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()
