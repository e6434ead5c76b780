"""Make an instance of a model class, with the criterion, optimizer and scheduler that the configuration names."""

from __future__ import annotations

import difflib
import importlib
import inspect
from typing import TYPE_CHECKING, Any

from hyrax_pack.config import Config
from hyrax_pack.config.keys import CONSTRUCTOR_TABLES
from hyrax_pack.errors import ConfigError, ModelError, ResolveError
from hyrax_pack.model.describing import describe_model
from hyrax_pack.resolving import resolve_class, user_code

if TYPE_CHECKING:
    from torch import nn


NO_NAME = 'model.name is not set; write [model] name = "path/to/file.py:Class", and give the file with -c'
# Where torch keeps what the tables name.
_HOMES = {"criterion": "torch.nn", "optimizer": "torch.optim", "scheduler": "torch.optim.lr_scheduler"}


def model_class(config: Config) -> type:
    """Return the class that `[model] name` names.

    Raises
    ------
    ConfigError
        No name is set.
    ResolveError, ModelError
        The name leads nowhere; or the class breaks the contract.
    """
    name = config.get("model.name")
    if name is None:
        raise ConfigError(f"{config.source}: {NO_NAME}")
    return resolve_class(name, config.base_dir)


def build_model(cls: type, config: Config, data_sample: Any) -> nn.Module:
    """Make the model.

    Parameters
    ----------
    cls : type
        A class that keeps the contract.
    config : Config
        A copy goes to the class as a nested dict: what it changes there changes nothing elsewhere.
    data_sample : tensor or tuple of (tensor or None)
        `to_tensor` of one collated sample, batch axis of 1 included. A class whose `__init__` takes `shape` gets the
        shape of one row of (the first place of) it.

    Returns
    -------
    nn.Module
        With `criterion`, `optimizer` and `scheduler`: the class's own where it made them, else those of the
        configuration; None where there is none.

    Raises
    ------
    ModelError
        The class, or a constructor that the configuration names, raised.
    ConfigError, ResolveError
        A class that the configuration names is not there.
    """
    check_parts(config)
    spec = describe_model(cls)
    second = _row_shape(data_sample) if spec.init_takes == "shape" else data_sample
    with user_code(f"{spec.name}.__init__", ModelError):
        model: nn.Module = cls(config.for_user(), second)
    if getattr(model, "criterion", None) is None:
        _attach(model, "criterion", config)
    if getattr(model, "optimizer", None) is None:
        # Frozen ones too: a class may thaw them after some epochs.
        parameters = list(model.parameters())
        _attach(model, "optimizer", config, parameters, skip=not parameters)
    if getattr(model, "scheduler", None) is None:
        optimizer = model.optimizer
        _attach(model, "scheduler", config, optimizer, skip=optimizer is None)
    return model


def check_parts(config: Config) -> None:
    """Refuse a criterion, optimizer or scheduler that is not there, whether or not the class makes its own.

    Raises
    ------
    ResolveError
        Says which name, with the nearest one.
    ConfigError
        Arguments are given to a class of torch that there is not, such as `["torch.optim.Adm"]`.
    """
    for part in CONSTRUCTOR_TABLES:
        name = config.get(f"{part}.name", None)
        if name is not None:
            _resolve_part(part, name, config)
    _check_quoted_tables(config)


def _check_quoted_tables(config: Config) -> None:
    for name in config.for_user():
        if not name.startswith("torch."):
            continue
        try:
            resolve_class(name, config.base_dir)
        except ResolveError as error:
            raise ConfigError(
                f'{config.source}: ["{name}"] holds arguments of a class that is not there: {error}'
            ) from error


def _attach(model: nn.Module, part: str, config: Config, *first: Any, skip: bool = False) -> None:
    """Set `model.<part>` to an instance of the class that `[<part>] name` names."""
    name = config.get(f"{part}.name", None)
    if name is None or skip:
        setattr(model, part, None)
        return
    cls = _resolve_part(part, name, config)
    arguments = {key: _as_argument(cls, key, value) for key, value in config.arguments(part).items()}
    with user_code(f"[{part}] {name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})", ModelError):
        setattr(model, part, cls(*first, **arguments))


def _resolve_part(part: str, name: str, config: Config) -> type:
    """The class that a name means; torch's own also by their bare names, or as `nn.MSELoss`."""
    home = importlib.import_module(_HOMES[part])
    classes = {each: value for each, value in vars(home).items() if isinstance(value, type)}
    words = {
        f"{prefix}{each}": value
        for prefix in ("", home.__name__.removeprefix("torch.") + ".")
        for each, value in classes.items()
    }
    try:
        return resolve_class(name, config.base_dir)
    except ResolveError as error:
        if name in words:
            return words[name]
        close = difflib.get_close_matches(name.rpartition(".")[2], classes, n=1)
        cure = f'; did you mean "{home.__name__}.{close[0]}"?' if close and "did you mean" not in str(error) else ""
        raise ResolveError(f"{part}.name = {error}{cure}") from error


def _as_argument(cls: type, name: str, value: Any) -> Any:
    """TOML has no tensors: a list of numbers becomes one where the constructor asks for one, as `weight` does."""
    if not isinstance(value, list):
        return value
    import torch

    parameter = inspect.signature(cls).parameters.get(name)
    annotation = "" if parameter is None else str(parameter.annotation)
    return torch.tensor(value, dtype=torch.float32) if "Tensor" in annotation else value


def _row_shape(data_sample: Any) -> tuple[int, ...]:
    first = data_sample
    while isinstance(first, (tuple, list)):
        first = first[0]
    return tuple(first.shape[1:])
