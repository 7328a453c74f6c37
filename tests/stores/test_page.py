"""The page about stores, from its own commands, in the shell of a new user."""

from __future__ import annotations

import subprocess

import pytest
from pages import machine, marked
from PIL import Image

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install '.[remote]'")
pytest.importorskip("moto.server", reason="moto's server is not installed (see .ci/run)")


def test_the_commands_to_try_it_on_this_machine(s3_port, tmp_path):
    """moto's server is that of all tests, at another port; all else is word for word."""
    assert "moto_server -p 5000" in marked("stores.md", "server")
    for number in range(3):
        path = tmp_path / "photos" / f"sub{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (number, 0, 0)).save(path)
    environment = machine(tmp_path) | {"HOME": str(tmp_path)}
    script = "set -e\n" + marked("stores.md", "try").replace(":5000", f":{s3_port}")
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "3 done, 0 skipped, 0 failed" in ran.stderr
    assert "0 done, 3 skipped, 0 failed" in ran.stderr
    results = [f"shop/large/sub{number % 2}/{number}.png" for number in (0, 2, 1)]
    assert [f"s3://{name}" for name in sorted(results)] == sorted(ran.stdout.splitlines()[:3])
    kept = [name for name in ran.stdout.splitlines()[3:] if ".esc-records" not in name]
    assert kept == results
    assert not list((tmp_path / ".cache" / "esc" / "staging").glob("*"))
