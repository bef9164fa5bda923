# SPDX-License-Identifier: BSD-2-Clause
"""Serverless messaging (XEP-0174) through the live inspector: on a user's own machine and on a bridge, with a peer of the tests' own
that lies where it can, and with finch on avahi."""
import itertools
import os
import shutil
import sys

import pytest

from deploy import EXAMPLES
from lab import ROOT, wait_for
from serverless import Peer, Place, answer, dns_name, pairs, record, SERVICE

sys.path.insert(0, str(ROOT / "tests/captures"))

FILES = {"laptop": "deploy/laptop.conf", "bridge": "deploy/lan-gateway.conf", "router": "deploy/lan-gateway.conf"}
RULES = """chain lan {
    hook serverless; policy accept;
    rule impostor { session.announced is elsewhere close policy-violation, log }
    rule spam     { text contains "casino" drop, log }
    rule guillotine { text contains "guillotine" close policy-violation }
}
"""
_numbers = itertools.count()
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
both = pytest.mark.parametrize("version", [4, 6])


def configuration(kind):
    return (EXAMPLES / FILES[kind]).read_text()


@pytest.fixture(params=["laptop", "bridge", "router"])
def place(request, tmp_path):
    if request.param == "router" and not shutil.which("avahi-daemon"):
        pytest.skip("no avahi-daemon here")
    made = Place(f"xw{os.getpid()}s{next(_numbers)}", request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture
def people(place):
    """juliet and romeo, who hear each other; romeo's is the machine with the wall, if one's is."""
    made = [Peer(name, host, place.addresses(number)) for number, (name, host) in enumerate(zip(("juliet", "romeo"), place.hosts))]
    for peer in made:
        for version in (4, 6):
            peer.join(version)
    yield made
    for peer in made:
        peer.close()


@pytest.fixture
def wall(place, new_wall):
    return new_wall(configuration(place.kind), namespace=place.wall, certificates=[], **{"rules.d/lan.rules": RULES}).start()


def talk(speaker, stream, far):
    """Both ways, and what is forbidden vanishes while the stream lives."""
    stream.say("hello")
    stream.say("casino bonus")
    stream.say("passes")
    far.has("<body>passes</body>")
    far.send("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    far.say("casino, too")
    far.say("answered")
    stream.has("<body>answered</body>")
    assert b"casino" not in far.got and b"casino" not in stream.got
    assert b"<body>hello</body>" in far.got


@both
def test_an_announced_port(wall, people, place, version):
    """From its first packet on, on the port that the announcement names; until the goodbye."""
    juliet, romeo = people
    address = juliet.addresses[version]
    juliet.listen(40123, version)
    juliet.announce(40123, version)
    wait_for(lambda: (address, 40123) in pairs(place.wall, version), 5, "the pair to be known to the kernel")
    stream = romeo.dial(juliet, 40123, version)
    stream.send(romeo.header(juliet))
    far = wait_for(lambda: juliet.streams, 5, "juliet's end")[-1]
    talk(romeo, stream, far)
    # Each is the peer where it speaks.
    wait_for(lambda: len(wall.events(rule="spam", service="serverless")) == 2, 5, "both events")
    first, second = wall.events(rule="spam")
    assert (first["src_ip"], first["dest_ip"], first["dest_port"]) == (romeo.addresses[version], address, 40123)
    assert (second["src_ip"], second["src_port"], second["dest_ip"]) == (address, 40123, romeo.addresses[version])
    juliet.announce(40123, version, ttl=0)
    wait_for(lambda: not pairs(place.wall, version), 5, "the pair to be gone")
    # What stands is judged to its end.
    stream.say("casino royale")
    stream.say("goodbye")
    far.has("<body>goodbye</body>")
    assert b"royale" not in far.got


@both
def test_the_first_bytes(wall, people, version):
    """Nobody announced it: found by how it begins."""
    juliet, romeo = people
    juliet.listen(45454, version)
    stream = romeo.dial(juliet, 45454, version)
    stream.send(romeo.header(juliet))
    far = wait_for(lambda: juliet.streams, 5, "juliet's end")[-1]
    talk(romeo, stream, far)


def test_the_usual_port(wall, people):
    juliet, romeo = people
    romeo.listen(5298)
    stream = juliet.dial(romeo, 5298)
    stream.send(juliet.header(romeo))
    far = wait_for(lambda: romeo.streams, 5, "romeo's end")[-1]
    talk(juliet, stream, far)
    stream.say("to the guillotine")
    assert stream.ends() and far.ends()
    assert b"guillotine" not in far.got


@both
def test_announcements(wall, people, version):
    """What a peer says of itself is judged; who may not be heard is not heard of."""
    juliet, romeo = people
    juliet.announce(40123, version, msg="free casino chips")
    juliet.announce(40123, version, _1st="Casi", last="casino")
    juliet.announce(40123, version, name="casino@x")
    juliet.announce(40123, version, msg="at the balcony")
    romeo.heard("at the balcony")
    assert not romeo.has_heard("casino")
    event = wall.event(rule="spam")
    assert event["dest_port"] == 5353 and event["xmpp"]["service"] == "serverless"
    # What contradicts itself others may read otherwise.
    juliet.send(answer(record(SERVICE, 12, 4500, b"\x05broken\xc0\xff")), version)
    juliet.announce(40123, version, msg="again")
    romeo.heard("again")
    assert not romeo.has_heard("broken")


def test_somebody_elses_name(wall, people, place):
    """A name that is announced for another address."""
    juliet, romeo = people
    romeo.announce(40124)
    juliet.heard(romeo.name)
    romeo.listen(5298)
    stream = juliet.dial(romeo, 5298)
    stream.send(juliet.header(romeo, name=romeo.name))
    stream.say("it is me, romeo")
    assert stream.ends()
    assert wall.event(rule="impostor")["src_ip"] == juliet.addresses[4]


def test_a_lie_about_a_port(wall, people, place):
    """Who announces another's port ends nothing there: not what stood before, not what is no stream."""
    juliet, romeo = people
    romeo.listen(8080)
    before = juliet.dial(romeo, 8080)
    before.send("one")
    far = wait_for(lambda: romeo.streams, 5, "romeo's end")[-1]
    far.has("one")
    juliet.announce(8080, address=romeo.addresses[4])
    wait_for(lambda: (romeo.addresses[4], 8080) in pairs(place.wall), 5, "the pair to be known to the kernel")
    before.send("two")
    far.has("two")
    far.send("three")
    before.has("three")
    after = juliet.dial(romeo, 8080)
    after.send("GET / HTTP/1.1\r\n\r\n")
    far = wait_for(lambda: len(romeo.streams) > 1 and romeo.streams[-1], 5, "romeo's other end")
    far.has("GET / HTTP/1.1")
    far.send("HTTP/1.1 200 OK\r\n\r\n")
    after.has("200 OK")


# ---- finch ----

@pytest.fixture
def finches(request, tmp_path):
    """A place with two who use finch, and their wall-to-be: names, made on demand."""
    if not all(map(shutil.which, ("finch", "avahi-daemon", "dbus-daemon", "gdbus"))):
        pytest.skip("no finch, avahi-daemon or dbus here")
    from bonjour import Person
    made = []

    def make(kind, names=("juliet", "romeo")):
        tag = f"xw{os.getpid()}f{next(_numbers)}"
        made.extend(Person(tag, name, tmp_path, 4) for name in names)
        made.append(Place(tag, kind, tmp_path, [p.host for p in made]))
        return made[-1], made[:-1]

    yield make
    for thing in made[-1:]:
        thing.close()
    for person in made[:-1]:
        person.end()


@pytest.mark.parametrize("kind", ["laptop", "bridge", "router"])
def test_finch(finches, new_wall, kind):
    """Unmodified clients find each other and talk; what is forbidden is never heard, and the conversation goes on."""
    place, (juliet, romeo) = finches(kind)
    wall = new_wall(configuration(kind), namespace=place.wall, certificates=[], **{"rules.d/lan.rules": RULES}).start()
    for p in (juliet, romeo):
        p.begin()
    for p, other in ((juliet, romeo), (romeo, juliet)):
        wait_for(lambda p=p, other=other: p.sees(other.address), 30, f"{p.name} to see {other.name}")
    for speaker, hearer in ((juliet, romeo), (romeo, juliet)):
        # What one said oneself stands there, too.
        for text in ("good morrow", "casino bonus", "farewell"):
            speaker.say(hearer.address, f"{text} from {speaker.name}")
        wait_for(lambda h=hearer, s=speaker: h.heard(s.address, f"farewell from {s.name}"), 20, f"{hearer.name} to hear")
        assert hearer.heard(speaker.address, f"good morrow from {speaker.name}")
        assert not hearer.heard(speaker.address, f"casino bonus from {speaker.name}")
    assert {e["src_ip"] for e in wall.events(rule="spam")} == {place.addresses(n)[4] for n in (0, 1)}


@pytest.mark.parametrize("kind", ["bridge", "router"])
def test_finch_who_may_not_be_heard_of(finches, new_wall, kind):
    """A name is a text: who bears a forbidden one is seen by nobody behind the wall."""
    place, (casino, romeo) = finches(kind, ("casino", "romeo"))
    wall = new_wall(configuration(kind), namespace=place.wall, certificates=[], **{"rules.d/lan.rules": RULES}).start()
    for p in (romeo, casino):
        p.begin()
    wait_for(lambda: casino.sees(romeo.address), 30, "the other way")
    assert wall.event(rule="spam")["dest_port"] == 5353
    assert not romeo.sees(casino.address)
