"""Videos that lead to addresses or other files: nothing is opened but the file itself."""

from __future__ import annotations

import http.server
import threading

import pytest
from clips import Clip

from esc_cli.errors import UsageError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.run import upscale


def run(source):
    """(the item, the exit code) of a batch of one."""
    *events, summary = upscale(UpscaleOptions((str(source),)), Stop())
    (item,) = (event for event in events if isinstance(event, Item))
    return item, summary.exit_code


class _Listener(http.server.BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - of one test

    def do_GET(self):
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def listener():
    server = http.server.HTTPServer(("127.0.0.1", 0), _Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    _Listener.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {url}/a.mp4\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "dash": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}/</BaseURL></MPD>',
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "m3u8"])
def test_a_playlist_opens_nothing(tmp_path, listener, kind, suffix):
    path = tmp_path / f"clip.{suffix}"
    path.write_text(PLAYLISTS[kind].format(url=listener))
    item, code = run(path)
    assert (item.status, code) == ("failed", 1)
    assert "playlist" in item.reason
    assert _Listener.asked == []


def test_a_movie_that_refers_to_other_files_opens_none(tmp_path, listener):
    """QuickTime's data references: FFmpeg leaves them alone, and could open nothing anyway."""
    path = Clip(frames=3, format="mov").write(tmp_path / "clip.mov")
    content = path.read_bytes()
    own = b"\0\0\0\x0curl \0\0\0\x01"
    assert own in content
    path.write_bytes(content.replace(own, b"\0\0\0\x0curl \0\0\0\0"))
    run(path)
    assert _Listener.asked == []


def test_no_address_is_asked_before_all_is_known_nor_one_that_only_ffmpeg_knows(listener, tmp_path):
    for name in (f"{listener}/clip.mp4", "rtsp://127.0.0.1/clip", "file:///etc/passwd"):
        with pytest.raises(UsageError, match="-o does not say where results go"):
            next(upscale(UpscaleOptions((name,)), Stop()))
    for name in (f"rtsp{listener.removeprefix('http')}/clip", "concat:a.mp4|b.mp4"):
        with pytest.raises(UsageError, match=r"no kind of address|no such file"):
            next(upscale(UpscaleOptions((name,), output=str(tmp_path)), Stop()))
    assert _Listener.asked == []
