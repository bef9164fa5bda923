# SPDX-License-Identifier: BSD-2-Clause
"""Which remote server a verdict is about, how it proved that, and since when it is known: through the proxy, over a killed child."""
import os
import signal

import pytest

from certificates import dns, srv
from federation import Federation
from lab import wait_for
from s2speer import Dialler, Listener, message, peer_domain

RULES = """
chain inbound {
    hook any direction in; policy accept;
    rule pest { message body contains "pest"        drop, strike 1 }
    rule old  { message remote.first_seen >= 1s     accept, log }
    rule new  { message                             accept, log }
}
punish domains { 2 strikes within 1h; of domain; ban 1h; }
"""


@pytest.fixture(scope="module")
def federation():
    with Federation("PP") as both:
        both.a.raise_wall(more=RULES)
        yield both


def verdict_of(federation, kind=""):
    """The event of one message from b to a."""
    a, b = federation.a.user(kind), federation.b.user(kind)
    wall, body = federation.a.wall, b.say(a.jid)
    a.hear(body)
    return wait_for(lambda: [e for e in wall.events(kind="message") if e["xmpp"]["from"].startswith(b.bare)], 10, "a verdict")[-1]["xmpp"]


@pytest.mark.parametrize("kind,how", [("", "pkix"), ("dial", "dialback")])
def test_verified(federation, kind, how):
    event = verdict_of(federation, kind)
    assert (event["remote"], event["verified"]) == (federation.b.domain(kind), how)
    wait_for(lambda: verdict_of(federation, kind)["rule"] == "old", 15, "it to be known for a second")


def test_killed_child(federation):
    before = federation.a.wall.proxies()
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: (now := federation.a.wall.proxies()) and now != before and federation.a.wall.ready(), 20, "another proxy")
    federation.hang_up()
    assert verdict_of(federation)["rule"] == "old"
    assert verdict_of(federation, "six")["rule"] == "new"


def listener(federation, number):
    domain = peer_domain(number)
    certificate = federation.public.issue(domain, federation.folder / "peers", [dns(domain), srv(domain)])
    return Listener(federation, number, certificate=certificate)


def test_two_domains_of_a_stream(federation):
    """Each answers for itself: events, strikes, and the end of the stream when one of them is barred."""
    wall, user = federation.a.wall, federation.a.user()
    listeners = [listener(federation, number) for number in (101, 102)]
    first, second = peer_domain(101), peer_domain(102)
    stream = Dialler(federation.a, me=first).secure()
    assert stream.dialback(first) == "valid" and stream.dialback(second) == "valid"
    for domain in (first, second):
        stream.send(message(f"x@{domain}", user.jid, f"from {domain}", domain))
        user.hear(f"from {domain}")
        event = wall.event(kind="message", **{"from": f"x@{domain}"})["xmpp"]
        assert (event["remote"], event["verified"]) == (domain, "dialback")
    for number in "12":
        stream.send(message(f"x@{second}", user.jid, "pest", number))
    wait_for(lambda: [b["domain"] for b in wall.ctl("bans")["barred"]] == [second], 10, "the second one to be barred")
    stream.end()
    for one in listeners:
        one.close()
