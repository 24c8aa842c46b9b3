"""Figures: right colors, right order, no words on top of each other or off the sheet, at every shape of picture."""

import itertools
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.comparison import Comparison
from pyiqa_pixelperfect.pixelperfect.ranking import Ranking
from pyiqa_pixelperfect.plots import (
    comparison_figure,
    gallery_figure,
    preview_figure,
    ranking_figure,
    save_figure,
    truth_figure,
)
from pyiqa_pixelperfect.plots.style import LESS, MORE, colored_map, drawable, number, shorten

SHAPES = [(60, 90), (90, 60), (40, 160), (160, 40), (64, 64), (32, 32)]
LONG_NAME = "holiday_2024/IMG_20240718_103012_compressed_and_resized_for_the_web.jpeg"


def pictures(height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    reference = torch.rand(1, 3, height, width, generator=generator)
    return (reference * 0.8).clamp(0, 1), reference


def compared(height: int, width: int, families: int) -> Comparison:
    """Return a comparison in which the first families differ, alternately more and less."""
    signed = torch.zeros(1, len(FAMILIES), height, width)
    for channel in range(families):
        signed[0, channel, : height // 2] = (0.9 - 0.1 * channel) * (-1) ** channel
    return Comparison(torch.tensor([-1.25]), (signed + 1) / 2)


def words(figure: Figure) -> list[tuple[str, Bbox]]:
    """Draw the figure and return every visible text with its place in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found]


def check_layout(figure: Figure) -> list[str]:
    """Return every visible text; fail where one leaves the sheet or touches another."""
    placed = words(figure)
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in placed:
        assert box.x0 >= 0, f"{text!r} leaves the sheet on the left"
        assert box.y0 >= 0, f"{text!r} leaves the sheet at the bottom"
        assert box.x1 <= width, f"{text!r} leaves the sheet on the right"
        assert box.y1 <= height, f"{text!r} leaves the sheet at the top"
    for (text, box), (other, second) in itertools.combinations(placed, 2):
        shared = Bbox.intersection(box, second)
        assert shared is None or min(shared.width, shared.height) < 1.5, f"{text!r} touches {other!r}"
    return [text for text, _ in placed]


@pytest.mark.parametrize(
    ("height", "width", "families"),
    [(*shape, families) for shape in SHAPES for families in (0, 4)]
    + [(60, 90, 1), (60, 90, 2), (40, 160, 3), (64, 64, 9)],
)
def test_comparison_figure_is_readable_at_every_shape(height: int, width: int, families: int) -> None:
    image, reference = pictures(height, width)
    figure = comparison_figure(image, reference, compared(height, width, families), names=(LONG_NAME, "reference"))
    check_layout(figure)
    pictures_drawn = sum(bool(axes.images) for axes in figure.axes)
    assert pictures_drawn == 2 + min(families, 6)
    ratio = figure.get_size_inches()[0] / figure.get_size_inches()[1]
    assert 0.5 < ratio < 3


def test_comparison_figure_says_what_the_comparison_says() -> None:
    image, reference = pictures(60, 90)
    texts = [text for text, _ in words(comparison_figure(image, reference, compared(60, 90, 2)))]
    assert "Image is worse" in texts
    assert "score \N{MINUS SIGN}1.25" in texts
    assert "more blur (0.90, upper half), less noise (-0.80, upper half)" in texts
    assert "\N{MINUS SIGN}0.80 upper half" in texts
    assert [text for text in texts if text in FAMILIES].count("tint") == 1  # every family has its bar, in fixed order


def test_comparison_figure_draws_the_families_asked_for() -> None:
    image, reference = pictures(60, 90)
    figure = comparison_figure(image, reference, compared(60, 90, 1), families=["tint"])
    assert [text for text, _ in words(figure)].count("tint") == 2  # its map and its bar
    with pytest.raises(ConfigError, match=r"families: expected some of blur, .*got 'sepia'"):
        comparison_figure(image, reference, compared(60, 90, 1), families=["sepia"])


def test_bars_point_the_right_way() -> None:
    image, reference = pictures(60, 90)
    figure = comparison_figure(image, reference, compared(60, 90, 2))
    chart = next(axes for axes in figure.axes if axes.patches and len(axes.get_yticks()) == len(FAMILIES))
    assert [label.get_text() for label in chart.get_yticklabels()] == list(FAMILIES)
    assert chart.get_ylim()[0] > chart.get_ylim()[1]  # the first family on top
    assert chart.get_xlim() == (-1, 1)  # fixed, so that two sheets can be compared
    ends = [bar.get_width() for bar in chart.patches[:2]]
    assert ends == pytest.approx([0.9, -0.8])
    colors = [bar.get_facecolor()[:3] for bar in chart.patches[:2]]
    assert colors == [to_rgb(MORE), to_rgb(LESS)]


def test_any_pair_of_a_batch_can_be_drawn() -> None:
    image, reference = pictures(60, 90)
    maps = torch.full((2, len(FAMILIES), 60, 90), 0.5)
    maps[1, 3] = 0.9
    comparison = Comparison(torch.tensor([0.0, -2.0]), maps)
    texts = [text for text, _ in words(comparison_figure(image.repeat(2, 1, 1, 1), reference, comparison, index=1))]
    assert "more banding (0.80, everywhere)" in texts


@pytest.mark.parametrize(("count", "height", "width"), [(1, 60, 90), (2, 90, 60), (5, 40, 160), (17, 64, 64)])
def test_ranking_figure_is_readable(count: int, height: int, width: int) -> None:
    image, reference = pictures(height, width)
    scores = torch.linspace(0.4, -1.3, count)
    ranking = Ranking(list(range(count)), scores, scores[:, None] - scores[None])
    names = [f"{place}_{LONG_NAME}" for place in range(count)]
    figure = ranking_figure(reference, [image] * count, ranking, names)
    assert any(text.startswith("Best: 0_holiday") for text in check_layout(figure))
    without = Ranking(list(range(count)), scores, scores[:, None] - scores[None], stands_in=count - 1)
    figure = ranking_figure(image, [image] * count, without, names)
    texts = check_layout(figure)
    assert "stands in as reference" in texts
    assert any(text.startswith(f"{count - 1}_holi") for text in texts)
    assert any(text.startswith(f"score against {count - 1}_holiday") for text in texts)
    assert not any("the reference" in text for text in texts)


def test_sheets_are_readable() -> None:
    image, reference = pictures(60, 90)
    rows = {name: [(f"{amount:+.1f}", image[0]) for amount in (0.2, 0.4, 0.6)] for name in FAMILIES}
    check_layout(gallery_figure(rows, "Families by amount"))
    for height, width in SHAPES:
        clean = pictures(height, width)[1][0]
        check_layout(truth_figure(clean, clean, {"blur": torch.zeros(height, width)}, "blur, amount 0.5"))
        three = dict.fromkeys(("oversharpening", "temperature", "displacement"), torch.full((height, width), -0.004))
        title = "a_kind_with_a_long_name (oversharpening), amount -0.123, halfplane"
        check_layout(truth_figure(clean, clean, three, title))
    maps = torch.rand(4, len(FAMILIES), 15, 23)
    check_layout(preview_figure(image.repeat(4, 1, 1, 1), reference.repeat(4, 1, 1, 1), maps, maps, title="step 100"))


@pytest.mark.parametrize(("height", "width"), [(60, 90), (40, 160), (160, 40)])
def test_galleries_with_notes_groups_and_maps_are_readable(height: int, width: int) -> None:
    image = pictures(height, width)[0][0]
    words = "as much as can be said about a kind of distortion in one line, and a bit more than that"
    rows = {f"a_kind_with_a_long_name_{row}": [("3: 0 (clean)", image)] * 8 for row in range(2)}
    for cell in ((2.1, 1.6), (1.6, 1.2)):
        figure = gallery_figure(
            rows,
            f"All kinds of oversharpening, by amount: {LONG_NAME[:40]}",
            notes=dict.fromkeys(rows, words),
            groups=[("over the whole picture", 5), ("under a field: halfplane", 3)],
            cell=cell,
            color_bar=True,
        )
        check_layout(figure)
        assert sum(bool(axes.images) for axes in figure.axes) == 16


def test_groups_stand_over_their_columns_with_a_gap_between() -> None:
    image = pictures(60, 90)[0][0]
    figure = gallery_figure({"row": [(str(n), image) for n in range(5)]}, groups=[("first", 3), ("second", 2)])
    lefts = [axes.get_position().x0 for axes in figure.axes]
    heads = {text.get_text(): text.get_position()[0] for text in figure.texts}
    assert (heads["first"], heads["second"]) == pytest.approx((lefts[0], lefts[3]))
    steps = [second - first for first, second in itertools.pairwise(lefts)]
    assert steps == pytest.approx([steps[0], steps[0], steps[2], steps[0]])
    assert steps[2] > 1.05 * steps[0]


def test_truth_says_how_far_and_how_much() -> None:
    clean = pictures(60, 90)[1][0]
    field = torch.zeros(60, 90)
    field[:15], field[0, 0] = -0.5, 0.25
    speck = torch.zeros(60, 90)
    speck[3, 3] = 1.0
    amounts = {"tint": field, "noise": speck, "blur": torch.zeros(60, 90)}
    texts = [text for text, _ in words(truth_figure(clean, clean, amounts, "title"))]
    expected = [
        "up to \N{MINUS SIGN}0.50, in 25% of the picture",
        "up to +1.00, in less than 1% of the picture",
        "none",
    ]
    assert [text for text in texts if text.startswith("up to") or text == "none"] == expected
    assert "image has more \N{RIGHTWARDS ARROW}" in texts
    assert [text for text, _ in words(truth_figure(clean, clean, {}))] == ["clean", "distorted"]  # and no scale


@pytest.mark.parametrize(("families", "lines"), [(1, [3]), (2, [2, 2]), (3, [3, 2]), (4, [3, 3])])
def test_truth_leaves_few_holes(families: int, lines: list[int]) -> None:
    clean = pictures(60, 90)[1][0]
    figure = truth_figure(clean, clean, dict.fromkeys(FAMILIES[:families], torch.zeros(60, 90)))
    tops = [round(axes.get_position().y1, 3) for axes in figure.axes if axes.images]
    assert [tops.count(top) for top in sorted(set(tops), reverse=True)] == lines


def test_preview_shows_the_strongest_families() -> None:
    image, reference = pictures(64, 64)
    target = torch.full((1, len(FAMILIES), 16, 16), 0.5)
    target[0, 4], target[0, 13] = 0.9, 0.2
    texts = [text for text, _ in words(preview_figure(image, reference, target, target, channels=2))]
    assert [text for text in texts if text in FAMILIES] == ["pixelation", "tint"]


def test_map_colors_are_centered_on_equal() -> None:
    white = torch.ones(3, 8, 8)
    field = torch.zeros(8, 8)
    field[:2], field[6:] = 1.0, -1.0
    colors = colored_map(field, white)
    assert colors[4, 4] == pytest.approx((1, 1, 1), abs=0.01)
    red, green, blue = colors[0, 0]
    assert red > green > blue  # orange: more
    red, green, blue = colors[7, 7]
    assert blue > red > green  # purple: less


def test_maps_of_another_resolution_fit_their_picture() -> None:
    assert colored_map(torch.zeros(5, 9), torch.rand(3, 60, 90)).shape == (60, 90, 3)
    assert colored_map(torch.zeros(600, 900), torch.rand(3, 60, 90)).shape == (60, 90, 3)


def test_large_pictures_are_averaged_down_and_small_ones_are_left_alone() -> None:
    assert drawable(torch.rand(3, 300, 4000), 1000).shape == (75, 1000, 3)
    small = torch.rand(3, 30, 40)
    assert torch.equal(torch.from_numpy(drawable(small)).permute(2, 0, 1), small)
    assert drawable(torch.rand(1, 30, 40)).shape == (30, 40, 3)


def test_numbers_and_names() -> None:
    assert [number(value) for value in (0.5, -0.25, -0.001, 0.0)] == ["+0.50", "\N{MINUS SIGN}0.25", "+0.00", "+0.00"]
    assert number(-0.0, "g") == "0"
    assert shorten("short.png", 12) == "short.png"
    assert shorten(LONG_NAME, 20) == "holiday_2…r_the_web.jpeg"[:9] + "…" + LONG_NAME[-10:]
    assert len(shorten(LONG_NAME, 20)) == 20


@pytest.mark.parametrize("name", ["a.png", "a.PDF", "a.svg", "deep/er/a.jpg"])
def test_saving_makes_folders_and_files(name: str, tmp_path: Path) -> None:
    figure = truth_figure(torch.rand(3, 40, 40), torch.rand(3, 40, 40), {})
    save_figure(figure, tmp_path / name, dots_per_inch=50)
    assert (tmp_path / name).stat().st_size > 1000
    if name.endswith("png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == tuple(int(side * 50) for side in figure.get_size_inches())


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"out: expected a file name ending in \.png.*got 'a\.gif'"):
        save_figure(Figure(), tmp_path / "a.gif")


def test_drawing_leaves_no_global_state() -> None:
    before = dict(mpl.rcParams)
    image, reference = pictures(40, 60)
    words(comparison_figure(image, reference, compared(40, 60, 3)))
    assert dict(mpl.rcParams) == before
    program = "import sys, pyiqa_pixelperfect.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
