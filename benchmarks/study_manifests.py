"""Manifests of the study's tables, whose records are made codes: every value with the name of its column.

python benchmarks/study_manifests.py vaers VAERS/cases.csv vaers.csv
python benchmarks/study_manifests.py nlvr NLVR/cases.csv nlvr.csv
"""

import argparse
import csv
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Row = Mapping[str, str]

_SINGLE = (
    *("sex", "state", "days_to_onset", "died", "life_threatening", "er_visit", "hospital", "hospital_days"),
    *("disabled", "recovered"),
)
_SEVERAL = ("vaccines", "manufacturers", "routes", "sites", "dose_numbers")
_WORDS = ("lab_data", "other_meds", "current_illness", "history", "prior_vaccination")
_YEARS = 5


def vaers(row: Row, folder: Path) -> dict[str, str]:
    """A report: its record without the terms that were coded from the narrative, ages in steps of five years."""
    del folder
    codes = [f"{name}={row[name]}" for name in _SINGLE if row[name]]
    if row["age_years"]:
        codes.append(f"age={int(float(row['age_years'])) // _YEARS * _YEARS}")
    codes += [f"{name}={value}" for name in _SEVERAL for value in row[name].split("|") if value]
    for name in _WORDS:
        words = re.findall(r"\w\w+", row[name].lower())
        codes += [f"{name}:{word}" for word in words] + words
    return {"id": row["id"], "split": row["split"], "narrative": row["narrative"], "record": _joined(codes)}


def nlvr(row: Row, folder: Path) -> dict[str, str]:
    """A scene: counts and objects by box, and the sentence if it holds."""
    codes = [f"{name}={row[name]}" for name in row if name.startswith("n_")]
    for box in ("box1", "box2", "box3"):
        for thing in filter(None, map(str.strip, row[box].split(";"))):
            what = thing.split(" at ")[0]
            codes += [what, *(f"{box}:{part}" for part in (what, *what.split()[1:]))]
    return {
        **{name: row[name] for name in ("id", "group", "split")},
        "image": str((folder / row["image"]).resolve()),
        "sentence": row["sentence"] if row["true"] == "yes" else "",
        "record": _joined(codes),
    }


def manifest(table: Path, made: Callable[[Row, Path], Mapping[str, str]]) -> Iterator[Mapping[str, str]]:
    """The rows of the manifest of a table."""
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield made(row, table.parent)


def _joined(codes: list[str]) -> str:
    return "|".join(dict.fromkeys(code.replace("|", " ") for code in codes))


def main() -> None:
    """Write one manifest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["vaers", "nlvr"])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rows = list(manifest(given.source, {"vaers": vaers, "nlvr": nlvr}[given.table]))
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
