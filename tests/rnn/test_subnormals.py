import os
import platform

import numpy as np
import pytest

from typeahead.rnn.subnormals import flushed

SMALL = np.full(3, 1e-39, np.float32)  # below 1.2e-38, so subnormal

pytestmark = [
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="optional: x86 alone has the switch"),
    pytest.mark.skipif(
        os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"), reason="optional: the switch is compiled code"
    ),
]


def test_subnormal_numbers_are_zero_meanwhile_and_others_as_ever():
    before = SMALL * np.float32(0.5)
    with flushed():
        meanwhile, large = SMALL * np.float32(0.5), np.full(3, 1e-30, np.float32) * np.float32(0.5)
        made = np.full(3, 1e-20, np.float32) * np.float32(1e-20)
    assert (before > 0).all()
    assert not meanwhile.any()
    assert not made.any()
    assert np.array_equal(large, np.full(3, 5e-31, np.float32))
    assert np.array_equal(SMALL * np.float32(0.5), before)


def test_an_error_ends_it_too():
    with pytest.raises(ZeroDivisionError), flushed():
        1 / 0  # noqa: B018
    assert (SMALL * np.float32(0.5) > 0).all()
