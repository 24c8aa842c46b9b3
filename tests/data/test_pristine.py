"""Lists of photos: folders, manifests, and what is held out."""

import hashlib
from pathlib import Path

import pytest

from pyiqa_pixelperfect.data.pristine import is_validation, list_photos, photos_digest, split_photos
from pyiqa_pixelperfect.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("c.png", "a.JPG", "b.webp", "notes.txt", ".hidden.png", "._a.JPG"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def test_a_folder_gives_its_pictures_by_name(folder):
    assert [photo.name for photo in list_photos(folder)] == ["a.JPG", "b.webp", "c.png"]


@pytest.mark.parametrize("column", ["file", "image"])
def test_a_manifest_gives_its_own_order(folder, column):
    (folder / "manifest.csv").write_text(f"id,{column},note\n1,c.png,\n2,a.JPG,x\n")
    expected = [folder / "c.png", folder / "a.JPG"]
    assert list_photos(folder) == expected  # before what else lies in the folder
    assert list_photos(folder / "manifest.csv") == expected


def test_a_manifest_from_a_spreadsheet_is_read(folder):
    (folder / "list.csv").write_bytes("\ufefffile,größe\r\nc.png,1\r\n".encode())
    assert list_photos(folder / "list.csv") == [folder / "c.png"]


def test_paths_in_a_manifest_are_relative_to_it(folder, monkeypatch):
    (folder / "lists").mkdir()
    (folder / "lists" / "list.csv").write_text("file\n../a.JPG\n")
    monkeypatch.chdir("/")
    assert list_photos(folder / "lists" / "list.csv")[0].resolve() == (folder / "a.JPG").resolve()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,size\na.JPG,3\n", "a column 'file' or 'image', got columns"),
        (b"", "a column 'file' or 'image', got columns None"),
        (b"file\n", "got 0 of 0 missing"),
        (b"file\na.JPG\nx.png\ny.png\n", r"got 2 of 3 missing, first .*x\.png"),
        (b"id,file\n1,a.JPG\n2\n", "got 1 of 2 missing"),
        (b"id,file\n1,a.JPG\n2,\n", "got 1 of 2 missing"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "photos: expected a folder of photos or a CSV manifest"),
        (b"file\na.JPG\x00\n", "photos: expected"),
    ],
)
def test_broken_manifests_are_refused(folder, content, message):
    (folder / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        list_photos(folder / "list.csv")


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"photos: expected a folder of photos or a CSV manifest, got .*which does not exist"
    ):
        list_photos(tmp_path / "none")
    with pytest.raises(DataError, match=r"photos: expected a folder with pictures \(.*\.png.*\), got none in"):
        list_photos(tmp_path)


def test_every_fifth_photo_is_held_out():
    photos = [Path(f"{row}.png") for row in range(23)]
    train, held = split_photos(photos)
    assert [int(photo.stem) for photo in held] == [4, 9, 14, 19]
    assert train == [photo for photo in photos if photo not in held]
    assert [row for row in range(23) if is_validation(row)] == [4, 9, 14, 19]


def test_too_few_photos_are_refused():
    split_photos([Path("x")] * 5)
    with pytest.raises(DataError, match="at least 5 photos, since every fifth is held out, got 4"):
        split_photos([Path("x")] * 4)


def test_the_digest_is_of_names_and_sizes_in_order(folder):
    photos = list_photos(folder)
    assert photos_digest(photos) == hashlib.sha256(b"a.JPG 1\nb.webp 1\nc.png 1").hexdigest()
    assert photos_digest(photos) != photos_digest(photos[::-1])
    photos[0].write_bytes(b"xx")
    assert photos_digest(photos) == hashlib.sha256(b"a.JPG 2\nb.webp 1\nc.png 1").hexdigest()
