"""PTB-XL: electrocardiograms of twelve leads with their reports."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.cells import CellError
from closegap.data.readers.literals import literal
from closegap.data.readers.raw_table import raw_rows
from closegap.data.source import Source
from closegap.data.table import TableRow
from closegap.errors import DataError
from closegap.kinds.base import Kind
from closegap.kinds.codes import CodesKind
from closegap.kinds.record import RecordKind
from closegap.kinds.sampling import AS_RECORDED, Sampling
from closegap.kinds.signal import SignalKind
from closegap.kinds.text import TextKind

_TABLE, _STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
_FILES = {100: "filename_lr", 500: "filename_hr"}
_NUMBERS = ("age", "height", "weight")
_COLUMNS = ("ecg_id", "patient_id", "sex", *_NUMBERS, "report", "scp_codes", "strat_fold")
_SEXES = {"0": "male", "1": "female"}
_VALIDATION, _TEST, _FOLDS = 9, 10, 10
_HIDDEN_AGE, _OLDEST = 300, 90.0  # ages above 89 are published as 300


class PtbXl(Source):
    """21,799 electrocardiograms of 18,869 patients, ten seconds each.

    Modalities: "ecg"; "report", as it was written, most in German; "statements", a set of SCP codes; "record" of age
    (90 for all above 89), sex, height and weight. Splits are the published folds: 9 validates, 10 tests. The group is
    the patient. The label "superclass" is the diagnostic class of the likeliest diagnostic statement (NORM, MI, STTC,
    CD, HYP), "" without one or without `scp_statements.csv`.

    Args:
        root: the folder of `ptbxl_database.csv`, `scp_statements.csv`, `records100/` and `records500/`.
        rate: of the records, 100 or 500 samples a second.
        sampling: how they are sampled.

    Reference:
        Wagner et al., PTB-XL, a large publicly available electrocardiography dataset, Scientific Data 2020, table 2;
        version 1.0.3 on PhysioNet.
    """

    def __init__(self, root: Path, rate: Literal[100, 500] = 100, sampling: Sampling = AS_RECORDED) -> None:
        self._root, self._file, self._kind = Path(root), _FILES[rate], SignalKind(sampling)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Signals, texts, sets of codes, records."""
        return {"ecg": self._kind, "report": TextKind(), "statements": CodesKind(), "record": RecordKind()}

    @property
    def data_root(self) -> Path:
        """The folder that was given."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """Every record in the order of the table.

        Raises:
            DataError: no such folder, table or column.
        """
        if not self._root.is_dir():
            raise DataError(f"{self._root}: no such folder; expected PTB-XL's, with {_TABLE}")
        classes = self._classes()
        for row in raw_rows(self._root / _TABLE, [*_COLUMNS, self._file]):
            try:
                yield row if isinstance(row, BrokenRow) else self._case(row, classes)
            except CellError as error:
                yield BrokenRow(error.reason, row.where, str(error))

    def _case(self, row: TableRow, classes: Mapping[str, str]) -> Row:
        cells: Mapping[str, str] = row.cells
        for column in ("ecg_id", "patient_id", self._file):
            if not cells[column]:
                return BrokenRow("no id", row.where, f"column '{column}' is blank; fetch the table again")
        fold = _number("strat_fold", cells)
        if fold is None or fold not in range(1, _FOLDS + 1):
            return BrokenRow("unknown split", row.where, f"strat_fold '{cells['strat_fold']}', expected 1 to {_FOLDS}")
        statements = {str(code): chance for code, chance in literal("scp_codes", cells["scp_codes"], dict).items()}
        record: dict[str, Any] = {name: _number(name, cells) for name in _NUMBERS}
        if (record["age"] or 0) >= _HIDDEN_AGE:
            record["age"] = _OLDEST
        record["sex"] = _SEXES.get(cells["sex"].removesuffix(".0"))
        views: dict[str, tuple[Any, ...]] = {"ecg": (self._kind.read(cells[self._file], self._root),)}
        if report := cells["report"].strip():
            views["report"] = (report,)
        if statements:
            views["statements"] = (tuple(statements),)
        if any(value is not None for value in record.values()):
            views["record"] = (record,)
        split = "test" if fold == _TEST else "validation" if fold == _VALIDATION else "train"
        likely = sorted((code for code in statements if code in classes), key=lambda code: -_chance(statements[code]))
        labels = {"superclass": classes[likely[0]] if likely else ""}
        patient = cells["patient_id"].removesuffix(".0")
        return Case(cells["ecg_id"], split, patient, views, labels, tuple(statements), row.where)

    def _classes(self) -> Mapping[str, str]:
        """Diagnostic statement to its class; none where the table is not there."""
        table = self._root / _STATEMENTS
        if not table.is_file():
            return {}
        rows = raw_rows(table, ["", "diagnostic", "diagnostic_class"])  # the column of codes has no name
        cells = [row.cells for row in rows if isinstance(row, TableRow)]
        return {one[""]: one["diagnostic_class"] for one in cells if one["diagnostic"].startswith("1")}


def _number(column: str, cells: Mapping[str, str]) -> float | None:
    if not cells[column]:
        return None
    try:
        found = float(cells[column])
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise CellError("not a number", column, "a number", cells[column], "leave unknown cells blank")
    return found


def _chance(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
