# SPDX-License-Identifier: BSD-2-Clause
"""Rules that are only tried, maps, hashes and the clock, in the children that judge and open no file."""
import datetime
import hashlib
import zoneinfo

import pytest

import policy
from lab import wait_for
from test_verdicts import send_and_pass

ZONE = "Pacific/Kiritimati"
RULES = f"""
daemon {{ timezone "{ZONE}"; }}
define wanted = "try this";
map ranks {{ type jid; file "lists/ranks.txt"; }}
set hidden {{ type hash; of url; salt "s/"; file "lists/hidden.txt"; }}

chain own {{
    hook c2s direction in; priority 50;

    rule ranks       {{ mark from.bare in @ranks }}
    rule tried dry   {{ body contains $wanted     reject, strike 3, log }}
    rule hidden      {{ url in @hidden            drop, log }}
    rule now         {{ body contains "what day"  drop, mark asked, log }}
    rule vip         {{ marked is vip and body contains "as a vip"  drop, log }}
}}
"""


@pytest.fixture
def wall(new_wall):
    return new_wall(policy.STANDARD.replace("chain inbound", RULES + "\nchain inbound"),
                    **{"lists/ranks.txt": "", "lists/hidden.txt": hashlib.sha256(b"s/hash.example/x").hexdigest() + "\n"}).start()


@pytest.fixture
def pair(server, user, wall):
    return user("tybalt", server, 21, version=4), user("juliet", server, 11, version=6)


def test_dry_rule_is_told_of_and_not_done(pair, wall):
    sender, receiver = pair
    send_and_pass(sender, receiver, "do try this at home")
    receiver.body("do try this at home")
    event = wall.event(rule="tried")
    assert event["xmpp"]["dry"] is True and event["xmpp"]["verdict"] == "reject"
    assert event["alert"]["action"] == "allowed" and "strike 3" in event["xmpp"]["orders"]
    assert not wall.bans()


def test_hash_hides_what_is_stopped(pair, wall):
    sender, receiver = pair
    send_and_pass(sender, receiver, "see https://HASH.example/x#y")
    assert not receiver.saw("hash.example")
    wall.event(rule="hidden")
    send_and_pass(sender, receiver, "see https://hash.example/other")
    receiver.body("see https://hash.example/other")


def test_map_is_live(pair, wall):
    sender, receiver = pair
    send_and_pass(sender, receiver, "as a vip 1")
    receiver.body("as a vip 1")
    bare = sender.jid.split("/")[0]
    wall.ctl("list", "add", "ranks", f"{bare} : vip")
    send_and_pass(sender, receiver, "as a vip 2")
    assert not receiver.saw("as a vip 2")
    assert "mark vip" in wall.event(rule="vip")["xmpp"]["orders"]
    wall.ctl("list", "add", "ranks", f"{bare} : guest")
    send_and_pass(sender, receiver, "as a vip 3")
    receiver.body("as a vip 3")


def test_time_is_that_of_the_zone(pair, wall):
    """A reload happens in a child that has shut its file system; the zone is there all the same."""
    sender, receiver = pair
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    today = datetime.datetime.now(zoneinfo.ZoneInfo(ZONE)).weekday()
    text = wall.config.read_text()
    named = f'weekday in {{ {days[today]}, {days[(today + 1) % 7]} }} and body contains "what day"'
    wall.write(**{"xmppwall.conf": text.replace('body contains "what day"', named)})
    wall.ctl("reload")
    send_and_pass(sender, receiver, "what day is it")
    assert not receiver.saw("what day")
    wait_for(lambda: wall.events(rule="now"), 5, "the event of rule now")
    assert "mark asked" in wall.events(rule="now")[-1]["xmpp"]["orders"]
