"""Pictures to work on, and the command line as a function."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pyiqa_pixelperfect import cli
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photograph, two worse versions, and weights of a network that sees something everywhere."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(5)
    picture = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((96, 72))
    picture.save(folder / "reference.png")
    picture.save(folder / "a.jpg", quality=5)
    picture.resize((24, 18)).resize((96, 72)).save(folder / "b.png")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PixelPerfect()
    with torch.no_grad():
        network.map_network.head.weight.mul_(100)
        network.score_network.ensemble[0].head.weight.mul_(10)
    network.save(folder / "weights.safetensors", half=False)
    return folder


class Outcome:
    """What a run of the command line left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs the command line in the folder."""
    monkeypatch.chdir(folder)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pixelperfect", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return Outcome(int(stopped.value.code or 0), captured.out, captured.err)

    return run
