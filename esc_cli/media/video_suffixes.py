"""By which names a folder scan knows videos, and what it has to look into to know one."""

from __future__ import annotations

from pathlib import Path

from esc_cli.errors import EscError
from esc_cli.files.source import open_source

_USUAL = (
    "mkv mk3d webm mp4 m4v mov qt avi divx flv f4v ts m2ts mts m2t trp tp mpg mpeg mpe m1v m2v mpv "
    "vob evo vro ps mod tod ogv ogg ogm wmv asf wtv dvr-ms 3gp 3g2 rm rmvb y4m dv dif mxf gxf nut "
    "amv nsv mj2 ism ismv isma lrv insv pmp pva ty ty+ tivo dav kux psp nuv smk bik swf"
)
_RAW = (
    "264 avc h264 h26l 265 h265 hevc 266 h266 vvc obu ivf apv evc h261 h263 m4v mjpeg mjpg vc1 rcv "
    "cavs drc vc2 dnxhd dnxhr"
)
_OF_GAMES = (
    "4xm anm bfi bmv cdxl xl cpk dxa fli flc flic gdv hnm ifv ipu ivr iv8 jv lvf lxf moflex mods "
    "mv mve mvi mxg nsp paf pdv r3d rl2 roq rpl sga smush thp tmv usm viv vivo vmd vqa xmv yop "
    "tgv tgq wve cin film"
)
VIDEOS = frozenset(f".{name}" for name in f"{_USUAL} {_RAW} {_OF_GAMES}".split())
"""Every suffix that a folder scan takes for a video."""

REFUSED_VIDEOS = frozenset((".braw", ".ari", ".arx", ".crm"))
"""Kinds of video for which there is no demuxer or decoder: named, not passed by."""

_OGG_VIDEOS = (b"\x80theora", b"\x01video\0", b"BBCD\0", b"OVP80", b"\x80daala")
_OGG_HEAD_BYTES = 8192


def is_only_sound(path: Path) -> bool:
    """Whether a file has the name of a video, but holds music: only Ogg has one for both.

    Its first pages name the streams (RFC 3533, section 6). What cannot be opened is no music.
    """
    if path.suffix.lower() != ".ogg":
        return False
    try:
        with open_source(path) as stream:
            head = stream.read(_OGG_HEAD_BYTES)
    except EscError:
        return False
    return head.startswith(b"OggS") and not any(name in head for name in _OGG_VIDEOS)
