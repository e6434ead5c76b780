"""Every name in the settings leads somewhere: looked up before a run folder is made, for a slip is no run."""

from __future__ import annotations

from hyrax_pack.config import Config
from hyrax_pack.data.protocol import data_set_class
from hyrax_pack.model import ModelSpec, check_parts, describe_model, model_class
from hyrax_pack.resolving import resolve_function
from hyrax_pack.training.seeding import seed_everything

# Export says what is wrong with the data of inference; training needs nothing of it.
_READ = ("train", "validate", "test")


def load_classes(config: Config, seed: int) -> ModelSpec:
    """Load what the settings name, always in this order and from this seed, and describe the model's class.

    A module may draw random numbers while it is imported: a run that goes on has to draw the same ones.

    Raises
    ------
    ConfigError, ResolveError, ModelError
        A name leads nowhere, or a class breaks its contract.
    """
    seed_everything(seed)
    spec = describe_model(model_class(config))
    check_parts(config)
    for group in _READ:
        for friendly in config.table(f"data_request.{group}"):
            data_set_class(config, config.table(f"data_request.{group}.{friendly}"))
    collate = config.get("data_loader.collate_fn")
    if collate is not None:
        resolve_function(collate, config.base_dir)
    return spec
