# SPDX-License-Identifier: BSD-2-Clause
"""The ladder: session, JID, domain, address, prefix; who is never banned; bars outlive everything."""
import base64
import contextlib
import json
import os
import signal
import time

import pytest

import policy
from component import Component, Hall
from lab import client_address, wait_for
from raw import RawClient

RULES = """
set bad {{ type keyword; flags fold; elements = {{ "free crypto" }}; }}
chain inbound {{
    hook c2s direction in; policy accept;
    rule spam {{ message text contains @bad reject policy-violation "no", strike 1 }}
}}
{ladder}
"""


def rules(ladder):
    return policy.service() + RULES.format(ladder=ladder)


@pytest.fixture
def ladder(new_wall):
    return lambda text: new_wall(rules(text)).start()


def spam(client, to, count):
    for number in range(count):
        client.order("message", to=to, body=f"free crypto {number}")


def refused(client, *arguments, **keywords):
    """A login that the wall does not let through."""
    client.dial(*arguments, **keywords)
    return client.event("failed_all_auth", "stream_error", "disconnected", "session_start", seconds=20)["event"] != "session_start"


def barred(wall):
    return [b.get("jid") or b.get("domain") for b in wall.ctl("bans")["barred"]]


SHARED = """punish account { 5 strikes within 1m; of jid; ban 1h; }
punish peer { 8 strikes within 1m; ban 10m; spare shared; }"""


def test_behind_a_shared_address_the_account_alone_is_lost(lab, server, user, new_client, ladder):
    wall = ladder(SHARED)
    tybalt, nurse = user("tybalt", server, 25), user("nurse", server, 25)
    juliet = user("juliet", server, 11)
    nurse.mark()
    spam(tybalt, juliet.jid, 12)
    tybalt.event("disconnected", "stream_error", seconds=15)
    wait_for(lambda: barred(wall) == [server.jid("tybalt")], 10, "the account to be barred")
    assert client_address(25) not in wall.bans() and not wall.blocked()
    nurse.say(juliet.jid, "I did nothing")
    juliet.body("I did nothing")
    assert nurse.alive()
    # Neither from there nor from elsewhere, in whatever spelling.
    assert refused(new_client("tybalt"), server, "tybalt", 25)
    assert refused(new_client("tybalt"), server, "tybalt", 26)
    event = wall.event(rule="account", chain="punish")
    assert wall.ctl("explain", event["xmpp"]["id"])["event"]["alert"]["signature"] == "punish/account"
    assert wall.ctl("unban", server.jid("tybalt").upper())["removed"] == 1
    user("tybalt", server, 25)


def test_alone_he_loses_the_address(lab, prosody, user, ladder):
    wall = ladder("punish peer { 8 strikes within 1m; ban 10m; spare shared; }")
    tybalt, juliet = user("tybalt", prosody, 25), user("juliet", prosody, 11)
    spam(tybalt, juliet.jid, 12)
    wait_for(lambda: client_address(25) in wall.blocked(), 15, "the address in the block set")
    assert barred(wall) == []


def test_two_spammers_do_not_shield_each_other(lab, prosody, user, ladder):
    wall = ladder("punish peer { 8 strikes within 1m; ban 10m; spare shared; }")
    tybalt, nurse, juliet = user("tybalt", prosody, 25), user("nurse", prosody, 25), user("juliet", prosody, 11)
    spam(nurse, juliet.jid, 2)
    nurse.stanza('type="error"', kind="message")
    spam(tybalt, juliet.jid, 12)
    wait_for(lambda: client_address(25) in wall.blocked(), 15, "the address in the block set")


def test_addresses_of_a_prefix_lose_the_prefix(lab, prosody, user, ladder):
    """192.0.2.24 and its neighbours; one address alone does not get them banned."""
    wall = ladder("punish net { 6 strikes within 1m; of prefix /30 /62 from 3 addresses; ban 10m; }")
    juliet = user("juliet", prosody, 11)
    first = user("tybalt", prosody, 24)
    spam(first, juliet.jid, 10)
    first.stanza('type="error"', "policy-violation", kind="message")
    wait_for(lambda: len(wall.events(rule="spam")) >= 10, 10, "the strikes")
    assert not wall.bans()
    for name, number in (("nurse", 25), ("mercutio", 26)):
        spam(user(name, prosody, number), juliet.jid, 1)
    wait_for(lambda: "192.0.2.24/30" in wall.blocked(), 15, "the prefix in the block set")
    why = wall.ctl("bans", "--why", "192.0.2.24/30")["bans"][0]
    assert "3 addresses" in why["why"] and why["ladder"]["of"] == "prefix"
    assert len({v["jid"] for v in why["evidence"]}) >= 2
    juliet.mark()
    assert juliet.alive()


def test_a_session_is_closed(lab, server, user, ladder):
    wall = ladder("punish session { 3 strikes within 1m; of session; }")
    tybalt, other = user("tybalt", server, 24, resource="one"), user("tybalt", server, 24, resource="two")
    juliet = user("juliet", server, 11)
    other.mark()
    spam(tybalt, juliet.jid, 4)
    tybalt.event("stream_error", "disconnected", seconds=10)
    other.say(juliet.jid, "still here")
    juliet.body("still here")
    assert other.alive() and not wall.bans() and barred(wall) == []
    user("tybalt", server, 24, resource="one")


def test_escalating_and_forgiving(lab, prosody, user, new_client, ladder):
    wall = ladder("punish account { 2 strikes within 1m; of jid; ban 2s; escalate x2 to 1m; forgive 6s; }")
    juliet = user("juliet", prosody, 11)

    def offend():
        tybalt = user("tybalt", prosody, 24)
        spam(tybalt, juliet.jid, 3)
        bar = wait_for(lambda: wall.ctl("bans")["barred"], 15, "the bar")[0]
        wait_for(lambda: not wall.ctl("bans")["barred"], 20, "the bar's end")
        return round((bar["until"] - bar["since"]) / 1000), bar["count"]

    assert offend() == (2, 1)
    assert offend() == (4, 2)
    ended = time.monotonic()
    wait_for(lambda: time.monotonic() - ended > 7, 10, "one to be forgiven")
    assert offend() == (4, 2)


def test_bars_outlive_daemon_and_workers(lab, prosody, user, new_client, ladder):
    wall = ladder(SHARED)
    assert wall.ctl("ban", "Tybalt@Verona.Example", "--for", "10m", "--why", "enough")["jid"] == "tybalt@verona.example"
    assert refused(new_client("tybalt"), prosody, "tybalt", 24)
    for pid in wall.proxies():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: wall.namespace.listens("127.0.0.1", 15222), 10, "a new proxy")
    assert refused(new_client("tybalt"), prosody, "tybalt", 24)
    wall.process.kill(signal.SIGKILL)
    wall.process.popen.wait(5)
    wait_for(lambda: not wall.namespace.listens("127.0.0.1", 15222), 5, "the orphaned proxy to end")
    wall.start()
    assert barred(wall) == ["tybalt@verona.example"]
    assert refused(new_client("tybalt"), prosody, "tybalt", 24)
    user("juliet", prosody, 11)


def test_what_an_operator_bars(lab, prosody, user, new_client, ladder):
    wall = ladder(SHARED)
    tybalt, juliet = user("tybalt", prosody, 24), user("juliet", prosody, 11)
    wall.ctl("ban", "tybalt@verona.example")
    tybalt.event("stream_error", "disconnected", seconds=10)
    done = wall.run("bans", "--why", "romeo@verona.example", check=False)
    assert done.returncode == 1 and "is not banned" in done.stderr
    why = wall.ctl("bans", "--why", "tybalt@verona.example")["barred"][0]
    assert why["who"].startswith("uid 0") and why["evidence"] == [] and "ladder" not in why
    assert wall.run("ban", "tybalt@verona.example/home", check=False).returncode == 1
    assert wall.run("unban", "romeo@verona.example", check=False).returncode == 1
    wall.ctl("unban", "tybalt@verona.example")
    user("tybalt", prosody, 24)
    # A foreign domain: what comes from there to users here is rejected.
    wall.ctl("ban", "rooms.verona.example")
    juliet.mark()
    juliet.order("message", to="nobody@rooms.verona.example", body="anybody there?")
    wait_for(lambda: wall.events(chain="punish", rule="operator"), 10, "the room's answer to be kept out")


def test_why_tells_all(lab, prosody, user, ladder):
    wall = ladder("punish peer { 4 strikes within 1m; ban 10m; escalate x3 to 1d; spare shared; }")
    tybalt, juliet = user("tybalt", prosody, 24), user("juliet", prosody, 11)
    spam(tybalt, juliet.jid, 6)
    address = client_address(24)
    wait_for(lambda: address in wall.bans(), 15, "the ban")
    why = wall.ctl("bans", "--why", address)["bans"][0]
    assert why["rule"] == "inbound/spam" and "contains @bad" in why["rule_text"]
    assert why["punish"] == "peer" and why["ladder"]["strikes"] == 4 and why["next_ms"] == 1800000
    assert why["who"] == "policy" and why["count"] == 1 and len(why["evidence"]) == 4
    for verdict in why["evidence"]:
        assert verdict["jid"] == prosody.jid("tybalt") and verdict["rule"] == "inbound/spam"
        assert wall.ctl("explain", verdict["id"])["event"]["xmpp"]["rule"] == "spam"
    text = wall.run("bans", "--why").stdout
    assert "evidence" in text and "explain" in text and "escalate x3" in text
    # Covered by a wider ban alone: not banned by itself, and it says so.
    wall.ctl("ban", "198.18.0.0/16")
    done = wall.run("bans", "--why", "198.18.7.7", check=False)
    assert done.returncode == 1 and "198.18.0.0/16" in done.stderr
    assert json.dumps(why)


GUESS = """
chain logins {{ hook login; rule guess {{ login.failure exists strike 1 }} }}
punish peer {{ 3 strikes within 5m; ban 10m; }}
"""


def try_to_log_in(lab, server, name, number, password):
    """What the server makes of SASL PLAIN."""
    with RawClient(lab, server, source=client_address(number)) as raw:
        raw.starttls().open()
        token = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        raw.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        return "<success" in raw.read_until("<success[^>]*/>|</failure>|</stream:stream>")


def test_a_server_that_cannot_tell_gets_nobody_banned(lab, prosody, new_wall):
    """Its accounts are wrong for a while: those who could log in fail, and are not struck for it."""
    wall = new_wall(policy.service() + GUESS.format()).start()
    people = list(enumerate(prosody.users.items(), 11))
    assert all(try_to_log_in(lab, prosody, name, number, password) for number, (name, password) in people)
    accounts = prosody.folder / "data" / prosody.domain.replace(".", "%2e") / "accounts"
    kept = {path: path.read_text() for path in accounts.glob("*.dat")}
    assert len(kept) == len(people) == 5
    try:
        for path in kept:
            path.write_text('return { ["password"] = "another database" };\n')
        for _ in range(5):
            assert not any(try_to_log_in(lab, prosody, name, number, password) for number, (name, password) in people)
        assert wall.bans() == [] and not wall.blocked()
        assert wall.ctl("status")["counters"]["login.excused"] >= 20
        assert any(e.get("alarm", {}).get("what") == "logins.excused" for e in wall.ctl("events", "-n", "100"))
    finally:
        for path, text in kept.items():
            path.write_text(text)
    assert all(try_to_log_in(lab, prosody, name, number, password) for number, (name, password) in people)
    # A guesser is no outage.
    for _ in range(3):
        assert not try_to_log_in(lab, prosody, "nurse", 20, "wrong")
    wait_for(lambda: client_address(20) in wall.blocked(), 10, "the guesser to be banned")


COMPONENT = """
service component {{ listen tcp 5377; mode inspect; tls none; }}
inspect {{ queues 1; }}
chain inbound {{
    hook component direction in; policy accept;
    rule pest {{ message body contains "pest" drop, strike 1 }}
}}
{ladder}
"""


def test_a_domain_is_barred(lab, new_wall):
    """A component's stream through the inspector: its domain, once it has too many strikes; its address is another matter."""
    hall = Hall(lab.server, "198.51.100.10", 5377)
    wall = new_wall(COMPONENT.format(ladder="punish server { 3 strikes within 1m; of domain; ban 1h; }"), certificates=[]).start()
    peers = []

    def connect(name):
        peers.append(Component(lab.client, "198.51.100.10", name, "x", port=5377, source=client_address(23)))
        return peers[-1]

    try:
        evil, good = connect("evil.example"), connect("good.example")
        evil.say("b@verona.example", "hello")
        wait_for(lambda: b"hello" in hall.said, 10, "a first word")
        for number in range(3):
            evil.say("b@verona.example", f"pest {number}")
        wait_for(lambda: barred(wall) == ["evil.example"], 10, "the domain to be barred")
        with contextlib.suppress(OSError):
            evil.say("b@verona.example", "me again")
        wait_for(lambda: evil.error, 10, "its stream to end")
        good.say("b@verona.example", "I am another")
        wait_for(lambda: b"I am another" in hall.said, 10, "the other's word")
        again = connect("evil.example")
        again.say("b@verona.example", "a new stream")
        wall.event(rule="server", chain="punish")
        assert b"me again" not in hall.said and b"a new stream" not in hall.said and not wall.bans()
        why = wall.ctl("bans", "--why", "evil.example")["barred"][0]
        assert why["ladder"]["of"] == "domain" and why["evidence"][0]["jid"] == "desk@evil.example"
        wall.ctl("unban", "evil.example")
        last = connect("evil.example")
        last.say("b@verona.example", "reformed")
        wait_for(lambda: b"reformed" in hall.said, 10, "it to be let in again")
    finally:
        for peer in peers:
            peer.close()
        hall.close()
