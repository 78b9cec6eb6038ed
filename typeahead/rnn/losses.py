"""Losses and their gradients as compiled kernels in place: of symbols by softmax, of numbers by squares or mixtures.

N = predictions (steps times lanes), V = output_size, D = numbers predicted at once, K = Gaussians a number
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
_HALF_LN_2PI = 0.5 * math.log(2 * math.pi)
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


@_kernel
def squared_error(outputs, targets, scale):
    """Return the summed loss (y - t)^2 / 2 of outputs (N, V) against targets (N, V); NaN as a target has none.

    The outputs become ``scale`` times the gradient.
    """
    loss = 0.0
    zero, factor = outputs.dtype.type(0), outputs.dtype.type(scale)
    for i in range(outputs.shape[0]):
        for j in range(outputs.shape[1]):
            error = outputs[i, j] - targets[i, j]
            if np.isnan(targets[i, j]):
                error = zero
            loss += 0.5 * error * error
            outputs[i, j] = factor * error
    return loss


@_kernel
def mixture_nll(outputs, targets, scale):
    """Return the summed loss -ln p(t) (nats) of targets (N, D), each under a mixture of K Gaussians of its own.

    A row of outputs (N, D*K*3) holds for each number K times (a, m, s): the weights are the softmax of a, the means m,
    the standard deviations e^s. NaN as a target has no loss. The outputs become ``scale`` times the gradient.

    Reference: Bishop 1994, Mixture density networks, equations 22 to 38.
    """
    loss = 0.0
    zero, factor = outputs.dtype.type(0), outputs.dtype.type(scale)
    D = targets.shape[1]
    K = outputs.shape[1] // (3 * D)
    for i in range(outputs.shape[0]):
        for d in range(D):
            part, t = outputs[i, d * K * 3 : (d + 1) * K * 3], targets[i, d]
            if np.isnan(t):
                part[:] = zero
                continue
            highest_a, highest = part[0], -np.inf
            for k in range(K):
                highest_a = max(highest_a, part[3 * k])
                z = (t - part[3 * k + 1]) * math.exp(-part[3 * k + 2])
                highest = max(highest, part[3 * k] - part[3 * k + 2] - 0.5 * z * z)
            prior, joint = 0.0, 0.0
            for k in range(K):
                z = (t - part[3 * k + 1]) * math.exp(-part[3 * k + 2])
                prior += math.exp(part[3 * k] - highest_a)
                joint += math.exp(part[3 * k] - part[3 * k + 2] - 0.5 * z * z - highest)
            loss += math.log(prior) + highest_a - math.log(joint) - highest + _HALF_LN_2PI
            for k in range(K):
                a, s = part[3 * k], part[3 * k + 2]
                z = (t - part[3 * k + 1]) * math.exp(-s)
                share = math.exp(a - s - 0.5 * z * z - highest) / joint  # of this Gaussian in the density at t
                part[3 * k] = factor * (math.exp(a - highest_a) / prior - share)
                part[3 * k + 1] = -factor * share * z * math.exp(-s)
                part[3 * k + 2] = factor * share * (1 - z * z)
    return loss
