# SPDX-License-Identifier: BSD-2-Clause
"""What was said on the wire is what replay reads from it: recorded here and now, with each server."""
import json
import subprocess

import pytest

import record
from lab import Authority, Lab
from wall import BUILD

RULES = """
chain inbound {
    hook c2s, component direction in; policy accept;
    rule spam { message text contains "free crypto" drop }
    rule chat { message body exists accept, log }
}
"""


@pytest.fixture(params=["prosody", "ejabberd"])
def recorded(request):
    kind, last = (record.ClearProsody, 10) if request.param == "prosody" else (record.ClearEjabberd, 20)
    with Lab() as lab:
        lab.authority = Authority(lab.folder / "ca")
        domain = "padua.example"
        leaf = lab.authority.issue(domain, lab.folder / "leaves")
        server = lab.add(kind(lab, lab.server, domain, [f"198.51.100.{last}", f"2001:db8:2::{last}"], leaf, record.USERS))
        yield lab, record.record(lab, server, lab.folder / "live.pcap")


def test_replay_reads_what_was_said(recorded):
    lab, said = recorded
    rules = lab.folder / "replay.rules"
    rules.write_text(RULES)
    done = subprocess.run([BUILD / "bin/xmppwallctl", "--json", "replay", "--rules", rules, lab.folder / "live.pcap"],
                          capture_output=True, text=True, timeout=60, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    inward = [r for r in rows if r.get("kind") == "message" and r["direction"] == "in"]
    clear = [s for s in said if s["way"] != "tls"]
    assert len(inward) == len(clear) and len(said) == len(clear) + 1
    spam = [s["who"] for s in clear if "Free crypto" in s["body"]]
    assert [r["jid"].split("@")[0] if "jid" in r else r["from"].split("@")[0] for r in inward if r["rule"] == "spam"] == spam
    # The server delivers everything to somebody: as many come out, and the one from inside TLS.
    assert sum(r.get("kind") == "message" and r["direction"] == "out" for r in rows) == len(said)
    assert [r["note"] for r in rows if "note" in r] == ["starttls"]
    counters = rows[-1]["summary"]["counters"]
    assert counters["stream.tls"] == 1 and counters["stream.bad"] == 0 and counters["tcp.gap"] == 0
