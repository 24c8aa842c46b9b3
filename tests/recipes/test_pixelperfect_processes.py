"""Several processes train Pixel Perfect together (promises T2 and T5)."""

import os
import subprocess
import sys

import pytest
import torch

from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from recipes.runs import BRIEF, PROGRAM, arguments, log_of


@pytest.mark.slow
def test_t5_two_processes_train_together(photos, tmp_path):
    program = PROGRAM.replace("    train(", "    torch.set_num_threads(1)\n    path = train(").replace(
        "import sys", "import sys, torch"
    )
    (tmp_path / "program.py").write_text(program)
    port = 20_000 + os.getpid() % 20_000
    launch = [
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-addr",
        "127.0.0.1",
        "--master-port",
        str(port),
    ]
    overrides = [*BRIEF, "maps.steps=3", "score.steps=2"]
    command = [sys.executable, *launch, str(tmp_path / "program.py"), *arguments(photos, tmp_path / "run", *overrides)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    steps = [entry["step"] for entry in log_of(tmp_path / "run") if entry["stage"] in {"maps", "score"}]
    assert steps == [1, 2, 3, 4, 5]
    metric = PixelPerfect.load(tmp_path / "run" / "pixelperfect.safetensors")
    assert metric(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)).isfinite().all()
