"""Tags of languages as containers spell them.

MP4 has three small letters (ISO 639-2/T), QuickTime those of a list, Matroska three letters of
ISO 639-2/B or a whole tag (RFC 5646), and other programs write what they like.
"""

from __future__ import annotations

import io
from functools import cache

import numpy as np

from esc_cli.media.video.source import load_av

_TWO_LETTERS = """
aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bhbih
bibis bmbam bnben bobod brbre bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan
dedeu dvdiv dzdzo eeewe elell eneng eoepo esspa etest eueus fafas ffful fifin fjfij fofao frfra
fyfry gagle gdgla glglg gngrn guguj gvglv hahau heheb hihin hohmo hrhrv hthat huhun hyhye hzher
iaina idind ieile igibo iiiii ikipk ioido isisl itita iuiku jajpn jvjav kakat kgkon kikik kjkua
kkkaz klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz lglug lilim lnlin
lolao ltlit lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt mymya nanau nbnob
ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya ococi ojoji omorm orori ososs papan pipli
plpol pspus ptpor quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd sesme sgsag sisin skslk
slslv smsmo snsna sosom sqsqi srsrp ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir
tktuk tltgl tntsn toton trtur tstso tttat twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol
wawln wowol xhxho yiyid yoyor zazha zhzho zuzul
"""
"""ISO 639-1 and ISO 639-2/T, two letters and three."""
_BIBLIOGRAPHIC = """
albsqi armhye baqeus burmya chizho czeces dutnld frefra geokat gerdeu greell iceisl macmkd
maomri maymsa perfas rumron sloslk tibbod welcym
"""
"""ISO 639-2/B and ISO 639-2/T, three letters and three."""
_FROM_TWO = {pair[:2]: pair[2:] for pair in _TWO_LETTERS.split()}
_FROM_BIBLIOGRAPHIC = {pair[:3]: pair[3:] for pair in _BIBLIOGRAPHIC.split()}
_TO_BIBLIOGRAPHIC = {three: other for other, three in _FROM_BIBLIOGRAPHIC.items()}
_QUICKTIME = {"swe": "sve"}
_UNKNOWN = ("", "und")


def same_language(one: str | None, other: str | None) -> bool:
    """Whether two tags name one language, as far as three letters tell it."""
    return terminological(one) == terminological(other)


def terminological(tag: str | None) -> str:
    """The code of ISO 639-2/T for a tag, "" for none or an unknown language."""
    base = (tag or "").lower().replace("_", "-").partition("-")[0]
    base = next((iso for iso, other in _QUICKTIME.items() if other == base), base)
    code = _FROM_BIBLIOGRAPHIC.get(base, _FROM_TWO.get(base, base))
    return "" if code in _UNKNOWN else code


def language_in(container: str, tag: str) -> str | None:
    """The spelling of a tag that a container holds, the nearest first; None where it holds none."""
    if terminological(tag) == "":
        return None
    code = terminological(tag)
    spellings = (tag, code, _TO_BIBLIOGRAPHIC.get(code, code), _QUICKTIME.get(code, code))
    return next((one for one in spellings if _is_held(container, one)), None)


@cache
def _is_held(container: str, tag: str) -> bool:
    """Whether a file with this tag, made in memory, says it again."""
    av, file = load_av(), io.BytesIO()
    with av.open(file, "w", format=container) as made:
        codec = "libopus" if container == "webm" else "pcm_s16le"
        stream = made.add_stream(codec, rate=48000, layout="mono")
        stream.metadata["language"] = tag
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
        frame.sample_rate = 48000
        made.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as read:
        return bool(read.streams[0].language == tag)
