"""Immutable values: what `dataclass(frozen=True)` gives, of classes that cost next to nothing to define.

`dataclasses` compiles six functions for every class, 0.45 ms each time a process starts; thirty classes stand on the
way to a first prediction, more than a tenth of the whole start. Here the six are written once, for every class.
`dataclasses.fields`, `replace`, `asdict` and `is_dataclass` take one for a dataclass: they are answered when they
ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from dataclasses import Field


class _FieldsWhenAsked:
    """What `dataclasses` looks for on a class, made when it looks."""

    def __get__(self, one: Frozen | None, kind: type[Frozen]) -> dict[str, Field[Any]]:
        from dataclasses import field, make_dataclass

        defaults = kind._defaults
        rows = [(name, Any, field(default=defaults[name]) if name in defaults else field()) for name in kind._names]
        made: Any = make_dataclass(kind.__name__, rows, init=False, repr=False, eq=False)
        found: dict[str, Field[Any]] = made.__dataclass_fields__
        return found


@dataclass_transform(frozen_default=True)
class Frozen:
    """Base of immutable values: a subclass's annotated names are its fields, in order, those of its bases first.

    Compared, hashed and shown by their fields; made by position or by name, then `__post_init__` is called. A default
    stands after the annotation, and is shared: one that can change is refused.

    Raises
    ------
    TypeError
        On making one: a field is missing, unknown or given twice. On defining one: a field without a default after
        one with, a default that can change, or one by `dataclasses.field`.
    AttributeError
        A field is assigned to, or deleted.

    Examples
    --------
    >>> class Extent(Frozen):
    ...     offset: int
    ...     length: int = 0
    >>> Extent(64)
    Extent(offset=64, length=0)
    """

    _names: ClassVar[tuple[str, ...]] = ()
    _known: ClassVar[frozenset[str]] = frozenset()
    _defaults: ClassVar[dict[str, Any]] = {}
    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    else:
        __dataclass_fields__ = _FieldsWhenAsked()

    def __init_subclass__(cls) -> None:
        annotated = cls.__annotations__
        cls._names = tuple(dict.fromkeys((*cls._names, *annotated)))
        cls._known = frozenset(cls._names)
        cls._defaults = {**cls._defaults, **{name: cls.__dict__[name] for name in annotated if name in cls.__dict__}}
        for name, value in cls._defaults.items():
            if type(value).__module__ == "dataclasses":
                raise TypeError(f"{cls.__name__}.{name}: dataclasses.field is not known here; give the default itself")
            if type(value).__hash__ is None:
                raise TypeError(f"{cls.__name__}.{name}: the default {value!r} can change, and would be shared")
        if [name in cls._defaults for name in cls._names] != sorted(name in cls._defaults for name in cls._names):
            raise TypeError(f"{cls.__name__}: a field without a default stands after one that has one")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        values, names = self.__dict__, self._names
        if args:
            values.update(zip(names, args))  # noqa: B905 - counted below
        if kwargs:
            values.update(kwargs)
            if not self._known.issuperset(kwargs):
                self._refuse(args, kwargs)
        if not len(values) == len(args) + len(kwargs) == len(names):
            self._complete(args, kwargs)
        self.__post_init__()

    def _complete(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Add the defaults of what was not given."""
        if len(self.__dict__) == len(args) + len(kwargs):
            self.__dict__.update({name: self._defaults[name] for name in self._defaults if name not in self.__dict__})
            if len(self.__dict__) == len(self._names):
                return
        self._refuse(args, kwargs)

    def _refuse(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        name, names = type(self).__name__, self._names
        if len(args) > len(names):
            raise TypeError(f"{name} takes {len(names)} fields, and was given {len(args)}")
        twice = [each for each in names[: len(args)] if each in kwargs]
        unknown = [each for each in kwargs if each not in self._known]
        missing = [each for each in names[len(args) :] if each not in kwargs and each not in self._defaults]
        said = {"given twice": twice, "unknown": unknown, "missing": missing}
        raise TypeError(f"{name}: " + "; ".join(f"{what}: {', '.join(each)}" for what, each in said.items() if each))

    def __post_init__(self) -> None:
        """Look at the fields, once they stand."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} never changes: {name} cannot be assigned to")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} never changes: {name} cannot be deleted")

    def _values(self) -> tuple[Any, ...]:
        return tuple(map(self.__dict__.__getitem__, self._names))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._names)})"


R = TypeVar("R", bound=Frozen)


def replace(one: R, **changes: Any) -> R:
    """Return the same with other values for the named fields; TypeError for a field that it lacks."""
    return type(one)(**{**one.__dict__, **changes})
