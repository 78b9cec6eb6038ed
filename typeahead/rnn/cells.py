"""Elman, GRU and LSTM cells as compiled kernels: each a ``_forward``, a ``_backward`` and a ``_step``.

    T = seq_len, B = batch_size, D = input size, H = hidden_size, G = gates (Elman 1, GRU 3, LSTM 4)

    table (N, G*H)     what the input adds to the gates, one row an input: w_ih x + b_ih
    rows (T, B)        which row of the table belongs to step t of lane b
    w_hh (G*H, H)      recurrent weights, PyTorch's gate order; w_hh_t, w_hh_p: packed, see `pack`
    b_hh (G*H)         recurrent bias
    hs (T+1, B, H)     hidden states; hs[0] is the initial one, step t reads hs[t] and writes hs[t+1]
    cs (T+1, B, H)     the LSTM's cell states, likewise
    cache (T, B, K*H)  activations kept for the backward pass
    dhs (T, B, H)      gradient of the loss with respect to hs[1:], from above
    dgates (T, B, G*H) gradient with respect to the recurrent product w_hh h + b_hh
    dtable (N, G*H)    gradient with respect to the table, added to
    dh, dc (B, H)      gradient that flows back in time: in, from the step after the last; out, to hs[0]

A byte as input is thus a row look-up: the table is w_ih transposed, plus b_ih, with one row a symbol. A dense input
has one row a step and lane. The cell need not know which.

Kernels validate nothing, allocate nothing in the time loop, follow the dtype of their arrays and release the GIL.
They all live in this file, because Numba's cache on disk does not notice a change in a callee of another file.

Reference: Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014. The GRU applies the reset gate after the
recurrent matrix and lets z weigh the old state, as PyTorch does (and Cho et al. do not).
"""

import math
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

# NaN and infinity stay exact, so that an explosion is seen; sums may be reordered into SIMD lanes.
_FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
_kernel = njit(cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")

# --------------------------------------------------------------------------------------------------- activations


def _tanh(x: float) -> float:
    return math.tanh(x)


_f = np.float32
_LIMIT = _f(7.90531110763549805)  # where float32's tanh is 1 to the last bit but one
_A1, _A3, _A5, _A7 = map(_f, (4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08))
_A9, _A11, _A13 = _f(-8.60467152213735e-11), _f(2.00018790482477e-13), _f(-2.76076847742355e-16)
_B0, _B2, _B4, _B6 = map(_f, (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06))


@overload(_tanh, inline="always")
def _overload_tanh(x):
    """Let float32 take a rational function (13/6, minimax), which SIMD can do; other types the library's tanh."""
    if x != types.float32:
        return lambda x: math.tanh(x)

    def rational(x):
        x = min(max(x, -_LIMIT), _LIMIT)
        x2 = x * x
        p = ((((((_A13 * x2 + _A11) * x2 + _A9) * x2 + _A7) * x2 + _A5) * x2 + _A3) * x2 + _A1) * x
        return p / (((_B6 * x2 + _B4) * x2 + _B2) * x2 + _B0)

    return rational


@_kernel
def _sigmoid_in_place(x):
    half = x.dtype.type(0.5)
    for j in range(x.size):
        x[j] = half * _tanh(half * x[j]) + half


@_kernel
def _activate(x, relu):
    # The Elman cell's, in place. The comparison is such that NaN stays.
    zero = x.dtype.type(0)
    if relu:
        for j in range(x.size):
            x[j] = zero if x[j] < zero else x[j]
    else:
        for j in range(x.size):
            x[j] = _tanh(x[j])


@_kernel
def _add_into(x, y, z, out):
    for j in range(out.size):
        out[j] = x[j] + y[j] + z[j]


# ------------------------------------------------------------------------------------------- the recurrent product

# BLAS lays the weights out anew at every call, that is at every time step. So `pack` does it once a batch, in panels of
# C columns, and `_product` multiplies tile by tile, with the tile's sums in vector registers for all of K.
_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
_VECTOR_BYTES = 64 if _WIDE else 32
_VECTORS = 2  # side by side in a panel
_ROWS = 8 if _WIDE else 4  # of a tile: _ROWS * _VECTORS sums, _VECTORS weights and one input fit the registers


def pack(w: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Lay w (K, N) out for the recurrent product: panels (P, K, C) of C columns each, the last filled up with zeros."""
    K, N = w.shape
    C = _VECTORS * _VECTOR_BYTES // w.itemsize
    whole = N // C
    panels = np.zeros((-(-N // C), K, C), w.dtype)
    panels[:whole] = w[:, : whole * C].reshape(K, whole, C).transpose(1, 0, 2)
    if whole < len(panels):
        panels[whole, :, : N - whole * C] = w[:, whole * C :]
    return panels


def packed_width(columns: int, dtype: Any) -> int:
    """Return P * C, the width of a product with packed weights of so many columns."""
    C: int = _VECTORS * _VECTOR_BYTES // np.dtype(dtype).itemsize
    return -(-columns // C) * C


def _tile_intrinsic(rows: int) -> Any:
    """Return the intrinsic that multiplies ``rows`` rows of x (rows, K) with a panel (K, C) into out (rows, C)."""

    @intrinsic
    def tile(_context, x, panel, out):
        def codegen(context, builder, signature, args):
            x, panel, out = (
                context.make_array(kind)(context, builder, a) for kind, a in zip(signature.args, args, strict=True)
            )
            element = context.get_value_type(signature.args[0].dtype)
            size = context.get_abi_sizeof(element)
            lanes, index = _VECTOR_BYTES // size, ir.IntType(64)
            vector = ir.VectorType(element, lanes)
            signature_of_fma = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, signature_of_fma, f"llvm.fma.v{lanes}f{size * 8}")
            first_lane = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            nothing = ir.Constant(vector, ir.Undefined)

            def row(array, i):
                stride = cgutils.unpack_tuple(builder, array.strides)[0]
                start = builder.add(builder.ptrtoint(array.data, index), builder.mul(stride, index(i)))
                return builder.inttoptr(start, element.as_pointer())

            def vector_at(start, offset):
                return builder.bitcast(builder.gep(start, [offset]), vector.as_pointer())

            x_rows = [row(x, i) for i in range(rows)]
            zero = ir.Constant(vector, [0.0] * lanes)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(_VECTORS)] for _ in range(rows)]
            with cgutils.for_range(builder, cgutils.unpack_tuple(builder, x.shape)[1], intp=index) as loop:
                at = builder.mul(loop.index, index(lanes * _VECTORS))
                places = [vector_at(panel.data, builder.add(at, index(v * lanes))) for v in range(_VECTORS)]
                weights = [builder.load(place, align=size) for place in places]
                for x_row, totals in zip(x_rows, sums, strict=True):
                    value = builder.insert_element(nothing, builder.load(builder.gep(x_row, [loop.index])), index(0))
                    value = builder.shuffle_vector(value, nothing, first_lane)
                    for total, weight in zip(totals, weights, strict=True):
                        builder.store(builder.call(fma, [value, weight, builder.load(total)]), total)
            for i, totals in enumerate(sums):
                for v, total in enumerate(totals):
                    builder.store(builder.load(total), vector_at(row(out, i), index(v * lanes)), align=size)
            return context.get_dummy_value()

        return types.void(x, panel, out), codegen

    return tile


def _tile(x, panel, out):
    out[...] = x @ panel


def _single(x, panel, out):
    out[...] = x @ panel


_tile_code, _single_code = _tile_intrinsic(_ROWS), _tile_intrinsic(1)


@overload(_tile, inline="always")
def _overload_tile(x, panel, out):
    return lambda x, panel, out: _tile_code(x, panel, out)


@overload(_single, inline="always")
def _overload_single(x, panel, out):
    return lambda x, panel, out: _single_code(x, panel, out)


@_kernel
def _product(x, panels, out):
    # out (B, P*C) = x (B, K) times what was packed into panels (P, K, C)
    B, C = x.shape[0], panels.shape[2]
    for p in range(panels.shape[0]):
        b, left = 0, p * C
        while b + _ROWS <= B:
            _tile(x[b : b + _ROWS], panels[p], out[b : b + _ROWS, left : left + C])
            b += _ROWS
        while b < B:
            _single(x[b : b + 1], panels[p], out[b : b + 1, left : left + C])
            b += 1


# --------------------------------------------------------------------------------------------------------- Elman


@_kernel
def elman_forward(table, rows, w_hh_t, b_hh, hs, gates, relu):
    """Compute ``h' = tanh(w_ih x + b_ih + w_hh h + b_hh)``, or max(0, .), for T steps; gates (B, P*C) is scratch."""
    T, B = rows.shape
    for t in range(T):
        _product(hs[t], w_hh_t, gates)
        for b in range(B):
            h = hs[t + 1, b]
            _add_into(table[rows[t, b]], gates[b], b_hh, h)
            _activate(h, relu)


@_kernel
def elman_backward(dhs, rows, w_hh_p, hs, dtable, dgates, dh, relu):
    """Carry the gradient back: ``da = dh (1 - h'^2)``, of relu ``dh (h' > 0)``, ``dh_prev = w_hh^T da`` (B, P*C)."""
    T, B = rows.shape
    zero, one = hs.dtype.type(0), hs.dtype.type(1)
    for t in range(T - 1, -1, -1):
        for b in range(B):
            h, da, dy, dh_b = hs[t + 1, b], dgates[t, b], dhs[t, b], dh[b]
            if relu:
                for j in range(h.size):
                    da[j] = (dy[j] + dh_b[j]) * (one if h[j] > zero else zero)
            else:
                for j in range(h.size):
                    da[j] = (dy[j] + dh_b[j]) * (one - h[j] * h[j])
            dx = dtable[rows[t, b]]
            for j in range(h.size):
                dx[j] += da[j]
        _product(dgates[t], w_hh_p, dh)


# ----------------------------------------------------------------------------------------------------------- GRU


@_kernel
def gru_forward(table, rows, w_hh_t, b_hh, hs, cache, gates):
    """Compute r, z, n and ``h' = (1 - z) n + z h`` for T steps; cache holds r, z, n, w_hn h + b_hn."""
    T, B = rows.shape
    H = hs.shape[2]
    one = hs.dtype.type(1)
    for t in range(T):
        _product(hs[t], w_hh_t, gates)
        for b in range(B):
            x, a, kept = table[rows[t, b]], gates[b], cache[t, b]
            rz, r, z, n, hn = kept[: 2 * H], kept[:H], kept[H : 2 * H], kept[2 * H : 3 * H], kept[3 * H :]
            _add_into(x[: 2 * H], a[: 2 * H], b_hh[: 2 * H], rz)
            _sigmoid_in_place(rz)
            x_n, a_n, b_n = x[2 * H :], a[2 * H :], b_hh[2 * H :]
            for j in range(H):
                hn[j] = a_n[j] + b_n[j]
            for j in range(H):
                n[j] = _tanh(x_n[j] + r[j] * hn[j])
            h, h_next = hs[t, b], hs[t + 1, b]
            for j in range(H):
                h_next[j] = (one - z[j]) * n[j] + z[j] * h[j]


@_kernel
def _gru_backward_lane(dy, dh, kept, h, da, dx):
    # One lane of one step. dh in: gradient of h'; out: its direct part for h (through z), without the recurrent matrix.
    H = h.size
    one = h.dtype.type(1)
    r, z, n, hn = kept[:H], kept[H : 2 * H], kept[2 * H : 3 * H], kept[3 * H :]
    da_r, da_z, da_n = da[:H], da[H : 2 * H], da[2 * H :]
    for j in range(H):
        dh[j] += dy[j]
    for j in range(H):
        da_z[j] = dh[j] * (h[j] - n[j]) * z[j] * (one - z[j])
    for j in range(H):
        da_n[j] = dh[j] * (one - z[j]) * (one - n[j] * n[j])
    for j in range(H):
        da_r[j] = da_n[j] * hn[j] * r[j] * (one - r[j])
    for j in range(3 * H):
        dx[j] += da[j]
    for j in range(H):
        da_n[j] *= r[j]  # the reset gate stands between n and the recurrent product only
    for j in range(H):
        dh[j] *= z[j]


@_kernel
def gru_backward(dhs, rows, w_hh_p, hs, cache, dtable, dgates, dh, through):
    """Carry the gradient back through T steps; through (B, P*C) is scratch for the recurrent part."""
    T, B = rows.shape
    H = hs.shape[2]
    for t in range(T - 1, -1, -1):
        for b in range(B):
            _gru_backward_lane(dhs[t, b], dh[b], cache[t, b], hs[t, b], dgates[t, b], dtable[rows[t, b]])
        _product(dgates[t], w_hh_p, through)
        for b in range(B):
            for j in range(H):
                dh[b, j] += through[b, j]


# ---------------------------------------------------------------------------------------------------------- LSTM


@_kernel
def lstm_forward(table, rows, w_hh_t, b_hh, hs, cs, cache, gates):
    """Compute i, f, g, o, ``c' = f c + i g`` and ``h' = o tanh(c')``; cache holds i, f, g, o, tanh(c')."""
    T, B = rows.shape
    H = hs.shape[2]
    for t in range(T):
        _product(hs[t], w_hh_t, gates)
        for b in range(B):
            kept = cache[t, b]
            _add_into(table[rows[t, b]], gates[b], b_hh, kept[: 4 * H])
            _sigmoid_in_place(kept[: 2 * H])
            _sigmoid_in_place(kept[3 * H : 4 * H])
            i, f, g, o, tanh_c = kept[:H], kept[H : 2 * H], kept[2 * H : 3 * H], kept[3 * H : 4 * H], kept[4 * H :]
            c, c_next, h_next = cs[t, b], cs[t + 1, b], hs[t + 1, b]
            for j in range(H):
                g[j] = _tanh(g[j])
            for j in range(H):
                c_next[j] = f[j] * c[j] + i[j] * g[j]
            for j in range(H):
                tanh_c[j] = _tanh(c_next[j])
            for j in range(H):
                h_next[j] = o[j] * tanh_c[j]


@_kernel
def _lstm_backward_lane(dy, dh, dc, kept, c, da, dx):
    # One lane of one step. dc in: gradient of c'; out: of c.
    H = c.size
    one = c.dtype.type(1)
    i, f, g, o, tanh_c = kept[:H], kept[H : 2 * H], kept[2 * H : 3 * H], kept[3 * H : 4 * H], kept[4 * H :]
    da_i, da_f, da_g, da_o = da[:H], da[H : 2 * H], da[2 * H : 3 * H], da[3 * H :]
    for j in range(H):
        dh[j] += dy[j]
    for j in range(H):
        dc[j] += dh[j] * o[j] * (one - tanh_c[j] * tanh_c[j])
    for j in range(H):
        da_o[j] = dh[j] * tanh_c[j] * o[j] * (one - o[j])
    for j in range(H):
        da_i[j] = dc[j] * g[j] * i[j] * (one - i[j])
    for j in range(H):
        da_g[j] = dc[j] * i[j] * (one - g[j] * g[j])
    for j in range(H):
        da_f[j] = dc[j] * c[j] * f[j] * (one - f[j])
    for j in range(H):
        dc[j] *= f[j]
    for j in range(4 * H):
        dx[j] += da[j]


@_kernel
def lstm_backward(dhs, rows, w_hh_p, hs, cs, cache, dtable, dgates, dh, dc):
    """Carry the gradient back through T steps, along h and along c; dh is (B, P*C)."""
    T, B = rows.shape
    for t in range(T - 1, -1, -1):
        for b in range(B):
            _lstm_backward_lane(dhs[t, b], dh[b], dc[b], cache[t, b], cs[t, b], dgates[t, b], dtable[rows[t, b]])
        _product(dgates[t], w_hh_p, dh)


# ------------------------------------------------------------------------------------- one step, for generation


@_kernel
def matmul_step(x, w, scale, bias, out):
    """Compute ``out = x (scale w)^T + bias`` for few lanes: x (B, K), w (N, K), scale and bias (N), out (B, N).

    The weights may be of a narrower type than x, such as int8. Reading them is what takes the time, so each row is
    read once for four lanes; BLAS would lay them out anew first.
    """
    B, K = x.shape
    kind = x.dtype.type
    for i in range(w.shape[0]):
        row = w[i]
        b = 0
        while b + 4 <= B:
            x0, x1, x2, x3 = x[b], x[b + 1], x[b + 2], x[b + 3]
            s0, s1, s2, s3 = kind(0), kind(0), kind(0), kind(0)
            for k in range(K):
                weight = kind(row[k])
                s0 += weight * x0[k]
                s1 += weight * x1[k]
                s2 += weight * x2[k]
                s3 += weight * x3[k]
            out[b, i] = s0 * scale[i] + bias[i]
            out[b + 1, i] = s1 * scale[i] + bias[i]
            out[b + 2, i] = s2 * scale[i] + bias[i]
            out[b + 3, i] = s3 * scale[i] + bias[i]
            b += 4
        while b < B:
            x0, s0 = x[b], kind(0)
            for k in range(K):
                s0 += kind(row[k]) * x0[k]
            out[b, i] = s0 * scale[i] + bias[i]
            b += 1


@_kernel
def elman_step(table, rows, w_hh, scale, b_hh, h, h_next, gates, relu):
    """Advance B lanes by one step: h (B, H) is read, h_next (B, H) written; gates (B, H) is scratch."""
    matmul_step(h, w_hh, scale, b_hh, gates)
    for b in range(h.shape[0]):
        x, a, out = table[rows[b]], gates[b], h_next[b]
        for j in range(out.size):
            out[j] = x[j] + a[j]
        _activate(out, relu)


@_kernel
def gru_step(table, rows, w_hh, scale, b_hh, h, h_next, gates):
    """Advance B lanes by one step, like `elman_step`; gates (B, 3H) is scratch."""
    H = h.shape[1]
    one = h.dtype.type(1)
    matmul_step(h, w_hh, scale, b_hh, gates)
    for b in range(h.shape[0]):
        x, a, old, new = table[rows[b]], gates[b], h[b], h_next[b]
        for j in range(2 * H):
            a[j] += x[j]
        _sigmoid_in_place(a[: 2 * H])
        r, z, n, x_n = a[:H], a[H : 2 * H], a[2 * H :], x[2 * H :]
        for j in range(H):
            n[j] = _tanh(x_n[j] + r[j] * n[j])
        for j in range(H):
            new[j] = (one - z[j]) * n[j] + z[j] * old[j]


@_kernel
def lstm_step(table, rows, w_hh, scale, b_hh, h, c, h_next, c_next, gates):
    """Advance B lanes by one step, like `elman_step`, with the cell state; gates (B, 4H) is scratch."""
    H = h.shape[1]
    matmul_step(h, w_hh, scale, b_hh, gates)
    for b in range(h.shape[0]):
        x, a = table[rows[b]], gates[b]
        for j in range(4 * H):
            a[j] += x[j]
        _sigmoid_in_place(a[: 2 * H])
        _sigmoid_in_place(a[3 * H :])
        i, f, g, o = a[:H], a[H : 2 * H], a[2 * H : 3 * H], a[3 * H :]
        old, cell, new = c[b], c_next[b], h_next[b]
        for j in range(H):
            cell[j] = f[j] * old[j] + i[j] * _tanh(g[j])
        for j in range(H):
            new[j] = o[j] * _tanh(cell[j])
