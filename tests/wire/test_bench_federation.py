# SPDX-License-Identifier: BSD-2-Clause
"""tests/bench/bench_federation.py still measures: one short round of everything."""
import pytest

from test_bench_attacks import cells, short

pytestmark = pytest.mark.alone


def test_a_short_round():
    text = short("bench_federation.py")
    for way in ("nothing", "one relay", "two relays", "one box", "one box, strict", "two boxes", "two boxes, strict"):
        delays, *_ = cells(text, way)
        assert all(0 < float(ms) < 1000 for ms in delays[:6]), text
        assert (float(delays[6]) == 0) == (way == "nothing"), text  # what stands at the gates is what ran
    for way in ("nothing", "one box", "two boxes"):
        _, delays = cells(text, way)
        assert all(0 < float(ms) < 1000 for ms in delays), text
    assert "one box: p50 at 100/s, over one relay, ms" in text
