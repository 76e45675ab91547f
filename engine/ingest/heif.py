"""HEIC and other HEIF pictures, which phones take: opened by pillow-heif, where it is installed.

It brings large C libraries along, so it is loaded with the first such picture: in a decoder's own process.
"""

import io

from PIL import Image

MISSING = "a HEIC picture, which this machine cannot read: install pillow-heif, or save the picture as JPEG"
MEMORY = 2  # times what other formats need for a pixel: it is decoded into planes, then copied twice

# A file's major brand; mif1 and msf1 hold pictures of any coding, and say which among the compatible brands.
_CODED = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_ANY = {b"mif1", b"mif2", b"msf1"}
_AVIF = {b"avif", b"avis"}
_LONGEST_BRANDS = 256  # bytes of the first box that are looked at


def is_heif(data: bytes) -> bool:
    """Whether a file says that it is a HEIF picture, and not one coded as AVIF."""
    if data[4:8] != b"ftyp":
        return False
    brands = data[8 : min(int.from_bytes(data[:4], "big"), _LONGEST_BRANDS)]
    listed = {brands[at : at + 4] for at in range(8, len(brands), 4)}
    return data[8:12] in _CODED or (data[8:12] in _ANY and not listed & _AVIF)


def open_heif(data: bytes) -> Image.Image:
    """The main picture of a HEIF file, upright, its pixels not yet decoded.

    Raises: ImportError where pillow-heif is not installed, and others for what it cannot read.
    """
    from pillow_heif import HeifImageFile, options

    options.DECODE_THREADS = 1  # each takes address space, which is limited
    # What else a file holds, a smaller picture too, may show something else.
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    return HeifImageFile(io.BytesIO(data))
