"""Commands of closegap in processes of their own, alone or as the ranks of a launch, that begin at once."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acceptance.forked import Child, Command, Outcome
from acceptance.forked import start as start_command
from acceptance.moments import Moment

_NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


def start(*arguments: Any, seen: Path, moment: Moment | None = None) -> Child:
    """`closegap` with these arguments.

    Args:
        arguments: from the verb on.
        seen: a folder for what it prints.
        moment: what happens in it.
    """
    return start_command(_command(arguments, moment), seen, _NO_GPU)


def start_ranks(world: int, *arguments: Any, seen: Path) -> list[Child]:
    """The processes that `torchrun --standalone --nproc_per_node` starts of `closegap` with these arguments."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = _NO_GPU | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(world))
    return [
        start_command(_command(arguments), seen / str(rank), shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(world)
    ]


def finish(*children: Child) -> list[Outcome]:
    """What became of the processes, which must succeed."""
    outcomes = [child.wait() for child in children]
    for outcome in outcomes:
        assert outcome.code == 0, outcome.out + outcome.err
    return outcomes


def _command(arguments: Sequence[Any], moment: Moment | None = None) -> Command:
    return Command([str(argument) for argument in arguments], Path.cwd(), moment)
