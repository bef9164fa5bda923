# SPDX-License-Identifier: BSD-2-Clause
"""Mode inspect before a real server: its component and its clients through the firewall's own table and xmppwall-nfq. What is rejected
vanishes and the stream lives; and the life of the child that inspects: other queues, no service, another program."""
import contextlib
import hashlib
import itertools
import json
import os
import re

import pytest

import record
from client import Client
from lab import Authority, Lab, LabError, wait_for
from servers import SECRET
from wall import Wall, missing_programs

DOMAIN = "padua.example"
COMPONENT = f"firewall.{DOMAIN}"
SERVICES = """
service component { listen tcp 5347; mode inspect; }
service c2s { listen tcp 5222; mode inspect; }
inspect { queues 2; }
"""
RULES = """
set words { type keyword; flags fold; file "lists/words.txt"; }
set bad_hosts { type domain; flags suffix; elements = { bad.example }; }
chain inbound {
    hook component, c2s direction in; policy accept;
    rule link  { message url.host in @bad_hosts reject policy-violation "link blocked", log }
    rule spam  { message text contains @words drop, log }
    rule rude  { message body contains "out, out" close policy-violation, log }
    rule strange { iq payload.ns in { "urn:example:strange" } reject forbidden, log }
}
"""
_ids = itertools.count(1)


class Component:
    """An external component (XEP-0114) of bare bytes."""

    def __init__(self, lab, server, source="192.0.2.11"):
        self.domain, self.seen = COMPONENT, ""
        self.socket = lab.client.connect(server.addresses[4], 5347, source=source)
        self.socket.settimeout(10)
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{COMPONENT}'>")
        number = re.search(r"<stream:stream[^>]* id=['\"]([^'\"]*)", self.until(r"<stream:stream[^>]*>"))[1]
        self.send(f"<handshake>{hashlib.sha1((number + SECRET).encode()).hexdigest()}</handshake>")
        self.until("<handshake/>|<handshake></handshake>")

    def send(self, text):
        self.socket.sendall(text.encode())

    def until(self, pattern):
        while not (found := re.search(pattern, self.seen, re.S)):
            chunk = self.socket.recv(65536)
            if not chunk:
                raise LabError(f"closed before {pattern!r}; seen {self.seen!r}")
            self.seen += chunk.decode()
        text, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return text

    def say(self, to, body, sender="hall"):
        self.send(f"<message from='{sender}@{COMPONENT}' to='{to}' type='chat' id='m{next(_ids)}'><body>{body}</body></message>")

    def ask(self, to, payload):
        number = f"q{next(_ids)}"
        self.send(f"<iq from='hall@{COMPONENT}' to='{to}' type='get' id='{number}'>{payload}</iq>")
        return self.until(f"<iq[^>]*id=['\"]{number}['\"].*?(</iq>|/>)")

    def ended(self):
        """The connection is over, and not for want of words."""
        with contextlib.suppress(ConnectionResetError):
            while self.socket.recv(65536):
                pass
        return True

    def close(self):
        self.socket.close()


@pytest.fixture(scope="module")
def ground():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if missing_programs():
        pytest.skip("not built: " + ", ".join(missing_programs()))
    with Lab() as lab:
        lab.authority = Authority(lab.folder / "ca")
        leaf = lab.authority.issue(DOMAIN, lab.folder / "leaves")
        lab.prosody = lab.add(record.ClearProsody(lab, lab.server, DOMAIN, ["198.51.100.10", "2001:db8:2::10"], leaf, record.USERS))
        yield lab


@pytest.fixture
def wall(ground):
    """The standard configuration, started, with the child that inspects."""
    made = Wall(ground, f"inspect-{next(_ids)}")
    made.write(**{"xmppwall.conf": SERVICES + RULES, "lists/words.txt": "free crypto\n"})
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def things():
    """Closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda thing: stack.enter_context(contextlib.closing(thing))


@pytest.fixture
def juliet(ground, wall, things):
    """Logged in over TLS, through the firewall: the inspector lets her connection go."""
    return things(Client(ground, "juliet")).login(ground.prosody, "juliet", 21)


@pytest.fixture
def component(ground, wall, juliet, things):
    # Until the server knows that the one before has gone, it takes no other of that name.
    return things(wait_for(lambda: connected(ground), 20, "the component to be let in"))


def inspector(wall):
    return next((w for w in wall.ctl("status")["workers"] if w["name"] == "xmppwall-nfq"), None)


def counter(wall, name):
    return wall.ctl("status")["counters"].get(name, 0)


def another(wall, old):
    """Waits for a ready inspector that is not that one."""
    return wait_for(lambda: (w := inspector(wall)) and w["state"] == "ready" and w["pid"] != old and w, 20, "another inspector")


def test_a_stanza_that_is_dropped_vanishes_and_the_stream_lives(wall, juliet, component):
    component.say(juliet.jid, "is there anybody?")
    juliet.body("is there anybody?")
    component.say(juliet.jid, "Get your FREE crypto here")
    component.say(juliet.jid, "good night")
    juliet.body("good night")
    assert not juliet.saw("crypto"), "it was dropped"
    event = wall.event(rule="spam")
    assert event["src_ip"] == "192.0.2.11" and event["dest_port"] == 5347 and event["alert"]["action"] == "blocked"
    assert event["xmpp"]["act"] == "blanked" and event["xmpp"]["service"] == "component"
    assert wall.ctl("explain", event["xmpp"]["id"])
    row = next(s for s in wall.sessions() if s["service"] == "component")
    assert (row["address"], row["server"], row["dropped"]) == ("192.0.2.11", "198.51.100.10:5347", 1)
    assert counter(wall, "verdict.drop") == 1 and counter(wall, "inspect.packet.all") > 0


def test_what_the_sender_hears_of_a_rejection(wall, juliet, component):
    assert "type='error'" in component.ask(DOMAIN, "<x xmlns='urn:example:strange'/>").replace('"', "'")
    assert wall.event(rule="strange")["xmpp"]["act"] == "answered"
    component.say(juliet.jid, "look at http://login.bad.example/tomb")
    component.say(juliet.jid, "still here")
    juliet.body("still here")
    assert not juliet.saw("bad.example")
    assert wall.event(rule="link")["xmpp"]["act"] == "blanked"


def test_close_ends_the_connection_for_both(ground, wall, juliet, component, things):
    component.say(juliet.jid, "out, out, brief candle")
    assert component.ended()
    assert wall.event(rule="rude")["xmpp"]["act"] == "killed"
    # The server has seen the end, too: it has room for the same component.
    again = things(wait_for(lambda: connected(ground), 10, "the component to be let in again"))
    again.say(juliet.jid, "back again")
    juliet.body("back again")
    assert not juliet.saw("candle")


def connected(lab):
    with contextlib.suppress(OSError, LabError):
        return Component(lab, lab.prosody)
    return None


def test_other_queues_need_another_child(wall, juliet, component):
    old = inspector(wall)["pid"]
    wall.write(**{"xmppwall.conf": SERVICES.replace("queues 2", "queues 1; midstream accept") + RULES})
    wall.ctl("reload")
    another(wall, old)
    component.say(juliet.jid, "taken up in the middle")
    juliet.body("taken up in the middle")
    component.say(juliet.jid, "free crypto")
    component.say(juliet.jid, "and judged")
    juliet.body("and judged")
    assert not juliet.saw("crypto")


def test_without_a_service_there_is_no_child(ground, wall):
    proxied = 'service c2s { listen tcp 5222; mode proxy; intercept tproxy; tls none; upstream original plain; }\n'
    assert inspector(wall)["state"] == "ready"
    wall.write(**{"xmppwall.conf": proxied + RULES.replace("component, c2s", "c2s")})
    wall.ctl("reload")
    wait_for(lambda: inspector(wall) is None, 10, "the inspector to end")
    assert [w["name"] for w in wall.ctl("status")["workers"]] == ["xmppwall-proxy"]
    wall.write(**{"xmppwall.conf": proxied + SERVICES.replace("service c2s", "service clear").replace("5222", "5422") + RULES})
    wall.ctl("reload")
    wait_for(lambda: (inspector(wall) or {}).get("state") == "ready", 20, "the inspector to be there again")


def test_a_ban_ends_the_streams_of_its_address(wall, juliet, component):
    """Nothing of the address gets here any more; what it says once it may is of a stream that is over."""
    wall.ctl("ban", "192.0.2.11", "--for", "1m")
    assert "192.0.2.11" in wall.blocked()
    wall.ctl("unban", "192.0.2.11")
    component.say(juliet.jid, "it was but a dream")
    assert component.ended()
    assert not juliet.saw("dream")


def test_following_a_stanza(wall, juliet, component):
    trace = wall.namespace.start(*wall.ctl_command("--json", "trace", "--address", "192.0.2.11", "--for", "20s"), stdout=-1, text=True)
    try:
        wait_for(lambda: component.say(juliet.jid, "free crypto") or counter(wall, "verdict.drop") > 2, 10, "stanzas to be judged")
        lines = [trace.stdout.readline() for _ in range(1)]
        assert "spam" in lines[0] and "192.0.2.11" in lines[0]
    finally:
        trace.kill()
        trace.wait()


def test_a_policy_is_tried_beside(ground, wall, juliet, component):
    wall.write(**{"xmppwall.conf": SERVICES + RULES.replace('"out, out" close', '"tried" close')})
    trial = wall.namespace.start(*wall.ctl_command("--json", "reload", "--shadow", "--for", "3s"), stdout=-1, text=True)
    try:
        said = wait_for(lambda: trial.poll() is not None or component.say(juliet.jid, "tried") or None, 20, "the trial's end") or True
        report = json.loads(trial.stdout.read())["shadow"]
    finally:
        trial.kill()
        trial.wait()
    assert said and report["differ"] > 0 and report["judged"] >= report["differ"] and report["failed"] == 0
    assert report["kinds"][0]["before"].startswith("accept") and report["kinds"][0]["after"].startswith("close")
    juliet.body("tried")


def test_tls_leaves_the_queue(wall, juliet):
    """Her stream went on in TLS: the connection is marked, and its packets are not queued any more."""
    row = [s for s in wall.sessions() if s["service"] == "c2s"]
    assert counter(wall, "inspect.flow.passed") >= 1, row
    before = counter(wall, "inspect.packet.all")
    for _ in range(20):
        juliet.say(juliet.jid, "note to self")
    assert counter(wall, "inspect.packet.all") - before < 20


def test_a_new_program_means_a_new_child(wall, juliet):
    old = inspector(wall)["pid"]
    wall.ctl("upgrade")
    another(wall, old)
