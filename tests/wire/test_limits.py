# SPDX-License-Identifier: BSD-2-Clause
"""Limits while they are judged by: set live, kept over reload and restart of the daemon, suggested from what passed; the same
text to many."""
import policy
from lab import wait_for
from test_verdicts import pair, send_and_pass  # noqa: F401 (pair is a fixture)

PATIENT = policy.STANDARD.replace("10 strikes", "1000 strikes")
BULK = PATIENT.replace("chain inbound {", """similar bulk { text body; recipients 3; }
chain inbound {""").replace("rule flood", "rule bulk { message similar bulk exceeded drop, log }\n    rule flood")


def test_limit_set_live(pair, wall):  # noqa: F811
    sender, receiver = pair
    wall.write(**{"xmppwall.conf": PATIENT})
    wall.ctl("reload")
    assert wall.ctl("limit", "set", "chatter", "rate", "1/hour", "burst", "5")["set"]
    before = len(wall.events(rule="flood"))
    for i in range(12):
        sender.say(receiver.jid, f"line {i}")
    wait_for(lambda: len(wall.events(rule="flood")) >= before + 7, 5, "the slower rate to be judged by")
    assert "chatter is set to 1/hour" in "\n".join(wall.ctl("status")["attention"])
    # a reload keeps both the rate and what was counted
    wall.ctl("reload")
    before = len(wall.events(rule="flood"))
    sender.say(receiver.jid, "after the reload")
    wait_for(lambda: len(wall.events(rule="flood")) == before + 1, 5, "the reload to have kept it")
    # what was seen is enough for a proposal
    found = wall.ctl("limit", "suggest", "chatter", "--for", "100%")
    assert found["peers"] >= 1 and found["rates"][-1]["hit"] == 0 and found["current"]["hit_most"] > 0
    assert wall.ctl("limit", "set", "chatter", "default")["rate"] == "5/second"
    # who was over the slow rate is at most as far over the quick one: a moment, no hour

    def heard():
        sender.say(receiver.jid, "as configured again")
        return receiver.saw("as configured again")

    wait_for(heard, 10, "the quicker rate to be judged by")
    assert sender.alive() and receiver.alive()


def test_simulate_over_the_real_events(pair, wall):  # noqa: F811
    sender, receiver = pair
    send_and_pass(sender, receiver, "take your casino bonus now")
    wait_for(lambda: wall.events(rule="spam"), 5, "an event")
    answer = wall.ctl("limit", "simulate", "chatter", "rate", "1/day", "burst", "1", "--from", wall.folder / "log/events.json",
                      "--rules", wall.config)
    assert answer["events"] >= 1 and answer["peers"] >= 1


def test_the_same_to_many(user, server, wall):
    wall.write(**{"xmppwall.conf": BULK})
    wall.ctl("reload")
    sender = user("tybalt", server, 21, version=4)
    names = ["Anna", "Peter", "Marie", "Tom", "Kim", "Max", "Eva", "Lena"]
    domain = sender.jid.split("@")[1].split("/")[0]
    for i, name in enumerate(names):
        sender.say(f"nobody{i}@{domain}", f"Hello {name}, you were selected for a present of {i}00 EUR, claim it now at http://a.example/{i}")
    events = wait_for(lambda: wall.events(rule="bulk"), 5, "the bulk to be seen")
    assert events[0]["xmpp"]["matches"][0]["field"] == "similar"
    assert "recipients" in events[0]["xmpp"]["matches"][0]["text"]
    before = len(wall.events(rule="bulk"))
    sender.say(f"nobody@{domain}", "shall we meet at the station at eight, or is that too early for you?")
    sender.say(f"nobody99@{domain}", "Hello Bob, you were selected for a present of 7 EUR, claim it now at http://b.example/")
    wait_for(lambda: len(wall.events(rule="bulk")) > before, 5, "the next of them to be seen")
    assert len(wall.events(rule="bulk")) == before + 1
    assert sender.alive()
