import numpy as np
import pytest
from PIL import Image

from benchmark.photos import BUNDLED, center_crop, load_photos, photos_hash, to_tensor
from pyiqa_pixelperfect.errors import DataError


@pytest.fixture
def folder(tmp_path, generator):
    for number in range(11):
        pixels = generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photo_{number:02d}.png")
    return tmp_path


def test_every_fifth_row_is_held_out(folder):
    assert [photo.name for photo in load_photos(folder)] == ["photo_04.png", "photo_09.png"]
    assert len(load_photos(folder, "all")) == 11


def test_manifest_gives_the_order(folder):
    rows = [f"photo_{number:02d}.png" for number in (10, 3, 7, 1, 0, 2)]
    (folder / "manifest.csv").write_text("file,source\n" + "".join(f"{row},x\n" for row in rows))
    assert [photo.name for photo in load_photos(folder)] == ["photo_00.png"]
    assert [photo.name for photo in load_photos(folder / "manifest.csv", "all")] == rows


def test_count_spreads_over_the_list(folder):
    assert [photo.name for photo in load_photos(folder, "all", 3)] == ["photo_00.png", "photo_05.png", "photo_10.png"]


def test_pixels_survive_reading_and_conversion(folder):
    photo = load_photos(folder, "all")[0]
    assert np.array_equal(photo.pixels, np.asarray(Image.open(folder / photo.name)))
    tensor = to_tensor(photo.pixels)
    assert tensor.shape == (1, 3, 40, 48)
    assert np.array_equal((tensor[0] * 255).round().byte().permute(1, 2, 0).numpy(), photo.pixels)


def test_missing_sources_are_named(tmp_path):
    with pytest.raises(DataError, match="photos: expected a folder of photos or a CSV manifest"):
        load_photos(tmp_path / "nowhere")
    with pytest.raises(DataError, match="photos: expected a folder with pictures"):
        load_photos(tmp_path)


def test_nothing_left_by_the_rule_is_an_error(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "one.png")
    with pytest.raises(DataError, match="hold-out rule"):
        load_photos(tmp_path)


def test_crop_is_central_and_no_larger_than_the_photo(photos):
    crop = center_crop(photos[0], 64)
    assert np.array_equal(crop.pixels, photos[0].pixels[32:96, 32:96])
    assert center_crop(photos[0], 999).pixels.shape == photos[0].pixels.shape
    assert center_crop(photos[0], None) is photos[0]


def test_hash_sees_every_pixel(photos):
    assert photos_hash(photos) == photos_hash(list(photos))
    changed = center_crop(photos[0], None).pixels.copy()
    changed[0, 0, 0] ^= 1
    assert photos_hash([type(photos[0])(photos[0].name, changed)]) != photos_hash(photos[:1])


def test_bundled_pictures_need_no_files():
    assert len(load_photos(BUNDLED)) == 4
