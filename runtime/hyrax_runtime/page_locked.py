"""Host memory that a GPU fetches from without the driver copying it first. Through CUDA's own library, no package."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIBRARIES = ("libcudart.so.12", "libcudart.so.13", "libcudart.so")
_PORTABLE = 1  # page-locked for every device


def page_locked(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return an array in page-locked memory; None where CUDA's library is not here or has none to give."""
    library = _cuda_runtime()
    size = int(np.prod(shape)) * dtype.itemsize
    pointer = ctypes.c_void_p()
    if library is None or size == 0:
        return None
    if library.cudaHostAlloc(ctypes.byref(pointer), ctypes.c_size_t(size), _PORTABLE) != 0 or not pointer.value:
        return None
    memory: Any = (ctypes.c_byte * size).from_address(pointer.value)
    weakref.finalize(memory, library.cudaFreeHost, ctypes.c_void_p(pointer.value))
    array: NDArray[Any] = np.frombuffer(memory, dtype=dtype).reshape(tuple(shape))
    return array


@cache
def _cuda_runtime() -> Any | None:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None
