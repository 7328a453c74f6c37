"""The `esc data` command against a local mirror."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
from command import ROOT, Command


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


@pytest.mark.slow
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
