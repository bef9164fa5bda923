# SPDX-License-Identifier: BSD-2-Clause
"""Unmodified clients and servers notice nothing: what worked without the firewall works through it."""
import time
import uuid

import pytest

from lab import wait_for

pytestmark = pytest.mark.usefixtures("wall")


def befriend(one, other):
    """Presence both ways; slixmpp answers a subscription with one of its own."""
    one.ask("presence", pto=other.server.jid(other.user), ptype="subscribe")
    one.stanza("<presence", f'from="{other.server.jid(other.user)}/', kind="presence", without=('type="',))
    other.stanza("<presence", f'from="{one.server.jid(one.user)}/', kind="presence", without=('type="',))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
def test_login_with_scram_and_chat(server, user, wall, version, direct):
    juliet = user("juliet", server, 11, version=version, direct=direct)
    assert juliet.ask("mechanism").startswith("SCRAM-")
    assert juliet.ask("tls")["version"] in ("TLSv1.2", "TLSv1.3")
    romeo = user("romeo", server, 12, version=version)
    juliet.say(romeo.jid, "wherefore <art> thou & why?")
    romeo.body("wherefore <art> thou & why?")
    romeo.say(juliet.jid, "here \U0001f339")
    juliet.body("here \U0001f339")
    if wall:
        jids = [s["jid"].split("/")[0] for s in wall.sessions()]
        assert {server.jid("juliet"), server.jid("romeo")} <= set(jids)


def test_direct_tls_on_the_starttls_port(server, user, wall):
    """The first byte decides, not the port."""
    if not wall:
        pytest.skip("only the firewall does this")
    juliet = user("juliet", server, 11, direct=True, port=5222)
    assert juliet.ask("ping", jid=server.domain) is not None


def test_wrong_password_is_the_servers_answer(server, new_client):
    tybalt = new_client("tybalt")
    tybalt.dial(server, "tybalt", 13, password="not this")
    tybalt.event("failed_auth", "failed_all_auth")


def test_presence_and_roster(server, user):
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    befriend(juliet, romeo)
    assert server.jid("romeo") in juliet.ask("roster")
    juliet.mark()
    romeo.ask("presence", pstatus="in the orchard", pshow="dnd")
    juliet.stanza("in the orchard", "dnd", kind="presence")
    juliet.mark()
    romeo.ask("close")
    juliet.stanza('type="unavailable"', f'from="{server.jid("romeo")}/', kind="presence")


def test_room(server, user):
    room = f"balcony-{uuid.uuid4().hex[:8]}@{server.rooms}"
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12, version=6)
    juliet.ask("join", room=room, nick="juliet")
    romeo.ask("join", room=room, nick="romeo")
    juliet.stanza(f'from="{room}/romeo"', kind="presence")
    romeo.say(room, "He jests at scars", kind="groupchat")
    assert juliet.body("He jests at scars").get("from") == f"{room}/romeo"
    romeo.body("He jests at scars")


def test_receipts(server, user):
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    number = juliet.say(romeo.jid, "did this arrive?", receipt=True)
    romeo.body("did this arrive?")
    juliet.stanza("urn:xmpp:receipts", f'id="{number}"', kind="message")


def test_carbons(server, user):
    phone, desk = user("juliet", server, 11, resource="phone"), user("juliet", server, 14, resource="desk")
    for client in (phone, desk):
        client.ask("carbons")
    romeo = user("romeo", server, 12)
    desk.mark()
    romeo.say(phone.jid, "for your phone")
    phone.body("for your phone")
    assert "for your phone" in desk.event("carbon_received")["text"]
    phone.mark()
    desk.say(romeo.jid, "from my desk")
    romeo.body("from my desk")
    assert "from my desk" in phone.event("carbon_sent")["text"]


def test_archive(server, user):
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    text, since = f"remember me {uuid.uuid4()}", int(time.time())
    juliet.say(romeo.jid, text)
    romeo.body(text)
    wait_for(lambda: text in juliet.ask("mam", with_jid=server.jid("romeo"), since=since), 10, "the message in the archive")


def acknowledged(client, ids):
    """Every one of these stanzas is acknowledged; slixmpp asks one stanza late, hence the ping."""
    client.ask("ping", jid=client.server.domain)
    for number in ids:
        client.wait(lambda e, number=number: e["event"] == "stanza_acked" and number in e["text"], 15, f"an ack for {number}")


def test_stream_management_resumes_after_a_dead_socket(server, user):
    juliet = user("juliet", server, 11, plugins=["xep_0198"])
    juliet.event("sm_enabled")
    romeo = user("romeo", server, 12)
    acknowledged(juliet, [juliet.say(romeo.jid, f"counted {n}") for n in range(3)])
    juliet.mark()
    juliet.ask("cut")
    juliet.event("disconnected")
    romeo.say(juliet.jid, "while you were away")
    juliet.ask("resume")
    juliet.event("session_resumed")
    juliet.body("while you were away")
    juliet.say(romeo.jid, "back again")
    romeo.body("back again")
    assert not any(e["event"] in ("sm_failed", "session_start", "stream_error") for e in juliet.events[juliet.marker:])


def test_stream_management_survives_dropped_stanzas(server, user, wall):
    """What the firewall takes away is still acknowledged, and nothing is lost or doubled over a resumption."""
    if not wall:
        pytest.skip("nothing drops without the firewall")
    juliet = user("juliet", server, 11, plugins=["xep_0198"])
    juliet.event("sm_enabled")
    romeo = user("romeo", server, 12)
    texts = [f"{n} casino bonus" if n in (3, 7) else f"number {n}" for n in range(1, 11)]
    acknowledged(juliet, [juliet.say(romeo.jid, text) for text in texts])
    juliet.ask("cut")
    juliet.event("disconnected")
    juliet.mark()
    juliet.ask("resume")
    juliet.event("session_resumed")
    juliet.say(romeo.jid, "the last one")
    romeo.body("the last one")
    seen = [t for t in texts if romeo.saw(f">{t}<")]
    assert seen == [t for t in texts if "casino" not in t]
    assert not any(e["event"] in ("stream_error", "sm_failed") for e in juliet.events)


def test_plain_space_keepalive_and_close(server, user):
    juliet = user("juliet", server, 11)
    juliet.ask("send", xml=" ")
    juliet.ask("ping", jid=server.domain)
    juliet.ask("close")
    juliet.event("disconnected")


def test_large_and_many_stanzas(server, user):
    """Back-pressure both ways: nothing lost, in order."""
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    for number in range(20):
        juliet.say(romeo.jid, f"{number} " + "long " * 4000)
    for number in range(20):
        romeo.body(f"{number} " + "long " * 4000, seconds=30)


@pytest.mark.parametrize("cut", [False, True], ids=["closed", "cut"])
def test_sessions_end_with_their_clients(server, user, wall, cut):
    if not wall:
        pytest.skip("asks the firewall")
    juliet = user("juliet", server, 19, resource="fleeting")
    wait_for(lambda: any(s["address"] == "192.0.2.19" for s in wall.sessions()), 5, "the session")
    juliet.ask("cut" if cut else "close")
    wait_for(lambda: not any(s["address"] == "192.0.2.19" for s in wall.sessions()), 10, "the session to end")
