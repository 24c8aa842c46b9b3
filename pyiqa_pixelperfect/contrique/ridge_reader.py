"""Reads the coefficients out of a pickled scikit-learn ``Ridge`` without letting the pickle run anything.

A pickle names classes and functions to call. Here each name that a pickled ridge may hold stands for a harmless class
of this module, which keeps what it was given; every other name ends the reading. scikit-learn and numpy's own
unpickling are never involved, so that their versions do not matter either.
"""

import io
import math
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyiqa_pixelperfect.errors import WeightsError

__all__ = ["RidgeNumbers", "read_ridge"]

LARGEST = 1 << 20  # bytes; the published files have 17 kB
_FLOATS: dict[str, np.dtype[Any]] = {"f4": np.dtype("<f4"), "f8": np.dtype("<f8")}


class RidgeNumbers(NamedTuple):
    """What a fitted ridge is: (D,) float64 coefficients and the intercept."""

    weight: NDArray[np.float64]
    bias: float


class _Stub:
    """Takes the place of an object of the pickle and keeps its arguments and its state."""

    def __init__(self, *given: Any) -> None:
        self.given = given
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Ridge(_Stub):
    pass


class _DType(_Stub):
    def float_type(self) -> np.dtype[Any]:
        kind = self.given[0] if self.given else None
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else None
        if not isinstance(kind, str) or kind not in _FLOATS or order not in ("<", "="):
            raise pickle.UnpicklingError(f"an array of type {kind!r}")
        return _FLOATS[kind]


class _Array(_Stub):
    """Either way in which numpy writes an array: ``_reconstruct`` with a state, or ``_frombuffer`` with its bytes."""

    def values(self) -> NDArray[np.float64]:
        if isinstance(self.state, tuple) and len(self.state) == 5:
            _, shape, dtype, _, data = self.state
        elif len(self.given) == 4:
            data, dtype, shape, _ = self.given
        else:
            raise pickle.UnpicklingError("an array of an unknown layout")
        return _floats(data, dtype, shape)


class _Scalar(_Stub):
    def values(self) -> NDArray[np.float64]:
        if len(self.given) != 2:
            raise pickle.UnpicklingError("a number of an unknown layout")
        return _floats(self.given[1], self.given[0], ())


class _NDArray:
    """``numpy.ndarray`` itself, which ``_reconstruct`` takes as an argument and nothing may call."""


def _floats(data: Any, dtype: Any, shape: Any) -> NDArray[np.float64]:
    sizes = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if not (isinstance(data, bytes | bytearray) and isinstance(dtype, _DType) and sizes):
        raise pickle.UnpicklingError("an array that is none")
    kind = dtype.float_type()
    if len(data) != math.prod(shape) * kind.itemsize:
        raise pickle.UnpicklingError("an array shorter or longer than it says")
    return np.frombuffer(bytes(data), kind).astype(np.float64).reshape(shape)


_ALLOWED = {
    ("sklearn.linear_model._ridge", "Ridge"): _Ridge,
    ("numpy", "ndarray"): _NDArray,
    ("numpy", "dtype"): _DType,
    **{
        (f"numpy.{core}.{module}", name): stub
        for core in ("core", "_core")
        for module, name, stub in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _Scalar),
            ("numeric", "_frombuffer", _Array),
        )
    },
}


class _Reader(pickle.Unpickler):
    """``persistent_load`` is not defined, so that references to outside the file are refused as well."""

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}, which no ridge needs")
        return _ALLOWED[module, name]


def read_ridge(path: Path) -> RidgeNumbers:
    """Read coefficients and intercept.

    Args:
        path: a pickle of a fitted ``sklearn.linear_model.Ridge`` with one target.

    Raises:
        WeightsError: no such file, or anything but such a ridge.
    """
    expected = "a pickled scikit-learn Ridge and nothing else"
    if not path.is_file():
        raise WeightsError("regressor", expected, f"{str(path)!r}, which is no file")
    if path.stat().st_size > LARGEST:
        raise WeightsError("regressor", expected, f"{str(path)!r} of {path.stat().st_size} bytes")
    try:
        ridge = _Reader(io.BytesIO(path.read_bytes())).load()
        return _numbers(ridge)
    except Exception as error:  # a damaged pickle fails in a dozen ways
        got = f"{str(path)!r} ({type(error).__name__}: {error})"
        raise WeightsError("regressor", expected, got, "Get the file from its authors again.") from error


def _numbers(ridge: Any) -> RidgeNumbers:
    if not isinstance(ridge, _Ridge) or not isinstance(ridge.state, dict):
        raise pickle.UnpicklingError(f"a {type(ridge).__name__.strip('_')} without state")
    coefficients, intercept = ridge.state.get("coef_"), ridge.state.get("intercept_")
    if not isinstance(coefficients, _Array):
        raise pickle.UnpicklingError("a ridge that was never fitted")
    weight = coefficients.values().ravel()
    if isinstance(intercept, _Array | _Scalar):
        bias = intercept.values().ravel()
    elif isinstance(intercept, float):
        bias = np.array([intercept])
    else:
        raise pickle.UnpicklingError("a ridge without an intercept")
    if bias.size != 1 or not weight.size or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise pickle.UnpicklingError("coefficients that are not finite, or of more than one target")
    return RidgeNumbers(weight, float(bias[0]))
