# SPDX-License-Identifier: BSD-2-Clause
"""Whom a rejection is told to, between servers whose streams go one way each: the error finds the stream of the other way, no stream
is ever closed over it, and a room never hears that an occupant has failed."""
import re

import pytest

from federation import Federation
from lab import LabError, wait_for

POLICY = """
chain judge {
    hook s2s direction both; policy accept;
    rule word { text contains "forbidden" reject policy-violation "not here", log }
    rule held { text contains "suspicious" quarantine }
}
"""


@pytest.fixture(scope="module", params=["PP", "PE", "EP"])
def federation(request):
    with Federation(request.param) as both:
        both.b.raise_wall(more=POLICY)
        both.exchange()
        yield both


def ends(federation, sender):
    pair = (federation.a, federation.b) if sender == "a" else (federation.b, federation.a)
    return [side.user() for side in pair]


def silent(user, pattern, seconds=1.5):
    with pytest.raises(LabError):
        user.read_until(pattern, seconds)


def answers(federation):
    metrics = federation.b.wall.ctl("status")["counters"]
    return {name.split(".")[1]: n for name, n in metrics.items() if name.startswith("answer.")}


@pytest.mark.parametrize("sender", ["a", "b"])
def test_a_rejected_message_is_answered_on_the_other_stream(federation, sender):
    one, other = ends(federation, sender)
    one.send(f"<message to='{other.jid}' id='r1' type='chat'><body>forbidden words</body></message>")
    answer = one.read_until("<message[^>]*id=.r1.*?</message>")
    assert "policy-violation" in answer and "not here" in answer
    assert re.search(f"from=.{re.escape(other.jid)}", answer)
    event = wait_for(lambda: federation.b.wall.events(rule="word", **{"from": one.jid}), 5, "the event")[-1]
    assert event["xmpp"]["answer"] == "crossed", event
    # Nothing was closed over it.
    other.hear(one.say(other.jid))
    one.hear(other.say(one.jid))
    silent(other, "forbidden", 0.5)


@pytest.mark.parametrize("sender", ["a", "b"])
def test_a_rejected_iq_is_answered_once(federation, sender):
    one, other = ends(federation, sender)
    one.send(f"<iq to='{other.jid}' id='q1' type='get'><query xmlns='jabber:iq:version'><x>forbidden</x></query></iq>")
    answer = one.read_until("<iq[^>]*id=.q1.*?</iq>")
    assert "type='error'" in answer.replace('"', "'")
    silent(one, "id=.q1", 0.5)


def test_what_must_not_be_answered_is_not(federation):
    one, other = ends(federation, "a")
    for stanza in (f"<message to='{other.jid}' type='groupchat' id='g1'><body>forbidden</body></message>",
                   f"<message to='{other.jid}' type='error' id='g2'><body>forbidden</body><error type='cancel'/></message>",
                   f"<presence to='{other.jid}' id='g3'><status>forbidden</status></presence>"):
        one.send(stanza)
    other.hear(one.say(other.jid))
    silent(one, "id=.g[123]", 0.5)


@pytest.mark.parametrize("sender", ["a", "b"])
def test_a_message_kept_is_released_to_the_other_server(federation, sender):
    one, other = ends(federation, sender)
    wall = federation.b.wall
    one.send(f"<message to='{other.jid}' type='chat' id='k1'><body>suspicious {sender}</body></message>")

    def entries(state):
        return [e for e in wall.ctl("quarantine", "list")["quarantine"] if e["state"] == state and e["from"] == one.jid]

    kept = wait_for(lambda: entries("kept"), 10, "it to be kept")[0]
    silent(other, "suspicious", 0.5)
    done = wall.ctl("quarantine", "release", kept["id"])
    assert done, done
    assert "suspicious " + sender in other.read_until("<message[^>]*id=.k1.*?</message>")
    wait_for(lambda: not entries("kept"), 10, "it to be released")


def test_without_a_way_back_an_iq_is_answered_by_its_receiver(federation):
    """The way back is cut off in the kernel: only streams from a to b are left."""
    one, other = ends(federation, "a")
    federation.hang_up()
    gate = federation.b.gate
    gate.run("nft", "add table inet cut; add chain inet cut out { type filter hook prerouting priority -400; }; "
             f"add rule inet cut out ip saddr {federation.b.addresses[0]} tcp dport 5269 tcp flags syn / syn,ack drop")
    try:
        one.send(f"<iq to='{other.jid}' id='q2' type='get'><query xmlns='jabber:iq:version'><x>forbidden</x></query></iq>")
        wait_for(lambda: answers(federation).get("emptied"), 15, "the iq to be emptied")
    finally:
        gate.run("nft", "delete table inet cut")
