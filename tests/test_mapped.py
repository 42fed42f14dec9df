from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from closegap.mapped import copy_tensors

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_TENSORS, _MIB = 16, 4


def test_tensors_are_copied_by_name(tmp_path: Path) -> None:
    saved = {"a": torch.randn(3, 2), "b": torch.arange(4)}
    save_file(saved, tmp_path / "file.safetensors")
    parameter = torch.nn.Parameter(torch.zeros(3, 2))
    copy_tensors(tmp_path / "file.safetensors", {"a": parameter})
    assert parameter.equal(saved["a"])
    with pytest.raises(SafetensorError, match="c"):
        copy_tensors(tmp_path / "file.safetensors", {"c": torch.zeros(1)})


@pytest.mark.skipif(not _RESET.exists(), reason="only Linux says how much memory a process held at most")
def test_what_is_copied_is_not_held_twice(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_file({str(number): torch.ones(_MIB << 18) for number in range(_TENSORS)}, path)
    own = {str(number): torch.zeros(_MIB << 18) for number in range(_TENSORS)}

    def held_beyond(before: int) -> int:
        found = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
        return int(found["VmHWM"].split()[0]) // 1024 - before

    _RESET.write_text("5", encoding="ascii")
    before = held_beyond(0)
    copy_tensors(path, own)
    assert held_beyond(before) < _TENSORS * _MIB / 2
    for name, tensor in load_file(path).items():
        own[name].copy_(tensor)
    assert held_beyond(before) > _TENSORS * _MIB / 2  # the measure sees it
