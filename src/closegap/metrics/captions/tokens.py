"""Captions cut into tokens: ours, which runs anywhere, and the Penn Treebank one of the COCO captions."""

import re
import subprocess
from collections.abc import Sequence

from closegap.errors import UsageError
from closegap.metrics.captions.coco import coco, coco_folder, java

_TOKEN = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:[-'][^\W_]+)*")


def plain_tokens(caption: str) -> list[str]:
    """Lower-case words and numbers of a caption; all other characters are left out.

    A word is a run of letters and digits of any script, with hyphens and apostrophes (straight or curly) inside
    it; a number keeps its decimal point and its thousands separators.

    Example:
        >>> plain_tokens("T2-weighted MRI (7.5 mm): the patient's left kidney.")
        ['t2-weighted', 'mri', '7.5', 'mm', 'the', "patient's", 'left', 'kidney']
    """
    return _TOKEN.findall(caption.lower().replace("\u2019", "'"))


def ptb_tokens(captions: Sequence[str]) -> list[list[str]]:
    """Lower-case Penn Treebank tokens of each caption without punctuation, as pycocoevalcap's PTBTokenizer has them.

    That one writes into its own package, which may be read-only, and cuts a caption in two at line separators other
    than a newline; this one runs the same program on standard input, every run of white space a single space.

    Raises:
        MissingExtraError: pycocoevalcap is not installed.
        UsageError: there is no Java, or it stopped.
    """
    tokenizer = coco("tokenizer.ptbtokenizer")
    command = [java("PTB tokenization"), "-Dfile.encoding=UTF-8", "-cp", tokenizer.STANFORD_CORENLP_3_4_1_JAR]
    command += ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    lines = "".join(f"{' '.join(caption.split())}\n" for caption in captions)
    done = subprocess.run(
        command, input=lines.encode(), capture_output=True, cwd=coco_folder("tokenizer.ptbtokenizer"), check=False
    )
    found = done.stdout.decode(errors="replace").split("\n")[: len(captions)]
    if done.returncode or len(found) < len(captions):
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise UsageError(f"PTB tokenization: Java stopped with {done.returncode} ({reason}); use tokenization 'plain'")
    punctuation = frozenset(tokenizer.PUNCTUATIONS)
    return [[token for token in line.split() if token not in punctuation] for line in found]
