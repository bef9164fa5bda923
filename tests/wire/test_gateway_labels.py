# SPDX-License-Identifier: BSD-2-Clause
"""Labels and the audit trail between two servers: what goes down is not what comes up, and each of both is written down."""
import json
import os

import pytest

from federation import Federation
from lab import wait_for

POLICY = """
clearance down { from "a.example" to "b.example"; release "UNCLASSIFIED"; unlabelled refuse; errors release; }
clearance up   { from "b.example" to "a.example"; release "UNCLASSIFIED", "LOW"; unlabelled as "LOW"; errors release; }
chain gateway {
    hook from_others, to_others;
    rule review     { message label.display is "FOR REVIEW"                quarantine, log }
    rule unlabelled { message label.release is unlabelled                  reject policy-violation "it bears no label", log }
    rule withheld   { message label.release not in { released, unlabelled } reject policy-violation "its label keeps it here", log }
}
"""


@pytest.fixture(scope="module", params=["PP", "PE"])
def gateway(request):
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with Federation(request.param) as made:
        made.a.raise_wall(inward="audit on;", outward="audit on;", more=POLICY)
        yield made


def label(display):
    return (f"<securitylabel xmlns='urn:xmpp:sec-label:0'><displaymarking>{display}</displaymarking><label/></securitylabel>")


def trail(wall, **wanted):
    path = wall.folder / "log/audit.log"
    lines = [json.loads(line) for line in path.read_bytes().split(b"\n") if line.endswith(b"}")]
    return [t for t in lines if all(t.get(k) == v for k, v in wanted.items())]


def test_down_and_up(gateway):
    high, low, wall = gateway.a.user(), gateway.b.user(), gateway.a.wall
    low.hear(high.say(low.jid, "down released", label("UNCLASSIFIED")))
    high.hear(low.say(high.jid, "up without"))
    high.hear(low.say(high.jid, "up low", label("LOW")))
    for body, marked, why in (("down low", label("LOW"), "its label keeps it here"), ("down without", "", "it bears no label"),
                              ("down alike", label("unclassified"), "its label keeps it here")):
        high.say(low.jid, body, marked)
        assert "policy-violation" in high.read_until(f"{why}.*?</message>"), body
    low.say(high.jid, "up secret", label("SECRET"))
    assert "policy-violation" in low.read_until("its label keeps it here.*?</message>")
    text = low.hear(high.say(low.jid, "last", label("UNCLASSIFIED")))
    assert not any(body in text for body in ("down low", "down without", "down alike"))
    crossed = wait_for(lambda: trail(wall, event="crossing", kind="message", direction="out", type="chat")[1:], 5, "two crossings")
    assert {t["from"].split("/")[0] for t in crossed} == {"juliet@a.example"} and crossed[-1]["label"] == ["UNCLASSIFIED"]
    refused = trail(wall, event="refusal", kind="message", direction="out")
    assert [t["rule"] for t in refused] == ["withheld", "unlabelled", "withheld"]
    assert [t["label"] for t in trail(wall, event="refusal", direction="in")] == [["SECRET"]]
    done = wall.run("--json", "--log-dir", wall.folder / "log", "audit", "verify", check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["ok"], done.stdout


def test_review(gateway):
    high, low, wall = gateway.a.user(), gateway.b.user(), gateway.a.wall
    high.say(low.jid, "look at this", label("FOR REVIEW"))
    kept = wait_for(lambda: wall.ctl("quarantine", "list")["quarantine"], 10, "a message in quarantine")
    assert kept[0]["rule"] == "review"
    wall.ctl("quarantine", "release", kept[0]["id"])
    low.hear("look at this")
    wait_for(lambda: trail(wall, verdict="released"), 5, "the line of its release")
