"""One picture through JPEG 2000 by Pillow's OpenJPEG: a function, and a program that does it in another process.

Pillow holds Python's lock while it codes to or from JPEG 2000, even to a file, so that threads would take turns. As a
program this file codes one picture after the other from standard input to standard output; see ``kadis_processes.py``
for who starts it. It imports Pillow and nothing of this package, so that it starts fast.
"""

import io
import struct
import sys
from typing import BinaryIO

__all__ = ["HEADER", "code"]

HEADER = struct.Struct("<IId")  # width, height and compression ratio, before width * height * 3 bytes of RGB


def code(pixels: bytes, width: int, height: int, ratio: float) -> bytes:
    """Code RGB bytes at a compression ratio with the 9/7 wavelet, and decode them again."""
    from PIL import Image  # as a program, not before the search path is set

    file = io.BytesIO()
    picture = Image.frombytes("RGB", (width, height), pixels)
    picture.save(file, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)
    with Image.open(file, formats=["JPEG2000"]) as decoded:
        return decoded.tobytes()


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Code pictures until there are no more requests."""
    while len(header := requests.read(HEADER.size)) == HEADER.size:
        width, height, ratio = HEADER.unpack(header)
        replies.write(code(requests.read(width * height * 3), width, height, ratio))
        replies.flush()


if __name__ == "__main__":
    sys.path[:] = sys.argv[1:]  # that of the process that started this one
    serve(sys.stdin.buffer, sys.stdout.buffer)
