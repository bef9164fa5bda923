# SPDX-License-Identifier: BSD-2-Clause
"""docs/examples/shield before real servers: for each recommendation of XEP-0205 one hostile client, which is stopped by the rule
that docs/XEP-0205.md names for it, and two honest ones beside it, who notice nothing."""
import base64
import itertools
import re
import time

import pytest

from client import Client
from lab import ROOT, client_address, wait_for
from raw import RawClient
from wall import Wall

OFFICE = 30
REPLACED = [("elements = { example.org }", "elements = { verona.example, mantua.example }"),
            ("rooms.example.org", "rooms.verona.example, rooms.mantua.example"),
            ("set offices    { type address; elements = { 203.0.113.0/24 }; }",
             f"set offices {{ type address; elements = {{ 192.0.2.{OFFICE}/32 }}; }}"),
            ("20 strikes within 10m", "100000 strikes within 10m")]
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
_unique = itertools.count(1)


def shield():
    """The example as it stands; its own expectations speak of its own domain."""
    text = (ROOT / "docs/examples/shield/xmppwall.conf").read_text()
    for old, new in REPLACED:
        assert old in text, old
        text = text.replace(old, new)
    return text[:text.index("\nexpect ")] + "\n"


@pytest.fixture(scope="module")
def wall(lab, leaves):
    made = Wall(lab, "shield")
    made.write(**{"xmppwall.conf": shield()})
    for leaf in leaves:
        made.certificate(leaf)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="module")
def friends(lab, wall):
    """friends(server): juliet and romeo, who have known each other before anything happens."""
    made = {}

    def find(server):
        if server not in made:
            pair = [Client(lab, name).login(server, name, number, version=4) for name, number in (("juliet", 11), ("romeo", 12))]
            made[server] = pair
            for one, other in (pair, pair[::-1]):
                one.say(other.jid, "good morrow")
                other.body("good morrow")
        return made[server]

    yield find
    for pair in made.values():
        for one in pair:
            one.close()


@pytest.fixture
def honest(friends):
    """honest(server): both are there, and a word of the one reaches the other at once."""
    def ask(server):
        juliet, romeo = friends(server)
        text, begun = f"word {next(_unique)}", time.monotonic()
        juliet.say(romeo.jid, text)
        romeo.body(text)
        romeo.ask("ping")
        assert time.monotonic() - begun < 3 and juliet.alive() and romeo.alive()

    return ask


@pytest.fixture
def hostile(lab):
    """hostile(server, user, client number): a raw client that is logged in."""
    made = []

    def make(server, name="mercutio", number=20, login=True):
        raw = RawClient(lab, server, source=client_address(number, 4))
        made.append(raw)
        return raw.login(name) if login else raw

    yield make
    for raw in made:
        raw.close()


def events(wall, rule):
    return wall.events(last=2000, rule=rule)


def rule_hits(wall, name):
    return next(r["hits"] for r in wall.ctl("rules")["rules"] if r["name"] == name)


def settled(raw, pattern=r"id=['\"]last['\"]"):
    """Sends a request and reads up to its answer: everything before it has been answered."""
    raw.send("<iq type='get' id='last'><ping xmlns='urn:xmpp:ping'/></iq>")
    return raw.read_until(pattern + r".*?(</iq>|/>)", 20)


def stopped(wall, raw, rule, stanzas, passing, condition=None):
    """So many pass, the others are stopped by that rule, and their sender is told."""
    before = rule_hits(wall, rule)
    raw.send("".join(stanzas))
    answers = settled(raw)
    hits = rule_hits(wall, rule) - before
    assert len(stanzas) - passing - 3 <= hits <= len(stanzas) - passing, (hits, answers[-600:])
    if condition:
        assert answers.count(f"<{condition} ") == hits, answers[-600:]
    return answers


# ---- 4.4, 4.5: resources, size ----

def bind_sixth(hostile, server):
    """Logged in, about to bind."""
    raw = hostile(server, "tybalt", 24, login=False)
    raw.starttls().open()
    token = base64.b64encode(f"\0tybalt\0{server.users['tybalt']}".encode()).decode()
    raw.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
    raw.read_until("<success[^>]*/?>")
    raw.open().send(BIND)
    return raw


def test_resources_of_an_account(wall, server, hostile, honest):
    kept = [hostile(server, "tybalt", 21 + i % 3) for i in range(5)]
    answer = bind_sixth(hostile, server).read_until("</iq>")
    assert "<resource-constraint" in answer and "too many resources" in answer, answer
    assert "<resource-limit-exceeded" in answer
    honest(server)
    for raw in kept:
        settled(raw)
    kept[0].send("</stream:stream>")
    kept[0].read_all()
    kept[0].close()
    wait_for(lambda: len([s for s in wall.sessions() if s["jid"].startswith(f"tybalt@{server.domain}")]) == 4, 5, "one to be gone")
    assert "<jid>" in bind_sixth(hostile, server).read_until("</iq>")


def test_size_of_stanzas(wall, prosody, hostile, honest):
    raw = hostile(prosody)
    answers = stopped(wall, raw, "size", [f"<message to='romeo@verona.example' id='big'><body>{'x' * 70000}</body></message>"], 0, "not-allowed")
    assert '<stanza-too-big xmlns="urn:xmpp:errors"/>' in answers
    assert "xxxx" not in answers, "an error does not repeat what was too big"
    raw.send(f"<message to='romeo@verona.example'><body>{'x' * 200000}")
    assert "<policy-violation" in raw.read_all()
    honest(prosody)


# ---- 4.6: recipients ----

def test_distinct_recipients(wall, prosody, hostile, honest, friends):
    raw = hostile(prosody)
    romeo = friends(prosody)[1]
    raw.send("<message to='romeo@verona.example' type='chat'><body>before</body></message>")
    romeo.body("before")
    answers = stopped(wall, raw, "audience", [f"<message to='victim{i}@verona.example' type='headline' id='v{i}'/>" for i in range(60)], 29,
                      "unexpected-request")
    assert answers.count("<too-many-stanzas ") == answers.count("<unexpected-request ")
    # whom it has written to before stays within reach
    raw.send("<message to='romeo@verona.example' type='chat'><body>behind</body></message>")
    romeo.body("behind")
    honest(prosody)


def test_multicast(wall, prosody, hostile, honest):
    block = "".join(f"<address type='to' jid='v{i}@verona.example'/>" for i in range(30))
    stanza = f"<message to='verona.example' id='m'><addresses xmlns='http://jabber.org/protocol/address'>{block}</addresses><body>x</body></message>"
    stopped(wall, hostile(prosody), "multicast", [stanza] * 5, 0, "unexpected-request")
    # a few each time come to many, too
    small = stanza.replace(block, "".join(f"<address type='cc' jid='w{i}@verona.example'/>" for i in range(10)))
    stopped(wall, hostile(prosody, "nurse", 23), "multicast", [small] * 10, 4, "unexpected-request")
    honest(prosody)


# ---- 4.7: bytes and stanzas ----

def test_bandwidth(wall, prosody, hostile, honest):
    """Half a megabyte at once, then it is not heard for a while: the others are."""
    raw = hostile(prosody)
    before = rule_hits(wall, "bandwidth")
    for _ in range(12):
        raw.send(f"<message to='mercutio@verona.example' type='headline'><body>{'x' * 50000}</body></message>")
    wait_for(lambda: rule_hits(wall, "bandwidth") > before, 10, "its share to be used up")
    raw.send("<iq type='get' id='slow'><ping xmlns='urn:xmpp:ping'/></iq>")
    begun = time.monotonic()
    honest(prosody)
    raw.read_until("id=['\"]slow['\"]", 30)
    assert time.monotonic() - begun > 1.5


def test_stanzas(wall, prosody, hostile, honest):
    stanzas = [f"<iq type='get' id='f{i}'><ping xmlns='urn:xmpp:ping'/></iq>" for i in range(300)]
    raw = hostile(prosody)
    before = rule_hits(wall, "flood")
    raw.send("".join(stanzas))
    answers = raw.read_until("id=['\"]f299['\"]", 20)
    assert 60 <= rule_hits(wall, "flood") - before <= 102
    assert answers.count("slow down") >= 55
    honest(prosody)


# ---- 4.8: kinds ----

def test_kinds_of_payload(wall, prosody, hostile, honest, friends):
    raw, romeo = hostile(prosody), friends(prosody)[1]
    romeo.mark()
    stopped(wall, raw, "bytestreams", [f"<iq type='set' id='i{i}' to='{romeo.jid}'><open xmlns='http://jabber.org/protocol/ibb' sid='s' "
                                       "block-size='4096'/></iq>" for i in range(5)], 0, "not-allowed")
    stopped(wall, raw, "avatars", [f"<iq type='get' id='a' to='{romeo.jid}'><query xmlns='jabber:iq:avatar'/></iq>"], 0, "not-allowed")
    honest(prosody)
    assert not romeo.saw("block-size")


def test_registrations(lab, wall, prosody, hostile, honest):
    """Before the login, by address; from elsewhere not at all."""
    request = ("<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>bot{0}</username><password>x</password></query></iq>")

    def register(n, **keywords):
        raw = RawClient(lab, prosody, **keywords)
        with raw:
            raw.starttls().open()
            raw.send(request.format(n))
            return raw.read_until("</iq>|</stream:error>")

    answers = [register(n, source=client_address(25, 4)) for n in range(8)]
    assert ["<resource-constraint" in a for a in answers] == [False] * 3 + [True] * 5, answers
    assert "<not-allowed" in register(9, source=client_address(25, 6), version=6)
    assert "bot4" not in prosody.log_text()
    honest(prosody)


def test_roster_requests(wall, server, hostile, honest):
    stopped(wall, hostile(server), "rosters", [f"<iq type='get' id='g{i}'><query xmlns='jabber:iq:roster'/></iq>" for i in range(30)], 8,
            "resource-constraint")
    honest(server)


def test_offline_storage(wall, prosody, hostile, honest):
    """A stranger's letters to somebody who is away fill a part of the store and no more."""
    stopped(wall, hostile(prosody), "mailbox", [f"<message to='nurse@verona.example' id='o{i}' type='chat'><body>{'x' * 30000}</body></message>"
                                                for i in range(14)], 8, "resource-constraint")
    honest(prosody)


def test_subscription_requests(wall, server, hostile, honest):
    stopped(wall, hostile(server), "subscriptions", [f"<presence type='subscribe' to='s{i}@{server.domain}' id='s{i}'/>" for i in range(40)], 10,
            "resource-constraint")
    honest(server)


def test_unknown_recipients(wall, server, hostile, honest):
    """Who tries names is told of fifteen that they are not there, and then nothing more."""
    raw = hostile(server)
    raw.send("".join(f"<iq type='get' id='u{i}' to='nobody{i}@{server.domain}/x'><query xmlns='jabber:iq:version'/></iq>" for i in range(60)))
    said = raw.read_all()
    assert 12 <= len(re.findall(r"<(?:service-unavailable|item-not-found)", said)) <= 15, said[-800:]
    assert "<policy-violation" in said
    assert events(wall, "harvest")
    honest(server)


def test_remote_domains(wall, prosody, hostile, honest):
    stopped(wall, hostile(prosody), "domains", [f"<iq type='get' id='d{i}' to='x@host{i}.example'><ping xmlns='urn:xmpp:ping'/></iq>" for i in range(30)],
            10, "unexpected-request")
    stopped(wall, hostile(prosody, "nurse", 23), "remote", [f"<iq type='get' id='d{i}' to='x{i}@host.example'><ping xmlns='urn:xmpp:ping'/></iq>"
                                                            for i in range(90)], 60, "resource-constraint")
    honest(prosody)


# ---- 4.9: what amplifies ----

def test_room_joins(wall, server, hostile, honest):
    stopped(wall, hostile(server), "joins", [f"<presence to='r{i}@{server.rooms}/m' id='j{i}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
                                             for i in range(40)], 15, "resource-constraint")
    honest(server)


def test_words_and_presence_in_a_room(wall, prosody, hostile, honest):
    raw, room = hostile(prosody, "nurse", 22), "plaza@rooms.verona.example"
    raw.send(f"<presence to='{room}/n'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    raw.read_until("<subject")
    answers = stopped(wall, raw, "room_words", [f"<message to='{room}' type='groupchat' id='w{i}'><body>w{i}</body></message>" for i in range(60)], 20,
                      "resource-constraint")
    assert answers.count("<body>w") <= 24
    stopped(wall, raw, "room_presence", [f"<presence to='{room}/n'><status>{i}</status></presence>" for i in range(40)], 9)
    honest(prosody)


def test_presence_broadcasts(wall, prosody, hostile, honest):
    raw = hostile(prosody)
    answers = stopped(wall, raw, "broadcasts", [f"<presence><status>storm {i}</status></presence>" for i in range(60)], 15)
    assert answers.count("storm") <= 18
    honest(prosody)


def test_publications(wall, prosody, hostile, honest):
    publish = ("<iq type='set' id='p{0}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:example:noise'><item id='{0}'>"
               "<noise xmlns='urn:example:noise'/></item></publish></pubsub></iq>")
    stopped(wall, hostile(prosody), "publications", [publish.format(i) for i in range(40)], 15, "resource-constraint")
    honest(prosody)


# ---- 3, 4.3: logins ----

def guess(raw, user="juliet"):
    token = base64.b64encode(f"\0{user}\0wrong".encode()).decode()
    raw.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
    return raw.read_until("</failure>|</stream:stream>")


def test_logins_of_a_stream_and_an_address(wall, prosody, hostile, honest, user):
    raw = hostile(prosody, number=26, login=False)
    raw.starttls().open()
    said = [guess(raw, "nobody") for _ in range(5)]
    assert "<not-authorized" in said[3]
    assert "<policy-violation" in said[4] + raw.read_all()
    for n in range(4):
        raw = hostile(prosody, number=26, login=False)
        raw.starttls().open()
        said = [guess(raw, f"nobody{n}") for _ in range(4)]
    raw = hostile(prosody, number=26, login=False)
    raw.starttls().open()
    assert "<policy-violation" in guess(raw, "nobody9") + raw.read_all()
    assert events(wall, "brute")
    # its owner is not locked out
    assert user("nurse", prosody, 27, version=4).alive()
    honest(prosody)


def test_stanzas_before_the_login(wall, prosody, hostile, honest):
    raw = hostile(prosody, number=28, login=False)
    raw.starttls().open()
    raw.send("<message to='romeo@verona.example'><body>early</body></message>")
    assert "<not-authorized" in raw.read_all()
    honest(prosody)


# ---- 5: exceptions ----

def test_known_addresses_may_more(wall, prosody, hostile, honest):
    raw, before = hostile(prosody, "mercutio", OFFICE), rule_hits(wall, "flood")
    raw.send("".join(f"<iq type='get' id='e{i}'><ping xmlns='urn:xmpp:ping'/></iq>" for i in range(400)))
    raw.read_until("id=['\"]e399['\"]", 20)
    assert rule_hits(wall, "flood") == before
    honest(prosody)
