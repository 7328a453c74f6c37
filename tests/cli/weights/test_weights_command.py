"""`esc weights`: list, pull, verify, info and convert."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time

import pytest
from command import ROOT
from weights_command import COMMAND, FP2, loaded_torch

from esc_cli.checkpoints.releases import RELEASES
from esc_cli.checkpoints.store import bundled_folder


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_shows_a_bar(server, esc):
    import pty

    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "120"}
    words = ("weights", "pull", "esc-fp", "-s", "2")
    process = COMMAND.start(*words, env=environment, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # how Linux ends a pseudo-terminal
        while chunk := os.read(ours, 65536):
            seen += chunk
    os.close(ours)
    process.communicate(timeout=60)
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
