"""What the command line can do. Each verb is a module of this package, imported when it is asked for.

Such a module has `parser()`, or `parser(action)` where the verb has actions, and `main(arguments)`. What its work needs
is imported by `main`, after parsing, so that help and completion come at once.
"""

from dataclasses import dataclass

_AGAIN = "the same command goes on where it stopped"
_ANEW = "nothing was written to --out; give the command again"


@dataclass(frozen=True)
class Verb:
    """A command.

    Args:
        does: in a line, for the list of verbs.
        interrupted: what a person who stopped it may do next.
        actions: the words that may stand after it (`posthoc fit`); none for most.
    """

    does: str
    interrupted: str
    actions: tuple[str, ...] = ()


VERBS = {
    "demo": Verb("three arms on generated studies, compared in a report: see the gap closing in minutes", _AGAIN),
    "train": Verb(
        "train a run from a config, or go on with one that was stopped",
        "`closegap train --resume RUN`, with the run's folder, goes on from its last checkpoint",
    ),
    "embed": Verb("write a split's embeddings with a trained run", _AGAIN),
    "evaluate": Verb("measure a trained run on a split: gap, retrieval, intervals", _ANEW),
    "caption": Verb("write captions of images with a trained decoder: a table, a page, scores", _ANEW),
    "audit": Verb("embeddings of any origin: do they have a gap, does it hurt, what would closing it be worth", _ANEW),
    "posthoc": Verb("fit a method that closes the gap after training, apply it to embeddings", _ANEW, ("fit", "apply")),
    "scores": Verb(
        "make scores of modalities comparable, search with them, say what one is worth",
        _ANEW,
        ("fit", "apply", "calibrate", "explain"),
    ),
    "compare": Verb("put runs side by side: paired intervals, figures, report", _ANEW),
    "index": Verb(
        "build an archive of several modalities that is searched as one, add to it, delete from it",
        _AGAIN,
        ("build", "fit", "add", "delete", "purge", "stats", "resolve"),
    ),
    "search": Verb("ask an archive by words, images or cases", _ANEW),
    "serve": Verb("answer questions to an archive over HTTP, with a page to ask them on", "the service has ended"),
    "keys": Verb("make, list and revoke the keys of a service", _ANEW, ("make", "list", "revoke")),
    "trail": Verb("verify the audit log of a service", "nothing was changed", ("verify",)),
    "export": Verb(
        "write a model for other programs: ONNX, sentence-transformers, a folder to share",
        "nothing was written; give the command again",
    ),
    "shard": Verb("write a data set as a few large files, for millions of cases", _ANEW),
    "deidentify": Verb("write DICOM files anew, without the people in them", _AGAIN),
    "cache": Verb("show or delete what is kept between runs", "what was listed may be gone in part", ("info", "prune")),
    "study": Verb("train several arms with several seeds and compare them", _AGAIN),
}
