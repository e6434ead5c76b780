"""The class contract: what a model class has to be, which of its methods plays which part, and how one is made.

decorating.py     @hyrax_model: what is missing or misspelt is named when the class is decorated
describing.py     ModelSpec: which hook plays which part
building.py       an instance, with criterion, optimizer and scheduler
default_input.py  the to_tensor of a class that has none
quieting.py       torch's remarks on its own state of development, kept from those who train and export

Importing this package does not import torch; decorating or building a class does.
"""

from hyrax_pack.model.building import build_model, check_parts, model_class
from hyrax_pack.model.decorating import hyrax_model
from hyrax_pack.model.describing import ModelSpec, describe_model

__all__ = ["ModelSpec", "build_model", "check_parts", "describe_model", "hyrax_model", "model_class"]
