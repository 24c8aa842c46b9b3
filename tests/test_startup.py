"""The start-up hook: what a normal install does to Python and to pyiqa, and what it must never do.

Most tests use a stand-in of three lines for pyiqa, because importing the real one takes seconds.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
from skimage import data, io

from environments import ROOT, Environment, built_wheel, plain_environment
from pyiqa_pixelperfect.startup.rows import METRIC_ROWS

PRINT_TABLE = "import json, pyiqa.default_model_configs as t; print(json.dumps(t.DEFAULT_CONFIGS))"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def real(wheel, tmp_path_factory) -> Environment:
    """The wheel beside the real pyiqa."""
    environment = Environment.create(tmp_path_factory.mktemp("real") / "env")
    environment.install(str(wheel))
    return environment


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory) -> Environment:
    """The wheel and nothing else: no pyiqa, no torch."""
    environment = Environment.create(tmp_path_factory.mktemp("bare") / "env", borrow=False)
    environment.install(str(wheel))
    return environment


@pytest.fixture
def stand_in(tmp_path):
    """Write a package that looks like pyiqa to the hook; return the folder to put on the path."""

    def write(table: str = "DEFAULT_CONFIGS = {'psnr': {'metric_opts': {'type': 'PSNR'}}}") -> str:
        package = tmp_path / "pyiqa"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("from pyiqa.default_model_configs import *\n")
        (package / "default_model_configs.py").write_text(table + "\n")
        return str(tmp_path)

    return write


# ------------------------------------------------------------------------------------------------ with the real pyiqa

EVERYTHING = """
import contextlib, io, json, multiprocessing, sys
import pyiqa
from pyiqa.pyiqa_cmd import main

def command(*arguments):
    sys.argv = ["pyiqa", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        main()
    return out.getvalue()

if __name__ == "__main__":
    image, reference = sys.argv[1:3]
    metric = pyiqa.create_metric("pixelperfect", device="cpu")
    answer = {
        "listed": "pixelperfect" in pyiqa.list_models(),
        "listed_fr": "pixelperfect" in pyiqa.list_models(metric_mode="FR"),
        "listed_nr": "pixelperfect" in pyiqa.list_models(metric_mode="NR"),
        "score": metric(image, reference).item(),
        "home": metric.net.__class__.__module__,
        "command_list": command("-ls"),
        "command_score": command("pixelperfect", "-t", image, "-r", reference, "--device", "cpu"),
    }
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        child = "__import__('pyiqa').create_metric('pixelperfect', device='cpu').metric_mode"
        answer["child"] = pool.apply(eval, (child,))
    print("ANSWER" + json.dumps(answer))
"""


@pytest.mark.slow
def test_a_normal_install_is_enough_for_every_way_into_pyiqa(real, tmp_path):
    photograph = data.astronaut()[64:320, 64:320]
    io.imsave(tmp_path / "reference.png", photograph)
    io.imsave(tmp_path / "image.png", photograph // 32 * 32, check_contrast=False)
    (tmp_path / "program.py").write_text(EVERYTHING)
    command = [real.python, "-I", tmp_path / "program.py", tmp_path / "image.png", tmp_path / "reference.png"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=plain_environment())
    assert finished.returncode == 0, finished.stderr
    answer = json.loads(finished.stdout.split("ANSWER")[1])
    assert (answer["listed"], answer["listed_fr"], answer["listed_nr"]) == (True, True, False)
    assert answer["home"] == "pyiqa_pixelperfect.plugin"
    assert answer["child"] == "FR"
    assert "'pixelperfect'" in answer["command_list"]
    printed = re.search(r"'pixelperfect': \{'mean': (?:np\.float64\()?(-?[\d.e-]+)", answer["command_score"])
    assert printed, answer["command_score"]
    assert float(printed[1]) == pytest.approx(answer["score"], abs=1e-6)


@pytest.mark.slow
def test_installing_beside_a_running_pyiqa_takes_one_import(wheel, tmp_path):
    environment = Environment.create(tmp_path / "env")  # without the wheel, and so without the hook
    environment.install("--target", str(tmp_path / "later"), str(wheel))
    code = f"""
from importlib import metadata
metadata.entry_points = lambda **_: metadata.EntryPoints()  # nor an entry point
import sys
import pyiqa
pyiqa.create_metric("psnr", device="cpu")  # pyiqa has read its entry points and will not read them again
assert "pixelperfect" not in pyiqa.list_models()
sys.path.insert(0, {str(tmp_path / "later")!r})
import pyiqa_pixelperfect
print(pyiqa_pixelperfect.__file__, pyiqa.create_metric("pixelperfect", device="cpu").metric_mode)
"""
    assert environment.run(code).split() == [str(tmp_path / "later" / "pyiqa_pixelperfect" / "__init__.py"), "FR"]


@pytest.mark.slow
def test_an_editable_install_works_and_uninstalling_leaves_nothing(tmp_path):
    environment = Environment.create(tmp_path / "env")
    before = environment.files()
    environment.install("--no-build-isolation", "--editable", str(ROOT))
    where = "import pyiqa_pixelperfect; print(pyiqa_pixelperfect.__file__); "
    found = environment.run(where + "import pyiqa; print('pixelperfect' in pyiqa.list_models())").split()
    assert found == [str(ROOT / "pyiqa_pixelperfect" / "__init__.py"), "True"]
    environment.pip("uninstall", "--yes", "pyiqa-pixelperfect")
    assert environment.files() == before


# --------------------------------------------------------------------------------------------------- with the stand-in


def test_rows_appear_without_an_import(bare, stand_in):
    table = json.loads(bare.run(PRINT_TABLE, PYTHONPATH=stand_in()))
    assert set(table) == {"psnr", *METRIC_ROWS}
    assert table["pixelperfect"] == {
        "metric_opts": {"type": "PixelPerfectMetric"},
        "metric_mode": "FR",
        "lower_better": False,
        "score_range": "-1, 1",
    }


def test_one_variable_turns_it_off(bare, stand_in):
    code = "import sys; n = len(sys.meta_path); import pyiqa, pyiqa_pixelperfect; print(n); " + PRINT_TABLE
    off = bare.run(code, PYTHONPATH=stand_in(), PIXELPERFECT_NO_HOOK="1").splitlines()
    on = bare.run(code, PYTHONPATH=stand_in(), PIXELPERFECT_NO_HOOK="0").splitlines()
    assert set(json.loads(off[1])) == {"psnr"}
    assert set(json.loads(on[1])) == {"psnr", *METRIC_ROWS}
    assert int(on[0]) == int(off[0]) + 1


def test_a_foreign_metric_of_our_name_stays_and_the_import_says_so(bare, stand_in):
    theirs = "DEFAULT_CONFIGS = {'pixelperfect': {'metric_opts': {'type': 'Theirs'}}}"
    say = "import logging, sys; logging.basicConfig(stream=sys.stdout, format='%(message)s'); "
    status = "from pyiqa_pixelperfect.startup.status import registration_status as s; print(s().problems()); "
    printed = bare.run(say + "import pyiqa_pixelperfect; " + PRINT_TABLE, PYTHONPATH=stand_in(theirs))
    assert json.loads(printed.splitlines()[-1])["pixelperfect"]["metric_opts"]["type"] == "Theirs"
    printed = bare.run(say + "import pyiqa; import pyiqa_pixelperfect; " + status, PYTHONPATH=stand_in(theirs))
    assert "already has a metric named 'pixelperfect' from another package" in printed.splitlines()[0]
    assert "Another package registered a metric named 'pixelperfect'" in printed.splitlines()[-1]


@pytest.mark.parametrize(
    "table", ["OTHER = 1", "DEFAULT_CONFIGS = None", "DEFAULT_CONFIGS = {'psnr': 1}; del DEFAULT_CONFIGS"]
)
def test_a_pyiqa_that_looks_different_is_left_alone(bare, stand_in, table):
    assert bare.run("import pyiqa; print('fine')", PYTHONPATH=stand_in(table)) == "fine\n"


def test_a_pyiqa_that_fails_fails_as_without_us_and_can_be_tried_again(bare, stand_in):
    folder = stand_in("import os\nif 'FAIL' in os.environ: raise OSError('theirs')\nDEFAULT_CONFIGS = {}")
    code = """
import os
try:
    import pyiqa
except OSError as error:
    print(error)
del os.environ["FAIL"]
"""
    printed = bare.run(code + PRINT_TABLE, PYTHONPATH=folder, FAIL="1").splitlines()
    assert printed[0] == "theirs"
    assert set(json.loads(printed[1])) == set(METRIC_ROWS)


def test_a_damaged_package_breaks_neither_python_nor_pyiqa(wheel, stand_in, tmp_path):
    environment = Environment.create(tmp_path / "env", borrow=False)
    environment.install(str(wheel))
    (environment.site_packages / "pyiqa_pixelperfect" / "__init__.py").write_text("raise RuntimeError('damaged')\n")
    assert set(json.loads(environment.run(PRINT_TABLE, PYTHONPATH=stand_in()))) == {"psnr"}


def test_installing_the_hook_twice_adds_one_finder_which_goes_when_it_is_done(bare, stand_in):
    count = "sum(hasattr(f, 'adds_pixelperfect_rows') for f in sys.meta_path)"
    code = f"import sys, pyiqa_pixelperfect_boot as b, pyiqa_pixelperfect; b.install(); print({count}); "
    assert bare.run(code + f"import pyiqa; b.install(); print({count})", PYTHONPATH=stand_in()).split() == ["1", "0"]


def test_python_starts_silently_without_pyiqa(bare):
    code = "import sys; print(sorted(sys.modules))\ntry:\n    import pyiqa\nexcept ModuleNotFoundError as e: print(e)"
    for options in ([], ["-I"], ["-W", "error"]):
        finished = subprocess.run(
            [bare.python, *options, "-c", code], capture_output=True, text=True, check=True, env=plain_environment()
        )
        assert finished.stderr == ""
        assert finished.stdout.splitlines()[1] == "No module named 'pyiqa'"


def test_the_hook_loads_one_module_at_start(bare):
    """Nothing else: no torch, no part of the package, no standard library module that Python had not loaded."""
    code = "import sys; print(*sorted(sys.modules))"
    with_hook = set(bare.run(code).split())
    hook = bare.site_packages / "pyiqa_pixelperfect.pth"
    hidden = hook.rename(hook.with_suffix(".away"))
    try:
        without = set(bare.run(code).split())
    finally:
        hidden.rename(hook)
    assert with_hook - without == {"pyiqa_pixelperfect_boot"}


def test_the_hook_costs_little_beside_starting_python(bare):
    """Compile, run and install(), in process time: the least of several, because other programs run here as well."""
    boot = (bare.site_packages / "pyiqa_pixelperfect_boot.py").read_text()
    code = f"""
import importlib, sys, time
python = time.process_time()
def cost():
    sys.modules.pop("pyiqa_pixelperfect_boot", None)
    sys.meta_path[:] = [f for f in sys.meta_path if not hasattr(f, "adds_pixelperfect_rows")]
    start = time.process_time()
    import pyiqa_pixelperfect_boot
    pyiqa_pixelperfect_boot.install()
    return time.process_time() - start
print(min(cost() for _ in range(5)) / python)
assert {len(boot)} > 0
"""
    assert float(bare.run(code)) < 0.1  # under a millisecond where Python takes 8


def test_both_hook_files_call_the_same_function(bare):
    """Python 3.15 reads the .start file and then skips the .pth file's import line; both must mean the same."""
    assert (bare.site_packages / "pyiqa_pixelperfect.start").read_text() == "pyiqa_pixelperfect_boot:install\n"
    line = (bare.site_packages / "pyiqa_pixelperfect.pth").read_text()
    assert line == "import pyiqa_pixelperfect_boot; pyiqa_pixelperfect_boot.install()\n"


def test_the_hook_runs_on_every_supported_python_that_is_here(bare, stand_in):
    """The file is read by whatever Python the package is installed in: no syntax newer than 3.10."""
    import ast

    source = (bare.site_packages / "pyiqa_pixelperfect_boot.py").read_text()
    ast.parse(source, feature_version=(3, 10))


def test_the_status_names_each_problem_and_its_remedy(monkeypatch):
    from pyiqa_pixelperfect.startup.status import RegistrationStatus

    fine = RegistrationStatus(True, False, True, True, "0.1.16", ("pixelperfect",), ())
    assert fine.problems() == []
    broken = RegistrationStatus(False, True, False, False, None, (), ("pixelperfect",))
    sentences = broken.problems()
    assert len(sentences) == 5
    for sentence, word in zip(
        sentences, ["pip install", "PIXELPERFECT_NO_HOOK", "import", "entry point", "Another"], strict=True
    ):
        assert word in sentence
