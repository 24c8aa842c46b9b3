"""The documentation of the engine: complete, true, up to date, and made by one command."""

import re
import sys
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from environments import ROOT
from pyiqa_pixelperfect import cli
from pyiqa_pixelperfect.commands import catalog as command
from pyiqa_pixelperfect.commands.catalog import catalog, catalog_text
from pyiqa_pixelperfect.distortions import KINDS, Kind
from pyiqa_pixelperfect.distortions.catalog import KINDS_BY_FAMILY
from pyiqa_pixelperfect.distortions.kadis import KADIS
from pyiqa_pixelperfect.errors import ConfigError, MissingDependencyError
from pyiqa_pixelperfect.families import FAMILIES

COMMITTED = ROOT / "benchmark" / "results" / "catalog"


def tables(text: str) -> list[list[list[str]]]:
    """Return the cells of every Markdown table, without its head; fail on a row that is too long or too short."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [re.split(r" *(?<!\\)\| *", line.strip())[1:-1] for line in block.splitlines()]
        assert len({len(row) for row in rows}) == 1, block
        found.append(rows[2:])
    return found


def test_the_committed_page_is_up_to_date() -> None:
    """When this fails: pixelperfect catalog benchmark/results/catalog."""
    assert (COMMITTED / "catalog.md").read_text(encoding="utf-8") == catalog_text()


def test_the_committed_folder_holds_what_the_page_shows() -> None:
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", catalog_text())
    assert {path.name for path in COMMITTED.iterdir()} == {"catalog.md", *shown}
    for name in shown:
        assert (COMMITTED / name).stat().st_size < 300_000
        with Image.open(COMMITTED / name) as sheet:
            assert sheet.width < 1400


def test_every_kind_has_a_row_that_says_what_it_is() -> None:
    rows = {row[1].strip("`"): row for row in tables(catalog_text())[0]}
    assert list(rows) == list(KINDS)
    for name, kind in KINDS.items():
        family, _, what, amounts, stage, source, notes = rows[name]
        assert family == f"[{kind.family}](#{kind.family})"
        assert (what, stage, source) == (kind.description, kind.stage, kind.source)
        assert amounts.startswith("-1 (") == kind.signed
        assert all(f"also changes {other} by {factor:g} of the amount" in notes for other, factor in kind.also)
        assert ("the truth is" in notes) == (kind.realize is not None)
        assert ("never over a whole picture" in notes) == kind.local_only
    assert "the truth is `jpeg.align_to_grid` of the amount" in rows["jpeg"]
    assert rows["exposure"][3] == "-1 (darker) to 1 (brighter)"


def test_every_kadis_type_has_a_row_that_says_what_it_is() -> None:
    rows = {row[1].strip("`"): row for row in tables(catalog_text())[1]}
    assert list(rows) == list(KADIS)
    for name, entry in KADIS.items():
        assert rows[name][:4] == [str(entry.number), f"`{name}`", entry.family, entry.unit]
        assert tuple(map(float, rows[name][4].split(", "))) == entry.levels
        ranked = {int(level) for level in re.findall(r"\d", rows[name][6])}
        assert ranked | entry.identity_levels == {1, 2, 3, 4, 5}
        assert ("on the CPU" in rows[name][7]) == entry.cpu_only
    assert rows["mean_shift"][6:] == [
        "2, 1; the other way: 4, 5",
        "level 3 is the picture as it is; the levels run through pristine to the other side",
    ]


def test_every_kind_and_type_is_on_one_sheet_of_its_own() -> None:
    sheets = command._kind_sheets()
    assert [kind for kinds in sheets.values() for kind in kinds] == list(KINDS.values())
    assert all(len({kind.family for kind in kinds}) == 1 for kinds in sheets.values())
    assert [entry for types in command._level_sheets().values() for entry in types] == list(KADIS.values())
    lengths = [len(rows) for rows in (*sheets.values(), *command._level_sheets().values())]
    assert max(lengths) <= command.MOST_ROWS
    assert [list(part) for part in command._parts("abcdefghij")] == [list("abcde"), list("fghij")]


def test_pipes_in_words_do_not_break_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    blur = KINDS["gaussian_blur"]
    odd = Kind("odd", "blur", blur.function, "optics", "a|b", "|x| of 1 | 2")
    monkeypatch.setattr(command, "KINDS", {"odd": odd})
    row = tables(catalog_text())[0][0]
    assert (row[2], row[5]) == (r"\|x\| of 1 \| 2", r"a\|b")


@pytest.fixture
def two_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave most of the catalog out: drawing takes time."""
    monkeypatch.setattr(command, "KINDS_BY_FAMILY", {name: KINDS_BY_FAMILY[name] for name in ("banding", "tint")})
    monkeypatch.setattr(command, "KADIS", {"jpeg": KADIS["jpeg"], "mean_shift": KADIS["mean_shift"]})


@pytest.mark.usefixtures("two_families")
def test_the_command_writes_page_and_sheets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pixelperfect", "catalog", str(tmp_path / "new")])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code
    files = [tmp_path / "new" / name for name in ("catalog.md", "banding.webp", "tint.webp", "kadis-1.webp")]
    assert capsys.readouterr().out.splitlines() == [f"wrote {path}" for path in files]
    assert files[0].read_bytes() == catalog_text().encode()
    for path in files[1:]:
        with Image.open(path) as sheet:
            assert (sheet.format, min(sheet.size) > 200) == ("WEBP", True)


@pytest.mark.usefixtures("two_families")
def test_the_command_takes_the_middle_of_a_picture_of_yours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(command, "_kinds_figure", lambda kinds, clean: seen.append(clean) or Figure((1, 1)))
    monkeypatch.setattr(command, "levels_figure", lambda types, clean, *_, **__: seen.append(clean) or Figure((1, 1)))
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "mine.png")
    catalog(tmp_path, tmp_path / "mine.png")
    column = torch.arange(68, 188) / 255
    assert [picture.shape for picture in seen] == [(1, 3, *command.CROP)] * 3
    assert all(torch.allclose(picture[0, 1, :, 5], column) for picture in seen)


def test_the_command_never_overwrites_a_picture_of_yours(tmp_path: Path) -> None:
    mine = tmp_path / f"{FAMILIES[-1]}.webp"
    Image.linear_gradient("L").save(mine)
    before = mine.read_bytes()
    with pytest.raises(ConfigError, match=r"^FOLDER: expected another file than the picture itself, got '.*\.webp'"):
        catalog(tmp_path, mine)
    assert mine.read_bytes() == before
    assert list(tmp_path.iterdir()) == [mine]


def test_without_scikit_image_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    message = (
        r"^catalog: expected scikit-image, got no such package\. "
        r"pip install scikit-image, or give a picture of your own with --image\.$"
    )
    with pytest.raises(MissingDependencyError, match=message):
        catalog(tmp_path / "new")
    assert not (tmp_path / "new").exists()
