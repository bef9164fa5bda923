# SPDX-License-Identifier: BSD-2-Clause
"""Federation of real servers in every combination, without a firewall and with one before either or both: how each kind of domain
is found and believed stays as it is without."""
import os

import pytest

from federation import KINDS, Federation
from lab import wait_for

COMBINATIONS = ["PP", "PE", "EP", "EE"]
HOW = {kind: {"dialback" if kind == "dial" else "external"} for kind in KINDS}


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")


@pytest.fixture(scope="module", params=COMBINATIONS)
def federation(request):
    needs_root()
    with Federation(request.param) as made:
        yield made


@pytest.fixture(scope="module", params=["a", "b", "ab"])
def walled(request, federation):
    """With a firewall before the sides named."""
    sides = [side for side in federation.sides if side.name in request.param]
    for side in sides:
        side.raise_wall()
    yield federation
    for side in sides:
        side.drop_wall()
    federation.hang_up()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "plain")
def test_servers_federate_by_themselves(federation, kind):
    """What the lab stands on: without a firewall each kind of domain works, and is believed as it should be."""
    federation.hang_up()
    federation.mark()
    federation.exchange(kind, how=HOW[kind])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "plain")
def test_firewalls_between_change_nothing(walled, kind):
    """STARTTLS and TLS from the first byte, IPv4 and IPv6, SASL EXTERNAL by a leaf for exactly what was verified, and dialback: both
    servers believe each other in the way they would without a firewall."""
    walled.mark()
    walled.exchange(kind, how=HOW[kind])
    for side in walled.sides:
        if side.wall:
            peer = next(other for other in walled.sides if other is not side).domain(kind)
            found = {s["service"] for s in side.wall.sessions() if s["jid"] == peer and s["state"] == "online"}
            assert found == {"from_others", "to_others"}, side.wall.sessions()


def test_a_room_is_visited_across(walled):
    """Presence, an occupant's messages and an iq, between a user of one side and a component of the other."""
    romeo, room = walled.b.user(name="friar"), "cell@rooms.a.example"
    romeo.send(f"<presence to='{room}/friar'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    romeo.read_until("<presence[^>]*from=.cell@rooms.a.example/friar.*?</presence>", 20)
    romeo.send(f"<message to='{room}' type='groupchat' id='g'><body>good morrow</body></message>")
    assert "good morrow" in romeo.hear("good morrow")
    assert "type='result'" in romeo.ask(room, "<query xmlns='http://jabber.org/protocol/disco#info'/>").replace('"', "'")
    romeo.send(f"<presence to='{room}/friar' type='unavailable'/>")
    romeo.read_until("<presence[^>]*type=.unavailable.*?</presence>", 20)


def test_iqs_are_answered_across(walled):
    for user, other in ((walled.a.user(), walled.b.domain()), (walled.b.user(), walled.a.domain())):
        answer = user.ask(other, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        assert "result" in answer and "identity" in answer


def test_streams_end_when_a_server_goes(walled):
    """A close of one server's goes through to the other, and the next stanza opens new streams."""
    walled.exchange()
    walled.hang_up()
    for side in walled.sides:
        if side.wall:
            wait_for(lambda side=side: not side.wall.sessions(), 15, "the firewall's sessions to end")
    walled.mark()
    walled.exchange(how=HOW[""])


@pytest.mark.parametrize("servers", ["PP", "PE", "EE"])
def test_clear_text_where_the_policy_takes_it(servers):
    """Servers without TLS at all: dialback, through the firewalls of both sides, where both say "tls optional"."""
    needs_root()
    with Federation(servers, tls="none") as made:
        for side in made.sides:
            side.raise_wall(tls="optional")
        made.mark()
        made.exchange(how={"dialback"})
