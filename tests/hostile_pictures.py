"""The bytes of pictures that are made to do harm: small to send, and long or large to decode."""

import struct
import zlib

from PIL import Image

from tests.pictures import encoded, noise


def comments_gif(size: int) -> bytes:
    """A GIF of one comment without end, which is copied anew for each of its blocks."""
    blocks = (b"\xff" + b"a" * 255) * (size // 256)
    return b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"!\xfe" + blocks + b"\0,"


def scans_jpeg(side: int, scans: int) -> bytes:
    """A progressive JPEG with its last scan many times over: each is a pass over all of its pixels."""
    whole = encoded(Image.new("L", (side, side)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * scans + b"\xff\xd9"


def segments_jpeg(count: int) -> bytes:
    """A JPEG with many empty segments before its picture."""
    whole = encoded(noise((16, 16)), "JPEG")
    return whole[:2] + b"\xff\xe5\0\2" * count + whole[2:]


def strips_tiff(count: int) -> bytes:
    """A TIFF of 8 x 8 pixels that lists many strips."""
    tags = [
        (256, 3, 1, 8),
        (257, 3, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, count, 98),
        (279, 4, 1, 1),
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return head + bytes(4) + bytes(4 * count)


def text_png(size: int) -> bytes:
    """A PNG whose compressed text unpacks to that size."""
    return _with_chunk(b"zTXtComment\0\0", size)


def profile_png(size: int) -> bytes:
    """A PNG whose colour profile unpacks to that size."""
    return _with_chunk(b"iCCPprofile\0\0", size)


def _with_chunk(kind: bytes, size: int) -> bytes:
    whole, chunk = encoded(noise((16, 16)), "PNG"), kind + zlib.compress(bytes(size), 9)
    return whole[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + whole[33:]


def animation(format: str, frames: int) -> bytes:
    """Thousands of frames, of which one is wanted."""
    pictures = [Image.new("L", (8, 8), number % 256) for number in range(frames)]
    return encoded(pictures[0], format, save_all=True, append_images=pictures[1:])
