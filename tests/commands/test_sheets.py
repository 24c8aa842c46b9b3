"""Sheets of many distortions: every family, kind and level is on one, and the truth is beside what it is of."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from pyiqa_pixelperfect.commands import distort as distort_command
from pyiqa_pixelperfect.commands.gallery import family_figure, first_kinds, kinds_figure, kinds_rows
from pyiqa_pixelperfect.commands.levels import levels_figure
from pyiqa_pixelperfect.commands.places import Place
from pyiqa_pixelperfect.distortions import KINDS, KINDS_BY_FAMILY
from pyiqa_pixelperfect.distortions.kadis import KADIS
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.images import read_image


def drawn(figure: Figure) -> list[str]:
    """Return the words of a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def test_distort_draws_the_gallery(run) -> None:
    assert run("distort", "reference.png").out == "wrote reference-gallery.png\n"
    with Image.open("reference-gallery.png") as sheet:
        assert sheet.height > sheet.width


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


def test_kadis_levels_are_a_sheet(run) -> None:
    result = run("distort", "reference.png", "--kadis", "mean_shift", "--out", "k.pdf")
    assert result.out == "wrote k.pdf\n"
    texts = drawn(levels_figure([KADIS["mean_shift"], KADIS["jpeg"]], read_image("reference.png"), 0, "Two types"))
    expected = ["1: 0.15", "2: 0.08", "3: 0 (clean)", "4: \N{MINUS SIGN}0.08", "5: \N{MINUS SIGN}0.15", "1: 43"]
    assert [text for text in texts if text[:3] in {f"{n}: " for n in range(1, 6)}][:6] == expected
    assert {"Two types", "18 mean_shift", "10 jpeg"} <= {*texts}
