# SPDX-License-Identifier: BSD-2-Clause
"""Live traffic looked at: a trace follows a stanza through the rules, and nobody else's."""
import contextlib
import json
import subprocess

import policy
import pytest

from test_faults import fresh  # noqa: F401 (a fixture)
from test_verdicts import pair, send_and_pass  # noqa: F401 (pair is a fixture)


def follow(wall, *words):
    """A running trace, and what it said when it is told to end."""
    process = wall.namespace.start(*wall.ctl_command("--json", "trace", *words), stdout=subprocess.PIPE, text=True)

    def events(enough):
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if "done" in lines[-1] or enough(lines):
                break
        process.kill()
        process.wait()
        process.stdout.close()
        return lines

    return events


def bodies_are_hidden(event):
    return all(not test["values"] for step in event["steps"] for test in step["tests"] if "bytes" in test)


def until_dropped(lines):
    return any(e.get("verdict", {}).get("verdict") == "drop" for e in lines)


def keep_sending(sender, receiver, wall, text):
    """The trace begins when the workers have heard of it: so often until then, and seen to be dropped each time."""
    for _ in range(8):
        send_and_pass(sender, receiver, text)


@pytest.mark.parametrize("by", ["jid", "address", "session"])
def test_trace_follows_a_sender(pair, wall, by):  # noqa: F811
    sender, receiver = pair
    row = next(r for r in wall.ctl("sessions")["sessions"] if r["jid"].startswith(sender.jid.split("/")[0]))
    value = {"jid": row["jid"].split("/")[0], "address": row["address"], "session": str(row["id"])}[by]
    events = follow(wall, f"--{by}", value, "--for", "20s")
    keep_sending(sender, receiver, wall, "private casino bonus talk")
    seen = events(until_dropped)
    event = next(e for e in seen if e["verdict"]["verdict"] == "drop")
    assert event["verdict"]["rule"] == "spam"
    last = event["steps"][-1]
    assert last["rule"] == "spam" and last["held"]
    assert any(test.get("entry") == "casino bonus" for test in last["tests"])
    assert bodies_are_hidden(event) and "private" not in json.dumps(event["steps"])
    if by == "session":
        assert all(e["session"] == row["id"] for e in seen)


def test_trace_with_bodies(pair, wall):  # noqa: F811
    sender, receiver = pair
    events = follow(wall, "--jid", sender.jid, "--bodies", "--for", "20s")
    keep_sending(sender, receiver, wall, "open casino bonus talk")
    event = next(e for e in events(until_dropped) if e["verdict"]["verdict"] == "drop")
    assert "open casino bonus talk" in json.dumps(event["steps"])


def test_trace_leaves_others_alone(pair, wall):  # noqa: F811
    sender, receiver = pair
    events = follow(wall, "--jid", "nobody@nowhere.example", "--for", "2s")
    keep_sending(sender, receiver, wall, "casino bonus")
    assert events(lambda lines: False) == [{"done": True, "stanzas": 0, "lost": 0}]


def test_shadow_judges_beside_the_policy_in_force(prosody, user, fresh):  # noqa: F811
    """The new policy has no say: what it would stop passes, and is told of afterwards; its limits limit nobody."""
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    for client in (juliet, romeo):
        client.mark()
    version = fresh.ctl("status")["policy"]
    fresh.write(**{"xmppwall.conf": policy.STANDARD.replace("rule spam ", 'rule greeting { message body contains "good morrow" '
                                                            "reject not-acceptable }\n    rule spam ")})
    shadow = fresh.namespace.start(*fresh.ctl_command("--json", "reload", "--shadow", "--for", "3s"), stdout=subprocess.PIPE, text=True)
    number = 0
    while shadow.poll() is None:  # it judges for a while, whenever it begins
        juliet.say(romeo.jid, f"good morrow {number}")
        romeo.body(f"good morrow {number}")
        number += 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            shadow.wait(0.3)
    answer = json.loads(shadow.communicate(timeout=60)[0])
    assert answer["version"] == version == fresh.ctl("status")["policy"]
    assert [item["name"].split("/")[1] for item in answer["diff"]["added"]] == ["greeting"]
    report = answer["shadow"]
    assert report["differ"] > 0 and report["judged"] >= report["differ"] and report["failed"] == 0
    chain = answer["diff"]["added"][0]["name"]
    assert any(k["after"] == f"reject not-acceptable by {chain}" for k in report["kinds"])
    assert report["examples"][0]["to"].startswith(romeo.jid.split("/")[0])
    assert "good morrow" not in json.dumps(report)
    # Nothing of it is left: the rule counted no hits and is not in force.
    juliet.say(romeo.jid, "good morrow again")
    romeo.body("good morrow again")
    assert "greeting" not in [rule["name"] for rule in fresh.ctl("rules")["rules"]]
