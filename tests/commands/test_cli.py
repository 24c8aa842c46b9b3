"""The command line as a whole: what it can do, how quickly it says so, what it passes on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pyiqa_pixelperfect import cli
from pyiqa_pixelperfect.commands.terminal import choose_device, labels
from pyiqa_pixelperfect.errors import ConfigError


def test_help_names_every_command_and_loads_no_torch() -> None:
    program = (
        "import sys; from pyiqa_pixelperfect import cli; sys.argv = ['pixelperfect', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'matplotlib', 'pyiqa', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("compare", "rank", "distort", "catalog", "train", "regress", "convert", "doctor"):
        assert command in done.stdout


def test_version(run) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version").out)


def test_unexpected_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from pyiqa_pixelperfect.commands import compare as command

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(command, "compare", fail)
    monkeypatch.setattr(sys, "argv", ["pixelperfect", "compare", "a", "b"])
    with pytest.raises(ZeroDivisionError):
        cli.app(standalone_mode=False)


def test_train_calls_the_system_of_the_config(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shipped name is found without its folder; settings reach the config; the path of the weights is printed."""
    from pyiqa_pixelperfect import systems

    seen = []
    monkeypatch.setattr(systems, "train", lambda config: seen.append(config) or tmp_path / "w.safetensors")
    for name in ("pixelperfect/smoke.yaml", "configs/pixelperfect/smoke.yaml"):
        result = run("train", name, "maps.steps=7", f"output={tmp_path}")
        assert result.out.strip() == str(tmp_path / "w.safetensors")
    assert [config.maps.steps for config in seen] == [7, 7]
    assert seen[0].output == tmp_path


def test_names_are_short_where_they_can_be() -> None:
    assert labels([Path("x/a.png"), Path("y/b.png")]) == ["a.png", "b.png"]
    assert labels([Path("x/a.png"), Path("y/a.png")]) == [str(Path("x/a.png")), str(Path("y/a.png"))]


def test_device_names() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ConfigError, match="--device"):
        choose_device("cuda:99")


def test_regress_calls_the_system_of_the_config(run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiqa_pixelperfect import systems

    seen = []
    monkeypatch.setattr(systems, "load_regression", lambda *asked: asked)
    monkeypatch.setattr(systems, "regress", lambda config: seen.append(config) or Path("head.safetensors"))
    assert run("regress", "some.yaml", "head.limit=50").out == "head.safetensors\n"
    assert seen == [("some.yaml", ["head.limit=50"])]


@pytest.mark.parametrize(
    ("options", "expected"), [((), None), (("--lower-better",), True), (("--higher-better",), False)]
)
def test_convert_hands_the_files_over(run, monkeypatch: pytest.MonkeyPatch, options, expected) -> None:
    from pyiqa_pixelperfect.commands import convert as command

    seen = []
    monkeypatch.setattr(command, "convert_files", lambda *asked: seen.append(asked) or asked[1].output)
    assert run("convert", "contrique", "a.tar", "b.save", *options).out == "contrique-converted.safetensors\n"
    assert run("convert", "contrique", "a.tar", "--out", "w.safetensors").out == "w.safetensors\n"
    system, conversion = seen[0]
    assert system == "contrique"
    assert list(conversion.files) == [Path("a.tar"), Path("b.save")]
    assert conversion.lower_better is expected


def test_an_unknown_system_is_one_line(run) -> None:
    result = run("convert", "contriqe", "a.tar")
    assert result.code == 2
    assert result.err.startswith("error: system: expected one of")
