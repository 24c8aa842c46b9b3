"""Pickled ridges are read without running them; pickles of anything else are refused before they do anything."""

import os
import pickle
import pickletools
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso, Ridge

from pyiqa_pixelperfect.contrique.ridge_reader import LARGEST, read_ridge
from pyiqa_pixelperfect.errors import WeightsError


def ridge(dtype: type = np.float32, targets: int = 0) -> Ridge:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20, 6)).astype(dtype)
    labels = generator.normal(size=(20, targets) if targets else 20).astype(dtype)
    return Ridge(alpha=0.1).fit(features, labels)


def as_of_scikit_learn_1_0(model: Ridge) -> bytes:
    """The published files were written by numpy 1 and scikit-learn 1.0.1; only names of modules differ."""
    return pickle.dumps(model, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coefficients_are_read_exactly(tmp_path, protocol, dtype):
    model = ridge(dtype)
    (tmp_path / "r.save").write_bytes(pickle.dumps(model, protocol=protocol))
    numbers = read_ridge(tmp_path / "r.save")
    assert np.array_equal(numbers.weight, model.coef_.astype(np.float64))
    assert numbers.bias == float(model.intercept_)


def test_names_of_older_libraries_are_known(tmp_path):
    model = ridge()
    (tmp_path / "r.save").write_bytes(as_of_scikit_learn_1_0(model))
    assert np.array_equal(read_ridge(tmp_path / "r.save").weight, model.coef_.astype(np.float64))


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def disguised(folder: Path) -> Ridge:
    model = ridge()
    model.coef_ = Bomb(folder)
    return model


@pytest.mark.parametrize("make", [Bomb, disguised])
def test_nothing_in_a_file_is_run(tmp_path, make):
    (tmp_path / "r.save").write_bytes(pickle.dumps(make(tmp_path / "ran")))
    with pytest.raises(WeightsError, match="regressor: expected a pickled scikit-learn Ridge and nothing else, got"):
        read_ridge(tmp_path / "r.save")
    assert not (tmp_path / "ran").exists()


def test_every_callable_of_the_usual_attacks_is_refused(tmp_path):
    for module, name in (("builtins", "eval"), ("os", "system"), ("subprocess", "Popen"), ("builtins", "getattr")):
        text = f"c{module}\n{name}\n(S'1'\ntR."
        (tmp_path / "r.save").write_bytes(text.encode())
        with pytest.raises(WeightsError, match=f"{module}.{name}, which no ridge needs"):
            read_ridge(tmp_path / "r.save")


def changed(**values: object) -> Ridge:
    model = ridge()
    for name, value in values.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04.",
        b"no pickle at all",
        pickle.dumps({"coef_": [1.0, 2.0]}),
        pickle.dumps([1, 2, 3]),
        pickle.dumps(Ridge()),
        pickle.dumps(Lasso()),
        pickle.dumps(ridge(targets=2)),
        pickle.dumps(changed(coef_=np.array([1.0, np.nan]))),
        pickle.dumps(changed(coef_=np.array([], np.float32))),
        pickle.dumps(changed(coef_=np.array([1, 2]))),
        pickle.dumps(changed(coef_=np.array([{}], dtype=object))),
        pickle.dumps(changed(coef_=[1.0, 2.0])),
        pickle.dumps(changed(intercept_=float("inf"))),
        pickle.dumps(changed(intercept_="0")),
        pickle.dumps(ridge())[:-30],
        bytes(LARGEST + 1),
    ],
    ids=range(17),
)
def test_anything_else_is_refused(tmp_path, content):
    (tmp_path / "r.save").write_bytes(content)
    with pytest.raises(WeightsError, match="regressor: expected a pickled scikit-learn Ridge"):
        read_ridge(tmp_path / "r.save")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="which is no file"):
        read_ridge(tmp_path / "nowhere.save")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_damaged_files_are_read_or_refused_and_never_crash(tmp_path, data):
    content = bytearray(pickle.dumps(ridge(), protocol=4))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "r.save").write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own, about escapes in damaged strings
            numbers = read_ridge(tmp_path / "r.save")
    except WeightsError:
        return
    assert np.isfinite(numbers.weight).all()
    assert numbers.weight.ndim == 1


def test_the_allowed_names_are_all_that_a_ridge_holds():
    found = {arg for op, arg, _ in pickletools.genops(as_of_scikit_learn_1_0(ridge())) if op.name == "GLOBAL"}
    assert found <= {
        "sklearn.linear_model._ridge Ridge",
        "numpy.core.multiarray _reconstruct",
        "numpy.core.multiarray scalar",
        "numpy ndarray",
        "numpy dtype",
    }
