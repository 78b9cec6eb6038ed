"""Dropout without a stored mask, as a compiled kernel."""

import numpy as np
from numba import njit

_kernel = njit(cache=True, nogil=True)


@_kernel
def _hash(bits):
    bits = np.uint32((bits ^ (bits >> np.uint32(16))) * np.uint32(0x7FEB352D))
    bits = np.uint32((bits ^ (bits >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(bits ^ (bits >> np.uint32(16)))


@_kernel
def dropout(x, seed, drop, out):
    """Write x (N,) to out with a share ``drop`` of its elements zeroed and the others divided by 1 - drop.

    Which ones is a hash of seed and position, so that the backward pass asks again instead of storing a mask.
    Reference: Srivastava et al. 2014; the hash's constants are those of "lowbias32" (C. Wellons, public domain).
    """
    keep = x.dtype.type(1 / (1 - drop))
    zero = x.dtype.type(0)
    threshold = np.uint32(drop * 4294967295.0)
    key = _hash(np.uint32(seed))  # neighbouring seeds must not give masks that are shifts of each other
    for i in range(x.size):
        out[i] = x[i] * keep if _hash(np.uint32(np.uint32(i) ^ key)) >= threshold else zero
