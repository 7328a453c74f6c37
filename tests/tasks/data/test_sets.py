"""Pulling, unpacking and verifying benchmark sets, and the `esc data` command."""

from __future__ import annotations

import gzip
import http.server
import io
import json
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest
import trustme
from command import Command

from esc_cli.errors import SetupError, UsageError
from esc_cli.evaluation.dataset_catalog import FETCHABLE, address, find_fetchable
from esc_cli.evaluation.datasets import find_dataset
from esc_cli.files.http import Link
from esc_cli.tasks.data.sets import (
    Limits,
    Pulled,
    PullFailed,
    Source,
    listing,
    pull,
    unpack,
    verify,
)

ROOT = Path(__file__).parents[3]
SET5 = ("baby", "bird", "butterfly", "head", "woman")


def picture(name):
    return f"the pixels of {name}".encode() * 50


def member(name, content=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, content


def archive_of(*members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def set5_members():
    pictures = [member(f"Set5_HR/{name}.png", picture(name)) for name in SET5]
    readme = member("Set5_HR/README.txt", b"hello")
    return [member("Set5_HR", kind=tarfile.DIRTYPE), *pictures, readme]


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files` by path, without ranges; the second half waits for `server.going`."""

    def do_GET(self):
        self.server.paths.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        half = len(content or b"") // 2
        self.wfile.write((content or b"")[:half])
        self.server.going.wait(10)
        self.wfile.write((content or b"")[half:])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def server(authority, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.delenv("ESC_OFFLINE", raising=False)
    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that left
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.going = threading.Event()
    server.going.set()
    server.paths, server.base = [], f"https://localhost:{server.server_port}/mirror"
    path = "/mirror/Set5/resolve/main/data/Set5_HR.tar.gz"
    server.path, server.files = path, {path: archive_of(*set5_members())}
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def source(server, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Source(server.base, Link(timeout_s=5, pauses_s=(0.01,), context=context))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "outer" / "sets"


def last(events):
    *_, event = events
    return event


def pulled(root, source):
    event = last(pull(("Set5",), root, source))
    assert isinstance(event, Pulled), event
    return event


def failed(root, source):
    event = last(pull(("Set5",), root, source))
    assert isinstance(event, PullFailed), event
    return str(event.error)


def left_in(folder):
    """Everything below but the empty lock files."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.name.endswith(".lock")
    )


# --- pulling --------------------------------------------------------------------------------------


def test_a_set_arrives_where_evaluation_looks_for_it(root, source, server):
    event = pulled(root, source)
    assert event.fetched
    pairs = find_dataset("Set5", (root,), 4).pairs
    assert [pair.name for pair in pairs] == list(SET5)
    assert pairs[0].hr.read_bytes() == picture("baby")
    pictures = [f"Set5/HR/{name}.png" for name in SET5]
    assert left_in(root) == sorted(["Set5", "Set5/.esc-dataset.json", "Set5/HR", *pictures])
    assert server.paths == [server.path]


def test_an_intact_set_is_not_fetched_again(root, source, server):
    pulled(root, source)
    assert not pulled(root, source).fetched
    assert len(server.paths) == 1


def test_a_damaged_set_is_mended_and_other_files_stay(root, source):
    pulled(root, source)
    hr = root / "Set5" / "HR"
    (hr / "baby.png").write_bytes(b"changed")
    (hr / "bird.png").unlink()
    (hr / "mine.png").write_bytes(b"mine")
    assert pulled(root, source).fetched
    assert (hr / "baby.png").read_bytes() == picture("baby")
    (found,) = verify(("Set5",), (root,))
    assert (found.missing, found.changed, found.extra) == ((), (), ("mine.png",))
    assert not [path for path in root.iterdir() if path.name.endswith("esc-pull")]


def test_a_set_is_mended_only_from_the_archive_it_came_from(root, source, server):
    pulled(root, source)
    (root / "Set5" / "HR" / "bird.png").unlink()
    server.files[server.path] = archive_of(*set5_members(), member("Set5_HR/more.txt", b"more"))
    assert "sha256" in failed(root, source)
    assert not (root / "Set5" / "HR" / "bird.png").exists()


def test_a_folder_of_the_user_is_not_touched(root, source, server):
    (root / "Set5").mkdir(parents=True)
    (root / "Set5" / "baby.png").write_bytes(b"mine")
    assert "not pulled by esc" in failed(root, source)
    assert left_in(root) == ["Set5", "Set5/baby.png"]
    assert server.paths == []


def test_a_wrong_number_of_pictures_is_refused(root, source, server):
    server.files[server.path] = archive_of(*set5_members()[:4])
    assert "3 pictures, not 5" in failed(root, source)
    assert left_in(root) == []


def test_one_set_that_fails_does_not_stop_the_others(root, source):
    events = list(pull(("Set14", "Set5"), root, source))
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Pulling", "PullFailed", "Pulling", "Pulled"]
    assert "404" in str(events[1].error)


def test_the_published_md5_of_urban100_is_asked(root, source, server):
    path = server.path.replace("Set5", "Urban100")
    server.files[path] = server.files[server.path]
    event = last(pull(("Urban100",), root, source))
    assert "65d9d84a34b72c6f7ca1e26a12df1e4c" in str(event.error)
    assert left_in(root) == []


@pytest.mark.parametrize("name", ["Manga109", "manga109", "RealSR", "DRealSR", "RealLQ250"])
def test_sets_that_are_not_ours_to_fetch_are_only_pointed_to(root, source, server, name):
    with pytest.raises(UsageError, match="http"):
        list(pull((name, "Set5"), root, source))
    assert server.paths == []


def test_other_names_list_the_known_ones(root, source):
    with pytest.raises(UsageError, match="Set5, Set14, BSD100, Urban100"):
        list(pull(("Set6",), root, source))


def test_b100_is_bsd100():
    assert find_fetchable("b100").name == "BSD100"


def test_a_mirror_must_speak_https(root):
    with pytest.raises(UsageError, match="not https"):
        list(pull(("Set5",), root, Source("http://localhost/")))
    assert not root.exists()


def test_the_usual_addresses_are_those_of_the_authors():
    assert address(FETCHABLE[3]) == (
        "https://huggingface.co/datasets/eugenesiow/Urban100/resolve/main/data/Urban100_HR.tar.gz"
    )


# --- archives -------------------------------------------------------------------------------------

HOSTILE = {
    "parent": member("../evil.png", b"x"),
    "deep parent": member("Set5_HR/../../evil.png", b"x"),
    "absolute": member("/tmp/esc-evil.png", b"x"),
    "drive": member("C:\\evil.png", b"x"),
    "symlink out": member("Set5_HR/evil.png", kind=tarfile.SYMTYPE, link="../../../evil.png"),
    "symlinked folder": member("Set5_HR/dir", kind=tarfile.SYMTYPE, link="/tmp"),
    "hard link": member("Set5_HR/evil.png", kind=tarfile.LNKTYPE, link="../../evil.png"),
    "device": member("Set5_HR/evil.png", kind=tarfile.CHRTYPE),
    "fifo": member("Set5_HR/evil.png", kind=tarfile.FIFOTYPE),
    "twice": member("other/baby.png", b"x"),
}


def bomb(size):
    """An archive whose member is `size` zeros, a thousandth of that on disk."""
    info = tarfile.TarInfo("Set5_HR/zeros.png")
    info.size = size
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as zipped:
        zipped.write(info.tobuf() + bytes(size))
    return stream.getvalue()


def long_header(size):
    """A header of `size` bytes, which tarfile reads into memory as a whole."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, size
    return gzip.compress(info.tobuf() + bytes(size))


def behind_the_end(size):
    return gzip.compress(gzip.decompress(archive_of(*set5_members())) + bytes(size))


def assert_refused_without_a_trace(root, source, match):
    outside = left_in(root.parent) if root.parent.exists() else []
    assert match in failed(root, source)
    assert [path for path in left_in(root.parent) if path != "sets"] == outside
    assert not Path("/tmp/esc-evil.png").exists()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_member_leaves_nothing_anywhere(root, source, server, kind):
    server.files[server.path] = archive_of(*set5_members(), HOSTILE[kind])
    links = {"symlink out", "symlinked folder", "hard link", "device", "fifo"}
    why = "is a link or a device" if kind in links else "leads outside"
    assert_refused_without_a_trace(root, source, "twice" if kind == "twice" else why)


@pytest.mark.parametrize("make", [bomb, long_header, behind_the_end])
def test_a_bomb_is_refused_before_it_fills_the_disk(root, source, server, make):
    server.files[server.path] = make(3_000_000)
    small = Source(source.base, source.link, Limits(unpacked_bytes=1_000_000))
    assert_refused_without_a_trace(root, small, "unpacks to more than 1000000 bytes")


def test_a_sparse_bomb_is_refused_by_what_it_claims(tmp_path):
    info, _ = member("Set5_HR/sparse.png", kind=tarfile.REGTYPE)
    info.pax_headers = {
        "GNU.sparse.map": "0,0",
        "GNU.sparse.size": "1000000000",
        "GNU.sparse.major": "0",
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    (tmp_path / "a.tar.gz").write_bytes(stream.getvalue())
    with pytest.raises(SetupError, match="unpacks to more"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out", Limits(unpacked_bytes=1_000_000))
    assert left_in(tmp_path) == ["a.tar.gz"]


def test_too_many_members_are_refused(root, source, server):
    small = Source(source.base, source.link, Limits(members=4))
    assert_refused_without_a_trace(root, small, "more than 4 members")


@pytest.mark.parametrize("kept", [0, 5, 60, 0.5, -1])
def test_a_truncated_archive_is_refused(root, source, server, kept):
    whole = server.files[server.path]
    server.files[server.path] = whole[: int(len(whole) * kept) if kept == 0.5 else kept]
    assert_refused_without_a_trace(root, source, "")


def test_a_flipped_byte_is_found(root, source, server):
    whole = bytearray(server.files[server.path])
    whole[-6] ^= 1  # in the checksum of gzip
    server.files[server.path] = bytes(whole)
    assert_refused_without_a_trace(root, source, "is damaged")


# --- verifying and listing ------------------------------------------------------------------------


def test_verify_says_what_is_missing_changed_and_extra(root, source):
    pulled(root, source)
    (found,) = verify((), (root,))
    assert found.intact
    assert found.pictures == 5
    hr = root / "Set5" / "HR"
    (hr / "baby.png").write_bytes(picture("baby")[:-1] + b"x")
    (hr / "bird.png").unlink()
    (hr / "mine.png").write_bytes(b"mine")
    (found,) = verify(("set5",), (root,))
    assert not found.intact
    assert found.missing == ("bird.png",)
    assert found.changed == ("baby.png",)
    assert found.extra == ("mine.png",)


def test_verify_needs_a_record(root):
    (root / "Set5" / "HR").mkdir(parents=True)
    for names in ((), ("Set5",)):
        with pytest.raises(UsageError, match="not pulled"):
            list(verify(names, (root,)))


@pytest.mark.parametrize("content", ["", "[]", '{"name": 1}', '{"name": "Set5"'])
def test_a_damaged_record_is_an_error(root, source, content):
    pulled(root, source)
    (root / "Set5" / ".esc-dataset.json").write_text(content)
    with pytest.raises(SetupError, match="is damaged"):
        list(verify((), (root,)))


def test_the_record_says_where_the_set_came_from(root, source, server):
    pulled(root, source)
    record = json.loads((root / "Set5" / ".esc-dataset.json").read_text())
    assert record["source"] == server.base.removesuffix("/mirror") + server.path
    assert len(record["archive_sha256"]) == 64
    assert sorted(record["pictures"]) == [f"{name}.png" for name in SET5]


def test_the_list_tells_what_is_here(root, source):
    pulled(root, source)
    (root / "manga109").mkdir()
    (root / "manga109" / "a.png").write_bytes(b"12345")
    sets = {one.name: one for one in listing((root,))}
    assert len(sets) == 9
    assert (sets["Set5"].folder, sets["Set5"].pulled) == (root / "Set5", True)
    assert sets["Set5"].size_bytes == sum(len(picture(name)) for name in SET5)
    assert (sets["Urban100"].folder, sets["Urban100"].pictures) == (None, 100)
    assert (sets["Manga109"].pulled, sets["Manga109"].pictures) == (False, 1)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def esc_data(server, authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    environment = {
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        "ESC_DATA_URL": server.base,
        "ESC_DATA": "",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "COLUMNS": "200",
    }
    return Command(("data",), env=environment)


def test_pull_list_and_verify_from_the_command_line(esc_data, root, server):
    ran = esc_data("pull", "Set5", "--data-root", root)
    assert ran.code == 0, ran.err
    assert ran.out == f"{root / 'Set5'}\n"
    assert "BMVC 2012" in ran.err
    assert len(server.paths) == 1
    ran = esc_data("list", "--data-root", root)
    assert ran.code == 0, ran.err
    assert "Manga109" in ran.out
    assert esc_data("verify", "Set5", "--data-root", root).code == 0
    (root / "Set5" / "HR" / "bird.png").unlink()
    ran = esc_data("verify", "--data-root", root)
    assert ran.code == 1
    assert "missing: bird.png" in ran.err


def test_all_are_the_sets_that_can_be_pulled(esc_data, root):
    ran = esc_data("pull", "--all", "--data-root", root)  # the server has one of them
    assert ran.code == 3
    assert ran.out == f"{root / 'Set5'}\n"
    for name in ("Set14", "BSD100", "Urban100"):
        assert f"{name}_HR.tar.gz: the server answered 404" in ran.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="XDG_CACHE_HOME is for Linux")
def test_pull_fills_the_cache(esc_data, tmp_path):
    assert esc_data("pull", "set5").code == 0
    assert (tmp_path / "cache" / "esc" / "datasets" / "Set5" / "HR" / "baby.png").is_file()
    assert "all as pulled" in esc_data("verify").err


def test_two_pulls_at_once_fetch_once(esc_data, root, server):
    words = ("pull", "Set5", "--data-root", root)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(esc_data(*words, process=True)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ran.code for ran in results] == [0, 0]
    assert len(server.paths) == 1


def test_ctrl_c_stops_at_once_and_leaves_no_half_set(esc_data, root, server):
    server.going.clear()
    process = esc_data.start("pull", "Set5", "--data-root", root)
    while not list(root.glob(".Set5.esc-pull/.*.part")):
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    server.going.set()
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert not (root / "Set5").exists()
    assert esc_data("pull", "Set5", "--data-root", root).code == 0
    assert sorted(path.name for path in root.iterdir()) == [".Set5.lock", "Set5"]


def test_offline_names_the_file_and_the_address(esc_data, root, server):
    ran = esc_data("pull", "Set5", "--offline", "--data-root", root)
    assert ran.code == 3
    assert server.path in ran.err
    assert "Set5_HR.tar.gz: not here" in ran.err
    assert esc_data("pull", "Set5", "--data-root", root, env={"ESC_OFFLINE": "1"}).code == 3
    assert server.paths == []


@pytest.mark.parametrize(
    "arguments",
    [("pull",), ("pull", "Set5", "--all"), ("pull", "Manga109"), ("pull", "Nothing"), ("verify",)],
)
def test_wrong_usage_ends_in_2(esc_data, arguments):
    ran = esc_data(*arguments)
    assert ran.code == 2, ran.err


def test_data_does_not_load_torch():
    program = (
        "import sys\nimport esc_cli.cli.data, esc_cli.tasks.data.sets\n"
        "print([name for name in ('torch', 'numpy', 'PIL') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
