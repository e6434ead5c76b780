"""The data sets that need no code of the user's."""

from hyrax_pack.data.datasets.digits import DigitsDataset
from hyrax_pack.data.datasets.npz import NpzDataset
from hyrax_pack.data.datasets.parquet import ParquetDataset
from hyrax_pack.data.datasets.random import RandomDataset

__all__ = ["BUILT_IN", "DigitsDataset", "NpzDataset", "ParquetDataset", "RandomDataset"]

BUILT_IN: dict[str, type] = {cls.__name__: cls for cls in (DigitsDataset, NpzDataset, ParquetDataset, RandomDataset)}
