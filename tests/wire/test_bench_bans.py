# SPDX-License-Identifier: BSD-2-Clause
"""tests/bench/bench_bans.py still measures: one short round of everything."""
import subprocess

from lab import ROOT
from wall import BUILD


def test_a_short_round():
    done = subprocess.run(["/usr/bin/python3", ROOT / "tests/bench/bench_bans.py", "--build", BUILD, "--quick"],
                          capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    for row in ("bans and unbans", "in force after a reboot", "memory of the daemon", "from a worker's word", "a list of"):
        assert row in done.stdout, done.stdout
