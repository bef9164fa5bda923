# SPDX-License-Identifier: BSD-2-Clause
"""forward strict between two domains: what the shipped profiles name crosses whole, nothing else does, and both are told."""
import pathlib
import re

import pytest

from federation import Federation
from lab import ROOT, wait_for

PROFILES = pathlib.Path(ROOT, "docs/examples/profiles")
RULES = """
chain crossing { hook from_others, to_others direction both; policy accept; rule all { accept, log } }
"""
STATES, RECEIPTS = "http://jabber.org/protocol/chatstates", "urn:xmpp:receipts"


@pytest.fixture(scope="module")
def federation():
    with Federation("PE") as both:
        wall = both.a.make_wall(inward='forward strict "gateway.profile";', outward='forward strict "gateway.profile";', more=RULES)
        wall.write(**{path.name: path.read_text() for path in PROFILES.glob("*.profile")})
        wall.start()
        both.hang_up()
        yield both


@pytest.fixture
def users(federation):
    return federation.a.user(), federation.b.user()


def stanza_with(text, body):
    """The message with that body alone, out of all that was read."""
    return re.findall(rf"<message\b(?:(?!</message>).)*<body[^>]*>{re.escape(body)}</body>.*?</message>", text, re.S)[-1]


def test_only_what_is_named_crosses(federation, users):
    for sender, receiver in (users, users[::-1]):
        body = sender.say(receiver.jid, more=f"<active xmlns='{STATES}'/><request xmlns='{RECEIPTS}'/><x xmlns='urn:hidden' a='b'>c<d/></x>"
                                             "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'/></html>")
        crossed = stanza_with(receiver.hear(body), body)
        assert STATES in crossed and RECEIPTS in crossed
        assert "hidden" not in crossed and "xhtml" not in crossed
    for direction in ("in", "out"):
        found = wait_for(lambda d=direction: [e for e in federation.a.wall.events(direction=d) if e["event_type"] == "strict"], 5, "an event of type strict")
        told = found[-1]["xmpp"]["strict"]
        assert told["result"] == "changed"
        assert {"reason": "element", "path": "message/{urn:hidden}x"} in told["removed"]


def test_what_is_refused_is_answered_and_told(federation, users):
    sender, receiver = users
    sender.send(f"<message to='{receiver.jid}' type='headline' id='h1'><body>news</body></message>")
    answer = sender.read_until("<message[^>]*type=.error.*?</message>")
    assert "policy-violation" in answer and "the profile forbids it (type)" in answer
    told = federation.a.wall.event(rule="strict", direction="out")
    assert told["alert"]["action"] == "blocked" and told["alert"]["signature"] == "profile/strict"
    assert told["xmpp"]["strict"]["why"] == {"reason": "type", "path": "message"}
    counters = federation.a.wall.ctl("status")["counters"]
    assert counters["strict.refused"] >= 1 and counters["strict.changed"] >= 2 and counters["strict.removed"] >= 2


def test_questions_and_their_answers(users):
    sender, receiver = users
    other = receiver.bare.split("@")[1]
    assert re.search("type=.result", sender.ask(other))  # a ping
    refused = sender.ask(other, "<query xmlns='jabber:iq:version'/>")
    assert re.search("type=.error", refused) and "policy-violation" in refused


def test_a_room(federation, users):
    """Joined, spoken in, left, by somebody of the other domain."""
    for guest, host in (users, users[::-1]):
        side = federation.b if host is users[1] else federation.a
        room = f"strict-{side.name}@rooms.{side.domain()}"
        for user in (host, guest):
            nick = user.bare.split("@")[0]
            user.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>")
            user.read_until(f"<presence[^>]*{re.escape(room)}/{nick}(?:(?!</presence>).)*110")
            if user is host:
                user.send(f"<iq to='{room}' type='set' id='own'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                          "<x xmlns='jabber:x:data' type='submit'/></query></iq>")
                user.read_until("<iq[^>]*id=.own")
        guest.send(f"<message to='{room}' type='groupchat' id='g1'><body>hello room</body><x xmlns='urn:hidden'/></message>")
        heard = stanza_with(host.hear("hello room"), "hello room")
        assert "hidden" not in heard
        guest.hear("hello room")
        guest.send(f"<presence to='{room}/{guest.bare.split('@')[0]}' type='unavailable'/>")
        host.read_until("<presence[^>]*type=.unavailable")


def test_a_reload_swaps_the_profile(federation, users):
    sender, receiver = users
    wall = federation.a.wall
    kept = (PROFILES / "gateway.profile").read_text()
    wall.write(**{"gateway.profile": "profile broken { mesage chat { } }\n"})
    done = wall.run("reload", check=False)
    assert done.returncode != 0 and "gateway.profile:1:" in done.stdout + done.stderr
    more = f"<active xmlns='{STATES}'/>"
    body = sender.say(receiver.jid, more=more)
    assert STATES in stanza_with(receiver.hear(body), body), "the one in force stays"
    wall.write(**{"gateway.profile": 'include "chat.profile"; include "errors.profile";\n'})
    wall.run("reload")
    federation.hang_up()  # a session keeps the service it began with
    body = sender.say(receiver.jid, more=more)
    assert STATES not in stanza_with(receiver.hear(body), body)
    wall.write(**{"gateway.profile": kept})
    wall.run("reload")
