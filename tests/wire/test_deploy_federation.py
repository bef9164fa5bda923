# SPDX-License-Identifier: BSD-2-Clause
"""The arrangements of docs/DEPLOY-FEDERATION.md, each with its own file of docs/examples: what reaches the other server, what does
not, and what the firewall tells of it."""
import json
import shutil

import pytest

from deploy import EXAMPLES
from federation import Federation
from lab import wait_for

RULES = """
chain spam {
    hook s2s;
    rule spam { message text contains "casino" drop, log }
}
"""
HIGH, LOW, COALITION = "high.example", "low.example", "coalition.example"
ADDRESS = {"a": "198.51.100.10", "b": "203.0.113.10"}


def raised(federation, side, name, rules=None, **more):
    """The very file; only the folder of /etc/xmppwall and who is a public authority are others."""
    text = (EXAMPLES / name).read_text().replace('"/etc/xmppwall/', '"').replace("trust system", 'trust file "trust.pem"')
    wall = side.make_wall(configuration=text, **more)
    shutil.copytree(EXAMPLES / "profiles", wall.folder / "etc/profiles")
    shutil.copytree(EXAMPLES / "policies/lists", wall.folder / "etc/rules.d/lists")
    shutil.copy(EXAMPLES / "policies/gateway.rules", wall.folder / "etc/rules.d/") if rules is None else wall.write(**{"rules.d/spam.rules": rules})
    wall.start()
    federation.hang_up()
    return wall


# ---- before a server, and beside it ----

@pytest.fixture(scope="module", params=["PE", "EP"])
def federation(request):
    with Federation(request.param) as made:
        yield made


def passes_judged(federation, wall):
    """Each kind of domain, in both directions, and a rule's word in both."""
    for kind, how in (("", "external"), ("dial", "dialback"), ("six", "external"), ("direct", "external")):
        # ejabberd 23.01, once it has answered STARTTLS, shows its first domain's certificate to all that speak TLS at once.
        if kind == "direct" and federation.a.server.name == "ejabberd":
            continue
        federation.mark()
        federation.exchange(kind, how={how})
    a, b = federation.a.user(), federation.b.user()
    for sender, receiver, direction in ((a, b, "out"), (b, a, "in")):
        sender.say(receiver.jid, "casino bonus")
        assert "casino" not in receiver.hear(sender.say(receiver.jid))
        event = wall.event(rule="spam", direction=direction)
        assert event["src_ip"] == ADDRESS["b"], "the remote server's, whoever dialled"
    rows = {row["service"]: row for row in wall.sessions() if row["remote"] == federation.b.domain()}
    assert set(rows) == {"from_others", "to_others"}
    for service, row in rows.items():
        assert row == row | {"address": ADDRESS["b"], "server": ADDRESS["a"], "jid": "b.example", "local": "a.example", "verified": "pkix",
                             "pairs": 1, "direction": "out" if service == "to_others" else "in"}
    assert {row["verified"] for row in wall.sessions() if row["remote"] == federation.b.domain("dial")} == {"dialback"}
    assert ADDRESS["a"] not in {row["address"] for row in wall.ctl("top")["peers"]}


def test_gateway(federation):
    """federation-gateway.conf"""
    wall = raised(federation, federation.a, "deploy/federation-gateway.conf", RULES)
    passes_judged(federation, wall)
    strangers = [peer for _, peer in federation.b.server.streams_of() if ADDRESS["a"] not in peer and "2001:db8:a::10" not in peer]
    assert not strangers, "the other server sees nobody but ours"


def test_host(federation):
    """federation-host.conf"""
    passes_judged(federation, raised(federation, federation.a, "deploy/federation-host.conf", RULES, own_host=True))


# ---- between security domains ----

@pytest.fixture(scope="module")
def domains():
    with Federation("PP", domains={"a": {"": HIGH}, "b": {"": LOW, "more": COALITION}}) as made:
        yield made


@pytest.fixture(autouse=True)
def no_walls(request):
    """Whatever a test put up is gone behind it."""
    yield
    for name in {"federation", "domains"} & set(request.fixturenames):
        for side in request.getfixturevalue(name).sides:
            side.drop_wall()


def label(marking):
    return f"<securitylabel xmlns='urn:xmpp:sec-label:0'><displaymarking>{marking}</displaymarking><label/></securitylabel>"


def refused(sender, receiver, marking):
    """It is answered by an error, on the stream by which the other domain speaks; gives what was said."""
    body = sender.say(receiver.jid, more=label(marking) if marking else "")
    assert "policy-violation" in sender.read_until(r"<message[^>]*type=.error.*?</message>")
    return body


def kept(wall, sender, receiver, marking="FOR RELEASE REVIEW"):
    """It waits for somebody; gives its id and what was said."""
    before = {row["id"] for row in wall.ctl("quarantine", "list")["quarantine"]}
    body = sender.say(receiver.jid, more=label(marking))
    rows = wait_for(lambda: [r for r in wall.ctl("quarantine", "list")["quarantine"] if r["id"] not in before], 10, "it in quarantine")
    return rows[0]["id"], body


def trail(wall):
    """The audit trail's lines, once it is found whole."""
    answer = wall.ctl("--log-dir", wall.folder / "log", "audit", "verify", *sorted((wall.folder / "log").glob("audit.log*"), reverse=True))
    assert answer["ok"], answer
    return [json.loads(line) for line in (wall.folder / "log/audit.log").read_text().splitlines()]


def lines_of(wall, **wanted):
    return [line for line in trail(wall) if all(line.get(k) == v for k, v in wanted.items())]


def by_label(domains, wall, other=None):
    """A released message, withheld ones, one for review, and what no profile names, which its own side's box leaves out."""
    high, low = domains.a.user(), domains.b.user()
    heard = high.hear(low.say(high.jid, more="<x xmlns='urn:example:beacon'>lantern</x>"))
    assert "beacon" not in heard and "lantern" not in heard
    heard = low.hear(high.say(low.jid, more=label("UNCLASSIFIED") + "<dancing xmlns='http://jabber.org/protocol/chatstates'/>"))
    assert "UNCLASSIFIED" in heard and "dancing" not in heard
    withheld = [refused(high, low, "SECRET"), refused(high, low, "")]
    number, reviewed = kept(wall, high, low)
    heard = low.hear(high.say(low.jid, more=label("UNCLASSIFIED")))
    assert not any(f">{body}<" in heard for body in (*withheld, reviewed))
    wall.run("quarantine", "release", number)
    assert "FOR RELEASE REVIEW" in low.hear(reviewed)
    assert [line.get("label") for line in wait_for(lambda: lines_of(wall, event="refusal", kind="message", condition="policy-violation"), 5,
                                               "the refusals")] == [["SECRET"], None]
    assert wait_for(lambda: lines_of(wall, verdict="released"), 5, "the release's line")[0]["from"] == high.jid
    for box, word in ((wall, "dancing"), (other or wall, "beacon")):
        wait_for(lambda: any(word in str(line.get("removed")) for line in trail(box)), 5, f"{word} in what was left out")  # noqa: B023


def test_between_domains(domains):
    """domains.conf with gateway.rules"""
    by_label(domains, raised(domains, domains.a, "deploy/domains.conf"))


def test_two_boxes(domains):
    """domains.conf and domains-low.conf: what one lets go is, byte for byte, what the other takes."""
    wall = raised(domains, domains.a, "deploy/domains.conf")
    other = raised(domains, domains.b, "deploy/domains-low.conf")
    by_label(domains, wall, other)
    went = [line.get("out") or line["digest"] for line in lines_of(wall, event="crossing", direction="out")]
    wait_for(lambda: [line["digest"] for line in lines_of(other, event="crossing", direction="in")] == went, 5, "the same in the other's trail")


def test_links(domains):
    """domains-links.conf: each link has its own clearance; who is of no link gets no stream."""
    wall = raised(domains, domains.a, "deploy/domains-links.conf")
    high, low, coalition = domains.a.user(), domains.b.user(), domains.b.user("more")
    for receiver in (low, coalition):
        receiver.hear(high.say(receiver.jid, more=label("UNCLASSIFIED")))
    coalition.hear(high.say(coalition.jid, more=label("RELEASABLE TO COALITION")))
    for sender in (low, coalition):
        high.hear(sender.say(high.jid))
    refused(high, low, "RELEASABLE TO COALITION")
    refused(high, low, "FOR RELEASE REVIEW")
    number, body = kept(wall, high, coalition)
    wall.run("quarantine", "release", number)
    coalition.hear(body)
    domains.b.user("six").say(high.jid, "from nowhere")
    wait_for(lambda: wall.ctl("status")["counters"].get("refused.remote.require"), 10, "the refusal of who is of no link")
    assert "nowhere" not in high.hear(low.say(high.jid))
    assert {line["to"].split("/")[0] for line in lines_of(wall, event="crossing", direction="out")} == {low.bare, coalition.bare}
