"""Published networks in `esc upscale` and `esc eval`: fetched once, resumed, and not offline."""

from __future__ import annotations

import json
import signal
import time

import pytest
from command import ROOT
from PIL import Image
from weights_command import COMMAND, FP2, loaded_torch


def test_upscaling_fetches_the_network_of_its_scale_once(server, esc, pictures, tmp_path):
    done = esc("upscale", pictures, "--model", "esc-fp", "--scale", "3")
    assert f"fetching esc-fp x3 from {server.base}/ESC_FP_X3.pth" in done.err
    assert Image.open(tmp_path / "in_x3" / "a.png").size == (36, 27)
    esc("upscale", pictures, "-m", "esc-fp", "-s", "3", "--existing", "overwrite", "--offline")
    assert server.requests == ["ESC_FP_X3.pth"]


@pytest.mark.slow
def test_a_finished_folder_needs_neither_torch_nor_the_network(server, esc, pictures):
    esc("upscale", pictures, "-m", "esc-fp", "-s", "2", "--quiet")
    requests = len(server.requests)
    assert loaded_torch("upscale", pictures, "-m", "esc-fp", "-s", "2") == (False, 0)
    (server.cache / FP2).unlink()  # its digest is still known
    arguments = ("upscale", pictures, "-m", "esc-fp", "-s", "2", "--offline")
    assert loaded_torch(*arguments) == (False, 0)
    assert len(server.requests) == requests
    Image.new("RGB", (9, 9), "red").save(pictures / "new.png")
    assert "connections are forbidden" in esc(*arguments, code=3).err


def test_quiet_says_nothing_and_a_dry_run_fetches_nothing(server, esc, pictures):
    options = ("upscale", pictures, "-m", "esc-fp", "-s", "2")
    esc(*options, "--dry-run")
    assert server.requests == []
    done = esc(*options, "--quiet")
    assert (done.out, done.err) == ("", "")
    assert server.requests == [FP2]


def test_offline_says_once_how_to_get_it(server, esc, pictures):
    for options, variables in ((["--offline"], {}), ([], {"ESC_OFFLINE": "1"})):
        for size in (["-s", "2"], ["--longest-side", "20"]):
            words = ("upscale", pictures, "-m", "esc-fp", *size, *options)
            done = esc(*words, code=3, **variables)
            assert len(done.err.splitlines()) == 1
            assert "esc weights pull esc-fp-x2" in done.err
            assert str(server.cache / FP2) in done.err
    assert server.requests == []


def test_a_scale_that_nobody_published_names_those_that_exist(server, esc, pictures):
    done = esc("upscale", pictures, "-m", "esc@flashbias", "-s", "4", code=3)
    assert "no x4 of esc@flashbias (it exists as x2;" in done.err
    data = ("-d", pictures, "-s", "2", "--no-cache")
    done = esc("eval", *data, "-m", "esc-real", code=3)
    assert "no x2 of esc-real (it exists as x4;" in done.err


def test_dflip_weights_are_compared_with_the_figures_for_dflip(server, esc, tmp_path):
    folder = tmp_path / "data" / "Set5" / "HR"
    folder.mkdir(parents=True)
    Image.open(ROOT / "docs/samples/city.png").crop((0, 0, 40, 40)).save(folder / "city.png")
    out = tmp_path / "scores.json"
    options = ("--data-root", tmp_path / "data", "-s", "2", "-m", "esc@dflip", "--no-cache")
    esc("eval", "-d", "Set5", *options, "--offline", code=3)
    files = ("--json", out, "--report", tmp_path / "r.html", "--save-sr", tmp_path / "sr")
    esc("eval", "-d", "Set5", *options, *files)
    assert (tmp_path / "sr" / "esc@dflip" / "Set5_x2" / "city.png").is_file()
    (table,) = json.loads(out.read_text())["tables"]
    assert "38.34" in json.dumps(table)
    assert "38.35" not in json.dumps(table)


@pytest.mark.slow
def test_a_transfer_that_breaks_is_resumed_at_once(server, esc, pictures):
    server.limit = 3_000_000
    esc("upscale", pictures, "-m", "esc-fp", "-s", "2")
    assert server.requests == [FP2, FP2]  # 3 MB, then the rest
    assert (server.cache / FP2).read_bytes() == server.files[FP2]


def test_a_signal_during_a_transfer_ends_it_and_keeps_what_is_here(server, esc, pictures):
    server.going.clear()
    process = COMMAND.start("upscale", pictures, "-m", "esc-fp", "-s", "2")
    assert b"fetching" in process.stderr.readline()
    while not server.requests:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=8)
    server.going.set()
    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith(b"error: stopped by signal 2")
    assert b"Traceback" not in err
    assert not (server.cache / FP2).exists()
