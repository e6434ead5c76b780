"""STEP 2: `to_tensor` as text that means the same anywhere: find it, check it, prove it in a fresh process."""

from hyrax_pack.capturing.captured import Captured, capture, same_code
from hyrax_pack.capturing.proving import Proof, prove

__all__ = ["Captured", "Proof", "capture", "prove", "same_code"]
