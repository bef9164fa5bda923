# SPDX-License-Identifier: BSD-2-Clause
"""top, status and --watch: what they show of real sessions, and that peers' own words do no harm there."""
import json
import subprocess

import pytest

import policy
from lab import client_address, wait_for
from raw import RawClient


@pytest.fixture
def fresh(new_wall):
    return new_wall(policy.STANDARD).start()


def test_top_json(lab, server, user, fresh):
    """One look: sums and the busiest, within what was asked for; counters that only grow."""
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    second = user("romeo", server, 12, resource="second")
    for number in range(5):
        romeo.say(juliet.jid, f"number {number}")
    juliet.body("number 4")
    romeo.say(juliet.jid, "take your casino bonus now")
    wait_for(lambda: fresh.events(rule="spam"), 5, "a drop")
    with RawClient(lab, server, source=client_address(13)) as loris:
        loris.open()
        top = wait_for(lambda: (t := fresh.ctl("top"))["totals"]["sessions"] == 4 and t, 5, "four sessions")
    assert top["totals"] | {"rules": 0, "limits": 0} == {"sessions": 4, "online": 3, "peers": 3, "rules": 0, "limits": 0, "bans": 0}
    peers = {p["address"]: p for p in top["peers"]}
    assert (peers[romeo.source]["sessions"], peers[romeo.source]["online"]) == (2, 2)
    assert (peers[client_address(13)]["sessions"], peers[client_address(13)]["online"]) == (1, 0)
    assert peers[romeo.source]["in"] >= 6 and peers[romeo.source]["dropped"] == 1
    assert top["peers"][0]["rate"] == max(p["rate"] for p in top["peers"])
    assert {s["jid"].split("/")[0] for s in top["sessions"]} == {juliet.jid, romeo.jid, ""}
    assert second.jid in {s["jid"] for s in top["sessions"]}
    assert next(r for r in top["rules"] if r["name"] == "spam")["hits"] == 1 and top["rules"][0]["name"] == "spam"
    assert top["limits"][0]["name"] == "chatter" and top["counters"]["verdict.drop"] == 1
    ours = next(w for w in top["workers"] if w["name"] == "xmppwall-proxy")
    assert ours["memory"] > 1 << 20 and ours["cpu_ms"] > 0 and ours["sessions"] >= 0
    status = fresh.run("status").stdout
    assert "sessions    3 now" in status or "sessions    4 now" in status
    assert "\033" not in status


def test_watch(lab, prosody, user, fresh):
    """--watch: one JSON object a line, plain text one behind the other, and not for what changes something."""
    def lines(*command, count):
        process = subprocess.Popen([str(word) for word in fresh.namespace.command(*fresh.ctl_command(*command))],
                                   stdout=subprocess.PIPE, text=True)
        try:
            return [process.stdout.readline() for _ in range(count)]
        finally:
            process.terminate()
            assert process.wait(10) == 0
    first, second = (json.loads(line) for line in lines("--json", "top", "--watch", "200ms", count=2))
    assert second["uptime_ms"] > first["uptime_ms"]
    assert all(json.loads(line)["sessions"] == [] for line in lines("--json", "sessions", "--watch=100ms", count=3))
    assert lines("bans", "--watch", "100ms", count=3) == ["nobody is banned\n", "\n", "nobody is banned\n"]
    assert fresh.run("ban", "192.0.2.9", "--watch", check=False).returncode == 2
    assert fresh.run("status", "--watch", "1fortnight", check=False).returncode == 2
    assert "sessions" in fresh.run("status", "--help").stdout or "--watch" in fresh.run("status", "--help").stdout
