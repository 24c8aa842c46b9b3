"""Lists of clean photos, and which of them are kept for validation."""

import csv
import hashlib
from pathlib import Path

from pyiqa_pixelperfect.errors import DataError

__all__ = ["PHOTO_SUFFIXES", "is_validation", "list_photos", "photos_digest", "split_photos"]

PHOTO_SUFFIXES = frozenset({".avif", ".bmp", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def list_photos(source: Path) -> list[Path]:
    """List the photos of a folder or a manifest.

    Args:
        source: a folder (its ``manifest.csv`` if it has one, else all pictures in it, by name), or a CSV file with a
            column ``file`` or ``image`` of paths relative to itself.

    Returns:
        Paths in the order of the manifest, or sorted by name.

    Raises:
        DataError: nothing there, no photos in it, or a manifest without the column or with files that are missing.
    """
    if source.is_dir():
        manifest = source / "manifest.csv"
        if manifest.is_file():
            return _read_manifest(manifest)
        photos = sorted(path for path in source.iterdir() if _is_photo(path))
        if not photos:
            raise DataError(
                "photos", f"a folder with pictures ({', '.join(sorted(PHOTO_SUFFIXES))})", f"none in {source}"
            )
        return photos
    if source.is_file():
        return _read_manifest(source)
    raise DataError("photos", "a folder of photos or a CSV manifest", f"{str(source)!r}, which does not exist")


def _is_photo(path: Path) -> bool:
    # Names that begin with a dot are file systems' own notes (macOS leaves ._photo.jpg), not pictures.
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _read_manifest(manifest: Path) -> list[Path]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a mark before the first column
            rows = csv.DictReader(file)
            column = next((name for name in ("file", "image") if name in (rows.fieldnames or ())), None)
            if column is None:
                raise DataError("photos", "a manifest with a column 'file' or 'image'", f"columns {rows.fieldnames}")
            photos = [manifest.parent / (row[column] or "") for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("photos", "a folder of photos or a CSV manifest", f"{str(manifest)!r} ({error})") from error
    missing = [photo for photo in photos if not photo.is_file()]
    if missing or not photos:
        got = f"{len(missing)} of {len(photos)} missing" + (f", first {missing[0]}" if missing else "")
        raise DataError("photos", f"a manifest of files that exist ({manifest})", got)
    return photos


def is_validation(row: int) -> bool:
    """Whether the photo in this row (from 0) is held out: every fifth one."""
    return row % 5 == 4


def split_photos(photos: list[Path]) -> tuple[list[Path], list[Path]]:
    """Split into training photos and held-out photos.

    Raises:
        DataError: fewer than five photos, so that nothing could be held out.
    """
    if len(photos) < 5:
        raise DataError("photos", "at least 5 photos, since every fifth is held out", str(len(photos)))
    held = [photo for row, photo in enumerate(photos) if is_validation(row)]
    return [photo for row, photo in enumerate(photos) if not is_validation(row)], held


def photos_digest(photos: list[Path]) -> str:
    """SHA-256 over names and sizes: enough for a model card to say which list it was."""
    text = "\n".join(f"{photo.name} {photo.stat().st_size}" for photo in photos)
    return hashlib.sha256(text.encode()).hexdigest()
