"""TOML layers to checked settings. Importing it imports neither torch nor numpy."""

from hyrax_pack.config.settings import Config, digest_of_training, load_config, read_config

__all__ = ["Config", "digest_of_training", "load_config", "read_config"]
