"""Graphs of ONNX with smaller weights."""

from pathlib import Path
from typing import Literal, TypeAlias

from closegap.errors import needs

with needs("onnx"):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.float16 import convert_float_to_float16

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]

_WEIGHTED = ("Conv", "Gather", "Gemm", "MatMul")
_QUANTISED = ("Gather", "Gemm", "MatMul")  # no convolutions: EfficientNet-Lite0 lost 5 points of R@10 by them


def narrow(path: Path, precision: Precision) -> None:
    """Make the graph of a file, which is in float32, one of another precision; its inputs and outputs stay as they are.

    "fp16" halves what has weights and all after it; what is before the first weights is preparation, whose numbers may
    be beyond half precision, and stays in float32. "int8" keeps matrices and tables as bytes, a scale for
    each column; what matrices are multiplied with is quantised as it comes. Convolutions stay in float32.

    Args:
        path: a .onnx file, which is written anew.
        precision: "fp32" leaves it alone.
    """
    if precision == "fp16":
        graph = onnx.load(path)
        onnx.save(convert_float_to_float16(graph, keep_io_types=True, node_block_list=_preparing(graph)), path)
    elif precision == "int8":
        wide = path.with_suffix(".fp32.onnx")
        path.rename(wide)
        quantize_dynamic(wide, path, list(_QUANTISED), per_channel=True, weight_type=QuantType.QInt8)
        wide.unlink()


def _preparing(graph: "onnx.ModelProto") -> list[str]:
    """Names of the nodes that nothing with weights comes before."""
    weighted: set[str] = set()
    found = []
    for node in graph.graph.node:  # in the order in which they are computed
        if node.op_type in _WEIGHTED or not weighted.isdisjoint(node.input):
            weighted.update(node.output)
        else:
            found.append(node.name)
    return found
