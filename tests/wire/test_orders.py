# SPDX-License-Identifier: BSD-2-Clause
"""What rules order beyond letting pass and stopping: masking, stripping, slowing down, redirecting, reporting, keeping.

Acks of stream management stay true through all of it: a client that counts is never told a wrong number."""
import itertools
import json
import os
import time
import xml.etree.ElementTree as ET

import pytest

import policy
from lab import wait_for
from wall import Wall, missing_programs

RULES = """
set rude { type keyword; flags fold; elements = { darn }; }

chain inbound {
    hook c2s direction in; policy accept;

    rule manners { text contains @rude                 replace }
    rule photos  { message                             strip "{urn:example:photo}*" }
    rule slow    { message body contains "slow me"     tarpit 3s }
    rule tell    { message body contains "report me"   report abuse "look at this" }
    rule other   { message body contains "redirect me" redirect "nurse@verona.example" }
    rule hold    { message body contains "hold me"     quarantine, log }
    rule ask     { message body contains "ask me"      quarantine "an operator looks at it first" }
}

chain outbound {
    hook c2s direction out; policy accept;
    rule late { message body contains "hold late" quarantine }
}
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def wall(lab, leaves, prosody):
    if os.environ.get("XMPPWALL_LAB_ONLY"):
        pytest.skip("these are orders to xmppwall")
    if missing_programs():
        pytest.skip("not built: " + ", ".join(missing_programs()))
    made = Wall(lab, "wall-orders")
    made.write(**{"xmppwall.conf": policy.service(more="forward verbatim;") + RULES})
    for leaf in leaves:
        made.certificate(leaf)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def pair(prosody, user, wall):
    return (user("tybalt", prosody, 21, resource="rapier", plugins=["xep_0198"]),
            user("juliet", prosody, 11, resource="balcony", plugins=["xep_0198"]))


def unique(text):
    return f"{text} {next(_numbers)}"


def acknowledged(client, number):
    """slixmpp asks one stanza late, hence the ping."""
    client.ask("ping", jid=client.server.domain)
    client.wait(lambda e: e["event"] == "stanza_acked" and number in e["text"], 15, f"an ack for {number}")


def passes(sender, receiver):
    """Both directions still work, and both have all their stanzas acknowledged: the counters are true."""
    for one, other in ((sender, receiver), (receiver, sender)):
        one.mark()
        other.mark()
        text = unique("marker")
        number = one.say(other.jid, text)
        other.body(text)
        acknowledged(one, number)
    assert sender.alive() and receiver.alive()


def send(client, xml):
    """By hand, and counted by slixmpp all the same."""
    client.ask("stanza", xml=xml)


def test_replace_masks_and_keeps_the_rest(pair):
    sender, receiver = pair
    receiver.mark()
    mark = unique("id")
    send(sender, f"<message to='{receiver.jid}' type='chat' id='{mark}'><subject>d&#x430;rn it</subject><body>oh DARN, "
         "ｄａｒｎ &lt;!</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
         "<p>oh da<b>rn</b> <i>you</i></p></body></html></message>")
    message = ET.fromstring(receiver.stanza(f'id="{mark}"', kind="message"))
    assert message.find("{*}body").text == "oh ***, *** <!"
    assert message.find("{*}subject").text == "*** it"
    html = message.find("{http://jabber.org/protocol/xhtml-im}html")
    assert "".join(html.itertext()) == "oh ****** you"
    passes(sender, receiver)


def test_strip_takes_elements_out(pair):
    sender, receiver = pair
    receiver.mark()
    text = unique("look")
    send(sender, f"<message to='{receiver.jid}' type='chat'><body>{text}</body><a xmlns='urn:example:photo'>1</a>"
         "<keep xmlns='urn:example:other'><b xmlns='urn:example:photo'/>2</keep></message>")
    message = receiver.body(text)
    assert "urn:example:photo" not in ET.tostring(message, encoding="unicode")
    assert message.find("{urn:example:other}keep") is not None
    passes(sender, receiver)


def test_tarpit_holds_the_sender_alone(pair):
    sender, receiver = pair
    receiver.mark()
    sender.mark()
    first, second, third = unique("slow me"), unique("waits"), unique("waits")
    began = time.monotonic()
    for text in (first, second, third):
        sender.say(receiver.jid, text)
    receiver.body(first, seconds=2)
    # Others, and what goes to the sender, do not wait.
    text = unique("meanwhile")
    receiver.say(sender.jid, text)
    sender.body(text, seconds=2)
    assert not receiver.saw(second) and time.monotonic() - began < 3
    receiver.body(second)
    assert time.monotonic() - began >= 2.9
    receiver.body(third)
    bodies = [ET.fromstring(e["xml"]).findtext("{*}body") for e in receiver.events if e["event"] == "message"]
    assert [b for b in bodies if b in (first, second, third)] == [first, second, third]
    passes(sender, receiver)


def test_redirect_goes_to_the_mailbox(pair, prosody, user, wall):
    sender, receiver = pair
    nurse = user("nurse", prosody, 13)
    receiver.mark()
    nurse.mark()
    text = unique("please redirect me")
    sender.say(receiver.jid, text)
    message = nurse.body(text)
    told = message.find("{urn:xmppwall:redirected:0}redirected")
    assert told.get("to") == receiver.jid and told.get("rule") == "other"
    assert message.get("from") == sender.jid
    event = wall.event(id=told.get("id"))
    assert event["xmpp"]["verdict"] == "redirect" and event["xmpp"]["redirect"] == "nurse@verona.example"
    # No loops: what goes there anyway is left alone.
    text = unique("redirect me, too")
    sender.say("nurse@verona.example", text)
    assert nurse.body(text).find("{urn:xmppwall:redirected:0}redirected") is None
    passes(sender, receiver)
    assert not receiver.saw("redirect me")


def test_report_is_an_event(pair, wall):
    sender, receiver = pair
    receiver.mark()
    text = unique("report me")
    sender.say(receiver.jid, text)
    receiver.body(text)
    report = wait_for(lambda: [e for e in wall.ctl("events", "-n", "50") if e["event_type"] == "report"], 5, "a report")[-1]["report"]
    assert report["jid"] == sender.jid and report["reason"] == "urn:xmpp:reporting:abuse" and report["text"] == "look at this"
    xml = ET.fromstring(report["xml"])
    assert xml.tag == "{urn:xmpp:reporting:1}report" and xml.get("reason") == "urn:xmpp:reporting:abuse"
    assert wall.ctl("explain", report["id"])["event"]["event_type"] == "alert"
    passes(sender, receiver)


def kept(wall, text):
    """The row of the message with that body."""
    def look():
        rows = wall.ctl("quarantine", "list")["quarantine"]
        return [r for r in rows if text in wall.ctl("quarantine", "show", r["id"])["xml"]]
    return wait_for(look, 5, f"'{text}' in quarantine")[0]


def test_quarantine_releases_through_the_senders_server(pair, wall):
    sender, receiver = pair
    receiver.mark()
    text = unique("hold me")
    sender.say(receiver.jid, text)
    row = kept(wall, text)
    assert (row["from"], row["to"], row["rule"], row["state"]) == (sender.jid, receiver.jid, "hold", "kept")
    passes(sender, receiver)
    assert not receiver.saw(text) and not sender.saw(text)
    assert wall.ctl("explain", row["id"])["event"]["xmpp"]["verdict"] == "quarantine"
    receiver.mark()
    assert wall.ctl("quarantine", "release", row["id"])["where"] == "server"
    message = receiver.body(text)
    assert message.get("from") == sender.jid and message.find("{urn:xmpp:delay}delay") is not None
    # Once.
    assert wall.run("quarantine", "release", row["id"], check=False).returncode == 1
    passes(sender, receiver)
    assert not receiver.saw(text)


def test_quarantine_releases_to_the_recipient_when_the_sender_has_gone(pair, wall):
    sender, receiver = pair
    text = unique("hold me")
    sender.say(receiver.jid, text)
    row = kept(wall, text)
    sender.ask("close")
    wait_for(lambda: sender.jid not in [s["jid"] for s in wall.sessions()], 10, "the sender to be gone")
    receiver.mark()
    assert wall.ctl("quarantine", "release", row["id"])["where"] == "client"
    assert receiver.body(text).get("from") == sender.jid
    # The client acknowledges one more than its server sent: nobody may notice.
    text = unique("to myself")
    number = receiver.say(receiver.jid, text)
    receiver.body(text)
    acknowledged(receiver, number)
    assert receiver.alive()


def test_quarantine_waits_when_nobody_is_there(prosody, user, wall):
    sender = user("tybalt", prosody, 21)
    text = unique("hold me")
    sender.say("romeo@verona.example", text)
    row = kept(wall, text)
    sender.close()
    wait_for(lambda: not wall.sessions(), 10, "all to be gone")
    done = wall.run("quarantine", "release", row["id"], check=False)
    assert done.returncode == 1 and "kept" in done.stderr
    romeo = user("romeo", prosody, 12)
    romeo.mark()
    assert wall.ctl("quarantine", "release", row["id"])["where"] == "client"
    romeo.body(text)


def test_quarantine_with_a_text_tells_its_sender(pair, wall):
    sender, receiver = pair
    sender.mark()
    text = unique("ask me")
    sender.say(receiver.jid, text)
    error = ET.fromstring(sender.stanza('type="error"', kind="message"))
    said = error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}text").text
    row = kept(wall, text)
    assert "an operator looks at it first" in said and row["id"] in said
    assert wall.ctl("quarantine", "delete", row["id"]) == {"removed": 1}
    passes(sender, receiver)


def test_quarantine_of_what_was_on_its_way_out(pair, wall):
    sender, receiver = pair
    receiver.mark()
    text = unique("hold late")
    sender.say(receiver.jid, text)
    row = kept(wall, text)
    assert row["direction"] == "out" and row["jid"] == receiver.jid
    passes(sender, receiver)
    receiver.mark()
    assert wall.ctl("quarantine", "release", row["id"])["where"] == "client"
    receiver.body(text)
    passes(sender, receiver)


def test_quarantine_survives_kill_nine(pair, wall):
    sender, receiver = pair
    text = unique("hold me")
    sender.say(receiver.jid, text)
    row = kept(wall, text)
    wall.process.kill()
    wall.start()
    assert wall.ctl("quarantine", "show", row["id"])["state"] == "kept"
    assert json.loads(wall.run("--json", "quarantine", "delete", row["id"]).stdout) == {"removed": 1}
