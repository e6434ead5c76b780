"""Step 5: everything that is proven goes into one file."""

from hyrax_pack.packing.assembling import Contents, Lowered, pack
from hyrax_pack.packing.provenance import gather_provenance

__all__ = ["Contents", "Lowered", "gather_provenance", "pack"]
