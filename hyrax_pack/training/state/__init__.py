"""Everything that training changes: to write it down, and to put it back in place.

model_state.py    all of a model, for a checkpoint; and what inference needs of it beside the weights
outside.py        what its classes and their modules keep: counters, generators
memento.py        a model as it is now, to be put back after a validation that may leave no trace
modules.py        what a module holds beside its state_dict
encoding.py       a value as plain values and tensors
decoding.py       and back, into what stands there
plain_objects.py  objects of the user's own as their attributes; what has no state at all
generators.py     generators of random numbers
"""

from hyrax_pack.training.state.memento import Memento
from hyrax_pack.training.state.model_state import ModelState

__all__ = ["Memento", "ModelState"]
