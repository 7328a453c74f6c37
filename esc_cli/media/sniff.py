"""The format of a file from its first bytes; a name proves nothing."""

from __future__ import annotations

from esc_cli.errors import ReadError, UnsupportedError
from esc_cli.media.bmp_layout import is_bare

HEAD_BYTES = 512

_SUPPORTED = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"\xff\x0a", "JXL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"\x76\x2f\x31\x01", "EXR"),
    (b"#?RADIANCE", "HDR"),
    (b"#?RGBE", "HDR"),
    (b"SIMPLE  =", "FITS"),
)
# Camera raw pictures that are not TIFF by their magic number: Fujifilm, Olympus (3), Panasonic,
# Minolta, Sigma. `media.raw.is_raw` tells the others from TIFF pictures.
_RAW = b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM", b"FOVb"
_REFUSED = (
    (b"8BPS", "PSD pictures"),
    (b"\0\0\1\0", "ICO icons"),
    (b"\0\0\2\0", "CUR cursors"),
    (b"icns", "ICNS icons"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 pictures"),
    (b"\xff\x4f\xff\x51", "JPEG 2000 pictures"),
    (b"DDS ", "DDS textures"),
    (b"qoif", "QOI pictures"),
    (b"gimp xcf", "XCF pictures"),
    *((b"\1\xda" + kind, "SGI pictures") for kind in (b"\0\1", b"\0\2", b"\1\1", b"\1\2")),
    (b"\x59\xa6\x6a\x95", "Sun raster pictures"),
    (b"II\xbc", "JPEG XR pictures"),
    (b"\xb1h\xde:", "DCX pictures"),
    (b"farbfeld", "farbfeld pictures"),
    (b"SDPX", "DPX pictures"),
    (b"XPDS", "DPX pictures"),
    (b"BPG\xfb", "BPG pictures"),
    (b"FLIF", "FLIF pictures"),
    (b"PF\n", "PFM pictures"),
    (b"Pf\n", "PFM pictures"),
    (b"/* XPM */", "XPM pictures"),
    (b"\x8bJNG\r\n\x1a\n", "JNG pictures"),
    (b"\x8aMNG\r\n\x1a\n", "MNG animations"),
    (b"\xd7\xcd\xc6\x9a", "WMF drawings"),
    (b"AT&TFORM", "DjVu documents"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE files (FlashPix, Office)"),
    (b"%PDF", "PDF documents"),
    (b"%!PS", "PostScript documents"),
    (b"PK\x03\x04", "ZIP archives"),
    (b"Rar!", "RAR archives"),
    (b"7z\xbc\xaf", "7z archives"),
    (b"\x1f\x8b", "gzip archives"),
    (b"\x1aE\xdf\xa3", "Matroska and WebM videos"),
    (b"FLV\x01", "FLV videos"),
    (b"\0\0\1\xba", "MPEG videos"),
    (b"\0\0\1\xb3", "MPEG videos"),
    (b"OggS", "Ogg files"),
    (b"ID3", "MP3 files"),
)
_IFF = frozenset((b"ILBM", b"PBM ", b"ACBM", b"DEEP", b"RGB8", b"RGBN"))
_PNM = tuple(b"P%d" % number for number in range(1, 8))
_MAP_DEPTHS = (0, 8, 15, 16, 24, 32)
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_AVIF_BRANDS = frozenset((b"avif", b"avis"))


def sniff(head: bytes) -> str:
    """The format that the first `HEAD_BYTES` bytes show: "PNG", "JPEG", "WEBP", "TIFF", ...

    Raises UnsupportedError for a known kind that is refused, ReadError for what is no picture.
    """
    if head.startswith(_RAW) or head[6:14] == b"HEAPCCDR" or _is_marked_raw(head):
        return "RAW"
    for magic, name in _SUPPORTED:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head.startswith(b"RIFF"):
        return _riff(head)
    if older := _older(head):
        return older
    raise _no_picture(head)


def _is_marked_raw(head: bytes) -> bool:
    """Whether behind the TIFF header a name of Canon (CR2) or Phase One (IIQ) stands."""
    mark = head[8:16]
    named = mark[:2] == b"CR" or mark[4:] in (b"CwaR", b"\0waR", b"RawC", b"Raw\0")
    return head.startswith((b"II*\0", b"MM\0*")) and named


def _older(head: bytes) -> str | None:
    # TGA goes before CUR, whose first bytes it may share.
    if _is_tga(head):
        return "TGA"
    if is_bare(head):
        return "BMP"
    if head.startswith(b"BA") and head[14:16] == b"BM":
        raise UnsupportedError("arrays of bitmaps (OS/2) are not supported")
    return "PCX" if _is_pcx(head) else None


def _is_tga(head: bytes) -> bool:
    """Whether the header, which has no magic number, can be that of a Truevision TGA file."""
    if len(head) < 18:
        return False
    mapped, kind, depth = head[1], head[2], head[16]
    sizes = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    # Some writers state the depth of a palette that is not there.
    plain = kind in (2, 3, 10, 11) and mapped == 0 and not any(head[3:7]) and head[7] in _MAP_DEPTHS
    has_map = mapped == 1 and head[7] in _MAP_DEPTHS[1:] and any(head[5:7])
    return (
        (plain or (has_map and kind in (1, 2, 3, 9, 10, 11)))
        and all(sizes)
        and depth in (8, 15, 16, 24, 32)
        and head[17] < 64
    )


def _is_pcx(head: bytes) -> bool:
    version, packed, bits = head[1:2], head[2:3], head[3:4]
    known = version in (b"\0", b"\2", b"\3", b"\4", b"\5")
    return head[:1] == b"\n" and known and packed == b"\1" and bits in (b"\1", b"\2", b"\4", b"\10")


def _refusal(name: str) -> UnsupportedError:
    if name == "ZIP archives":
        advice = "give it as a file with the suffix .cbz or .zip"
        return UnsupportedError(f"{name} cannot be done as pictures", advice=advice)
    if not name.endswith("videos"):
        return UnsupportedError(f"{name} are not supported")
    advice = "give it as a file with the suffix of a video; pipes: --input-format y4m"
    return UnsupportedError(f"{name} cannot be done as pictures", advice=advice)


def _iso_media(head: bytes) -> str:
    # ISO/IEC 14496-12: size, "ftyp", major brand, minor version, compatible brands to the end.
    end = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(end, len(head)), 4))]
    if head[8:12] == b"mif3":  # a mini box instead of a meta box
        raise UnsupportedError("low-overhead AVIF and HEIF (brand mif3) is not supported")
    if not _AVIF_BRANDS.isdisjoint(brands):
        return "AVIF"
    if not _HEIF_BRANDS.isdisjoint(brands):
        return "HEIF"
    if head[8:11] == b"crx":
        return "RAW"
    raise _refusal("MP4 and QuickTime videos")


def _riff(head: bytes) -> str:
    if head[8:12] == b"WEBP":
        return "WEBP"
    if head[8:12] == b"AVI ":
        raise _refusal("AVI videos")
    raise ReadError("not a picture (another kind of RIFF file)")


def _no_picture(head: bytes) -> ReadError | UnsupportedError:
    if known := _known_kind(head):
        return _refusal(known)
    if not head.strip(b"\0"):
        return ReadError("not a picture (nothing but zero bytes)")
    if all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head) and _is_utf8(head):
        return ReadError("not a picture (a text file)")
    return ReadError("not a picture (unknown content)")


def _known_kind(head: bytes) -> str | None:
    """The plural name of a kind that is not read."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    marked = (
        *((name, head.startswith(magic)) for magic, name in _REFUSED),
        ("IFF pictures", head.startswith(b"FORM") and head[8:12] in _IFF),
        ("EMF drawings", head.startswith(b"\1\0\0\0") and head[40:44] == b" EMF"),
        ("XBM pictures", head.startswith(b"#define ") and b"_width " in head),
        ("PNM pictures", head.startswith(_PNM) and head[2:3].isspace()),
        ("SVG drawings", text.startswith(b"<svg")),
        ("SVG drawings", text.startswith(b"<?xml") and b"<svg" in text),
    )
    return next((name for name, is_one in marked if is_one), None)


def _is_utf8(head: bytes) -> bool:
    # The head may end inside a character of up to 4 bytes.
    for end in range(len(head), max(len(head) - 4, -1), -1):
        try:
            head[:end].decode()
        except UnicodeDecodeError:
            continue
        return True
    return False
