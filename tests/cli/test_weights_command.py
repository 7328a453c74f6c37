"""`esc weights`, and published networks in `esc upscale` and `esc eval`, against a local server."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import Command
from PIL import Image

from esc_cli.checkpoints.releases import RELEASES
from esc_cli.checkpoints.store import bundled_folder

ROOT = Path(__file__).parents[2]
FP2 = "ESC_FP_X2.pth"


COMMAND = Command(env={"COLUMNS": "200"})


@pytest.fixture
def esc():
    """Any command of esc, with the environment of the test, which names the local server."""

    def run(*words, code=0, **variables):
        done = COMMAND(*words, env=variables)
        assert done.code == code, done.err
        return done

    return run


@pytest.fixture
def server(weights_server, published_file):
    weights_server.files = {
        FP2: published_file("esc-fp", 2),
        "ESC_FP_X3.pth": published_file("esc-fp", 3),
        "ESC_DFLIP_X2.pth": published_file("esc", 2),
    }
    return weights_server


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (12, 9), "teal").save(folder / f"{name}.png")
    return folder


def loaded_torch(*arguments):
    """Runs `esc` in a process of its own; whether torch was imported, and its exit code."""
    program = (
        f"import sys\nsys.argv = ['esc', *{list(map(str, arguments))!r}]\n"
        "from esc_cli.cli.app import main\ncode = 0\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        "print('END', 'torch' in sys.modules, code)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    _, torch, code = done.stdout.splitlines()[-1].split()
    return torch == "True", int(code)


def test_the_list_loads_no_torch_and_costs_little(server):
    assert loaded_torch("weights", "list") == (False, 0)
    command = [sys.executable, "-m", "esc_cli", "weights", "list"]
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True, env=os.environ)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 1.0
    assert server.requests == []


def test_the_list_is_a_table_and_json(server, esc):
    table = esc("weights", "list").out
    row = next(line for line in table.splitlines() if "esc@dflip" in line and "x2" in line)
    assert "clean pictures" in row
    assert max(map(len, table.splitlines())) <= 100
    assert "38.34" in row
    assert sum("esc@div2k *" in line for line in table.splitlines()) == 3
    assert "esc@dflip *" not in table
    rows = json.loads(esc("weights", "list", "--json").out)
    dflip = next(row for row in rows if row["name"] == "esc-dflip-x3")
    assert dflip["model"] == "esc@dflip"
    assert dflip["path"] is None
    assert dflip["scores"]["Set5"]["psnr"] == 34.85


def test_a_network_is_pulled_verified_described_and_found_damaged(server, esc):
    done = esc("weights", "pull", "esc-fp", "--scale", "2")
    folder = esc("weights", "path").out.strip()
    assert done.out == f"{folder}/{FP2}\n"
    assert "esc-fp-x2: fetched; sha256 as recorded when it was first here (none was" in done.err
    again = esc("weights", "pull", "esc-fp-x2").err
    assert again.startswith("esc-fp-x2: here and intact; sha256 as recorded")
    assert server.requests == [FP2]
    assert "intact" in esc("weights", "verify", "esc-fp-x2").err
    found = json.loads(esc("weights", "info", "esc-fp-x2", "--json").out)
    assert (found["variant"], found["scale"], found["parameters"]) == ("esc-fp", 2, 523_675)
    assert (found["basis"], found["intact"]) == ("recorded", True)
    with (server.cache / FP2).open("ab") as stream:
        stream.write(b"x")
    assert "damaged" in esc("weights", "verify", code=1).err
    esc("weights", "info", "esc-fp", "-s", "2", code=3)


def test_what_cannot_be_pulled_is_named_and_the_others_are_fetched(server, esc):
    done = esc("weights", "pull", "esc-light", "esc-fp", "-s", "2", code=3)
    assert "ESC_light_X2.pth" in done.err
    assert "404" in done.err
    assert done.out.endswith(f"{FP2}\n")
    done = esc("weights", "pull", "esc-fp@imagenet", code=2)
    assert "no model named 'esc-fp@imagenet'" in done.err
    esc("weights", "pull", code=2)


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("what", [("--all",), ("esc-light", "esc-fp", "esc-xl")])
def test_without_a_network_one_line_says_so_and_nothing_is_left_behind(server, esc, what):
    esc("weights", "pull", "esc-fp", "-s", "2")
    before = hidden(server.cache)
    count = len(RELEASES) - 1 if what == ("--all",) else 8
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        nobody = f"https://localhost:{unused.getsockname()[1]}/1.0.0"
        began = time.monotonic()
        done = esc("weights", "pull", *what, code=3, ESC_WEIGHTS_URL=nobody)
    assert time.monotonic() - began < 15
    assert done.out == f"{server.cache / FP2}\n"  # is here, and needs no network
    here, error, summary = done.err.splitlines()
    assert here.startswith("esc-fp-x2: here and intact")
    assert error.startswith(f"error: {count} networks are not here (esc-")
    assert f" and {count - 4} more): the first cannot be downloaded from {nobody}/ESC_" in error
    assert "Connection refused (look at the connection, or the proxy, and run it again)" in error
    assert summary == f"{count} of {count + 1} networks could not be fetched"
    assert hidden(server.cache) == before


def test_without_permission_to_connect_one_line_says_so(server, esc):
    for options, variables in ((["--offline"], {}), ([], {"ESC_OFFLINE": "1"})):
        done = esc("weights", "pull", "--all", *options, code=3, **variables)
        (line,) = done.err.splitlines()
        assert line.startswith(
            f"error: {server.cache}: {len(RELEASES)} networks are not here (esc-"
        )
        assert "and connections are forbidden (run this while connected, or elsewhere" in line
    (line,) = esc("weights", "pull", "esc-fp-x2", "--offline", code=3).err.splitlines()
    assert "esc weights pull esc-fp-x2" in line
    assert not server.cache.exists()
    assert server.requests == []


def test_all_networks_of_one_scale_are_pulled(server, esc):
    done = esc("weights", "pull", "--all", "-s", "3", code=3)
    assert sorted(server.requests) == sorted(one.file for one in RELEASES if one.scale == 3)
    assert done.out.endswith("ESC_FP_X3.pth\n")
    none = esc("weights", "pull", "--all", "-s", "7", code=2)
    assert "nothing is published for x7" in none.err


@pytest.fixture
def mine(server):
    """A network of the user's, in the cache, and its record."""
    server.cache.mkdir(parents=True)
    bundled = bundled_folder() / "esc-tiny-x2.safetensors"
    shutil.copy(bundled, server.cache / "mine.safetensors")
    record = json.loads(bundled.with_suffix(".json").read_text())
    record |= {"name": "holiday", "file": "mine.safetensors"}
    (server.cache / "mine.json").write_text(json.dumps(record))
    return server.cache / "mine.json"


def test_the_list_shows_the_name_of_a_users_network(mine, esc):
    rows = [line.split() for line in esc("weights", "list").out.splitlines()]
    assert ["holiday", "*", "x2"] in [row[:3] for row in rows]
    assert ["esc-tiny", "x2"] in [row[:2] for row in rows]
    assert "holiday: intact" in esc("weights", "verify", "holiday").err


def test_a_record_that_cannot_be_read_is_told_and_other_networks_work(
    mine, esc, pictures, tmp_path
):
    mine.write_text("{bad")
    for arguments in (("list",), ("list", "--json")):
        done = esc("weights", *arguments)
        (line,) = done.err.splitlines()
        assert line.startswith(f"left out: {mine}: the record is damaged")
        assert "esc-tiny" in done.out
    damaged, *intact = esc("weights", "verify", code=1).err.splitlines()
    assert damaged.startswith("mine.json: the record is damaged")
    assert str(mine) in damaged
    assert all(": intact, " in line for line in intact)
    assert len(intact) == len(list(bundled_folder().glob("*.safetensors")))
    assert "esc-tiny-x3" in esc("weights", "info", "esc-tiny-x3").out
    esc("weights", "pull", "esc-fp-x2")
    esc("upscale", pictures, "-o", tmp_path / "out", "-s", 2, "--model", "esc-tiny")
    assert "mine.json: the record is damaged" in esc("weights", "info", "mine", code=3).err


def test_names_and_all_exclude_each_other(server, esc):
    done = esc("weights", "pull", "esc-fp", "--all", code=2)
    assert "--all and names exclude each other" in done.err


def test_a_file_is_verified_by_info_and_what_is_none_says_what_is_expected(esc, tmp_path):
    file = tmp_path / "own.pth"
    done = esc("weights", "verify", file, code=2)
    assert "esc weights info describes and checks files" in done.err
    (tmp_path / "bad.toml").write_text("")
    (tmp_path / "run").mkdir()

    def said(name):
        done = COMMAND("weights", "info", name, cwd=tmp_path)
        assert done.code == 2
        return done.err

    assert "bad.toml: is no checkpoint: those end in .safetensors, .pth" in said("bad.toml")
    assert "run: is a folder (give a .safetensors or .pth file; of a training run" in said("run")


def test_upscaling_fetches_the_network_of_its_scale_once(server, esc, pictures, tmp_path):
    done = esc("upscale", pictures, "--model", "esc-fp", "--scale", "3")
    assert f"fetching esc-fp x3 from {server.base}/ESC_FP_X3.pth" in done.err
    assert Image.open(tmp_path / "in_x3" / "a.png").size == (36, 27)
    esc("upscale", pictures, "-m", "esc-fp", "-s", "3", "--existing", "overwrite", "--offline")
    assert server.requests == ["ESC_FP_X3.pth"]


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


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_shows_a_bar(server, esc):
    import pty

    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "120"}
    words = ("weights", "pull", "esc-fp", "-s", "2")
    process = COMMAND.start(*words, env=environment, stderr=theirs)
    process.communicate(timeout=60)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # how Linux ends a pseudo-terminal
        while chunk := os.read(ours, 65536):
            seen += chunk
    os.close(ours)
    assert process.returncode == 0
    assert b"esc-fp x2 \x1b" in seen
    assert "\u2501".encode() in seen  # the bar
    assert b" MB" in seen


def test_converting_prints_the_digest_and_refuses_to_overwrite(server, esc, tmp_path):
    (tmp_path / "x.pth").write_bytes(server.files[FP2])
    target = tmp_path / "own.safetensors"
    done = esc("weights", "convert", tmp_path / "x.pth", target)
    assert done.out.endswith(f"  {target}\n")
    assert "esc-fp x2" in done.err
    esc("weights", "convert", tmp_path / "x.pth", target, code=2)
    esc("weights", "convert", tmp_path / "x.pth", tmp_path / "none" / "x.safetensors", code=3)
    record = {"name": "own", "file": target.name, "variant": "esc", "scale": 4, "sha256": "0"}
    record |= {"bytes": 1, "trained_on": "", "recipe": "", "licence": "", "scores": {}}
    target.with_suffix(".json").write_text(json.dumps(record))
    done = esc("weights", "convert", tmp_path / "x.pth", target, "--overwrite")
    assert f"{target.with_suffix('.json')}: removed, because it was the record" in done.err
    done = esc("weights", "info", target)
    assert "variant     esc-fp" in done.out
    assert "523,675" in done.out
    other = ROOT / "tests" / "golden" / "geo_ensemble.safetensors"
    assert "not an ESC network" in esc("weights", "info", other, code=3).err
