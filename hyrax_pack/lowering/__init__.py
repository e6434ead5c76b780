"""Step 4: `to_tensor` compiled into ONNX, proven equal to the function, and fused with the network's graph."""

from hyrax_pack.lowering.compiling import lower
from hyrax_pack.lowering.fusing import check_fused, fuse
from hyrax_pack.lowering.lowered import Lowered, LoweredSlot
from hyrax_pack.lowering.refusal import Refusal, describe_reason
from hyrax_pack.lowering.speed import Speed, measure_speed

__all__ = [
    "Lowered",
    "LoweredSlot",
    "Refusal",
    "Speed",
    "check_fused",
    "describe_reason",
    "fuse",
    "lower",
    "measure_speed",
]
