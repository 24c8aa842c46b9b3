"""Reads the coefficients out of a pickled scikit-learn ``Ridge`` without unpickling it.

A pickle is a program for a small machine that may call anything. Here nothing is called and no unpickler is involved:
the program is taken apart by the standard library's disassembler, and a machine that knows only how to put values
together follows it. Of the names that a pickled ridge needs it remembers which one was meant; any other name, and any
instruction that a ridge does not need, ends the reading. So neither scikit-learn nor numpy has to be of the version
that wrote it.
"""

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyiqa_pixelperfect.errors import WeightsError

__all__ = ["RidgeNumbers", "read_ridge"]

LARGEST = 1 << 20  # bytes; the published files have 17 kB
_FLOATS: dict[Any, np.dtype[Any]] = {"f4": np.dtype("<f4"), "f8": np.dtype("<f8")}
_OF_NUMPY = {"multiarray _reconstruct": "array", "numeric _frombuffer": "array", "multiarray scalar": "number"}
_KINDS = {"sklearn.linear_model._ridge Ridge": "ridge", "numpy ndarray": "class", "numpy dtype": "type"} | {
    f"numpy.{folder}.{name}": kind for folder in ("core", "_core") for name, kind in _OF_NUMPY.items()
}
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES",
           "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}  # fmt: skip
_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}


class RidgeNumbers(NamedTuple):
    """What a fitted ridge is: (D,) float64 coefficients and the intercept."""

    weight: NDArray[np.float64]
    bias: float


@dataclass
class _Thing:
    """An object of the pickle: which of the known names it is of, what that was called with, and its state."""

    kind: str
    given: Any = None
    state: Any = None


class _Machine:
    """Puts values together as a pickle says, and refuses what it does not know."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # stacks under the marks
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        for instruction, argument, _ in pickletools.genops(content):
            name = instruction.name
            if name == "STOP":
                return self.stack.pop()
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _NEW:
                self.stack.append(_NEW[name]())
            elif name not in ("PROTO", "FRAME"):
                handler = getattr(self, f"_{name.lower()}", None)
                if handler is None:
                    raise ValueError(f"the instruction {name}, which no ridge needs")
                handler(argument)
        raise ValueError("a pickle without an end")

    def _mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _tuple(self, _: Any) -> None:
        items = tuple(self._since_mark())
        self.stack.append(items)

    def _last(self, count: int) -> None:
        items = tuple(self.stack.pop() for _ in range(count))[::-1]
        self.stack.append(items)

    def _tuple1(self, _: Any) -> None:
        self._last(1)

    def _tuple2(self, _: Any) -> None:
        self._last(2)

    def _tuple3(self, _: Any) -> None:
        self._last(3)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _setitems(self, _: Any) -> None:
        self._update(self._since_mark())

    def _update(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict or not all(isinstance(key, str) for key in items[::2]):
            raise ValueError("entries of something that is no dictionary of names")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _binput(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    _long_binput = _binput

    def _binget(self, place: int) -> None:
        self.stack.append(self.memo[place])

    _long_binget = _binget

    def _global(self, names: str) -> None:
        if names not in _KINDS:
            raise ValueError(f"{names.replace(' ', '.')}, which no ridge needs")
        self.stack.append(_Thing(_KINDS[names]))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._global(f"{module} {name}")

    def _reduce(self, _: Any) -> None:
        given, thing = self.stack.pop(), self.stack.pop()
        if not isinstance(thing, _Thing) or not isinstance(given, tuple):
            raise TypeError("a call of something that is no name")
        self.stack.append(_Thing(thing.kind, given))

    _newobj = _reduce

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Thing):
            raise TypeError("a state of something that has none")
        self.stack[-1].state = state


def read_ridge(path: Path) -> RidgeNumbers:
    """Read coefficients and intercept.

    Args:
        path: a pickle of a fitted ``sklearn.linear_model.Ridge`` with one target, of protocol 3 to 5.

    Raises:
        WeightsError: no such file, or anything but such a ridge.
    """
    expected = "a pickled scikit-learn Ridge and nothing else"
    if not path.is_file():
        raise WeightsError("regressor", expected, f"{str(path)!r}, which is no file")
    if path.stat().st_size > LARGEST:
        raise WeightsError("regressor", expected, f"{str(path)!r} of {path.stat().st_size} bytes")
    try:
        return _numbers(_Machine().run(path.read_bytes()))
    except (ValueError, TypeError, LookupError, OverflowError) as error:  # UnicodeDecodeError is a ValueError
        got = f"{str(path)!r} ({type(error).__name__}: {error})"
        raise WeightsError("regressor", expected, got, "Get the file from its authors again.") from error


def _numbers(ridge: Any) -> RidgeNumbers:
    if not (isinstance(ridge, _Thing) and ridge.kind == "ridge" and isinstance(ridge.state, dict)):
        raise ValueError("something else")
    coefficients, intercept = ridge.state.get("coef_"), ridge.state.get("intercept_")
    weight = _array(coefficients).ravel()
    bias = np.array([intercept]) if isinstance(intercept, float) else _array(intercept).ravel()
    if bias.size != 1 or not weight.size or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError("coefficients that are not finite, or of more than one target")
    return RidgeNumbers(weight, float(bias[0]))


def _array(thing: Any) -> NDArray[np.float64]:
    """The numbers of an array, in either way in which numpy writes one, or of a single number."""
    if not isinstance(thing, _Thing) or thing.kind not in ("array", "number"):
        raise ValueError("a ridge that was never fitted")
    if thing.kind == "number":
        dtype, data = thing.given
        return _floats(data, dtype, ())
    if thing.state is None:
        data, dtype, shape, _ = thing.given
    else:
        _, shape, dtype, _, data = thing.state
    return _floats(data, dtype, shape)


def _floats(data: Any, dtype: Any, shape: Any) -> NDArray[np.float64]:
    sizes = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if not (isinstance(data, bytes | bytearray) and isinstance(dtype, _Thing) and dtype.kind == "type" and sizes):
        raise ValueError("an array that is none")
    kind = _FLOATS[dtype.given[0]]
    if dtype.state[1] not in ("<", "=") or len(data) != math.prod(shape) * kind.itemsize:
        raise ValueError("an array of another byte order, or shorter or longer than it says")
    return np.frombuffer(bytes(data), kind).astype(np.float64).reshape(shape)
