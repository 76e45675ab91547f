"""The bytes of good and of bad ZIP archives."""

import io
import stat
import zipfile

LINK = stat.S_IFLNK | 0o777
DEVICE = stat.S_IFBLK | 0o666


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def zipped_as(name: str, mode: int) -> bytes:
    """A ZIP with one member of a kind: a link, a device."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, mode << 16
        archive.writestr(info, b"/etc/passwd")
    return file.getvalue()


def overlapping(count: int, size: int = 2**20) -> bytes:
    """A ZIP whose members all share the data of the first: small, and huge when it is unpacked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.bmp", bytes(size))
        first = archive.infolist()[0]
        for number in range(1, count):
            copy = zipfile.ZipInfo(f"{number}.bmp")
            for field in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(copy, field, getattr(first, field))
            archive.filelist.append(copy)
    return file.getvalue()


def lying(name: str, actual: int, declared: int) -> bytes:
    """A ZIP with one member that unpacks to more than it declares."""
    data = bytearray(zipped({name: bytes(actual)}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = declared.to_bytes(4, "little")
    return bytes(data)
