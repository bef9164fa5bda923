# SPDX-License-Identifier: BSD-2-Clause
"""The short form of tests/bench/soak.py: some hundred sessions, an upgrade in the middle, no error and no growth."""
import os
import subprocess

import pytest

import wall
from lab import ROOT

pytestmark = pytest.mark.alone


def test_no_error_and_no_growth():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if wall.missing_programs() or not (wall.BUILD / "bin/xmppload").exists():
        pytest.skip("not built: xmppload")
    done = subprocess.run(["/usr/bin/python3", ROOT / "tests/bench/soak.py", "--build", wall.BUILD, "--idle", "300", "--active",
                           "50", "--minutes", "0.34", "--rate", "200", "--upgrade"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "upgraded:" in done.stdout and done.stdout.endswith("no error, no growth\n")
