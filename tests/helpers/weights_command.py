"""`esc` where a local server has the published weights, and whether it needs torch."""

from __future__ import annotations

import os
import subprocess
import sys

from command import ROOT, Command, Word

FP2 = "ESC_FP_X2.pth"
COMMAND = Command(env={"COLUMNS": "200"})


def loaded_torch(*arguments: Word) -> tuple[bool, int]:
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
