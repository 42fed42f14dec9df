"""Shards written from a table of media, which recordings, clips and signals share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from acceptance.inputs.case import Case
from acceptance.inputs.damage import SHELL
from acceptance.tiny import part, write

_PARTS = ("", "", "", "#t=0.1,0.3", "#t=0.2", "#t=9e9", "#t=5,1", "#t=99999", "#t=")
NOT_MEDIA: Mapping[str, bytes] = {
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n",
    "script": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "dash": b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>file:///etc/</BaseURL></MPD>",
    "html": b"<html><script>alert(1)</script>",
    "shell": f"#!/bin/sh\n{SHELL}\n".encode(),
    "empty": b"",
    "tag": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(50),
}
"""Neither sound nor moving pictures, some of it naming other files."""


def of_files(random: Random, kind: Any, put: Callable[[int], tuple[str, str]], said: str = "taken") -> Case:
    """The command, all of whose files are decoded before anything is written.

    Args:
        random: what is drawn from.
        kind: of the items.
        put: writes the file of a number into `media/`; its name, and what is expected of it.
        said: what is expected of sound files: "any" where the kind may refuse them.
    """
    Path("media").mkdir()
    expected, cells = {said}, list[str]()
    for number in range(random.randint(1, 2)):
        name, of_it = put(number)
        fragment = random.choice(_PARTS)
        expected.add(of_it if not fragment else "any")
        cells.append(f"media/{name}{fragment}")
    rows = [f'c{number},train,"{cell}"' for number, cell in enumerate(cells)]
    Path("cases.csv").write_text("id,split,item\n" + "\n".join(rows) + "\n", encoding="utf-8")
    modalities = {"item": {"kind": kind, "columns": ["item"]}}
    data = part("closegap.data.Manifest", path="cases.csv", modalities=modalities)
    worst = next(said for said in ("refused", "any", "taken") if said in expected)
    return Case(["shard", "--config", write("config.json", {"data": data}), "--out", "out"], worst)


def named(random: Random, number: int, suffixes: tuple[str, ...], content: bytes) -> str:
    """The name under which the content was written, with a suffix that need not be its own."""
    name = f"{random.choice(['', 'x', '=1+1', 'é', '<b>'])}{number}{random.choice(suffixes)}"
    (Path("media") / name).write_bytes(content)
    return name
