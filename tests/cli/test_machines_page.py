"""The page about many machines, from its own commands: SLURM, Kubernetes, cron and systemd."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import time

import pages
import pytest
from command import ROOT

PAGE = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")


def block(kind: str, holds: str) -> str:
    """The block of a kind that holds a text."""
    fenced = PAGE.split("```")[1::2]
    (found,) = [one for one in fenced if one.startswith(f"{kind}\n") and holds in one]
    return found.partition("\n")[2]


@pytest.fixture
def photos(tmp_path, draw):
    for number in range(9):
        draw(tmp_path / "scans" / f"{number}.png", number)
    return tmp_path / "scans"


@pytest.fixture
def machine(tmp_path):
    return pages.machine(tmp_path)


class Slurm:
    """An array as SLURM runs it: `sbatch` stands in for the scheduler, one task after the other."""

    def __init__(self, folder, environment):
        self.folder = folder
        (folder / "esc.sbatch").write_text(block("sh", "#SBATCH"))
        first, last = map(int, re.findall(r"--array=(\d+)-(\d+)", block("sh", "#SBATCH"))[0])
        count = last - first + 1
        self.tasks = [
            environment
            | {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_MIN": str(first)}
            | {"SLURM_ARRAY_TASK_MAX": str(last), "SLURM_ARRAY_TASK_COUNT": str(count)}
            for index in range(first, last + 1)
        ]

    def start(self, index, *words):
        command = ["bash", "esc.sbatch", *map(str, words)]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.tasks[index], stderr=subprocess.PIPE, text=True
        )


@pytest.mark.slow
def test_an_array_of_slurm_of_which_one_task_is_stopped_before_its_end(
    photos, machine, contents, tmp_path
):
    from esc_cli.media.paths import Source
    from esc_cli.tasks.upscale.shard import Shard

    array = Slurm(tmp_path, machine)
    count = len(array.tasks)
    submitted = re.findall(r"sbatch --parsable esc.sbatch (.*)\)", PAGE)[0].split()
    sources = [Source(path, photos) for path in photos.iterdir()]
    most = max(range(count), key=lambda i: sum(map(Shard(i + 1, count).holds, sources)))
    task = array.start(most, *submitted)
    while not list((tmp_path / "large").glob("*.png")):
        assert task.poll() is None
        time.sleep(0.01)
    task.send_signal(signal.SIGTERM)  # --signal=B:TERM@120 sends it to the script alone
    _, told = task.communicate(timeout=60)
    assert task.returncode == 143, told
    codes = [array.start(index, *submitted).communicate() for index in range(count)]
    assert len(codes) == count
    merge = re.findall(r"--wrap '(.*)'", PAGE)[0]
    merged = subprocess.run(
        ["sh", "-c", merge], cwd=tmp_path, env=machine, capture_output=True, text=True, check=False
    )
    assert merged.returncode == 0, merged.stderr
    assert len(contents(tmp_path / "large")) == 9


@pytest.mark.slow
def test_an_indexed_job_of_kubernetes(photos, esc_command, contents, tmp_path):
    """What a Pod runs, for each index; the cluster's own part cannot be tried here."""
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load(block("yaml", "kind: Job"))["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    (mounted,) = container["volumeMounts"]
    assert (job["completionMode"], pod["restartPolicy"]) == ("Indexed", "Never")
    assert mounted["name"] == pod["volumes"][0]["name"]
    (variable,) = (one["name"] for one in container["env"])

    def run(index):
        words = [*container["command"], *container["args"]]
        words = [word.replace(f"$({variable})", str(index)) for word in words]
        moved = [re.sub(f"^{mounted['mountPath']}", str(tmp_path), word) for word in words]
        assert moved[0] == "esc"
        return esc_command(*moved[1:], env={variable: str(index)})

    (photos / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no picture")
    codes = [run(index).code for index in range(job["completions"])]
    assert sorted(codes) == [0] * (job["completions"] - 1) + [1]
    assert len(contents(tmp_path / "large")) == 9
    rule = job["podFailurePolicy"]["rules"][0]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailIndex", [1, 2])
    merged = esc_command("report", "merge", *tmp_path.glob("esc-*.jsonl"))
    assert "9 done, 0 skipped, 1 failed" in merged.err


@pytest.mark.slow
def test_a_line_of_cron(photos, machine, contents, tmp_path):
    """As cron runs it: by `sh`, with hardly any environment."""
    *times, command = block("", "* * *").split(None, 5)
    assert len(times) == 5
    for place in ("/srv", "/var/log"):
        command = command.replace(place, str(tmp_path))
    command = command.replace("/usr/local/bin/esc", str(tmp_path / "bin" / "esc"))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}

    def night():
        ran = subprocess.run(
            ["/bin/sh", "-c", command.strip()],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr

    assert night() == (0, "")
    assert len(contents(tmp_path / "large")) == 9
    (photos / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no picture")
    code, mailed = night()
    assert code == 1
    assert len(mailed.splitlines()) == 1
    assert "bad.png" in mailed


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_the_units_of_systemd(photos, machine, contents, tmp_path):
    for name in ("esc.service", "esc.timer"):
        text = block("ini", f"/etc/systemd/system/{name}")
        for place in ("/srv", "/var/log"):
            text = text.replace(place, str(tmp_path))
        text = text.replace("/usr/local/bin/esc", str(tmp_path / "bin" / "esc"))
        (tmp_path / name).write_text(text)
    units = [tmp_path / "esc.service", tmp_path / "esc.timer"]
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    (start,) = re.findall(r"ExecStart=(.*)", units[0].read_text())
    assert subprocess.run(shlex.split(start), env=machine, check=False).returncode == 0
    assert len(contents(tmp_path / "large")) == 9
    # Where SIGTERM ends it, the code is 143, and the unit has not failed.
    assert "SuccessExitStatus=75 143" in units[0].read_text()
