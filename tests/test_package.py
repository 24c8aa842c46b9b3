"""What the package promises as a whole: light, polite, and built the way its design says."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyiqa_pixelperfect
from environments import ROOT, plain_environment

PACKAGE = Path(pyiqa_pixelperfect.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "base", "core"}

PUBLIC_NAMES = {
    "FAMILIES", "Comparison", "ConfigError", "Contrique", "ContriqueFR", "DataError", "GRepQ", "ImageError",
    "ImageReadError", "MissingDependencyError", "PixelPerfect", "PixelPerfectError", "Ranking", "TrainingDivergedError",
    "WeightsError", "__version__",
}  # fmt: skip


def run(code: str, *options: str) -> str:
    """Run `code` in a new interpreter that imports the copy under test; fail if it complains."""
    # Not through PYTHONPATH, which an isolated interpreter would ignore.
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}"
    command = [sys.executable, "-I", *options, "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=plain_environment())
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


# ------------------------------------------------------------------------------------------------------------- import


def test_the_wheel_is_what_is_tested():
    if os.environ.get("PIXELPERFECT_TEST_INSTALLED") != "1":
        pytest.skip("only under `make test`, which installs the wheel first")
    assert PACKAGE.parent.name == "site-packages"
    assert Path(sys.prefix) in PACKAGE.parents
    assert ROOT / "pyiqa_pixelperfect" != PACKAGE


def test_importing_the_package_loads_neither_torch_nor_pyiqa():
    heavy = {"torch", "pyiqa", "numpy", "PIL", "pydantic", "matplotlib", "typer", "logging"}
    code = "import pyiqa_pixelperfect as p; dir(p); p.FAMILIES; p.WeightsError; print(*sys.modules)"
    assert not heavy & set(run(code).split())


def test_importing_the_package_takes_little_beside_starting_python():
    """In process time, so that neither a slow machine nor other programs matter; the least of three ratios."""
    code = "import time; t = time.process_time(); import pyiqa_pixelperfect; print(time.process_time() / t - 1)"
    assert min(float(run(code)) for _ in range(3)) < 3.0  # 25 ms where Python takes 8


def test_light_modules_import_without_a_warning():
    light = ["", ".errors", ".families", ".startup", ".startup.rows", ".startup.late", ".startup.status"]
    assert run("".join(f"import pyiqa_pixelperfect{name}\n" for name in light), "-W", "error") == ""


def test_importing_every_module_changes_nothing_in_the_process():
    code = """
import pkgutil, warnings
import numpy, torch, matplotlib
import timm, torchvision, pyiqa  # what they change is not ours
import pyiqa_pixelperfect

def state():
    return (
        torch.get_rng_state().tolist(), str(numpy.random.get_state()), torch.get_default_dtype(), warnings.filters[:],
        matplotlib.rcParams["backend"], torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic,
        torch.is_grad_enabled(), torch.get_num_threads(), "matplotlib.pyplot" in sys.modules,
    )

before = state()
warnings.simplefilter("error")
during = warnings.filters[:]
for module in pkgutil.walk_packages(pyiqa_pixelperfect.__path__, "pyiqa_pixelperfect."):
    try:
        __import__(module.name)
    except pyiqa_pixelperfect.MissingDependencyError:
        pass  # an optional library; the message is tested where the module is
assert warnings.filters == during or "torch" in str(warnings.filters), warnings.filters
warnings.filters[:] = before[3]
assert state() == before, (state()[2:], before[2:])
print("unchanged")
"""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=plain_environment())
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "unchanged\n"


# ------------------------------------------------------------------------------------------------------------ surface


def test_the_public_names_are_these():
    """A name cannot vanish, or appear, by accident: change this set together with CHANGELOG.md."""
    assert set(pyiqa_pixelperfect.__all__) == PUBLIC_NAMES
    assert set(dir(pyiqa_pixelperfect)) >= PUBLIC_NAMES


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_every_public_name_loads(name):
    assert getattr(pyiqa_pixelperfect, name) is not None


def test_an_unknown_name_is_the_usual_error():
    with pytest.raises(AttributeError, match="module 'pyiqa_pixelperfect' has no attribute 'Pixel'"):
        pyiqa_pixelperfect.Pixel  # noqa: B018


def test_the_changelog_knows_the_version():
    assert re.search(
        rf"^## {re.escape(pyiqa_pixelperfect.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )


def test_the_package_carries_its_type_marker_and_configs():
    assert (PACKAGE / "py.typed").is_file()
    configs = PACKAGE / "configs" if (PACKAGE / "configs").is_dir() else ROOT / "configs"
    assert sorted(configs.rglob("*.yaml"))


# ---------------------------------------------------------------------------------------------------------- structure


def test_modules_are_named_after_ideas():
    programs = [path for path in (ROOT / "benchmark").rglob("*.py") if "results" not in path.parts]
    for path in [*MODULES, *programs]:
        parts = {part for name in path.with_suffix("").parts[-3:] for part in name.split("_")}
        assert not parts & FORBIDDEN_NAMES, path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_short_enough_to_read(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_of_ours_can_run_code_hidden_in_data(path):
    """No pickle in any form: a file of weights must not be a program."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            roots = {name.split(".")[0] for name in names}
            assert not roots & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}, ast.unparse(node)
        elif isinstance(node, ast.Call):
            check_call(node)


def check_call(node: ast.Call) -> None:
    called = ast.unparse(node.func)
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if called == "torch.load":
        assert options.get("weights_only") == "True", ast.unparse(node)
    if called in {"np.load", "numpy.load"}:
        assert options.get("allow_pickle", "False") == "False", ast.unparse(node)
    assert called not in {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}, ast.unparse(node)


def test_imports_go_down_only():
    """The contracts in pyproject.toml; run from here, where only the copy under test can be found."""
    program = "import sys; from importlinter.cli import lint_imports_command as c; sys.argv[0] = 'lint-imports'; c()"
    variables = plain_environment() | {"PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", program, "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    finished = subprocess.run(command, cwd=ROOT / "tests", env=variables, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "0 broken" in finished.stdout
