"""The Triton kernels compile for the GPUs that they are for, on a machine without one."""

from importlib.util import find_spec
from itertools import product
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

MEMORY = 99 * 1024  # bytes that a program may share on the smallest of them, compute capability 8.6
TENSOR_CORES = {80: "mma.sync", 86: "mma.sync", 90: "wgmma.mma_async"}  # what multiplies, by capability
NUMBERS = ("first_row", "stop_row", "first_column", "stop_column", "d")
MATRICES = ("a", "b", "weights", "potentials")


def compiled(program: Any, capability: int, shape: tuple[int, int, int], grouped: bool) -> Any:
    """A program of bfloat16 rows of a width that is a multiple of 16, as a GPU of this capability would run it."""
    import triton
    import triton.language as tl
    from triton.backends.compiler import GPUTarget

    depth, warps, stages = shape
    constants: dict[str, Any] = {"PRODUCTS": tl.bfloat16, "GROUPED": grouped, "BLOCK_K": depth}
    constants |= {"BLOCK_M": 128, "BLOCK_N": 128} | ({} if grouped else {"groups": None})
    names = program.fn.arg_names
    types = dict.fromkeys(names, "*fp32") | {"groups": "*i64", "scale": "fp32"}
    types |= dict.fromkeys(NUMBERS, "i32") | dict.fromkeys(MATRICES, "*bf16") | dict.fromkeys(constants, "constexpr")
    types = {name: types[name] for name in names}
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, name in enumerate(names)
        if types[name] not in ("constexpr", "fp32")
    }
    source = triton.compiler.ASTSource(program.fn, types, constants, aligned)
    target = GPUTarget("cuda", capability, 32)
    return triton.compile(source, target=target, options={"num_warps": warps, "num_stages": stages})


@pytest.mark.parametrize("name", ["sums_program", "weights_program", "potentials_program"])
@pytest.mark.parametrize("capability", TENSOR_CORES)
def test_programs_compile_to_tensor_cores_and_fit(name: str, capability: int) -> None:
    from closegap.losses.kernels import programs

    shapes = [programs.SHAPES[0], programs.SHAPES[-1]]
    found = {
        (shape, grouped): compiled(getattr(programs, name), capability, shape, grouped)
        for shape, grouped in product(shapes, (False, True))
    }
    assert all(TENSOR_CORES[capability] in one.asm["ptx"] for one in found.values())
    assert all(found[shapes[-1], grouped].metadata.shared <= MEMORY for grouped in (False, True))
