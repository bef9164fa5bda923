# SPDX-License-Identifier: BSD-2-Clause
"""Remote servers that prove themselves by signed DNS (RFC 7673), through the firewall and in both directions; and those that do not,
because their records are not signed, wrongly signed, or of another key. What DNS itself may do is test_dane.py's."""
import os
import re

import pytest

from certificates import Issuer, dns
from federation import Federation, give_addresses, peer_address
from lab import wait_for
from s2speer import Dialler, Listener, message, peer_domain, refused, stream_header
from zones import Between, Zones, tlsa

SIGNED, DEAD = "192.0.2.54", "192.0.2.55"  # name servers beside the lab's own
GOOD, OTHER, PLAIN, WRONG, ANCHORED, EXPIRED, WHOLE = range(103, 110)
POLICY = """
service from_others {{
    role s2s; listen tcp {{ 5269, 5270 }}; listen on {addresses};
    intercept tproxy; certificates "certs"; upstream original starttls; source client;
}}
service to_others {{
    role s2s; direction out; from @ours; listen tcp {{ 5269, 5270 }};
    intercept tproxy; certificates "certs"; upstream original starttls; source client;
}}
set ours {{ type address; elements = {{ {addresses} }}; }}
federation {{ trust file "trust.pem"; resolver {resolver}; anchor "root.key"; {require}; }}
"""


class Scene:
    def __init__(self, federation):
        self.federation, self.a = federation, federation.a
        give_addresses(federation.net, "lo", f"{SIGNED}/32", f"{DEAD}/32")
        self.leaves = {}
        folder, self.private = federation.folder / "dane", Issuer(federation.folder / "private", "private CA")
        self.zones = federation.add(Zones(federation.net, federation.folder / "zones", [SIGNED]))
        for number in (GOOD, OTHER, PLAIN, WRONG, ANCHORED, EXPIRED, WHOLE):
            domain = peer_domain(number)
            issuer = self.private if number == ANCHORED else federation.public
            leaf = issuer.issue(domain, folder, [dns(domain)], self_signed=number not in (OTHER, ANCHORED),
                                days=(-10, -1) if number == EXPIRED else (-1, 30))
            self.leaves[number] = leaf
            record = {OTHER: lambda: tlsa("_5269._tcp.host", self.leaves[GOOD]),
                      ANCHORED: lambda: tlsa("_5269._tcp.host", self.private.file, usage=2),
                      WHOLE: lambda: tlsa("_5269._tcp.host", self.leaves[WHOLE], selector=0, matching=0)}.get(
                          number, lambda: tlsa("_5269._tcp.host", self.leaves[number]))()
            self.zones.add(domain, ["_xmpp-server._tcp SRV 0 0 5269 host", f"host A {peer_address(number)}", record],
                           signed=number != PLAIN, trusted="wrong" if number == WRONG else True)
        self.zones.start()
        self.settings = None

    def policy(self, require, resolver):
        return POLICY.format(addresses=", ".join(self.a.addresses), resolver=resolver, require=require)

    def wall(self, require, resolver=SIGNED):
        if self.settings != (require, resolver):
            self.settings = require, resolver
            wall = self.a.make_wall(configuration=self.policy(require, resolver))
            wall.write(**{"root.key": self.zones.anchors.read_text()})
            wall.start()
            self.federation.hang_up()
        return self.a.wall

    def dial(self, number, certificate=None):
        return Dialler(self.a, peer_domain(number), number=number, certificate=certificate or self.leaves[number])

    def listen(self, number, certificate=None):
        return Listener(self.federation, number, certificate=certificate or self.leaves[number], trust=self.federation.public.file)

    def counter(self, name):
        return self.a.wall.ctl("status")["counters"].get(name, 0)

    def counted(self, name, before, seconds=20):
        wait_for(lambda: self.counter(name) > before, seconds, f"a count of {name}")


@pytest.fixture(scope="module")
def scene():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with Federation("PP") as federation:
        yield Scene(federation)


@pytest.mark.parametrize("number", [GOOD, ANCHORED, WHOLE], ids=["key", "authority", "whole"])
def test_signed_records_suffice(scene, number):
    """No public authority vouches for these: DNS does. They speak to us, and we to them."""
    scene.wall("require dane")
    before = scene.counter("remote.verified.dane")
    peer = scene.dial(number).secure()
    assert "EXTERNAL" in peer.features and "<success" in peer.external()
    peer.open()
    juliet = scene.a.user()
    peer.send(message(f"x@{peer.me}", juliet.jid, f"in {number}", "1"))
    juliet.hear(f"in {number}")
    peer.close()
    with scene.listen(number) as listener:
        listener.stanza(juliet.say(f"x@{peer.me}", f"out {number}"))
        assert any(stream.said("auth") for stream in listener.streams)
    assert scene.counter("remote.verified.dane") >= before + 2


CASES = pytest.mark.parametrize("number,shown,why", [(OTHER, OTHER, "dane-mismatch"), (GOOD, OTHER, "dane-mismatch"), (PLAIN, PLAIN, "dns-insecure"),
                                                     (WRONG, WRONG, "dns-bogus"), (ANCHORED, GOOD, "dane-"), (110, GOOD, "dns-")],
                                ids=["other-key", "others-certificate", "unsigned", "bogus", "other-authority", "no-zone"])


@CASES
def test_others_are_refused(scene, number, shown, why):
    """A chain to a public authority (OTHER has one) does not help either."""
    wall = scene.wall("require dane")
    before = scene.counter("refused.remote.require"), scene.counter("remote.verified.dane")
    peer = scene.dial(number, scene.leaves[shown]).starttls()
    peer.send(stream_header(peer.me, peer.to))
    assert refused(peer) == "policy-violation"
    scene.counted("refused.remote.require", before[0])
    assert re.search(rf"domain=\S*{re.escape(peer.me)}\S* reason=remote.require why={why}", wall.process.text())
    assert scene.counter("remote.verified.dane") == before[1]


@CASES
def test_nothing_is_said_to_others(scene, number, shown, why):
    """We dial: our own server's stanza does not reach who cannot prove to be the domain."""
    scene.wall("require dane")
    scene.federation.hang_up()
    before = scene.counter("refused.remote.require")
    with scene.listen(number, scene.leaves[shown]) as listener:
        juliet = scene.a.user()
        juliet.say(f"x@{peer_domain(number)}", f"not for {number}")
        scene.counted("refused.remote.require", before)
        juliet.read_until(f"<message[^>]*from=.x@{peer_domain(number)}[^>]*type=.error.|<message[^>]*type=.error.[^>]*from=.x@{peer_domain(number)}", 40)
        assert not listener.stanzas()


def test_expired_certificate_of_signed_key(scene):
    """RFC 7671 5.1: dates are DNS's there. What is minted for it cannot outlive it, though: dialback is left."""
    scene.wall("require dane, dialback")
    before = scene.counter("remote.verified.dane")
    peer = scene.dial(EXPIRED).secure()
    scene.counted("remote.verified.dane", before)
    with scene.listen(EXPIRED):
        assert "EXTERNAL" in peer.features or peer.dialback() == "valid"


def test_records_that_name_another_take_pkix_away(scene):
    scene.wall("require pkix, dane, dialback")
    before = scene.counter("remote.verified.pkix"), scene.counter("remote.verified.none")
    peer = scene.dial(OTHER).secure()
    assert "EXTERNAL" not in peer.features
    assert (scene.counter("remote.verified.pkix"), scene.counter("remote.verified.none")) == (before[0], before[1] + 1)
    # The same certificate, and nothing signed that speaks against it.
    domain = peer_domain(111)
    leaf = scene.federation.public.issue(domain, scene.federation.folder / "dane", [dns(domain)])
    peer = scene.dial(111, leaf).secure()
    assert "EXTERNAL" in peer.features


def test_dead_resolver(scene):
    """It costs what it may cost, no more, and who does not ask for dane does not wait at all."""
    silent = Between(scene.federation.net, DEAD, 53, (SIGNED, 53))
    silent.meddle = lambda question, answer: None
    try:
        scene.wall("require dane", resolver=DEAD)
        before = scene.counter("refused.remote.require")
        peer = scene.dial(GOOD).starttls()
        peer.send(stream_header(peer.me, peer.to))
        assert refused(peer, 6) == "policy-violation"
        scene.counted("refused.remote.require", before)
        scene.wall("require dane, dialback", resolver=DEAD)
        with scene.listen(GOOD):
            assert scene.dial(GOOD).secure().dialback() == "valid"
        scene.wall("require pkix, dialback", resolver=DEAD)
        asked = scene.counter("dns.asked")
        with scene.listen(GOOD):
            assert scene.dial(GOOD).secure().dialback() == "valid"
        assert scene.counter("dns.asked") == asked
    finally:
        silent.close()


def test_reload(scene):
    """Another resolver and other anchors by reload; anchors that are none are refused, and the old ones stay."""
    wall = scene.wall("require dane", resolver=DEAD)  # nobody there
    scene.settings = None
    wall.write(**{"xmppwall.conf": scene.policy("require dane", SIGNED)})
    wall.ctl("reload")
    assert "EXTERNAL" in scene.dial(GOOD).secure().features
    anchors = scene.zones.anchors.read_text()
    wall.write(**{"root.key": anchors.replace(" DS ", " A ")})
    answer = wall.ctl("reload", check=False)
    assert "root.key" in str(answer) and "DNSSEC" in str(answer)
    assert "EXTERNAL" in scene.dial(WHOLE).secure().features
    digest = re.search(r"[0-9a-f]{64}", anchors)[0]
    wall.write(**{"root.key": anchors.replace(digest, digest[::-1])})
    wall.ctl("reload")
    peer = scene.dial(GOOD).starttls()
    peer.send(stream_header(peer.me, peer.to))
    assert refused(peer) == "policy-violation"
    assert "why=dns-bogus" in wall.process.text()
