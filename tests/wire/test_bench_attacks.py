# SPDX-License-Identifier: BSD-2-Clause
"""tests/bench/bench_flood.py and bench_slowloris.py still measure: one short round of everything."""
import os
import subprocess

import pytest

from lab import ROOT
from wall import BUILD, missing_programs

pytestmark = pytest.mark.alone


def short(program, *more):
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if missing_programs() or not (BUILD / "bin/xmppload").exists():
        pytest.skip("not built: xmppload")
    done = subprocess.run(["/usr/bin/python3", ROOT / "tests/bench" / program, "--build", BUILD, "--quick", *more],
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cells(text, *wanted):
    """Of the one row that begins with these cells."""
    rows = [[c.strip() for c in line.strip("| \n").split("|")] for line in text.splitlines() if line.startswith("|")]
    found = [row[len(wanted):] for row in rows if row[:len(wanted)] == list(wanted)]
    return found


def test_a_short_flood():
    text = short("bench_flood.py", "--rate", "2000", "--sources", "200")
    for what in ("flood, nothing said", "flood, half a hello"):
        honest, stood = cells(text, "behind xmppwall", what)
        assert honest[4].startswith("0 of "), text
        tried, _, after = (float(n.replace(",", "")) for n in stood)
        assert after < tried / 2, text  # the kernel has learned
        assert f"{what}: spent on it by xmppwall's processes" in text


def test_a_short_slow_attack():
    text = short("bench_slowloris.py", "--connections", "300", "--sources", "100")
    honest, held = cells(text, "xmppwall without `defend`", "held")[0], cells(text, "xmppwall without `defend`")[-1]
    assert honest[4].startswith("0 of "), text
    assert float(held[0].replace(",", "")) == 300, text
    assert "memory for all of them" in text
