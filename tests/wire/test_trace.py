# SPDX-License-Identifier: BSD-2-Clause
"""Live traffic looked at: a trace follows a stanza through the rules, and nobody else's."""
import contextlib
import json
import subprocess
import threading

import pytest

from lab import wait_for
from test_verdicts import pair, send_and_pass  # noqa: F401 (pair is a fixture)


class Follow:
    """A running trace and what it said so far."""

    def __init__(self, wall, *words):
        self.events = []
        self.process = wall.namespace.start(*wall.ctl_command("--json", "trace", *words), stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def end(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def pause(self):
        """Not so many stanzas that the policy's limit speaks."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.3)

    def dropped(self):
        return [e for e in self.events if e.get("verdict", {}).get("verdict") == "drop"]

    def until_dropped(self, sender, receiver, text):
        """The trace begins when the workers have heard of it: text is sent until it shows."""

        def once():
            send_and_pass(sender, receiver, text)
            self.pause()
            return self.dropped()

        try:
            return wait_for(once, 15, "a traced stanza")[0]
        finally:
            self.end()


def bodies_are_hidden(event):
    return all(not test["values"] for step in event["steps"] for test in step["tests"] if "bytes" in test)


@pytest.mark.parametrize("by", ["jid", "address", "session"])
def test_trace_follows_a_sender(pair, wall, by):  # noqa: F811
    sender, receiver = pair
    row = next(r for r in wall.ctl("sessions")["sessions"] if r["jid"].startswith(sender.jid.split("/")[0]))
    value = {"jid": row["jid"].split("/")[0], "address": row["address"], "session": str(row["id"])}[by]
    follow = Follow(wall, f"--{by}", value, "--for", "20s")
    event = follow.until_dropped(sender, receiver, "private casino bonus talk")
    assert event["verdict"]["rule"] == "spam"
    last = event["steps"][-1]
    assert last["rule"] == "spam" and last["held"]
    assert any(test.get("entry") == "casino bonus" for test in last["tests"])
    assert bodies_are_hidden(event) and "private" not in json.dumps(event["steps"])
    if by == "session":
        assert all(e["session"] == row["id"] for e in follow.events)


def test_trace_with_bodies(pair, wall):  # noqa: F811
    sender, receiver = pair
    event = Follow(wall, "--jid", sender.jid, "--bodies", "--for", "20s").until_dropped(sender, receiver, "open casino bonus talk")
    assert "open casino bonus talk" in json.dumps(event["steps"])


def test_trace_leaves_others_alone(pair, wall):  # noqa: F811
    sender, receiver = pair
    follow = Follow(wall, "--jid", "nobody@nowhere.example", "--for", "2s")
    while follow.process.poll() is None:
        send_and_pass(sender, receiver, "casino bonus")
        follow.pause()
    follow.end()
    assert follow.events == [{"done": True, "stanzas": 0, "lost": 0}]
