"""What a data set is: any class with `__len__` and one `get_<field>(row)` for each field.

    class Cutouts:
        def __init__(self, config, data_location): ...
        def __len__(self): ...
        def get_image(self, row): ...          # an array, a numpy scalar, a number or a str
        def get_object_id(self, row): ...      # optional; without it a row's id is its position
        def collate(self, rows): ...           # optional: [{field: value}, …] -> {field: values}
        def collate_image(self, values): ...   # optional: the same for one field
        units = {"image": "nJy"}               # optional, as are descriptions and row_shapes

`__init__` gets, by the names of its parameters: `config` (the whole configuration as a nested dict), `data_location`,
`friendly` (the data set's name in data_dict), and every key of `dataset_config` or `[data_set.<Class>]`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hyrax_pack.config import Config
from hyrax_pack.config.checking import nearest
from hyrax_pack.errors import DataError
from hyrax_pack.resolving import resolve_class, user_code

GETTER = "get_"
COLLATE = "collate_"
# Words for a data set's own collate function; the configuration's word is accepted too.
COLLATE_NAMES = ("collate", "collate_fn")


def open_data_set(config: Config, where: str, request: Mapping[str, Any], friendly: str) -> Any:
    """Make the data set that one `[data_request.<group>.<friendly>]` asks for.

    Raises
    ------
    DataError
        Its `__init__` asks for something that the configuration does not give, or raises; or it lacks `__len__`.
    ResolveError
        The class is not there.
    """
    cls = data_set_class(config, request)
    arguments = _arguments(cls, config, where, request, friendly)
    with user_code(f"{where}: {cls.__name__}.__init__", DataError):
        dataset = cls(**arguments)
    if not hasattr(dataset, "__len__"):
        raise DataError(f"{where}: {cls.__name__} has no __len__; a data set says how many rows it has")
    return dataset


def data_set_class(config: Config, request: Mapping[str, Any]) -> type:
    """Return the class that a request names.

    Raises
    ------
    ResolveError
        The class is not there.
    """
    from hyrax_pack.data.datasets import BUILT_IN

    return resolve_class(request["dataset_class"], config.base_dir, BUILT_IN)


def location_of(config: Config, request: Mapping[str, Any]) -> str | None:
    """Return where a request's data lies: an absolute path or a URL; None where it does not say."""
    location: str | None = request.get("data_location") or None
    if location is None or "://" in location:
        return location
    return str((config.base_dir / Path(location).expanduser()).absolute())


def field_names(dataset: Any) -> tuple[str, ...]:
    """Return the fields of a data set, in the order in which its class defines them."""
    own = [name for name in vars(dataset) if name.startswith(GETTER)]
    classes = type(dataset).__mro__[::-1]
    names = dict.fromkeys([*(name for cls in classes for name in vars(cls) if name.startswith(GETTER)), *own])
    return tuple(name.removeprefix(GETTER) for name in names if _is_getter(getattr(dataset, name)))


def getter(dataset: Any, field: str) -> Callable[[int], Any]:
    """Return the function that gives one row of a field."""
    found: Callable[[int], Any] = getattr(dataset, GETTER + field)
    return found


def own_collate(dataset: Any) -> Callable[[list[dict[str, Any]]], Any] | None:
    """Return the data set's own collate function; None without one."""
    return next((getattr(dataset, name) for name in COLLATE_NAMES if hasattr(dataset, name)), None)


def field_collate(dataset: Any, field: str) -> Callable[[list[Any]], Any] | None:
    """Return the data set's collate function for one field; None without one."""
    return getattr(dataset, COLLATE + field, None) if COLLATE + field not in COLLATE_NAMES else None


def said_of(dataset: Any, attribute: str, field: str) -> Any:
    """Return what an optional mapping such as `units` says of a field; None where it says nothing."""
    mapping = getattr(dataset, attribute, None)
    return mapping.get(field) if isinstance(mapping, Mapping) else None


def _is_getter(method: Any) -> bool:
    if not callable(method):
        return False
    try:
        inspect.signature(method).bind(0)
    except TypeError:
        return False
    return True


def _arguments(cls: type, config: Config, where: str, request: Mapping[str, Any], friendly: str) -> dict[str, Any]:
    """What `__init__` asks for by name, out of what the configuration gives."""
    settings = {**config.table(f"data_set.{cls.__name__}"), **request.get("dataset_config", {})}
    parameters = inspect.signature(cls).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    given: dict[str, Any] = {"data_location": location_of(config, request), "friendly": friendly, "config": None}
    if "config" in parameters:
        given["config"] = config.for_user()
        given["config"].setdefault("data_set", {})[cls.__name__] = settings
    arguments = {name: value for name, value in given.items() if name in parameters}
    arguments |= {name: value for name, value in settings.items() if takes_any or name in parameters}
    unknown = [name for name in settings if name not in arguments]
    if unknown and "config" not in parameters:
        known = [name for name in parameters if name not in given]
        raise DataError(
            f"{where}.dataset_config.{unknown[0]}: {cls.__name__} does not take it; {nearest(unknown[0], known)}"
        )
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and name not in arguments
    ]
    if missing:
        raise DataError(
            f"{where}: {cls.__name__}.__init__ asks for '{missing[0]}'; it can have config, data_location, friendly, "
            f"and what [{where}.dataset_config] sets"
        )
    return arguments
