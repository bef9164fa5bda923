# SPDX-License-Identifier: BSD-2-Clause
"""Since when a remote domain is known: verified by dialback in clear text, told to the daemon, kept over a killed child and a restart."""
import contextlib
import os
import re
import signal
import socket
import threading

import pytest

from lab import client_address, wait_for
from raw import RawClient
from s2speer import message, result, stream_header
from wall import Wall

POLICY = """
service s2s { role s2s; listen tcp { 5269 }; mode inspect; }
chain inbound {
    hook s2s direction in; policy accept;
    rule pest     { message body contains "pest"         drop, strike 1 }
    rule nobody   { message remote.verified is none      accept, log }
    rule settled  { message remote.first_seen >= 1s      accept, log }
    rule stranger { message remote.first_seen < 1s       accept, log }
}
punish domains { of domain; 2 strikes within 1h; ban 1h; }
"""
SERVER, OURS = "198.51.100.10", "verona.example"


class Server:
    """Finds every domain valid that asks."""

    def __init__(self, lab):
        self.listener = lab.server.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((SERVER, 5269))
        self.listener.listen(16)
        self.got = ""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, peer):
        text, answered = "", 0
        with contextlib.suppress(OSError), peer:
            while data := peer.recv(65536):
                text += data.decode()
                self.got += data.decode()
                if "<stream:stream" in text:
                    peer.sendall((stream_header(OURS, number="1") + "<stream:features/>").encode())
                    text = text.split("<stream:stream", 1)[1]
                asked = re.findall(r"<db:result from='([^']*)'", text)
                for domain in asked[answered:]:
                    peer.sendall(result(OURS, domain, kind="valid").encode())
                answered = len(asked)

    def close(self):
        self.listener.close()


class Remote(RawClient):
    """Another server, in clear text."""

    def __init__(self, lab, domain, header=None):
        self.domain, self.seen = domain, b""
        self.socket = lab.client.connect(SERVER, 5269, source=client_address(11))
        self.send(stream_header(header or domain, OURS))
        self.read_until("<stream:features/>")

    def dialback(self, domain=None):
        self.send(result(domain or self.domain, OURS, "0123"))
        assert "valid" in self.read_until("<db:result[^>]*/>")
        return self

    def say(self, number, domain=None):
        self.send(message(f"a@{domain or self.domain}", f"b@{OURS}", "hello", number))


@pytest.fixture(scope="module")
def wall(lab):
    made = Wall(lab, "sight")
    made.write(**{"xmppwall.conf": POLICY})
    server = Server(lab)
    try:
        yield made.start()
    finally:
        made.close()
        server.close()


def children(wall):
    return [c["pid"] for c in wall.ctl("status")["workers"] if c["name"] == "xmppwall-nfq" and c["state"] == "ready"]


def verdict_of(lab, wall, domain, how="dialback"):
    """The rule that the first message of a new stream meets."""
    remote = Remote(lab, domain)
    if how == "dialback":
        remote.dialback()
    known = len(wall.events(kind="message"))
    remote.say("1")
    event = wait_for(lambda: wall.events(kind="message")[known:], 5, f"a verdict about {domain}")[0]["xmpp"]
    remote.socket.close()
    return event


def settle(lab, wall, domain):
    wait_for(lambda: verdict_of(lab, wall, domain)["rule"] == "settled", 15, f"{domain} to be known for a second")


def test_first_sight(lab, wall):
    event = verdict_of(lab, wall, "new.example")
    assert event["rule"] == "stranger" and event["remote"] == "new.example" and event["verified"] == "dialback"
    settle(lab, wall, "new.example")
    assert verdict_of(lab, wall, "other.example")["rule"] == "stranger"


def test_unverified(lab, wall):
    event = verdict_of(lab, wall, "claimed.example", how=None)
    assert event["rule"] == "nobody" and "remote" not in event and "verified" not in event
    assert verdict_of(lab, wall, "claimed.example")["rule"] == "stranger"


def test_header_is_no_proof(lab, wall):
    """Verified for one domain, and speaking for the one that its header claims."""
    settle(lab, wall, "victim.example")
    remote = Remote(lab, "evil.example", header="victim.example").dialback()
    known = len(wall.events(kind="message"))
    remote.say("1", "victim.example")
    remote.say("2")
    events = wait_for(lambda: len(found := wall.events(kind="message")[known:]) == 2 and found, 5, "two verdicts")
    assert [e["xmpp"]["rule"] for e in events] == ["nobody", "stranger"]
    remote.socket.close()


def test_strikes_are_the_domains(lab, wall):
    """They count for the verified domain, which is barred, and ends every stream it has a part in; its neighbour may come again."""
    remote = Remote(lab, "beside.example").dialback()
    remote.dialback("pest.example")
    for number in "12":
        remote.send(message("a@pest.example", f"b@{OURS}", "pest", number))
    wait_for(lambda: [b for b in wall.ctl("bans")["barred"] if b.get("domain") == "pest.example"], 5, "its ban")
    remote.say("3")  # the inspector ends a connection with its next packet
    remote.read_all()
    remote = Remote(lab, "beside.example").dialback()
    known = len(wall.events(kind="message"))
    remote.say("3")
    event = wait_for(lambda: wall.events(kind="message")[known:], 5, "a verdict")[0]["xmpp"]
    assert event["chain"] == "inbound"
    remote.socket.close()
    event = verdict_of(lab, wall, "pest.example")
    assert event["chain"] == "punish" and event["remote"] == "pest.example"


def test_killed_child(lab, wall):
    settle(lab, wall, "killed.example")
    before = children(wall)
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: (now := children(wall)) and now != before, 20, "another child")
    assert verdict_of(lab, wall, "killed.example")["rule"] == "settled"
    assert verdict_of(lab, wall, "after-kill.example")["rule"] == "stranger"


def test_killed_daemon(lab, wall):
    settle(lab, wall, "restart.example")
    wall.process.kill()
    wait_for(lambda: not wall.process.alive(), 10, "its end")
    wall.start()
    wait_for(lambda: children(wall), 20, "the inspector")
    assert verdict_of(lab, wall, "restart.example")["rule"] == "settled"
    assert verdict_of(lab, wall, "after-restart.example")["rule"] == "stranger"
