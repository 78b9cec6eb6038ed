"""Numbers too small for a float's exponent, which x86 processors are slow at, taken for zero.

A gradient that vanishes over hundreds of steps passes through them, and training such a network then takes several
times as long, for differences below 1e-38 that change nothing.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

_FLUSH = 0x8040  # MXCSR's bits: results that are subnormal become zero, and operands that are count as zero
_X86 = platform.machine() in ("x86_64", "AMD64")
_INT32, _POINTER = ir.IntType(32), ir.IntType(8).as_pointer()


def _call(builder: Any, name: str, place: Any) -> None:
    function = builder.module.declare_intrinsic(name, (), ir.FunctionType(ir.VoidType(), [_POINTER]))
    builder.call(function, [builder.bitcast(place, _POINTER)])


@intrinsic
def _control(_context, value, write):  # type: ignore[no-untyped-def]
    def codegen(_context, builder, _signature, args):  # type: ignore[no-untyped-def]
        place = builder.alloca(_INT32)
        builder.store(args[0], place)
        with builder.if_then(builder.trunc(args[1], ir.IntType(1))):
            _call(builder, "llvm.x86.sse.ldmxcsr", place)
        _call(builder, "llvm.x86.sse.stmxcsr", place)
        return builder.load(place)

    return types.uint32(types.uint32, types.uint8), codegen


@njit(cache=True)
def _mxcsr(value, write):  # type: ignore[no-untyped-def]
    return _control(types.uint32(value), types.uint8(write))


@contextmanager
def flushed() -> Iterator[None]:
    """Let this thread, and those that it starts, take subnormal numbers for zero meanwhile.

    Nothing changes where the processor is no x86, or numba's compiler is turned off.
    """
    if not _X86 or config.DISABLE_JIT:  # type: ignore[attr-defined]
        yield
        return
    before = _mxcsr(0, 0)
    _mxcsr(before | _FLUSH, 1)
    try:
        yield
    finally:
        _mxcsr(before, 1)
