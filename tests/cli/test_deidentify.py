"""DICOM files are de-identified by one command."""

from pathlib import Path

import numpy as np
from tests.cli.tiny import Cli
from tests.kinds.dicom.test_picture import RAMP, grey


def test_files_are_written_or_refused(cli: Cli, tmp_path: Path) -> None:
    dataset, folder, key = (
        grey(RAMP, 16, PatientID="9182736", SOPInstanceUID="1.2.3"),
        tmp_path / "in",
        tmp_path / "key",
    )
    folder.mkdir()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(folder / "9182736.dcm", enforce_file_format=True)
    key.write_text("k" * 64, encoding="utf-8")
    key.chmod(0o600)
    given = ("deidentify", folder, tmp_path / "out", "--key", key, "--burned-in", "ignore")
    found = cli(*given)
    assert (found.code, found.err) == (0, "")
    assert found.out == f"{tmp_path / 'out'}: 1 of 1 files, 0 places with text blacked out\n"
    for wrong in (given, given[:3], (*given[:-1], "erase"), (*given[:2], folder / "out", *given[3:])):
        refused = cli(*wrong)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    (folder / "noise.dcm").write_bytes(np.random.default_rng(0).bytes(999))
    found = cli("deidentify", folder, tmp_path / "more", "--key", key, "--burned-in", "ignore")
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert found.out.startswith("refused  noise.dcm: ")
    assert "9182736" not in found.out + found.err
