"""STEP 2: `to_tensor` as text that means the same anywhere: find it, check it, prove it in a fresh process."""

from hyrax_pack.capturing.captured import Captured, capture, captured_before, same_code
from hyrax_pack.capturing.proving import Proof, prove

__all__ = ["Captured", "Proof", "capture", "captured_before", "prove", "same_code"]
