# SPDX-License-Identifier: BSD-2-Clause
"""BOSH in clear text with a real server: recorded here and now, replay and judge say the same of it; and judged in
flight."""
import json
import re
import subprocess

import pytest

import boshtalk
import record
from deploy import example
from lab import Authority, Lab
from wall import BUILD, Wall

RULES = """
service c2s { listen tcp { 5280 }; mode proxy; tls none; upstream 192.0.2.99 plain; }
set hosts { type domain; flags suffix; elements = { bad.example }; }
chain inbound {
    hook c2s direction in; policy accept;
    rule link { message url.host in @hosts reject policy-violation "blocked" }
    rule spam { message text contains "free crypto" drop }
}
"""


@pytest.fixture(params=[record.BoshProsody, record.BoshEjabberd], ids=["prosody", "ejabberd"])
def lab_bosh(request):
    with Lab() as lab:
        lab.authority = Authority(lab.folder / "ca")
        leaf = lab.authority.issue("pavia.example", lab.folder / "leaves")
        yield lab, lab.add(request.param(lab, lab.server, "pavia.example", ["198.51.100.10", "2001:db8:2::10"], leaf, record.USERS))


@pytest.fixture
def recorded(lab_bosh):
    lab, server = lab_bosh
    for _ in range(3):
        if said := record.record_bosh(lab, server, lab.folder / "live.pcap"):
            return lab, said
    pytest.skip("tcpdump loses packets here")


def command(*words, **more):
    done = subprocess.run([BUILD / "bin/xmppwallctl", "--json", *words], capture_output=True, text=True, timeout=60, check=True, **more)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_replay_reads_bosh(recorded):
    lab, (*said, last) = recorded
    rules = lab.folder / "replay.rules"
    rules.write_text(RULES)
    rows = command("replay", "--rules", rules, lab.folder / "live.pcap")
    inward = [r for r in rows if r.get("kind") == "message" and r["direction"] == "in"]
    assert len(inward) == len(said)
    for row, sentence in zip(sorted(inward, key=lambda r: r["time"]), said, strict=True):
        assert row["jid"] == f"{sentence['who']}@pavia.example/{sentence['who']}"
        # Without a namespace it stands in that of BOSH, and is judged.
        xmlns = "http://jabber.org/protocol/httpbind" if sentence["way"] == "bare" else "jabber:client"
        stanza = f"<message xmlns='{xmlns}' to='x@pavia.example' type='chat'><body>{sentence['body']}</body></message>"
        judged = command("judge", "--rules", rules, "--service", "c2s", "--direction", "in", "--jid", row["jid"], input=stanza)[0]
        assert (row["verdict"], row["rule"]) == (judged["verdict"], judged["rule"]), sentence
    assert sum(r["rule"] == "spam" for r in inward) == last["spam"] == 4
    summary = rows[-1]["summary"]
    assert {(s["jid"].split("@")[0], s["mechanism"]) for s in summary["streams"]} == {("juliet", "PLAIN"), ("romeo", "PLAIN")}
    counters = summary["counters"]
    assert (counters["stream.bad"], counters["tcp.gap"], counters["bosh.unknown"]) == (0, 0, 0)


LIVE = """
set hosts { type domain; flags suffix; elements = { bad.example }; }
chain inbound {
    hook web direction in; policy accept;
    rule link { message url.host in @hosts reject policy-violation "blocked" }
    rule spam { message text contains "free crypto" drop }
}
chain outbound { hook web direction out; policy accept; rule out { message text contains "good night 2" drop } }
"""


def is_server_race(wall, talk):
    """ejabberd 23.01 ends a session whose two connections race for its two requests, without a wall, too; then nothing was held
    or ended here."""
    counters = wall.ctl("status")["counters"]
    return (re.search("condition='(other-request|item-not-found)'|TimeoutError", talk.stderr)
            and not any(counters.get(f"inspect.{name}", 0) for name in ("flow.killed", "hold.released", "tcp.conflict")))


def test_bosh_in_flight(lab_bosh):
    """What the rules take out never arrives, everything else does, and no session is harmed."""
    lab, server = lab_bosh
    wall = Wall(lab, "inspect")
    wall.write(**{"xmppwall.conf": example("deploy/inspect-bosh.conf"), "rules.d/web.rules": LIVE})
    try:
        for _ in range(5):
            wall.start()
            talk = lab.client.run("/usr/bin/python3", boshtalk.__file__, server.domain, server.addresses[4], server.addresses[6],
                                  "tolerant", check=False, timeout=120)
            if server.name != "ejabberd" or talk.returncode == 0 or not is_server_race(wall, talk):
                break
            wall.close()
            (wall.folder / "log" / "events.json").unlink(missing_ok=True)
        assert talk.returncode == 0, talk.stderr
        *said, last = [json.loads(line) for line in talk.stdout.splitlines()]
        assert (last["spam"], last["lost"]) == (0, 0)
        events = wall.events(last=500)
        refused = [(e["xmpp"]["rule"], e["xmpp"]["direction"]) for e in events if e["xmpp"].get("verdict") in ("drop", "reject")]
        spam = sum("Free crypto" in s["body"] for s in said)
        assert refused.count(("spam", "in")) == spam == 4 and refused.count(("link", "in")) == 1
        assert refused.count(("out", "out")) == 2
    finally:
        wall.close()
