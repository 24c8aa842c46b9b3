"""Run pyiqa's own tests of our metrics, against the installed package.

    python tests/upstream/run_pyiqa_tests.py path/to/IQA-PyTorch

The argument is a checkout of https://github.com/chaofengc/IQA-PyTorch. Its tests/ and ResultsCalibra/ are copied to a
temporary folder without its sources, so that `import pyiqa` means the installed release, the start-up hook is what
makes our metrics known (the tests read `pyiqa.list_models()` while they are collected), and nothing in the checkout is
rewritten.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SELECTED = "pixelperfect"  # part of every test's name that belongs to a metric of ours
AT_LEAST = 2  # test_gradient_backward and test_forward; the third compares CPU and GPU and skips without one


def main() -> int:
    """Return 0 if all selected tests passed and there were enough of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="folder with tests/ and ResultsCalibra/")
    checkout = parser.parse_args().checkout
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("tests", "ResultsCalibra"):
            shutil.copytree(checkout / part, folder / part)
        command = [sys.executable, "-I", "-m", "pytest", "-v", "-p", "no:cacheprovider", "--disable-socket"]
        command += ["--allow-unix-socket", "-k", SELECTED, "tests/test_metric_general.py"]
        variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        finished = subprocess.run(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True, check=False)
    print(finished.stdout)
    passed = re.search(r"(\d+) passed", finished.stdout)
    if finished.returncode == 0 and (passed is None or int(passed[1]) < AT_LEAST):
        print(f"fewer than {AT_LEAST} tests ran: pyiqa does not list our metrics", file=sys.stderr)
        return 1
    return finished.returncode


if __name__ == "__main__":
    sys.exit(main())
