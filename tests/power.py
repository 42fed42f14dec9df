"""What a disk may hold after a power cut: all that was synced, and of the rest any part."""

import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

_ALL_SUBSETS = 5  # of so many steps that are not on the disk for certain, every subset is tried
_MOMENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "open", "shutil.rmtree"}
_SINKS: list[Callable[[], None]] = []  # an audit hook stays for good


def _audit(event: str, _: Any) -> None:
    if _SINKS and event in _MOMENTS:
        _SINKS[-1]()


sys.addaudithook(_audit)


@dataclass(frozen=True)
class Step:
    """A change of names: `node` gets a name and loses one, each a folder's node and a name in it."""

    node: int
    gets: tuple[int, str] | None = None
    loses: tuple[int, str] | None = None


@dataclass
class Recorder:
    """Steps that were taken below a folder, in order, and what was synced when.

    Nodes are numbered by an open descriptor, which keeps the disk from giving an inode to another file.
    """

    root: Path
    log: list[Step | int] = field(default_factory=list)  # a number: that node was synced
    nodes: dict[tuple[int, int], int] = field(default_factory=dict)
    names: dict[tuple[int, str], int] = field(default_factory=dict)
    contents: list[dict[int, bytes]] = field(default_factory=list)  # of files, after each entry of the log
    start: int = 0  # entries that made what was there before

    def look(self) -> None:
        """Note what changed since the last look."""
        _SINKS.append(lambda: None)
        found = dict(self._walk(self.root))
        gone = {node: place for place, node in self.names.items() if found.get(place) != node}
        for place, node in found.items():
            if self.names.get(place) != node:
                self._note(Step(node, place, gone.pop(node, None)))
        overwritten = {place for place in gone.values() if place in found}
        for node, place in gone.items():
            if place not in overwritten:
                self._note(Step(node, None, place))
        self.names = found
        _SINKS.pop()

    def synced(self, descriptor: int) -> None:
        """Note that a file or folder was synced."""
        self.look()
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) in self.nodes:
            self._note(self.nodes[status.st_dev, status.st_ino])

    def _note(self, entry: Step | int) -> None:
        self.log.append(entry)
        self.contents.append({node: self._read(node) for node in set(self.nodes.values()) if self._is_file(node)})

    def _walk(self, folder: Path) -> Iterator[tuple[tuple[int, str], int]]:
        here = self._node(folder)
        for path in sorted(folder.iterdir()):
            yield (here, path.name), self._node(path)
            if path.is_dir():
                yield from self._walk(path)

    def _node(self, path: Path) -> int:
        status = path.stat()
        key = (status.st_dev, status.st_ino)
        if key not in self.nodes:
            self.nodes[key] = os.open(path, os.O_RDONLY)
        return self.nodes[key]

    def _is_file(self, node: int) -> bool:
        return os.fstat(node).st_mode & 0o170000 == 0o100000

    def _read(self, node: int) -> bytes:
        return os.pread(node, os.fstat(node).st_size, 0)


@contextmanager
def recorded(root: Path) -> Iterator[Recorder]:
    """Record what is done below `root`, which is on the disk as it is now."""
    recorder = Recorder(root)
    recorder.look()
    recorder.log = [*recorder.log, *recorder.nodes.values()]
    recorder.contents += [recorder.contents[-1] if recorder.contents else {}] * len(recorder.nodes)
    recorder.start = len(recorder.log)
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        recorder.synced(descriptor)

    _SINKS.append(recorder.look)
    try:
        with patch("os.fsync", fsync):
            yield recorder
        recorder.look()
    finally:
        _SINKS.pop()
        for node in recorder.nodes.values():
            os.close(node)


def after_power_cuts(recorder: Recorder, into: Path) -> Iterator[Path]:
    """A folder for each state that the disk may be in, whenever the power failed."""
    seen: set[int] = set()
    top = recorder.nodes[recorder.root.stat().st_dev, recorder.root.stat().st_ino]
    for moment in range(recorder.start, len(recorder.log) + 1):
        log = recorder.log[:moment]
        steps = [(at, step) for at, step in enumerate(log) if isinstance(step, Step)]
        open_steps = [at for at, step in steps if not _durable(step, log[at:])]
        for dropped in _subsets(open_steps):
            names: dict[tuple[int, str], int] = {}
            for at, step in steps:
                if at in dropped:
                    continue
                if step.loses is not None and names.get(step.loses) == step.node:
                    del names[step.loses]
                if step.gets is not None:
                    names[step.gets] = step.node
            for share in (0.0, 0.5, 1.0):
                files = _files(recorder, moment, share)
                state = _tree(names, files, top)
                key = hash(pickle.dumps(state))
                if key not in seen:
                    seen.add(key)
                    folder = into / str(len(seen))
                    _write(state, folder)
                    yield folder


def _durable(step: Step, later: Sequence[Step | int]) -> bool:
    return any(place is not None and place[0] in later for place in (step.gets, step.loses))


def _subsets(open_steps: Sequence[int]) -> Iterator[set[int]]:
    n = len(open_steps)
    sizes = range(n + 1) if n <= _ALL_SUBSETS else (0, 1, n - 1, n)
    for size in sizes:
        yield from map(set, combinations(open_steps, size))


def _files(recorder: Recorder, moment: int, share: float) -> dict[int, bytes]:
    """What files hold: what was synced last, or a part of what was written since."""
    found = dict(recorder.contents[moment - 1])
    for node, content in found.items():
        syncs = [at for at, entry in enumerate(recorder.log[:moment]) if entry == node]
        if not syncs or recorder.contents[syncs[-1]].get(node) != content:
            found[node] = content[: int(share * len(content))]
    return found


def _tree(names: dict[tuple[int, str], int], files: dict[int, bytes], folder: int) -> dict[str, Any]:
    inside = {name: node for (parent, name), node in names.items() if parent == folder}
    return {name: files[node] if node in files else _tree(names, files, node) for name, node in sorted(inside.items())}


def _write(state: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, found in state.items():
        if isinstance(found, bytes):
            (folder / name).write_bytes(found)
        else:
            _write(found, folder / name)
