"""The door: what counts as an image, what it becomes, and what each refusal says."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from torch import Tensor

from pyiqa_pixelperfect.decoding import MAXIMUM_PIXELS, read_image
from pyiqa_pixelperfect.errors import ImageError, ImageReadError
from pyiqa_pixelperfect.images import as_image, check_image, check_pair

GENERATOR = np.random.default_rng(7)
COLOR = GENERATOR.integers(0, 256, (40, 56, 3), dtype=np.uint8)
EXACT = torch.from_numpy(COLOR).permute(2, 0, 1).unsqueeze(0).float() / 255


def save(folder: Path, picture: Image.Image, name: str, **options: object) -> Path:
    path = folder / name
    picture.save(path, **options)
    return path


# --- decoding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.bmp", {}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.webp", {"lossless": True}),
        ("a.jp2", {"irreversible": False}),
    ],
)
def test_lossless_formats_give_the_exact_pixels(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    image = read_image(save(tmp_path, Image.fromarray(COLOR), name, **options))
    assert image.dtype == torch.float32
    assert torch.equal(image, EXACT)


@pytest.mark.parametrize("name", ["a.jpg", "a.avif", "a.webp"])
def test_lossy_formats_come_close(tmp_path: Path, name: str) -> None:
    smooth = Image.fromarray(COLOR).resize((7, 5)).resize((56, 40), Image.Resampling.BICUBIC)
    image = read_image(save(tmp_path, smooth, name, quality=95))
    assert (image - as_image(smooth, "image")).abs().mean() < 0.02


def test_content_decides_not_the_extension(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(COLOR), "a.png").rename(tmp_path / "a.jpg")
    assert torch.equal(read_image(path), EXACT)


def test_sixteen_bit_png_is_scaled_by_its_full_range(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 40 * 56).round().astype(np.uint16).reshape(40, 56)
    image = read_image(save(tmp_path, Image.fromarray(ramp), "ramp.png"))
    assert torch.allclose(image[0, 1], torch.from_numpy(ramp.astype(np.float32)) / 65535, atol=1e-7)
    assert image[0, 0, 20].std() > 0  # Pillow's convert("RGB") would have turned nearly all of it white


def test_exif_rotation_is_applied_to_paths_and_pil_images(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: rotate by 90 degrees clockwise to see it upright
    path = save(tmp_path, Image.fromarray(COLOR), "turned.png", exif=exif)
    upright = EXACT.flip(-2).transpose(-2, -1)
    assert torch.equal(read_image(path), upright)
    with Image.open(path) as picture:
        assert torch.equal(as_image(picture, "image"), upright)


def test_gray_palette_and_cmyk_become_rgb(tmp_path: Path) -> None:
    gray = read_image(save(tmp_path, Image.fromarray(COLOR).convert("L"), "gray.png"))
    assert gray.shape == (1, 3, 40, 56)
    assert torch.equal(gray[:, 0], gray[:, 2])
    colors = Image.new("P", (56, 40), 1)
    colors.putpalette([0, 0, 0, 255, 0, 0])
    assert read_image(save(tmp_path, colors, "palette.png"))[0, :, 3, 3].tolist() == [1.0, 0.0, 0.0]
    ink = Image.new("CMYK", (56, 40), (0, 0, 0, 255))
    assert float(read_image(save(tmp_path, ink, "ink.tif")).max()) == 0.0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16"])
def test_transparent_pixels_are_refused_opaque_alpha_is_not(tmp_path: Path, mode: str) -> None:
    options: dict[str, object] = {}
    if mode in ("RGBA", "LA"):
        clear = Image.fromarray(COLOR).convert("RGBA")
        clear.putalpha(255)
        opaque = save(tmp_path, clear.convert(mode), "opaque.png")
        assert read_image(opaque).shape == (1, 3, 40, 56)
        clear.putpixel((3, 3), (9, 9, 9, 254))
        clear = clear.convert(mode)
    elif mode == "P":
        clear, options = Image.fromarray(COLOR).quantize(16), {"transparency": 1}
    else:
        clear, options = Image.fromarray(np.full((40, 56), 300, dtype=np.uint16)), {"transparency": 300}
    with pytest.raises(ImageReadError, match=r"expected opaque pixels.*Lay it over a background"):
        read_image(save(tmp_path, clear, "clear.png", **options))


def test_pixels_of_unknown_range_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(np.ones((40, 56), dtype=np.float32)), "float.tif")
    with pytest.raises(ImageReadError, match=r"8 or 16 bits a channel, got mode 'F'"):
        read_image(path)
    with pytest.raises(ImageError, match=r"^reference: expected .*mode 'F'"):
        as_image(Image.fromarray(np.ones((40, 56), dtype=np.float32)), "reference")


@pytest.mark.parametrize("depth", [12, 16])
def test_white_tiff_is_white_at_any_depth(tmp_path: Path, depth: int) -> None:
    """A 12-bit TIFF is unpacked to 0..4095: scaling it as 16 bits would give a picture 16 times too dark."""
    path = tmp_path / "white.tif"
    path.write_bytes(_white_tiff(depth, width=40, height=40))
    assert float(read_image(path).min()) == 1.0


def _white_tiff(depth: int, width: int, height: int) -> bytes:
    data = b"\xff" * (width * height * depth // 8)
    entries = [(256, width), (257, height), (258, depth), (259, 1), (262, 1), (277, 1), (278, height), (279, len(data))]
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    entries.append((273, start))
    directory = b"".join(
        tag.to_bytes(2, "little") + b"\x04\x00\x01\x00\x00\x00" + value.to_bytes(4, "little")
        for tag, value in sorted(entries)
    )
    return b"II*\x00\x08\x00\x00\x00" + len(entries).to_bytes(2, "little") + directory + b"\x00\x00\x00\x00" + data


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.png", "expected an existing picture file, got no such file"),
        (".", "expected a picture file, got a folder"),
        ("https://example.org/a.png", "got a web address. Download"),
        ("a\0b.png", "got no such file"),
        ("a" * 5000, "expected the path of a file, got [Errno"),
        ("/dev/zero", "something that is not an ordinary file"),
    ],
)
def test_paths_that_are_no_picture_files(name: str, message: str) -> None:
    with pytest.raises(ImageReadError, match=re.escape(message)):
        read_image(name)


def test_other_formats_are_refused_by_content(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(COLOR), "a.gif").rename(tmp_path / "a.png")
    with pytest.raises(ImageReadError, match="readable JPEG, PNG, BMP, TIFF, WebP, AVIF or JPEG 2000"):
        read_image(path)


def test_size_limit_holds_before_decoding(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(COLOR), "a.png")
    with pytest.raises(ImageReadError, match="at most 100 pixels, got 56 x 40"):
        read_image(path, maximum_pixels=100)
    assert MAXIMUM_PIXELS == 89_478_485


# --- checking -------------------------------------------------------------------------------------------------------


def test_accepted_kinds_agree(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOR)
    path = save(tmp_path, picture, "a.png")
    for value in (path, str(path), picture, EXACT, EXACT[0]):
        assert torch.equal(as_image(value, "image"), EXACT)


def test_gray_tensor_is_repeated() -> None:
    gray = torch.rand(2, 1, 32, 33)
    assert torch.equal(check_image(gray, "image"), gray.repeat(1, 3, 1, 1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32(dtype: torch.dtype) -> None:
    image = torch.ones(1, 3, 32, 32, dtype=dtype)  # an exact 1.0 in half precision must not count as out of range
    assert check_image(image, "image").dtype == torch.float32


def test_gradient_flows_through_the_check() -> None:
    image = torch.rand(1, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    checked, _ = check_pair(image, torch.rand(2, 3, 32, 32))
    checked.sum().backward()
    assert image.grad is not None
    assert torch.equal(image.grad, torch.full_like(image, 6.0))  # 3 channels in 2 pairs


def test_rounding_outside_the_range_passes_unchanged() -> None:
    image = torch.full((1, 3, 32, 32), 1 + 5e-6)
    assert torch.equal(check_image(image, "image"), image)


def test_input_is_untouched() -> None:
    image = torch.rand(1, 3, 32, 32)
    before = image.clone()
    as_image(image, "image").mul(2)
    assert torch.equal(image, before)


def blank(*shape: int) -> Tensor:
    return torch.full(shape, 0.5)


def with_value(value: float) -> Tensor:
    image = blank(1, 3, 32, 32)
    image[0, 1, 2, 3] = value
    return image


REFUSED = {
    "no picture": (None, "got None. Pass both pictures"),
    "list": ([blank(3, 32, 32)], "got a list. Use torch.stack"),
    "numpy bytes": (
        COLOR,
        "got a numpy array of shape (40, 56, 3) and dtype uint8. Use torch.from_numpy(array).permute(2, 0, 1)",
    ),
    "numpy floats": (np.zeros((3, 40, 40)), "dtype float64. Use torch.from_numpy(array), channels"),
    "bytes": (b"\x89PNG", "got 4 bytes. Use PIL.Image.open(io.BytesIO(data))"),
    "matrix": (
        blank(40, 40),
        "expected a tensor of shape (B, C, H, W) or (C, H, W), got shape (40, 40). Add the missing",
    ),
    "video": (blank(1, 1, 3, 40, 40), "got shape (1, 1, 3, 40, 40)"),
    "channels last": (
        blank(1, 40, 56, 3),
        "got 40 channels, shape (1, 40, 56, 3). Channels come first: use .permute(0, 3, 1, 2)",
    ),
    "channels last, single": (blank(40, 56, 3), "use .permute(2, 0, 1)"),
    "alpha": (blank(1, 4, 40, 40), "got 4 channels, shape (1, 4, 40, 40). Drop the alpha channel"),
    "empty batch": (blank(0, 3, 40, 40), "expected at least one picture"),
    "uint8": (blank(1, 3, 40, 40).byte(), "got dtype torch.uint8. Divide by 255: tensor.float() / 255"),
    "int64": (blank(1, 3, 40, 40).long(), "got dtype torch.int64. Scale it to [0, 1]"),
    "bool": (blank(1, 3, 40, 40).bool(), "got dtype torch.bool"),
    "complex": (blank(1, 3, 40, 40).to(torch.complex64), "got dtype torch.complex64"),
    "sparse": (blank(1, 3, 40, 40).to_sparse(), "expected a dense tensor"),
    "small": (blank(1, 3, 31, 400), "expected at least 32 x 32 pixels, got 31 x 400 (height x width)"),
    "nan": (with_value(float("nan")), "expected finite values, got 1 NaN and 0 infinite of 3072 values"),
    "infinite": (with_value(float("-inf")), "got 0 NaN and 1 infinite"),
    "0 to 255": (with_value(254.0), "expected values in [0, 1], got minimum 0.5 and maximum 254. Divide by 255"),
    "normalized": (with_value(-1.0), "got minimum -1 and maximum 0.5. Undo the normalization"),
    "overshoot": (with_value(1.01), "maximum 1.01. Clamp it: tensor.clamp(0, 1)"),
    "too large for float32": (with_value(0.5).double() * 1e300, "expected finite values"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_i1_bad_images_are_refused_by_name(case: str) -> None:
    value, message = REFUSED[case]
    with pytest.raises(ImageError, match=re.escape(message)) as caught:
        as_image(value, "reference")  # type: ignore[arg-type]
    assert str(caught.value).startswith("reference: expected ")
    assert isinstance(caught.value, ValueError)


def test_loss_mode_allows_overshoot_but_not_nan() -> None:
    reference = blank(1, 3, 32, 32)
    image, _ = check_pair(with_value(1.7), reference, check_range=False)
    assert float(image.max()) == pytest.approx(1.7)
    with pytest.raises(ImageError, match="image: expected finite values"):
        check_pair(with_value(float("nan")), reference, check_range=False)


def test_pairs_must_match() -> None:
    image = blank(2, 3, 32, 48)
    with pytest.raises(
        ImageError, match=re.escape("reference: expected the image's size, 32 x 48 (height x width), got 48 x 32")
    ):
        check_pair(image, blank(2, 3, 48, 32))
    with pytest.raises(ImageError, match="a batch of 2 like the image, or of 1, got a batch of 3"):
        check_pair(image, blank(3, 3, 32, 48))
    with pytest.raises(ImageError, match=r"reference: .*shape \(4, 4\)"):
        check_pair(image, blank(4, 4))


def test_device_mismatch_is_named() -> None:
    """The meta device stands in for a second accelerator; its tensors have no values, so only shapes are checked."""
    with pytest.raises(
        ImageError, match=re.escape("reference: expected a tensor on cpu like the image, got meta. Use .to('cpu')")
    ):
        check_pair(blank(1, 3, 32, 32), blank(1, 3, 32, 32).to("meta"))


@pytest.mark.parametrize(("images", "references"), [(1, 3), (3, 1), (3, 3)])
def test_batch_of_one_pairs_with_all(images: int, references: int) -> None:
    image, reference = check_pair(torch.rand(images, 3, 32, 40), torch.rand(references, 1, 32, 40))
    assert image.shape == reference.shape == (3, 3, 32, 40)


@pytest.mark.parametrize("lenient", [False, True])
def test_damaged_pil_image_is_a_read_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lenient: bool) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)  # as importing pyiqa's data sets does
    stream = io.BytesIO()
    Image.fromarray(COLOR).save(stream, "PNG")
    damaged = stream.getvalue()[:1500]
    with pytest.raises(ImageReadError, match="image: expected a PIL image that decodes"):
        as_image(Image.open(io.BytesIO(damaged)), "image")
    (tmp_path / "damaged.png").write_bytes(damaged)
    with pytest.raises(ImageReadError, match="Check that the file is complete"):
        as_image(tmp_path / "damaged.png", "image")
    assert lenient == ImageFile.LOAD_TRUNCATED_IMAGES
