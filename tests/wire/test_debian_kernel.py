# SPDX-License-Identifier: BSD-2-Clause
"""The kernel that Debian ships, in an emulated machine (tests/kernel): nft's own queue expression, which the kernel under
these tests need not have. About two to four minutes, nearly all of it emulation."""
import os
import pathlib
import re
import sys

import pytest

from lab import ROOT
from wall import BUILD

sys.path.insert(0, str(ROOT / "tests/kernel"))

import machine  # noqa: E402


def test_debian_kernel(tmp_path):
    lacks = machine.missing()
    if lacks:
        pytest.skip(lacks)
    if not (BUILD / "bin/firewall_load").exists():
        pytest.skip("not built: firewall_load")
    cache = pathlib.Path(os.environ.get("XMPPWALL_KERNELS", BUILD / "kernel"))
    try:
        status, text = machine.boot(cache, tmp_path, ROOT / "tests/kernel/inside.sh", [BUILD], [ROOT, BUILD])
    except machine.Unavailable as reason:
        pytest.skip(str(reason))
    print(text)
    assert status == 0, text[-6000:]
    passed = re.findall(r"^ok (\S+)", text, re.M)
    assert "native" in passed and "judged" in passed and "defend" in passed and "FAILED" not in text, text[-6000:]
