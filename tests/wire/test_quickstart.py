# SPDX-License-Identifier: BSD-2-Clause
"""The demonstration itself is a test: every step holds, nothing is left behind."""
import subprocess

import pytest

from lab import ROOT, run
from wall import missing_programs


def play(*options):
    if missing_programs():
        pytest.skip("not built: " + ", ".join(missing_programs()))
    return subprocess.run(["/usr/bin/python3", ROOT / "tests/wire/quickstart.py", *options], capture_output=True, text=True,
                          timeout=180)


def namespaces():
    return {line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines()}


def test_every_step_holds():
    before = namespaces()
    done = play()
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    for step in "abcdefg":
        assert f"\n({step}) " in done.stdout
    assert namespaces() == before


def test_keep_and_clean():
    before = namespaces()
    done = play("--keep")
    try:
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert "--clean" in done.stdout and namespaces() > before
        assert play("--keep").returncode == 1
    finally:
        assert play("--clean").returncode == 0
    assert namespaces() == before
