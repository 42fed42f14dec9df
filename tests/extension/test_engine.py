from pathlib import Path

import numpy as np
from tests.extension.engine import SqliteIndex

from closegap.search import Batch, Row, open_index
from closegap.testing import check_index


def test_it_is_an_index() -> None:
    check_index(SqliteIndex, kills=2)


def test_it_is_opened_by_its_import_path(tmp_path: Path) -> None:
    with open_index(f"tests.extension.engine.SqliteIndex://{tmp_path / 'archive'}", "write") as index:
        assert isinstance(index, SqliteIndex)
        assert index.add({"image": Batch([Row("a", "1", "g")], np.eye(1, 3))}) == 1
