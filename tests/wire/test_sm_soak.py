# SPDX-License-Identifier: BSD-2-Clause
"""Stream management (XEP-0198) through a wall that drops and bounces, over lost connections and a killed proxy child: nothing is
lost that the rules let pass, nothing comes twice, every error comes once, no stream ends with an error."""
import pytest

import soak


@pytest.mark.parametrize("libraries", [("slixmpp",)], ids="-".join)
def test_nothing_lost_nothing_twice(server, lab, new_wall, libraries):
    wall = new_wall(soak.POLICY).start()
    one = soak.Soak(lab, wall, server, libraries, pairs=4, seed=len(server.name))
    try:
        one.run(seconds=25, cycles=200, kill_every=6)
        wrong, counts = one.settle()
        print(counts, soak.counters(wall))
        assert not wrong, "\n".join(map(str, [counts, soak.counters(wall), *wrong[:20]]))
        assert counts["resumed"] >= 60 and counts["kills"] >= 2 and soak.counters(wall)["sm.adopted"] > 0
    finally:
        one.close()
