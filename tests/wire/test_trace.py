# SPDX-License-Identifier: BSD-2-Clause
"""Live traffic looked at: a trace follows a stanza through the rules, and nobody else's."""
import json
import subprocess

import pytest

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
