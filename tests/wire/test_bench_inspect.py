# SPDX-License-Identifier: BSD-2-Clause
"""tests/bench/bench_inspect.py still measures: one short round of everything."""
import subprocess

from lab import ROOT
from wall import BUILD


def test_a_short_round():
    done = subprocess.run(["/usr/bin/python3", ROOT / "tests/bench/bench_inspect.py", "--build", BUILD, "--quick"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| accept all |" in done.stdout and "lost" not in done.stdout, done.stdout
    for row in ("one-way flood", "one in flight", "added latency", "after STARTTLS", "memory of an idle connection"):
        assert f"| {row}" in done.stdout, done.stdout
