"""Ten questions to an archive of ROCO, by cosine and standardised, and when it says "not sure".

    closegap index build runs/a --data.root ROCO --thumbnails --out archive
    python benchmarks/ten_questions.py archive

A hit is relevant if the caption of its case says all that is asked for, by the patterns below; it may be a picture.
"""

import re
import sys
from collections import Counter
from dataclasses import replace

from closegap.search import Answer, Archive, Query
from closegap.search import open as open_archive

K = 10
QUESTIONS = {
    "pneumothorax on the left": r"pneumothora(?=.*\bleft)|\bleft\b(?=.*pneumothora)",
    "MRI of the knee, torn meniscus": r"menisc",
    "pleural effusion": r"pleural effusion|effusion.{0,40}pleura",
    "CT of the abdomen with a liver abscess": r"(liver|hepatic).{0,60}abscess|abscess.{0,60}(liver|hepatic)",
    "ultrasound of the gallbladder with stones": r"(gallstone|cholelith|gall ?bladder.{0,80}(stone|calcul))",
    "fracture of the distal radius": r"(radius|radial|wrist).{0,60}fractur|fractur.{0,60}(radius|radial|wrist)",
    "aortic aneurysm": r"(aort\w*).{0,60}aneurysm|aneurysm.{0,60}aort",
    "brain MRI with multiple sclerosis": r"multiple sclerosis|demyelinat|periventricular",
    "panoramic radiograph of impacted third molars": r"(third molar|impacted.{0,40}(molar|teeth|tooth))",
    "coronary angiography, stenosis of the left anterior descending artery": r"(LAD\b|left anterior descending)",
}
NONSENSE = ("annual report of a bank", "recipe for a chocolate cake", "football match", "tax law of Norway", "a cat")


def main(folder: str) -> None:
    """Print both tables."""
    with open_archive(folder) as archive:
        captions = _captions(archive)
        names = archive.modalities
        print(f"hits by {' / '.join(names)}; relevant of {K}; rank of the first relevant")
        total: dict[str, Counter[str]] = {"cosine": Counter(), "corrected": Counter()}
        for question, pattern in QUESTIONS.items():
            cells = []
            cosine, corrected = archive.answers(Query(question, K), ("cosine", "corrected"))
            for answer in (cosine, corrected):
                counts = Counter(hit.modality for hit in answer.hits)
                total[answer.merge].update(counts)
                right = [at for at, hit in enumerate(answer.hits, 1) if re.search(pattern, captions[hit.case], re.I)]
                total[answer.merge]["relevant"] += len(right)
                shown = " / ".join(str(counts[name]) for name in names)
                cells.append(f"{shown} | {len(right)} | {right[0] if right else '-'}")
            there = sum(bool(re.search(pattern, text, re.I)) for text in captions.values())
            print(f"| {question} | {there} | {' | '.join(cells)} | {_own(cosine)} | {_own(corrected)} |")
        print({merge: dict(counts) for merge, counts in total.items()})
        for alpha in (0.05, 0.1, 0.2):
            unsure = [
                sum(bool(archive.ask(replace(Query(text, K), alpha=alpha)).unsure) for text in texts)
                for texts in (QUESTIONS, NONSENSE)
            ]
            print(
                f"alpha {alpha}: not sure of {unsure[0]} of {len(QUESTIONS)}, {unsure[1]} of {len(NONSENSE)} nonsense"
            )
        for text in (*QUESTIONS, *NONSENSE):
            best = max(hit.probability or 0 for hit in archive.ask(Query(text, K)).hits)
            print(f"{best:.2f} {text}")


def _captions(archive: Archive) -> dict[str, str]:
    texts: dict[str, str] = {}
    name = next(name for name, of in archive.about.modalities.items() if of.noun == "text")
    batch = archive.index.read(name, archive.index.ids(name))
    for row, preview in zip(batch.rows, batch.previews or (), strict=True):
        texts[row.case] = f"{texts.get(row.case, '')} {bytes(preview).decode()}"
    return texts


def _own(answer: Answer) -> str:
    return f"{sum(hit.modality == answer.query_modality for hit in answer.hits) / len(answer.hits):.0%}"


if __name__ == "__main__":
    main(sys.argv[1])
