# SPDX-License-Identifier: BSD-2-Clause
"""What the policy stops is stopped, what it bounces is bounced, the rest is untouched; lists are live."""
import xml.etree.ElementTree as ET

import pytest

from lab import wait_for


@pytest.fixture
def pair(server, user, wall):
    """A sender who is judged and a receiver, on the same server."""
    return user("tybalt", server, 21, version=4), user("juliet", server, 11, version=6)


def send_and_pass(sender, receiver, text, **keywords):
    """Sends text and then a marker; when the marker is there, text would have been."""
    sender.mark()
    receiver.mark()
    number = sender.say(receiver.jid, text, **keywords)
    sender.say(receiver.jid, f"marker {number}")
    receiver.body(f"marker {number}")
    return number


@pytest.mark.parametrize("words", [
    "casino bonus", "CASINO   Bonus!", "ｃａｓｉｎｏ ｂｏｎｕｓ", "cas\u200dino bonus", "c\u0430sino b\u043enus",
    "ca\u00adsino bonus", "cas\u202eino bonus"],
    ids=["plain", "case", "fullwidth", "joiner", "cyrillic", "soft-hyphen", "bidi"])
def test_keyword_is_dropped(pair, wall, words):
    sender, receiver = pair
    before = len(wall.events(rule="spam"))
    send_and_pass(sender, receiver, f"take your {words} now")
    assert not receiver.saw("take your")
    assert not sender.saw("error")
    wait_for(lambda: len(wall.events(rule="spam")) == before + 1, 5, "one event of rule spam")
    assert wall.events(rule="spam")[-1]["xmpp"]["verdict"] == "drop"


def test_whole_words_only(pair, wall):
    sender, receiver = pair
    send_and_pass(sender, receiver, "occasino bonuses are free cryptography")
    receiver.body("occasino bonuses are free cryptography")


def test_keyword_hidden_by_markup(pair, wall):
    """Character references, CDATA and XHTML-IM around the word."""
    sender, receiver = pair
    for body in ("<body>&#x63;asino &#98;onus</body>", "<body><![CDATA[casino]]> bonus</body>",
                 "<body>hello</body><html xmlns='http://jabber.org/protocol/xhtml-im'>"
                 "<body xmlns='http://www.w3.org/1999/xhtml'><p>cas<b>ino</b> bonus</p></body></html>"):
        receiver.mark()
        sender.ask("send", xml=f"<message to='{receiver.jid}' type='chat' id='hidden'>{body}</message>")
        send_and_pass(sender, receiver, "in between")
        assert not receiver.saw('id="hidden"'), body


def test_link_is_bounced(pair, wall):
    sender, receiver = pair
    for text in ("see http://login.bad.example/now", "hxxp://login。bad。example", "LOGIN.BAD.EXAMPLE/path"):
        number = send_and_pass(sender, receiver, text)
        error = ET.fromstring(sender.stanza('type="error"', f'id="{number}"', kind="message"))
        assert error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}policy-violation") is not None
        assert error.get("from") == receiver.jid
        said = error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}text").text
        event = wall.event(rule="phishing")["xmpp"]
        assert event["id"] in said
        assert not receiver.saw(text)


def test_explain_names_rule_entry_and_text(pair, wall):
    sender, receiver = pair
    send_and_pass(sender, receiver, "http://x.bad.example/")
    event = wall.event(rule="phishing")["xmpp"]
    answer = wall.ctl("explain", event["id"])["event"]["xmpp"]
    assert answer["rule"] == "phishing" and answer["condition"] == "policy-violation"
    assert answer["matches"][0]["entry"] == "bad.example"
    assert "x.bad.example" in answer["matches"][0]["text"]
    assert {"field": "url.host", "value": "x.bad.example"} in answer["fields"]
    whole = wall.ctl("explain", event["id"])
    assert whole["rule"]["hits"] >= 1 and "phishing" in whole["rule"]["text"]
    assert whole["session"]["id"] == answer["session"] and whole["session"]["jid"] == answer["jid"]
    assert whole["ruleset"]["same"]
    assert whole["entries"][0]["entry"] == "bad.example"
    assert wall.run("explain", "no-such-id", check=False).returncode == 1
    assert "phishing" in wall.run("explain", event["id"]).stdout


def test_event_is_shaped_like_eve(pair, wall):
    sender, receiver = pair
    send_and_pass(sender, receiver, "casino bonus")
    event = wall.event(rule="spam")
    assert event["src_ip"] == sender.source and event["app_proto"] == "xmpp" and event["proto"] == "TCP"
    assert event["dest_ip"] == sender.server.addresses[4] and event["dest_port"] == 5222
    assert event["alert"]["signature"] == "inbound/spam"
    assert "casino bonus" not in str(event.get("body", ""))
    assert event["xmpp"]["id"] in (wall.folder / "log/events.json").read_text()


def test_allowed_stanza_is_unchanged(pair, wall):
    sender, receiver = pair
    receiver.mark()
    sender.ask("send", xml=f"<message to='{receiver.jid}' type='chat' id='m-1' xml:lang='it'><body>a &lt;b&gt; &amp; 'c' \"d\"\n"
               "\U0001f339</body><thread>t1</thread><x xmlns='urn:example:a' k='1 &amp; 2'><y/>z</x></message>")
    message = receiver.body("a <b> & 'c' \"d\"\n\U0001f339")
    assert message.get("id") == "m-1" and message.find("{*}thread").text == "t1"
    x = message.find("{urn:example:a}x")
    assert x.get("k") == "1 & 2" and x.find("{urn:example:a}y").tail == "z"


def test_list_edits_act_on_the_next_message(pair, wall):
    sender, receiver = pair
    word = f"tulip mania {sender.server.name}"
    send_and_pass(sender, receiver, f"buy {word} now")
    receiver.body(f"buy {word} now")
    assert wall.ctl("list", "add", "spam_words", word)["added"] == 1
    send_and_pass(sender, receiver, f"buy {word} today")
    assert not receiver.saw(f"buy {word} today")
    assert word in (wall.folder / "etc/lists/spam-words.txt").read_text()
    assert wall.ctl("list", "add", "spam_words", word)["present"] == 1
    assert wall.ctl("list", "del", "spam_words", word)["removed"] == 1
    send_and_pass(sender, receiver, f"buy {word} again")
    receiver.body(f"buy {word} again")
    assert wall.run("list", "del", "spam_words", word, check=False).returncode == 1
    history = wall.ctl("list", "history", "spam_words")["history"]
    assert {h["what"] for h in history if h["entry"] == word} == {"add", "del"}
    assert sender.alive() and receiver.alive()


def test_iq_and_presence_pass(pair, wall):
    sender, receiver = pair
    assert sender.ask("ping", jid=sender.server.domain) is not None
    sender.ask("presence", pto=receiver.jid, pstatus="hello")
    receiver.stanza("hello", kind="presence")


def test_status_and_rules_count(pair, wall):
    sender, receiver = pair
    before = {r["name"]: r["hits"] for r in wall.ctl("rules")["rules"]}
    send_and_pass(sender, receiver, "casino bonus")
    wait_for(lambda: {r["name"]: r["hits"] for r in wall.ctl("rules")["rules"]}["spam"] == before["spam"] + 1, 5, "a hit")
    status = wall.ctl("status")
    assert status["services"] and status["workers"] and status["firewall"]["loaded"]
