# SPDX-License-Identifier: BSD-2-Clause
"""Reports that rules order reach the operator's JID, over a real server's component port; and what becomes of them when it is away."""
import itertools
import os
import socket
import threading
import xml.etree.ElementTree as ET

import pytest

import policy
from lab import wait_for
from servers import SECRET
from wall import Wall, missing_programs

_walls = itertools.count(1)
RULES = """
chain inbound {
    hook c2s direction in; policy accept;
    rule tell { message body contains "report me" report spam "<look> & see" }
}
reporter {
    component "firewall.DOMAIN"; server ADDRESS; secret-file "reporter.secret";
    to "nurse@DOMAIN"; every 1s; keep 3;
}
"""


def rules(domain, address):
    return policy.service() + RULES.replace("DOMAIN", domain).replace("ADDRESS", address)


@pytest.fixture
def make_wall(lab, leaves):
    if os.environ.get("XMPPWALL_LAB_ONLY"):
        pytest.skip("reports are xmppwall's")
    if missing_programs():
        pytest.skip("not built: " + ", ".join(missing_programs()))
    made = []

    def make(domain, address, secret=SECRET):
        wall = Wall(lab, f"wall-reports-{next(_walls)}")
        made.append(wall)
        wall.write(**{"xmppwall.conf": rules(domain, address), "reporter.secret": secret + "\n"})
        for leaf in leaves:
            wall.certificate(leaf)
        return wall.start()

    yield make
    for wall in made:
        wall.close()


def state(wall):
    return wall.ctl("status")["reports"]


def attention(wall):
    return " ".join(wall.ctl("status")["attention"])


@pytest.mark.parametrize("version", [4, 6])
def test_a_report_reaches_the_operator(make_wall, server, user, version):
    address = server.addresses[version]
    wall = make_wall(server.domain, f"[{address}]:5347" if version == 6 else f"{address}:5347")
    nurse, tybalt = user("nurse", server, 11), user("tybalt", server, 12)
    juliet = user("juliet", server, 13)
    nurse.mark()
    for number in range(2):
        tybalt.say(juliet.jid, f"report me {number}")
        juliet.body(f"report me {number}")
    first = nurse.stanza("urn:xmpp:reporting:spam", f"tybalt@{server.domain}", kind="message")
    assert ET.fromstring(first).get("from") == f"firewall.{server.domain}"
    assert "&lt;look&gt; &amp; see" in first and "urn:xmpp:jid:0" in first
    wait_for(lambda: state(wall)["delivered"] == 2, 10, "both reports to be delivered")
    assert state(wall) == {"to": f"nurse@{server.domain}", "waiting": 0, "delivered": 2, "refused": 0, "lost": 0, "trouble": ""}
    report = next(e["report"] for e in wall.ctl("events") if e["event_type"] == "report")
    assert report["id"] in first, "the letter names the verdict that explain knows"
    assert "reports" not in attention(wall)


def test_a_wrong_secret_is_told_and_nothing_is_lost(make_wall, prosody, user):
    wall = make_wall(prosody.domain, f"{prosody.addresses[4]}:5347", secret="guess")
    tybalt, nurse = user("tybalt", prosody, 12), user("nurse", prosody, 11)
    nurse.mark()
    tybalt.say(nurse.jid, "report me now")
    wait_for(lambda: "not-authorized" in state(wall)["trouble"], 10, "the server's refusal to be told")
    assert "reports do not reach nurse@" in attention(wall)
    assert state(wall)["waiting"] == 1
    wall.write(**{"reporter.secret": SECRET})
    nurse.stanza("urn:xmpp:reporting:spam", kind="message", seconds=20)
    wait_for(lambda: state(wall)["delivered"] == 1, 10, "the report to be delivered")
    assert "reports" not in attention(wall)


class Liar:
    """Listens on the component port and says what it likes; counts who comes."""

    def __init__(self, lab, address, answer):
        self.came, self.answer = 0, answer
        self.socket = lab.server.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, 5399))
        self.socket.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.came += 1
            with peer:
                try:
                    peer.settimeout(5)
                    peer.recv(4096)
                    for part in self.answer:
                        peer.sendall(part)
                except OSError:
                    pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


HEADER = (b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
          b"xmlns:stream='http://etherx.jabber.org/streams' from='x' id='%s'>")
LIES = {
    "silence": [],
    "no stream": [b"SSH-2.0-dropbear\r\n"],
    "another kind of stream": [HEADER.replace(b"component:accept", b"client") % b"1"],
    "no id": [HEADER % b""],
    "a doctype": [b"<!DOCTYPE x [<!ENTITY a 'b'>]>", HEADER % b"1"],
    "endless": [HEADER % b"1", b"<handshake/>"] + [b"<message id='%d'><body>%s</body></message>" % (i, b"x" * 8000)
                                                   for i in range(1000)],
    "many words": [HEADER % b"1", b"<stream:error><x%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                   b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>x%s</text></stream:error>"
                   % ("\u00e9".encode() * 60, "\u00e9".encode() * 100)],
    "another word": [HEADER % b"1", b"<stream:features/>"],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies(lab, make_wall, prosody, user, lie):
    liar = Liar(lab, prosody.addresses[4], LIES[lie])
    try:
        wall = make_wall(prosody.domain, f"{prosody.addresses[4]}:5399")
        tybalt, nurse = user("tybalt", prosody, 12), user("nurse", prosody, 11)
        for number in range(6):
            tybalt.say(nurse.jid, f"report me {number}")
            nurse.body(f"report me {number}")
        wait_for(lambda: state(wall)["trouble"], 10, "the trouble to be told")
        if lie == "many words":
            assert state(wall)["trouble"] == "the server ended the stream: x" + "\u00e9" * 31 + ": x" + "\u00e9" * 63
        wait_for(lambda: state(wall)["waiting"] == 3 and state(wall)["lost"] == 3, 10, "the oldest to give way")
        assert liar.came >= 1 and state(wall)["delivered"] == 0
        assert wall.ctl("status")["version"], "the daemon goes on"
    finally:
        liar.close()
