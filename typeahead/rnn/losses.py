"""Softmax cross-entropy and its gradient, towards one symbol or any of a set, as compiled kernels in place.

N = symbols predicted (steps times lanes), V = output_size
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

_kernel = njit(cache=True, nogil=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"}, error_model="numpy")


def _exp(x):
    return math.exp(x)


@intrinsic
def _float32_from_bits(_context, bits):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), codegen


_f = np.float32
_LOG2E, _LN2_HIGH, _LN2_LOW = _f(1.44269504088896341), _f(0.693359375), _f(-2.12194440e-4)
_E0, _E1, _E2, _E3, _E4, _E5 = _f(1 / 2), _f(1 / 6), _f(1 / 24), _f(1 / 120), _f(1 / 720), _f(1 / 5040)
_HALF, _ONE, _EXP_LOW = _f(0.5), _f(1.0), _f(-87.0)


@overload(_exp, inline="always")
def _overload_exp(x):
    """Let float32 take 2^n times a Taylor polynomial on [-ln2/2, ln2/2]; right for x <= 0, all that softmax needs."""
    if x != types.float32:
        return lambda x: math.exp(x)

    def polynomial(x):
        x = max(x, _EXP_LOW)
        n = math.floor(x * _LOG2E + _HALF)
        r = x - n * _LN2_HIGH - n * _LN2_LOW
        p = (((((_E5 * r + _E4) * r + _E3) * r + _E2) * r + _E1) * r + _E0) * r * r + r + _ONE
        return p * _float32_from_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))

    return polynomial


@_kernel
def log_softmax(logits):
    """Turn each row of logits (N, V) into log-probabilities, in place."""
    for i in range(logits.shape[0]):
        row = logits[i]
        highest = row[0]
        for j in range(row.size):
            highest = max(highest, row[j])
        total = row.dtype.type(0)
        for j in range(row.size):
            total += _exp(row[j] - highest)
        shift = highest + math.log(total)
        for j in range(row.size):
            row[j] -= shift


@_kernel
def softmax_cross_entropy(logits, targets, scale, probabilities):
    """Return the summed loss (nats) of logits (N, V) against targets (N); logits become ``scale`` times its gradient.

    probabilities (V,) is scratch.
    """
    loss = 0.0
    p = probabilities
    for i in range(logits.shape[0]):
        row = logits[i]
        highest = row[0]
        for j in range(row.size):
            highest = max(highest, row[j])
        for j in range(row.size):
            p[j] = _exp(row[j] - highest)
        total = row.dtype.type(0)
        for j in range(row.size):
            total += p[j]
        loss += math.log(total) + highest - row[targets[i]]
        factor = row.dtype.type(scale / total)
        for j in range(row.size):
            row[j] = p[j] * factor
        row[targets[i]] -= row.dtype.type(scale)
    return loss


@_kernel
def set_cross_entropy(logits, targets, scale, probabilities):
    """Return the summed loss (nats) of logits (N, V), where any of several symbols may be right.

    targets (N, V) holds the loss's weight at each symbol that would be right, and 0 at the others. A row's loss is that
    weight times ``-ln`` of the sum of its right symbols' probabilities; a row of zeros has none. The logits become
    ``scale`` times the gradient. probabilities (V,) is scratch.
    """
    loss = 0.0
    p = probabilities
    zero = logits.dtype.type(0)
    for i in range(logits.shape[0]):
        row, right = logits[i], targets[i]
        highest, weight = row[0], zero
        for j in range(row.size):
            highest = max(highest, row[j])
            weight = max(weight, right[j])
        if weight <= zero:
            row[:] = zero
            continue
        for j in range(row.size):
            p[j] = _exp(row[j] - highest)
        total, among = zero, zero
        for j in range(row.size):
            total += p[j]
            if right[j] > zero:
                among += p[j]
        among = max(among, row.dtype.type(1e-30))
        loss += weight * (math.log(total) - math.log(among))
        factor = row.dtype.type(scale * weight)
        for j in range(row.size):
            given = p[j] / among if right[j] > zero else zero
            row[j] = factor * (p[j] / total - given)
    return loss
