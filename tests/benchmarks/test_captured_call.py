"""Calling the captured function costs what calling the live one does, and reading its result costs microseconds.

pytest tests/benchmarks/test_captured_call.py --benchmark-enable
"""

import numpy as np
import pytest
from hyrax_runtime.manifest import Slot
from hyrax_runtime.replay import as_slots, check_slots

from hyrax_pack.capturing import capture

ROWS = {"data": {"image": np.ones((512, 8, 8), "f4"), "label": np.zeros(512, "i8")}}
RECORDED = (Slot("tensor", "float32", ("N", 8, 8), "image"), Slot("tensor", "int64", ("N",), "label"))


def to_tensor(data_dict):
    import numpy as np

    data = data_dict["data"]
    return np.log1p(np.asarray(data["image"])), np.asarray(data["label"])


@pytest.mark.parametrize("which", ["live", "captured"])
def test_a_batch_of_training(benchmark, which):
    function = to_tensor if which == "live" else capture(to_tensor).compile()
    images, _ = benchmark(function, ROWS)
    assert images.shape == (512, 8, 8)


def test_the_check_of_a_result(benchmark):
    result = to_tensor(ROWS)

    def read():
        slots, _ = as_slots(result, rows=512)
        check_slots(slots, RECORDED, 512)
        return slots

    assert len(benchmark(read)) == 2
