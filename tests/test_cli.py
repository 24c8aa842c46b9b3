"""The command line: what it prints, what it writes, how it fails, and how quickly it says what it can do."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from pyiqa_pixelperfect import cli
from pyiqa_pixelperfect.commands import distort as distort_command
from pyiqa_pixelperfect.commands.gallery import family_figure, first_kinds, kinds_figure, kinds_rows
from pyiqa_pixelperfect.commands.levels import levels_figure
from pyiqa_pixelperfect.commands.outputs import PICTURE_FORMATS
from pyiqa_pixelperfect.commands.places import FIELDS, Place
from pyiqa_pixelperfect.commands.terminal import choose_device, labels
from pyiqa_pixelperfect.distortions import KINDS, KINDS_BY_FAMILY, DistortionEngine, Draw
from pyiqa_pixelperfect.distortions.kadis import KADIS
from pyiqa_pixelperfect.distortions.kadis_plan import apply_kadis
from pyiqa_pixelperfect.distortions.plan import single_kind_plan
from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.images import read_image
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
        network.score_network.head.weight.mul_(10)
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


WEIGHTS = ("--weights", "weights.safetensors", "--device", "cpu")


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
    for command in ("compare", "rank", "distort", "catalog", "train", "doctor"):
        assert command in done.stdout


def test_version(run) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version").out)


def test_compare_prints_the_verdict_of_the_network(run) -> None:
    result = run("compare", "a.jpg", "reference.png", *WEIGHTS)
    expected = PixelPerfect.load("weights.safetensors").compare("a.jpg", "reference.png").summary()
    assert result.code == 0
    assert result.out == f"{expected}\n"
    assert expected.visible  # or this test shows nothing
    assert result.err == ""


def test_compare_json_is_all_there_is(run) -> None:
    result = run("compare", "a.jpg", "reference.png", "--json", "--out", "c.png", *WEIGHTS)
    data = json.loads(result.out)
    expected = PixelPerfect.load("weights.safetensors").compare("a.jpg", "reference.png").summary()
    assert data["score"] == pytest.approx(expected.score)
    assert data["verdict"] == expected.verdict
    assert [row["family"] for row in data["families"]] == list(FAMILIES)
    assert (data["image"], data["reference"], data["outputs"]) == ("a.jpg", "reference.png", ["c.png"])


def test_compare_writes_pictures_and_pages(run) -> None:
    result = run("compare", "a.jpg", "reference.png", "--out", "new/c.png", "-o", "new/c.html", *WEIGHTS)
    assert result.err.splitlines() == [f"wrote {Path('new/c.png')}", f"wrote {Path('new/c.html')}"]
    with Image.open("new/c.png") as sheet:
        assert min(sheet.size) > 400
    page = Path("new/c.html").read_text(encoding="utf-8")
    assert "weights.safetensors, sha256" in page
    assert "a.jpg" in page


def test_swapping_image_and_reference_changes_the_sign(run) -> None:
    scores = [
        json.loads(run("compare", *pair, "--json", *WEIGHTS).out)["score"]
        for pair in (("a.jpg", "b.png"), ("b.png", "a.jpg"))
    ]
    assert scores[0] == pytest.approx(-scores[1], abs=1e-6)
    assert scores[0] != 0


def test_rank_prints_and_writes(run) -> None:
    ranking = PixelPerfect.load("weights.safetensors").rank(["a.jpg", "b.png", "reference.png"], "reference.png")
    files = ["a.jpg", "b.png", "reference.png"]
    result = run("rank", "reference.png", *files, "--out", "r.html", "--out", "r.png", *WEIGHTS)
    assert result.out == ranking.table(files) + "\n"
    assert Path("r.html").is_file()
    assert Path("r.png").is_file()
    data = json.loads(run("rank", "reference.png", *files, "--json", *WEIGHTS).out)
    assert [row["position"] for row in data["ranking"]] == ranking.order
    verdicts = {row["name"]: row["verdict"] for row in data["ranking"]}
    assert verdicts["reference.png"] == "image and reference look the same"


def drawn(figure: Figure) -> list[str]:
    """Return the words of a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def test_distort_draws_the_gallery(run) -> None:
    assert run("distort", "reference.png").out == "wrote reference-gallery.png\n"
    with Image.open("reference-gallery.png") as sheet:
        assert sheet.height > sheet.width


def test_gallery_shows_fields_unless_told_not_to(folder: Path) -> None:
    clean, kinds = read_image(folder / "reference.png"), {name: KINDS[name] for name in ("jpeg", "color_patch", "tint")}
    notes = {name: f"about {name}" for name in kinds}
    texts = drawn(kinds_figure(kinds, notes, clean, 0, Place("blob"), "Three"))
    assert {"over the whole picture", "under a field: blob", "truth", "Three", *kinds, "about jpeg"} <= {*texts}
    assert "about color_patch (never the" in " ".join(texts)
    texts = drawn(kinds_figure(kinds, notes, clean, 0, Place("global"), "Three"))
    assert not any("field" in text or text == "truth" for text in texts)
    assert [text for text in texts if text[-2:] in {".4", ".5"}] == ["0.4", "0.4", "\N{MINUS SIGN}0.5", "+0.5"]


def test_kinds_are_drawn_family_by_family(run) -> None:
    result = run("distort", "reference.png", "--kinds", "--family", "pixelation", "--field", "global", "--out", "k.jpg")
    assert result.out == "wrote k-pixelation.jpg\n"
    with Image.open("k-pixelation.jpg") as sheet:
        assert sheet.format == "JPEG"
    texts = drawn(family_figure("displacement", read_image("reference.png"), "a", 0, Place("global")))
    assert {kind.name for kind in KINDS_BY_FAMILY["displacement"]} <= {*texts}


def test_all_kinds_are_a_sheet_for_every_family(run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(distort_command, "family_figure", lambda *arguments: seen.append(arguments) or Figure((1, 1)))
    result = run("distort", "reference.png", "--kinds", "--seed", "5")
    assert result.out.splitlines() == [f"wrote reference-kinds-{family}.png" for family in FAMILIES]
    assert all(Path(f"reference-kinds-{family}.png").is_file() for family in FAMILIES)
    assert [(call[0], *call[2:]) for call in seen] == [(f, "reference.png", 5, Place("perlin")) for f in FAMILIES]


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


def test_kadis_levels_are_a_sheet(run) -> None:
    result = run("distort", "reference.png", "--kadis", "mean_shift", "--out", "k.pdf")
    assert result.out == "wrote k.pdf\n"
    texts = drawn(levels_figure([KADIS["mean_shift"], KADIS["jpeg"]], read_image("reference.png"), 0, "Two types"))
    expected = ["1: 0.15", "2: 0.08", "3: 0 (clean)", "4: \N{MINUS SIGN}0.08", "5: \N{MINUS SIGN}0.15", "1: 43"]
    assert [text for text in texts if text[:3] in {f"{n}: " for n in range(1, 6)}][:6] == expected
    assert {"Two types", "18 mean_shift", "10 jpeg"} <= {*texts}


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("compare", "missing.png", "reference.png"),
            "missing.png: expected an existing picture file, got no such file",
        ),
        (("compare", "a.jpg", "weights.safetensors"), "weights.safetensors: expected a readable JPEG"),
        (("compare", "a.jpg", "reference.png", "--out", "c.gif"), "--out: expected a file name ending in .png"),
        (("compare", "a.jpg", "reference.png", "--device", "quantum"), "--device: expected auto, cpu, cuda"),
        (("compare", "a.jpg", "reference.png", "--weights", "a.jpg"), "weights"),
        (("distort", "reference.png", "--family", "sepia"), "--family: expected one of blur, noise"),
        (("distort", "reference.png", "--kind", "sepia"), "--kind: expected one of gaussian_blur"),
        (
            ("distort", "reference.png", "--family", "noise", "--kind", "jpeg"),
            "--kind: expected a kind of noise (white_noise",
        ),
        (("distort", "reference.png", "--family", "blur", "--amount", "-0.5"), "--amount: expected a number in [0, 1]"),
        (
            ("distort", "reference.png", "--family", "blur", "--field", "sepia"),
            "--field: expected one of global, perlin, gradient, halfplane, blob, blocks, got 'sepia'.",
        ),
        (
            ("distort", "reference.png", "--field", "perlin", "--scale", "4"),
            "--scale: expected a number of pixels above 4, got 4.",
        ),
        (
            ("distort", "reference.png", "--field", "gradient", "--scale", "9"),
            "--scale: expected a field that has it (perlin, halfplane, blob, blocks), got --field gradient.",
        ),
        (
            ("distort", "reference.png", "--family", "blur", "--coverage", "0.5"),
            "--coverage: expected a field that has it (perlin, gradient, halfplane, blob, blocks), got --field global.",
        ),
        (
            ("distort", "reference.png", "--coverage", "1.5"),
            "--coverage: expected a share of the picture above 0, at most 1, got 1.5.",
        ),
        (
            ("distort", "reference.png", "--amount", "0.5"),
            "--amount: expected a --family or a --kind beside it, got a sheet of many.",
        ),
        (
            ("distort", "reference.png", "--kinds", "--family", "blur", "--truth", "t.npy"),
            "--truth: expected a --family or a --kind beside it, got a sheet of many.",
        ),
        (
            ("distort", "reference.png", "--kinds", "--kind", "jpeg"),
            "--kinds: expected at most a --family beside it, got --kind jpeg. Leave one of them out.",
        ),
        (
            ("distort", "reference.png", "--family", "blur", "--truth", "t.csv"),
            "--truth: expected a file name ending in .npy, .npz, got 't.csv'.",
        ),
        (
            ("distort", "reference.png", "--family", "blur", "--out", "d.svg"),
            "--out: expected a file name ending in .png, .tif, .tiff, .webp, .jpg, .jpeg, got 'd.svg'.",
        ),
        (("distort", "reference.png", "--kadis", "sepia"), "--kadis: expected one of gaussian_blur, lens_blur"),
        (
            ("distort", "reference.png", "--kadis", "jpeg", "--level", "6"),
            "--level: expected a whole number from 1 to 5, got 6.",
        ),
        (
            ("distort", "reference.png", "--family", "blur", "--level", "3"),
            "--level: expected a --kadis type beside it, got --level 3 alone.",
        ),
        (
            ("distort", "reference.png", "--kadis", "jpeg", "--kinds", "--amount", "0", "--truth", "t.npy"),
            "got --kinds, --amount, --truth. A level is of the whole picture and has no amounts.",
        ),
        (("distort", "reference.png", "--out", "d.html"), "--out: expected a file name ending in .png"),
        (("train", "nowhere.yaml"), "config: expected a YAML file, or a shipped name"),
    ],
)
def test_mistakes_are_one_line_and_code_two(run, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_sizes_that_differ_name_the_reference(run) -> None:
    Image.new("RGB", (80, 80)).save("square.png")
    result = run("compare", "a.jpg", "square.png", *WEIGHTS)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "reference: expected the image's size, 72 x 96 (height x width), got 80 x 80" in result.err


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


def test_gallery_shows_every_family_and_rising_amounts(folder: Path) -> None:
    clean = read_image(folder / "reference.png")
    rows = kinds_rows(first_kinds(), clean, 0, Place("perlin"))
    assert list(rows) == list(FAMILIES)
    for family, pictures in rows.items():
        changes = [float((picture - clean[0]).abs().mean()) for _, picture in pictures]
        if KINDS_BY_FAMILY[family][0].signed:
            assert pictures[2][0] == "+0.0"
            assert changes[2] < min(changes[1], changes[3])
        else:
            assert changes[4] > changes[0]
        assert [caption for caption, _ in pictures[5:]][-1] == "truth"
        untouched = (pictures[4][1] == clean[0]).all(dim=0).float().mean()
        if KINDS_BY_FAMILY[family][0].local_only:
            assert untouched > 0.5
        else:
            assert 0 < changes[6] < changes[4]
