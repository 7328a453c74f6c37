"""Which files are videos, and by which demuxer each is read.

FFmpeg would also recognise playlists and scripts (HLS, DASH, concat, SDP ...) that make it open
other files and hosts. The first bytes decide where they can; of what only has the name of a video,
raw streams above all, FFmpeg looks for itself which demuxer it is for, but among those of `PROBED`
alone, none of which reads anything but the file that it is handed.
"""

from __future__ import annotations

from pathlib import Path

from esc_cli.errors import UnsupportedError
from esc_cli.files.source import open_source
from esc_cli.media.formats import INPUT_SUFFIXES
from esc_cli.media.paths import PICTURES, REFUSED
from esc_cli.media.video_suffixes import REFUSED_VIDEOS, VIDEOS

_OF_PICTURES = PICTURES | INPUT_SUFFIXES | REFUSED
HEAD_BYTES = 1 << 16
"""How far streams are looked for behind bytes that belong to none."""

_MAGIC = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"FLV\x01", "flv"),
    (b"\0\0\1\xba", "mpeg"),
    (b"\0\0\1\xb3", "mpegvideo"),
    (b"OggS", "ogg"),
    (b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (b"YUV4MPEG2 ", "yuv4mpegpipe"),
    (b"\x1f\x07\0", "dv"),  # IEC 61834: a header block; what follows differs for 60 and 50 fields
    (b"DKIF\0\0", "ivf"),
    (b".RMF\0\0", "rm"),
    (b"\xb7\xd8\0 7I\xda\x11\xa6N\0\x07\xe9^\xad\x8d", "wtv"),
    (b"\x06\x0e+4\x02\x05\x01\x01\r\x01\x02\x01\x01", "mxf"),  # SMPTE ST 377-1: partition pack
    (b"nut/multimedia container\0", "nut"),
    (b"\0\0\0\0\1\xbc\0\0\0\0\xe1\xe2", "gxf"),
)
_RIFF = {b"AVI ": "avi", b"AVIX": "avi", b"AVI\x19": "avi", b"AMV ": "avi"}
PROBED = (
    "4xm,anm,apv,asf,av1,avi,avs,avs2,avs3,bethsoftvid,bfi,bink,bmv,c93,cavsvideo,cdxl,cine,"
    "dfa,dhav,dirac,dnxhd,dsicin,dv,dxa,ea,evc,film_cpk,flic,flv,gdv,gxf,h261,h263,h264,hevc,hnm,"
    "idcin,ifv,ipmovie,ipu,iv8,ivf,ivr,jv,kux,live_flv,lmlm4,lvf,lxf,m4v,matroska,mgsts,mjpeg,mm,"
    "moflex,mov,mods,mpeg,mpegts,mpegvideo,msnwctcp,mtv,mv,mvi,mxf,mxg,nc,nsv,nut,nuv,obu,ogg,paf,"
    "pdv,pmp,pva,r3d,rl2,rm,roq,rpl,sga,siff,smjpeg,smk,smush,swf,thp,tiertexseq,tmv,ty,usm,vc1,"
    "vc1test,vividas,vivo,vmd,vvc,wc3movie,wsvqa,wtv,xmv,yop,yuv4mpegpipe"
)
"""FFmpeg's names of the demuxers of video that open no other file, as its option takes them."""

_PICTURE_BRANDS = frozenset(
    (*b"heic heix heim heis hevc hevx hevm hevs mif1 msf1 avif avis".split(), b"crx ")
)
# QuickTime files from before the brand box begin with one of these.
_ATOMS = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
_PLAYLISTS = (b"#EXTM3U", b"ffconcat ", b"<MPD", b"v=0\r", b"v=0\n", b"[playlist]")
_STRIDES = ((0, 188), (4, 192), (0, 204))
"""Where the sync byte of transport packets lies, and how long they are: ISO/IEC 13818-1; with the
arrival time of Blu-ray in front; with the parity bytes of DVB behind."""
_IN_A_ROW = 5
"""Sync bytes that make a stream of what begins with other bytes, as receivers have it (ETSI TR 101
290, 5.2.1)."""


def demuxer_of(head: bytes) -> str | None:
    """FFmpeg's name of the demuxer for a file that starts with `head`; None for what none shows.

    Raises UnsupportedError for a playlist.
    """
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        what = "this is a playlist, which would open other files or hosts"
        raise UnsupportedError(what, advice="give the videos themselves, as local files")
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return None if _brands(head) & _PICTURE_BRANDS else "mov"
    if head.startswith((b"RIFF", b"ON2 ")) and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head[4:8] in _ATOMS:
        return "mov"
    return _broadcast(head)


def _brands(head: bytes) -> set[bytes]:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}


def _broadcast(head: bytes) -> str | None:
    """A transport or program stream, also where a recording begins with bytes of something else."""
    if any(_syncs(head, lead, stride, 3) for lead, stride in _STRIDES):
        return "mpegts"
    if _has_packs(head):
        return "mpeg"
    at = head.find(b"G")
    while 0 <= at < len(head) - _IN_A_ROW * 188:
        if any(_syncs(head, at, stride, _IN_A_ROW) for _, stride in _STRIDES):
            return "mpegts"
        at = head.find(b"G", at + 1)
    return None


def _syncs(head: bytes, start: int, stride: int, count: int) -> bool:
    """Whether packets follow each other from `start` on, each with a payload or an adaptation."""
    heads = head[start : start + count * stride : stride]
    kinds = head[start + 3 : start + 3 + count * stride : stride]
    return heads == b"G" * count and all(kind & 0x30 for kind in kinds)


def _has_packs(head: bytes) -> bool:
    """Whether there is a pack header with a packet or another header right behind it.

    MPEG-1 (ISO/IEC 11172-1) marks it with 0010 and 12 bytes, MPEG-2 with 01, 14 and stuffing.
    """
    at = head.find(b"\0\0\1\xba")
    while 0 <= at < len(head) - 14:
        kind = head[at + 4]
        length = 14 + (head[at + 13] & 7) if kind >> 6 == 1 else 12
        following = head[at + length : at + length + 4]
        if (kind >> 6 == 1 or kind >> 4 == 2) and _begins_packet(following):
            return True
        at = head.find(b"\0\0\1\xba", at + 1)
    return False


def _begins_packet(code: bytes) -> bool:
    return code[:3] == b"\0\0\1" and len(code) == 4 and code[3] >= 0xBA


def may_be_probed(path: Path) -> bool:
    """Whether the name says video, so that FFmpeg may look for the demuxer."""
    return path.suffix.lower() in VIDEOS | REFUSED_VIDEOS


def demuxer_by_name(path: Path) -> str | None:
    """The demuxer of raw streams that FFmpeg takes for something else: pictures one by one."""
    return {".mjpeg": "mjpeg", ".mjpg": "mjpeg"}.get(path.suffix.lower())


def is_video(path: Path) -> bool:
    """Whether a file is to be done as a video: by its content, or by its name.

    A name alone is enough, so that a damaged video is reported as one. Names of pictures decide
    for themselves: rows of samples may look like packets of a broadcast. Raises ReadError for what
    cannot be opened, UnsupportedError for a playlist.
    """
    if path.suffix.lower() in _OF_PICTURES:
        return False
    with open_source(path) as stream:
        return demuxer_of(stream.read(HEAD_BYTES)) is not None or may_be_probed(path)
