"""Step 4: `to_tensor` compiled into ONNX, proven equal to the function, and fused with the network's graph."""

from hyrax_pack.lowering.compiling import lower
from hyrax_pack.lowering.lowered import Lowered, LoweredSlot
from hyrax_pack.lowering.refusal import Refusal, describe_reason

__all__ = ["Lowered", "LoweredSlot", "Refusal", "describe_reason", "lower"]
