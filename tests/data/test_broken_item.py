"""What goes wrong as items are embedded is told with the row and the modality of the item."""

from pathlib import Path

import pytest
from PIL import Image

from closegap.data import Case, Columns, Manifest
from closegap.data.broken_item import naming_broken_items
from closegap.errors import DataError


def test_a_broken_item_is_named_and_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    (tmp_path / "cases.csv").write_text("id,split,image\na,test,a.png\nb,test,b.png\n", encoding="utf-8")
    source = Manifest(tmp_path / "cases.csv", {"image": Columns("image", ["image"])})
    cases = [case for case in source.rows() if isinstance(case, Case)]
    told = r"cases\.csv, line 3, case 'b': modality 'image': .*b\.png: "
    with pytest.raises(DataError, match=told) as caught, naming_broken_items(cases, source.kinds):
        raise DataError("an item cannot be read")
    assert str(caught.value).endswith("mend it, or leave such rows out with --checks.on_error skip")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"^out of luck$"), naming_broken_items(cases[:1], source.kinds):
        raise DataError("out of luck")
