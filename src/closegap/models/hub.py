"""Models on the Hugging Face hub: fetched whole, uploaded whole."""

import tempfile
from pathlib import Path
from typing import Literal

from closegap.errors import ClosegapError, UsageError, needs
from closegap.models.card import Card
from closegap.models.folder import write_model
from closegap.models.model import Model
from closegap.models.weights import is_hub_name

with needs("hub"):
    from huggingface_hub import HfApi, snapshot_download


def fetched(name: str) -> Path:
    """The local copy of a repository, downloaded where it is not there in full; without a network the one that is kept.

    Args:
        name: "organisation/name", with "@" and a commit, branch or tag for another than the newest.

    Raises:
        ClosegapError: neither reached nor kept.
    """
    repository, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision or None))
    except Exception as error:  # the errors of whichever client for HTTP its version uses
        raise ClosegapError(
            f"{name}: neither a local folder nor to be had from the hub ({_first_line(error)}); "
            "give a folder, or a name that the hub has"
        ) from error


def push_model(
    model: Model, name: str, towers: Literal["inside", "named"], card: Card, private: bool, token: str | None
) -> str:
    """Save a model and upload it; see `Model.push_to_hub`."""
    if not is_hub_name(name) or "@" in name:
        raise UsageError(f"{name!r}: expected the name of a repository, organisation/name")
    hub = HfApi(token=token)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        write_model(model, folder, towers, card)
        try:
            hub.create_repo(name, private=private, exist_ok=True)
            done = hub.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload a model of closegap")
        except Exception as error:  # as above
            raise ClosegapError(
                f"{name}: not uploaded ({_first_line(error)}); is there a network, and a token that may write to it?"
            ) from error
    return str(done.commit_url)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
