"""One picture, distorted: what is written is what the engine did, and nothing of the user's is lost."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from pyiqa_pixelperfect.commands import distort as distort_command
from pyiqa_pixelperfect.commands.outputs import PICTURE_FORMATS
from pyiqa_pixelperfect.commands.places import FIELDS
from pyiqa_pixelperfect.distortions import DistortionEngine, Draw
from pyiqa_pixelperfect.distortions.kadis_plan import apply_kadis
from pyiqa_pixelperfect.distortions.plan import single_kind_plan
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.images import read_image


def test_distort_writes_one_picture_and_its_truth(run) -> None:
    result = run("distort", "reference.png", "--family", "blur", "--amount", "0.7", "--out", "d.png")
    assert result.out.splitlines() == ["wrote d.png", "wrote d-truth.png"]
    assert (read_image("d.png") - read_image("reference.png")).abs().mean() > 0.005
    assert Path("d-truth.png").is_file()
    local = run(
        "distort", "reference.png", "--kind", "white_noise", "--field", "perlin", "--amount", "1", "--seed", "3"
    )
    assert local.out.splitlines()[0] == "wrote reference-white_noise.png"
    untouched = (read_image("reference-white_noise.png") == read_image("reference.png")).all(dim=1).float().mean()
    assert 0.3 < untouched < 0.95


def test_truth_is_what_the_engine_did_bit_for_bit(run) -> None:
    options = ("--kind", "jpeg", "--amount", "0.8", "--field", "blob", "--coverage", "0.4", "--scale", "30")
    for name in ("new/t.npy", "T.NPZ"):
        result = run("distort", "reference.png", *options, "--seed", "7", "--out", "d.png", "--truth", name)
        assert result.out.splitlines() == ["wrote d.png", "wrote d-truth.png", f"wrote {Path(name)}"]
    clean = read_image("reference.png")
    plan = single_kind_plan("jpeg", [0.8], 7, shape="blob", scale=30.0, coverage=0.4)
    draw = DistortionEngine().apply(clean, plan)
    amounts, named = np.load("new/t.npy"), np.load("T.NPZ")
    assert (amounts.dtype, amounts.shape) == (np.float32, (len(FAMILIES), 72, 96))
    assert amounts.tobytes() == draw.amounts[0].numpy().tobytes() == named["amounts"].tobytes()
    assert named["families"].tolist() == list(FAMILIES)
    assert torch.equal(read_image("d.png"), (draw.image * 255).round() / 255)
    untouched = torch.from_numpy(amounts == 0).all(dim=0)
    assert 0.2 < untouched.float().mean() < 0.6
    assert torch.equal(read_image("d.png")[0][:, untouched], clean[0][:, untouched])


@pytest.fixture
def no_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: drawing takes longer than what these tests are about."""
    monkeypatch.setattr(distort_command, "truth_figure", lambda *_: Figure((1, 1)))


@pytest.mark.usefixtures("no_sheets")
@pytest.mark.parametrize("field", FIELDS)
def test_every_field_covers_what_was_asked_for(run, field: str) -> None:
    coverage = () if field == "global" else ("--coverage", "0.3")
    run(
        "distort",
        "reference.png",
        "--kind",
        "tint",
        "--amount",
        "-0.6",
        "--field",
        field,
        *coverage,
        "--truth",
        "t.npy",
    )
    amounts = np.load("t.npy")
    assert amounts.min() == pytest.approx(-0.6, abs=0.02)
    assert amounts.max() == 0
    assert (amounts[FAMILIES.index("tint")] != 0).mean() == pytest.approx(1.0 if field == "global" else 0.3, abs=0.1)


@pytest.mark.usefixtures("no_sheets")
def test_scale_and_seed_change_the_field(run) -> None:
    fields = []
    for options in (("--scale", "8"), ("--scale", "60"), ("--seed", "1"), ("--seed", "-1"), ("--seed", str(2**70))):
        run("distort", "reference.png", "--family", "blur", "--field", "perlin", *options, "--truth", "t.npy")
        fields.append(np.load("t.npy")[0])
    assert len({field.tobytes() for field in fields}) == 5
    borders = [(np.diff(field > 0, axis=1)).mean() for field in fields[:2]]
    assert borders[0] > 2 * borders[1]  # small islands have more shore


def test_the_sheet_shows_every_family_that_was_changed(run, monkeypatch: pytest.MonkeyPatch) -> None:
    amounts = torch.zeros(1, len(FAMILIES), 72, 96)
    amounts[0, FAMILIES.index("tint"), 5] = -0.25
    shown = []
    monkeypatch.setattr(distort_command, "distorted_at", lambda clean, *_: Draw(clean, amounts))
    monkeypatch.setattr(distort_command, "truth_figure", lambda *call: shown.append(call[2]) or Figure((1, 1)))
    run("distort", "reference.png", "--kind", "hsv_saturation", "--out", "d.png")
    amounts[0, FAMILIES.index("noise"), :, 5] = 0.5
    run("distort", "reference.png", "--kind", "hsv_saturation", "--out", "d.png")
    assert [list(fields) for fields in shown] == [["saturation", "tint"], ["saturation", "noise", "tint"]]
    assert all(torch.equal(shown[1][name], amounts[0, FAMILIES.index(name)]) for name in shown[1])


@pytest.mark.usefixtures("no_sheets")
@pytest.mark.parametrize("form", PICTURE_FORMATS)
def test_pictures_are_written_without_adding_more_than_their_format_must(run, form: str) -> None:
    run("distort", "reference.png", "--family", "brightness", "--amount", "0", "--out", f"d{form.upper()}")
    difference = (read_image(f"d{form.upper()}") - read_image("reference.png")).abs().max()
    assert difference <= (0.05 if form.startswith(".jp") else 0)


def test_a_kadis_level_is_what_the_engine_makes_of_it(run) -> None:
    result = run("distort", "reference.png", "--kadis", "color_block", "--level", "2", "--seed", "3")
    assert result.out == "wrote reference-kadis-color_block-2.png\n"
    expected = apply_kadis(read_image("reference.png"), "color_block", 2, torch.tensor([3]))
    assert torch.equal(read_image("reference-kadis-color_block-2.png"), (expected * 255).round() / 255)


def test_the_users_picture_is_never_overwritten(run, folder: Path) -> None:
    before = Path("reference.png").read_bytes()
    Path("linked.png").unlink(missing_ok=True)
    Path("linked.png").symlink_to("reference.png")
    Path("x-truth.png").write_bytes(before)
    for picture, options in (
        ("reference.png", ("--out", "reference.png")),
        ("reference.png", ("--out", "linked.png")),
        ("linked.png", ("--out", folder / "reference.png", "--family", "blur")),
        ("x-truth.png", ("--out", "x.png", "--family", "blur")),
        ("reference.png", ("--out", "reference.png", "--kadis", "jpeg")),
        ("reference.png", ("--out", "reference.png", "--kadis", "jpeg", "--level", "1")),
    ):
        result = run("distort", picture, *options)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("error: --out: expected another file than the picture itself, got '")
    assert Path("reference.png").read_bytes() == Path("x-truth.png").read_bytes() == before
    Path("blur-kinds-blur.png").write_bytes(before)
    result = run("distort", "blur-kinds-blur.png", "--kinds", "--family", "blur", "--out", "blur-kinds.png")
    assert "--out: expected another file than the picture itself" in result.err
