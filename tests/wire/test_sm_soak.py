# SPDX-License-Identifier: BSD-2-Clause
"""Stream management (XEP-0198) through a wall that drops and bounces, over lost connections, a killed proxy child and a daemon
that restarts: nothing is lost that the rules let pass, nothing comes twice, every error comes once, no stream ends with an error.
tests/bench/soak_sm.py is the same for as long as one likes."""
import importlib.util

import pytest

import soak


@pytest.mark.parametrize("libraries", [("slixmpp",), ("slixmpp", "nbxmpp")], ids="-".join)
def test_nothing_lost_nothing_twice(server, lab, new_wall, libraries):
    if "nbxmpp" in libraries and not importlib.util.find_spec("nbxmpp"):
        pytest.skip("python3-nbxmpp is not installed")
    if "nbxmpp" in libraries and server.name == "ejabberd":
        pytest.skip("these two lose messages by themselves (tests/bench/soak_sm.py --without-wall)")
    wall = new_wall(soak.POLICY).start()
    one = soak.Soak(lab, wall, server, libraries, pairs=4, seed=len(server.name))
    try:
        # ejabberd 23.01 loses and doubles a few in a thousand such cycles by itself (soak_sm.py --without-wall).
        cycles, kill_every = (150, 3.5) if server.name == "prosody" else (40, 1)
        one.run(seconds=10, cycles=cycles, kill_every=kill_every, restart_every=6)
        wrong, counts = one.settle()
        print(counts, soak.counters(wall))
        assert not wrong, "\n".join(map(str, [counts, soak.counters(wall), *wrong[:20]]))
        assert counts["resumed"] >= 20 and counts["kills"] >= 1
        assert soak.counters(wall)["sm.adopted"] > 0 and soak.counters(wall)["sm.unknown"] == 0
    finally:
        one.close()
