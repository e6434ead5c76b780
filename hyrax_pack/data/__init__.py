"""Data sets, and what `to_tensor` is given of them.

protocol.py     what a data set is, and how one is made from the configuration
datasets/       digits, random, .npz, Parquet
source.py       one data set under its friendly name: fields, forms, collate functions
joining.py      rows of several data sets put together by id
splitting.py    which row goes to train, validate and test
provider.py     from [data_request] and [split] to groups
group.py        the rows of one group as data_dict
contracting.py  what is seen of those rows, and the input contract that follows
identity.py     which rows they are, so that other data is noticed
sameness.py     whether two requests ask for the same rows, in whatever words
tensors.py      what to_tensor returned, as torch tensors
"""

from hyrax_pack.data.contracting import Observation, observe, observe_group
from hyrax_pack.data.group import FieldDescription, Group
from hyrax_pack.data.identity import identify, identity_differences
from hyrax_pack.data.provider import DataProvider

__all__ = [
    "DataProvider",
    "FieldDescription",
    "Group",
    "Observation",
    "identify",
    "identity_differences",
    "observe",
    "observe_group",
]
