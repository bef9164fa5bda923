# SPDX-License-Identifier: BSD-2-Clause
"""Whose connections are counted and who is banned where our own server dials, too: a remote server, and never our own."""
import pytest

from federation import Federation
from lab import wait_for

OURS, REMOTE = "198.51.100.10", "203.0.113.10"
POLICY = """
chain words {
    hook from_others, to_others;
    rule pest { message body contains "pest" drop, strike 1, log }
}
punish peer { 1 strikes within 1h; ban 1h; }
punish session { 1 strikes within 1h; of session; }
"""


@pytest.fixture(params=["one way", "bidi"])
def federation(request):
    with Federation("PP", modules=("smacks", *(["s2s_bidi"] if request.param == "bidi" else []))) as made:
        yield made


def test_bans_name_the_remote_server(federation):
    wall = federation.a.raise_wall(more=POLICY)
    federation.exchange()
    a, b = federation.a.user(), federation.b.user()
    a.say(b.jid, "a pest")
    wall.event(rule="pest", direction="out")
    federation.exchange()  # the stream lives
    assert wall.bans() == [] and not wall.blocked()
    b.say(a.jid, "a pest")
    assert wall.event(rule="pest", direction="in")["src_ip"] == REMOTE
    wait_for(wall.bans, 5, "the ban")
    assert wall.bans() == [REMOTE]
    wait_for(lambda: REMOTE in wall.blocked(), 5, "it in the kernel")
    assert OURS not in wall.blocked()


def test_what_our_own_server_dials_is_not_metered():
    with Federation("PP") as federation:
        wall = federation.a.raise_wall(more="defend { connections { rate 1/minute burst 2; concurrent 2; penalty 1m; } }")
        for kind in ("", "more", "direct"):
            a, b = federation.a.user(kind), federation.b.user(kind)
            b.hear(a.say(b.jid))
        assert len([s for s in wall.sessions() if s["service"] == "to_others" and s["state"] == "online"]) == 3
        assert wall.ctl("status")["defend"]["others"]["rate"] == 0
        for kind in ("", "more", "direct"):  # the remote one is
            federation.b.user(kind).say(federation.a.user(kind).jid)
        wait_for(lambda: wall.ctl("status")["defend"]["others"]["rate"] + wall.ctl("status")["defend"]["others"]["concurrent"], 10,
                 "a connection of the remote server's that is refused")
