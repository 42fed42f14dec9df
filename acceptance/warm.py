"""Importing this imports all of closegap and what its verbs import late, so that a forked child begins at once.

Its children compute in one thread each.
"""

import pkgutil
from contextlib import suppress
from importlib import import_module

import torch

import closegap

_LATE = (
    "PIL.JpegImagePlugin",
    "plotly.graph_objects",
    "pyarrow.parquet",
    "pyarrow.compute",
    "rich.progress",
    "sklearn.decomposition",
    "sklearn.linear_model",
    "sklearn.metrics",
    "torch._dynamo",
    "torch.utils.tensorboard",
    "yaml",
)

for _module in pkgutil.walk_packages(closegap.__path__, "closegap."):
    if not _module.name.endswith("__main__"):
        with suppress(ImportError):
            import_module(_module.name)
for _name in _LATE:
    with suppress(ImportError):
        import_module(_name)
torch.set_num_threads(1)
