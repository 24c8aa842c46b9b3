"""Pages: complete in themselves, safe against hostile file names, and saying what the results say."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.families import FAMILIES, family_index
from pyiqa_pixelperfect.images import as_image
from pyiqa_pixelperfect.pixelperfect.comparison import Comparison
from pyiqa_pixelperfect.pixelperfect.ranking import Ranking
from pyiqa_pixelperfect.report import comparison_page, ranking_page, save_page

EVIL = "<script>alert('x')</script>\"&.png"
HEIGHT, WIDTH = 48, 72
VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Collects elements and text, and checks that elements close in the order they opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pair() -> tuple[Tensor, Tensor]:
    reference = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    return reference * 0.5, reference


def compared() -> Comparison:
    maps = torch.full((1, len(FAMILIES), HEIGHT, WIDTH), 0.5)
    maps[0, family_index("compression"), HEIGHT // 2 :, : WIDTH // 2] = 0.81
    maps[0, family_index("saturation")] = 0.4
    return Comparison(torch.tensor([-1.25]), maps)


@pytest.fixture(scope="module")
def html() -> str:
    return comparison_page(*pair(), compared(), names=(EVIL, "b.png"), footer={"weights": "sha256 0123", "by": "<me>"})


def decoded(uri: str | None) -> Image.Image:
    head, data = str(uri).split(",", 1)
    assert re.fullmatch(r"data:image/(png|webp);base64", head)
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_page_says_what_the_comparison_says(html: str) -> None:
    page = Page(html)
    assert "Image is worse" in page.text
    assert "\N{MINUS SIGN}1.25" in page.text
    assert "more compression (0.62, lower left)" in page.text
    assert "less saturation (-0.20, everywhere)" in page.text
    assert "72 \N{MULTIPLICATION SIGN} 48 pixels" in page.text
    assert "weights: sha256 0123" in page.text


def test_every_family_has_a_map_and_the_strongest_have_a_card(html: str) -> None:
    buttons = [attributes for attributes in Page(html).all("button") if "data-map" in attributes]
    cards = [attributes for attributes in buttons if attributes.get("class") == "card"]
    assert len(cards) == 2
    assert len(buttons) == len(FAMILIES) + 2


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    page = Page(html)
    assert not page.all("link")
    assert all("src" not in script for script in page.all("script"))
    sources = [attributes["src"] for attributes in page.all("img") if "src" in attributes]
    assert len(sources) == 4  # two pictures, two cards
    assert all(str(source).startswith("data:") for source in sources)
    assert "http" not in re.sub(r"base64,[\w+/=]+", "", html).replace("http-equiv", "")
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none'")


def test_file_names_cannot_break_out(html: str) -> None:
    page = Page(html)
    assert len(page.all("script")) == 1
    assert EVIL in page.text
    assert "<me>" in page.text
    assert {attributes["alt"] for attributes in page.all("img")} >= {f"image: {EVIL}"}


def test_pictures_are_inlined_without_loss() -> None:
    image = (pair()[0] * 255).round() / 255
    page = Page(comparison_page(image, image, compared()))
    shown = next(attributes["src"] for attributes in page.all("img") if attributes.get("alt") == "image: image")
    assert torch.equal(as_image(decoded(shown), "image"), image)


def test_maps_are_clear_where_nothing_differs() -> None:
    page = Page(comparison_page(*pair(), compared()))
    rows = [button["data-map"] for button in page.all("button") if "data-map" in button and "class" not in button]
    overlay = decoded(rows[family_index("compression")]).convert("RGBA")
    assert overlay.size == (WIDTH, HEIGHT)
    assert overlay.getpixel((60, 10))[3] == 0
    red, green, blue, opacity = overlay.getpixel((10, 40))
    assert (red > green > blue, opacity) == (True, 255)  # orange: more
    red, green, blue, opacity = decoded(rows[family_index("saturation")]).convert("RGBA").getpixel((10, 10))
    assert (blue > red > green, 0 < opacity < 255) == (True, True)  # purple: less
    empty = decoded(rows[family_index("blur")]).convert("RGBA")
    assert empty.getchannel("A").getextrema() == (0, 0)


def test_equal_pictures_make_a_page_without_cards() -> None:
    image, reference = pair()
    equal = Comparison(torch.zeros(1), torch.full((1, len(FAMILIES), HEIGHT, WIDTH), 0.5))
    page = Page(comparison_page(image, reference, equal))
    assert "Image and reference look the same" in page.text
    assert "No distortion differs visibly" in page.text
    assert not [attributes for attributes in page.all("button") if attributes.get("class") == "card"]


def test_ranking_page_lists_best_first() -> None:
    image, reference = pair()
    ranking = Ranking([1, 0], torch.tensor([-0.5, 0.25]), torch.tensor([[0.0, -0.7], [0.7, 0.0]]))
    summaries = [compared().summary()] * 2
    html = ranking_page(
        reference, [image, reference], ranking, summaries, names=[EVIL, "b.png"], reference_name="r.png"
    )
    page = Page(html)
    assert [attributes["data-picture"] for attributes in page.all("button") if "data-picture" in attributes] == [
        "b.png",
        EVIL,
    ]
    assert "Best: b.png" in page.text
    assert "reference: r.png" in page.text
    assert page.text.count("image is worse: more compression") == 2
    assert page.text.index("+0.70") < page.text.index("\N{MINUS SIGN}0.70")  # the winner's row comes first
    assert len(page.all("script")) == 1


def test_ranking_page_without_a_reference_tells_what_stands_in() -> None:
    image, other = pair()
    ranking = Ranking([1, 0], torch.tensor([-0.5, 0.0]), torch.tensor([[0.0, -0.5], [0.5, 0.0]]), stands_in=1)
    summaries = [compared().summary()] * 2
    page = Page(ranking_page(other, [image, other], ranking, summaries, names=["a.png", EVIL], reference_name=EVIL))
    assert f"compared with each other; of these {EVIL} stands in for the reference" in page.text
    assert f"score: 0 equals {EVIL}, above 0 is better" in page.text
    assert f"against {EVIL}" in page.text
    assert "against the reference" not in page.text
    pressed = [button.get("data-picture") for button in page.all("button") if button.get("aria-pressed") == "true"]
    assert "a.png" in pressed  # seen at first, since the best would be compared with itself
    assert EVIL not in pressed


def test_saving_makes_folders(tmp_path: Path) -> None:
    save_page("<p>\N{MINUS SIGN}1</p>", tmp_path / "deep" / "er" / "page.html")
    assert (tmp_path / "deep" / "er" / "page.html").read_text(encoding="utf-8") == "<p>\N{MINUS SIGN}1</p>"
