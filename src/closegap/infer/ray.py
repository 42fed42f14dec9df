"""Parts of a split on the actors of a Ray cluster."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from closegap.errors import ClosegapError, needs
from closegap.infer.parts import PartEmbedder, Parts, Workers
from closegap.runs.open import OpenedRun, open_run


def on_ray(address: str, batch_size: int | None = None) -> Workers:
    """Workers that are actors of a Ray cluster, one model each; on a GPU each where the cluster has some.

    The run's folder and the images must be found on every node under the path they have here.

    Args:
        address: of the cluster ("ray://host:10001", "auto"); "local" starts one on this machine.
        batch_size: items at once; by default what suits the device.

    Raises:
        MissingExtraError: Ray is not installed.
        ClosegapError: no cluster at the address.
    """
    with needs("ray"):
        import ray
        import ray.data

    def workers(opened: OpenedRun, parts: Parts) -> Iterator[tuple[int, bytes]]:
        try:
            ray.init(None if address == "local" else address, ignore_reinit_error=True, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise ClosegapError(f"--ray {address}: no Ray cluster there ({error})") from error
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        actors = max(1, min(len(parts), gpus or int(resources.get("CPU", 1))))
        found = ray.data.from_items([{"part": number} for number in parts], override_num_blocks=len(parts)).map_batches(
            _Actor,
            fn_constructor_args=(opened.folder.resolve(), list(opened.overrides), ray.put(dict(parts)), batch_size),
            batch_size=1,
            concurrency=actors,
            num_cpus=0 if gpus else 1,
            num_gpus=1 if gpus else 0,
        )
        for row in found.iter_rows():
            yield int(row["part"]), bytes(row["content"])

    return workers


class _Actor:
    """Keeps the model from part to part."""

    def __init__(self, folder: Path, overrides: Sequence[str], parts: Any, batch_size: int | None) -> None:
        import ray

        self.embedder = PartEmbedder(open_run(folder, overrides), batch_size=batch_size)
        self.parts: Parts = ray.get(parts)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        contents = [self.embedder(self.parts[int(number)]) for number in batch["part"]]
        return {"part": batch["part"], "content": contents}
