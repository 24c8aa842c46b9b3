"""``python -m pyiqa_pixelperfect.demo``: a photograph, a worse version of it, and a picture of what is wrong with that.

The worse version is made with the tools that make pictures worse in real life, not with the distortion engine this
package learned from. The score then comes through pyiqa, in a fresh Python that imports nothing of ours, and the
picture and the page through the ``compare`` command.
"""

import argparse
import io
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from pyiqa_pixelperfect.errors import MissingDependencyError, PixelPerfectError

__all__ = ["main", "make_worse", "photograph"]

SCRIPT = """\
import sys
import pyiqa
metric = pyiqa.create_metric('pixelperfect')
print(f'{metric(sys.argv[1], sys.argv[2]).item():+.4f}')
"""
"""The three lines a user writes, and one that prints."""


def photograph() -> Image.Image:
    """Return a photograph that comes with scikit-image (Eileen Collins by NASA, public domain).

    Raises:
        MissingDependencyError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise MissingDependencyError("demo", "scikit-image", "no such package", "pip install scikit-image.") from error
    return Image.fromarray(data.astronaut())


def make_worse(picture: Image.Image) -> Image.Image:
    """Compress the lower left, blur the upper right and take a third of the color out of everything."""
    width, height = picture.size
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=6)
    with Image.open(stream) as compressed:
        worse = Image.composite(compressed, picture, _spot(picture.size, (-0.35, 0.5, 0.55, 1.4)))
    blurred = picture.filter(ImageFilter.GaussianBlur(3 * min(width, height) / 512))
    worse = Image.composite(blurred, worse, _spot(picture.size, (0.6, -0.2, 1.2, 0.45)))
    return ImageEnhance.Color(worse).enhance(0.65)


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pyiqa_pixelperfect.demo", description="Compare two versions of a photograph."
    )
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the pictures and the page")
    folder: Path = parser.parse_args(arguments).out
    try:
        _demonstrate(folder)
    except PixelPerfectError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _demonstrate(folder: Path) -> None:
    from pyiqa_pixelperfect.commands.compare import compare

    folder.mkdir(parents=True, exist_ok=True)
    reference, image = folder / "reference.png", folder / "image.png"
    picture = photograph()
    picture.save(reference)
    make_worse(picture).save(image)
    print("A photograph, and a version of it with JPEG artifacts in the lower left, blur in the upper right")
    print("and less color everywhere, made with Pillow.\n")

    print("Through pyiqa, in a fresh Python:\n")
    for line in SCRIPT.splitlines():
        print(f"    {line}")
    print(f"\n    {_score_through_pyiqa(image, reference)}\n", flush=True)

    outputs = [folder / "comparison.png", folder / "comparison.html"]
    print(f"pixelperfect compare {image} {reference} --out {outputs[0]} --out {outputs[1]}\n", flush=True)
    compare(image, reference, outputs, as_json=False, weights=None, device="auto")
    sys.stdout.flush()


def _score_through_pyiqa(image: Path, reference: Path) -> str:
    isolated = ["-I"] if sys.flags.isolated else []
    command = [sys.executable, *isolated, "-c", SCRIPT, str(image), str(reference)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PixelPerfectError("demo", "a score from pyiqa", reason, "Run pixelperfect doctor to see what is missing.")
    return done.stdout.strip().splitlines()[-1]


def _spot(size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    """Return a soft-edged ellipse as a mask; the box is left, top, right and bottom as shares of the picture."""
    width, height = size
    mask = Image.new("L", size, 0)
    left, top, right, bottom = box
    ImageDraw.Draw(mask).ellipse((left * width, top * height, right * width, bottom * height), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(0.03 * min(size)))


if __name__ == "__main__":
    sys.exit(main())
