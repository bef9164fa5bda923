# SPDX-License-Identifier: BSD-2-Clause
"""The demonstration itself is a test: every step holds, nothing is left behind."""
import re
import subprocess

import pytest

from lab import ROOT, run
from wall import missing_programs


def play(*options):
    """The demonstration's end, and the namespaces it made or names (other labs may run beside it)."""
    if missing_programs():
        pytest.skip("not built: " + ", ".join(missing_programs()))
    process = subprocess.Popen(["/usr/bin/python3", ROOT / "tests/wire/quickstart.py", *options], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    out, _ = process.communicate(timeout=180)
    return process.returncode, out, {f"xw{process.pid}n0-fw", *re.findall(r"\bxw\d+n\d+-\w+", out)}


def namespaces():
    return {line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines()}


def test_every_step_holds():
    status, out, made = play()
    assert status == 0, out[-6000:]
    for step in "abcdefg":
        assert f"\n({step}) " in out
    assert not made & namespaces()


def test_keep_and_clean():
    status, out, made = play("--keep")
    try:
        assert status == 0, out[-6000:]
        assert "--clean" in out and made & namespaces()
        assert play("--keep")[0] == 1
    finally:
        assert play("--clean")[0] == 0
    assert not made & namespaces()
