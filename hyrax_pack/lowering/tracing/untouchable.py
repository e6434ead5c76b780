"""What may be passed on and nothing else: whatever is done to it refuses."""

from __future__ import annotations

from typing import Any, NoReturn

from hyrax_pack.lowering.tracing.shadows import Shadowed


class Untouchable(Shadowed):
    """Something that refuses all that Python and numpy can ask of an object, but for being copied as a reference."""

    __slots__ = ()

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Say why, and stop the trace."""
        raise NotImplementedError

    def shadow(self, which: int) -> Any:
        """Refuse."""
        self.refuse()

    def _asked(self, *args: Any, **kwargs: Any) -> Any:
        self.refuse()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.refuse()

    __array__ = __array_ufunc__ = __array_function__ = _asked
    __len__ = __iter__ = __next__ = __reversed__ = __contains__ = __getitem__ = __setitem__ = __delitem__ = _asked
    __call__ = __enter__ = __exit__ = _asked
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _asked
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = __pow__ = __rpow__ = _asked
    __matmul__ = __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _asked
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __neg__ = __pos__ = __abs__ = __invert__ = _asked
    __round__ = __trunc__ = __floor__ = __ceil__ = _asked
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __hash__ = _asked
    __bool__ = __repr__ = __str__ = __format__ = __bytes__ = _asked
    __int__ = __float__ = __complex__ = __index__ = __fspath__ = _asked
