# SPDX-License-Identifier: BSD-2-Clause
"""Stream management (XEP-0198), number by number: a client and a server of bare bytes, and between them a wall that drops, bounces
and keeps. What each side hears after losses, a killed child, a restarted daemon, a takeover, a stranger and a lie."""
import os
import re
import signal
import threading

import pytest

import policy
from lab import wait_for
from liar import AUTH, BIND, PLAIN, SUCCESS, VERONA, LyingServer
from raw import RawClient, header

SM3, SM2 = "urn:xmpp:sm:3", "urn:xmpp:sm:2"
POLICY = policy.service(upstream="upstream 198.51.100.10:7777 plain;", more="sessions-per-address 0;") + """
limit few { rate 1/hour; burst 3; key from.bare; entries 100; }
chain inbound {
    hook c2s direction in; policy accept;
    rule bad   { message body contains "bad"    reject policy-violation "no" }
    rule gone  { message body contains "gone"   drop }
    rule kept  { message body contains "secret" quarantine }
    rule flood { message body contains "paid" and limit few exceeded  reject resource-constraint, strike 1 }
}
chain outbound {
    hook c2s direction out; policy accept;
    rule evil  { message body contains "evil"   reject policy-violation "no" }
}
"""
SASL2 = ("<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><inline><sm xmlns='urn:xmpp:sm:3'/></inline>"
         "</authentication>")
AUTHENTICATE = ("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AG1lcmN1dGlvAHF1ZWVuLW1hYg==</initial-response>"
                "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='{}'/></authenticate>")


def message(number, body="good"):
    return f"<message id='m{number}' to='romeo@verona.example'><body>{body} {number}</body></message>"


def downward(number, body="good"):
    return f"<message id='d{number}' from='romeo@verona.example/x' to='mercutio@verona.example/raw'><body>{body} {number}</body></message>"


class Meeting:
    """One client connection through the wall and the server's end of it, both in the test's hands."""

    def __init__(self, lab, server, features=PLAIN):
        self.server, self.raw, known = server, RawClient(lab, VERONA), len(server.connections)
        self.raw.starttls().send(header("verona.example"))
        wait_for(lambda: len(server.connections) > known, 10, "the wall to dial the server")
        self.end = server.connections[-1]
        self.end.greet(features)
        self.raw.read_until("</stream:features>")

    def login(self):
        self.raw.send(AUTH)
        self.end.read_until("</auth>")
        self.end.send(SUCCESS)
        self.raw.read_until("<success[^>]*/?>")
        self.raw.send(header("verona.example"))
        self.end.greet(BIND)
        self.raw.read_until("</stream:features>")
        return self

    def enable(self, number, ns=SM3, jid="mercutio@verona.example/raw"):
        self.raw.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        self.end.read_until("</iq>")
        self.end.send(f"<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{jid}</jid></bind></iq>")
        self.raw.read_until("</iq>")
        self.raw.send(f"<enable xmlns='{ns}' resume='true'/>")
        self.end.read_until("<enable [^>]*>")
        self.end.send(f"<enabled xmlns='{ns}' id='{number}' resume='true' max='300' location='198.51.100.10:7777'/>")
        assert "location" not in self.raw.read_until("<enabled [^>]*>")
        return self

    def ask_resume(self, number, h, ns=SM3):
        self.raw.send(f"<resume xmlns='{ns}' previd='{number}' h='{h}'/>")
        return self

    def resume(self, number, client_h, server_h, ns=SM3):
        """(what the server hears, what the client hears)"""
        self.ask_resume(number, client_h, ns)
        asked = re.search('h="([0-9]+)"', self.end.read_until("<resume [^>]*>")).group(1)
        self.end.send(f"<resumed xmlns='{ns}' previd='{number}' h='{server_h}'/>")
        return int(asked), int(re.search('h="([0-9]+)"', self.raw.read_until("<resumed [^>]*>")).group(1))

    def acked(self, server_h):
        """What the client hears when the server has so many."""
        self.raw.send(f"<r xmlns='{SM3}'/>")
        self.end.read_until("<r [^>]*>")
        self.end.send(f"<a xmlns='{SM3}' h='{server_h}'/>")
        return int(re.search('h="([0-9]+)"', self.raw.read_until("<a [^>]*>")).group(1))

    def cut(self):
        self.raw.close()
        return self

    def close(self):
        self.raw.close()
        self.end.close()


@pytest.fixture
def place(lab, new_wall):
    """(wall, meet): meet() is a new Meeting, logged in."""
    wall, over, made = new_wall(POLICY).start(), threading.Event(), []
    with LyingServer(lab, lambda c: over.wait(60)) as server:
        def meet(features=PLAIN, login=True):
            made.append(Meeting(lab, server, features))
            return made[-1].login() if login else made[-1]
        yield wall, meet
        over.set()
        for one in made:
            one.close()


def counter(wall, name):
    return wall.ctl("status")["counters"].get(name, 0)


def killed(wall):
    """kill -9 of the child; back when another one serves."""
    old = wall.proxies()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: set(wall.proxies()) - set(old) and all(w["state"] == "ready" for w in wall.ctl("status")["workers"]), 20,
             "the next child")


def restarted(wall):
    wall.process.close(15)
    wall.start()


BREAKS = {"cut": lambda wall: None, "killed": killed, "restarted": restarted}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("ns", [SM3, SM2], ids=["sm3", "sm2"])
def test_numbers_over_a_break(place, how, ns):
    """3 sent: one arrived, one bounced, one lost. 2 down: one there, one not."""
    wall, meet = place
    one = meet().enable("id-1", ns)
    one.raw.send(message(1) + message(2, "bad") + message(3))
    one.end.read_until("good 3")
    one.end.send(downward(1) + downward(2))
    one.raw.read_until("good 2")
    if how == "restarted":
        BREAKS[how](wall)
        ended = one.raw.read_all()
        assert "stream:error" not in ended and "</stream:stream" not in ended, "that would end the session for good"
        assert "</stream:stream" not in one.end.read_all()
        one.cut()
    else:
        one.cut()
        BREAKS[how](wall)
    two = meet()
    # The bounce and the first message were received: 2; to the server that is 1.
    assert two.resume("id-1", 2, 1, ns) == (1, 2)
    two.raw.send(message(3))
    assert "bad" not in two.end.read_until("good 3")
    two.end.send(downward(2))
    two.raw.read_until("good 2")
    if ns == SM3:
        assert two.acked(2) == 3
    wait_for(lambda: [s["jid"] for s in wall.sessions()] == ["mercutio@verona.example/raw"], 10, "one session")
    assert counter(wall, "sm.resumed") == 1 and counter(wall, "sm.again") >= 1
    if how == "killed":
        assert counter(wall, "sm.adopted") == 1


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_an_error_is_heard_once(place, how):
    """The bounce was lost with the connection: it is written again; it was not: it is not."""
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send(message(1) + message(2, "bad"))
    one.end.read_until("good 1")
    one.raw.read_until("m2")
    one.cut()
    BREAKS[how](wall)
    two = meet()
    assert two.resume("id-1", 0, 0) == (0, 0)
    two.raw.send(message(1) + message(2, "bad"))
    two.end.read_until("good 1")
    two.raw.read_until("policy-violation")
    two.cut()
    BREAKS[how](wall)
    three = meet()
    assert three.resume("id-1", 1, 0) == (0, 0)
    three.raw.send(message(1) + message(2, "bad") + message(3, "bad"))
    assert "m2" not in three.raw.read_until("m3")
    assert three.acked(1) == 3


def test_an_error_behind_what_was_acknowledged(place):
    """The server has what came after the bounced one; the client must get the error all the same, and nothing happens twice."""
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send(message(1, "bad") + message(2))
    one.end.read_until("good 2")
    one.cut()
    two = meet()
    assert two.resume("id-1", 0, 1) == (0, 0)
    two.raw.send(message(1, "bad") + message(2) + message(3))
    two.raw.read_until("policy-violation")
    assert "good 2" not in two.end.read_until("good 3")
    assert two.acked(2) == 3


def test_an_error_towards_the_server(place):
    """What we bounce to the server in the client's name is not bounced twice either."""
    wall, meet = place
    one = meet().enable("id-1")
    one.end.send(downward(1, "evil") + downward(2))
    one.raw.read_until("good 2")
    one.end.read_until('type="error"')
    one.cut()
    two = meet()
    # The server may not have got the error: it is told less, and says what it has.
    assert two.resume("id-1", 1, 1) == (0, 0)
    two.end.send(downward(1, "evil") + downward(2) + downward(3))
    assert "good 2" not in two.raw.read_until("good 3")
    two.raw.send(message(1))
    assert "d1" not in two.end.read_until("good 1")


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_sent_again_is_paid(place, how):
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send("".join(message(n, "paid") for n in (1, 2, 3)))
    one.end.read_until("paid 3")
    one.cut()
    BREAKS[how](wall)
    two = meet()
    assert two.resume("id-1", 0, 1) == (0, 1)
    two.raw.send(message(2, "paid") + message(3, "paid"))
    two.end.read_until("paid 3")
    if how == "cut":  # limits live as long as the child
        two.raw.send(message(4, "paid"))
        two.raw.read_until("resource-constraint")
    assert counter(wall, "sm.again") == 2


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_an_error_towards_the_server_got_lost(place, how):
    """The client has acknowledged what came after it: the server hears of that only behind our error, or would never send it again."""
    wall, meet = place
    one = meet().enable("id-1")
    one.end.send(downward(1, "evil") + downward(2))
    one.raw.read_until("good 2")
    one.end.read_until('type="error"')
    one.raw.send(f"<a xmlns='{SM3}' h='1'/>")
    assert "<r " in one.end.read_until('<a [^>]*h="0"[^>]*>')
    one.end.send(f"<a xmlns='{SM3}' h='1'/>")
    one.raw.read_until('<a [^>]*h="0"[^>]*>')
    one.end.read_until("<a [^>]*h='2'[^>]*>")
    one.end.send(downward(3, "evil") + downward(4))
    one.raw.read_until("good 4")
    one.raw.send(f"<a xmlns='{SM3}' h='2'/>")
    one.end.read_until('<a [^>]*h="2"[^>]*>')
    one.cut()
    BREAKS[how](wall)
    two = meet()
    # The error was lost: the server has one of two.
    assert two.resume("id-1", 2, 1) == (2, 0)
    two.end.send(downward(3, "evil") + downward(4) + downward(5))
    assert "good 4" not in two.raw.read_until("good 5")
    assert "d3" in two.end.read_until('type="error"[^>]*>')


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_sent_again_is_judged_by_the_rules_in_force(place, how):
    """Another policy meanwhile, and another text than before: what comes again is judged as it stands there."""
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send(message(1) + message(2) + message(3, "gone") + message(4))
    one.end.read_until("good 4")
    one.cut()
    BREAKS[how](wall)
    wall.write(**{"xmppwall.conf": POLICY.replace('rule gone ', 'rule late  { message body contains "good 2"  drop }\n    rule gone ')})
    wall.ctl("reload")
    two = meet()
    assert two.resume("id-1", 0, 0) == (0, 0)
    two.raw.send(message(1, "bad") + message(2) + message(3) + message(4) + message(5, "gone") + message(6))
    heard = two.end.read_until("good 6")
    assert "m1" not in heard and "m2" not in heard and "m3" not in heard and "m5" not in heard and "good 4" in heard
    assert "m1" in two.raw.read_until("policy-violation")
    assert two.acked(2) == 6


def test_kept_once(place):
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send(message(1) + message(2, "secret"))
    one.end.read_until("good 1")
    wait_for(lambda: len(wall.ctl("quarantine", "list")["quarantine"]) == 1, 5, "the message to be kept")
    one.cut()
    two = meet()
    assert two.resume("id-1", 0, 0) == (0, 0)
    two.raw.send(message(1) + message(2, "secret") + message(3))
    two.end.read_until("good 3")
    assert two.acked(2) == 3
    assert len(wall.ctl("quarantine", "list")["quarantine"]) == 1


def test_taken_over_while_it_stands(place):
    """The old connection is still there: it ends, its stream does not."""
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send(message(1))
    one.end.read_until("good 1")
    two = meet()
    assert two.resume("id-1", 0, 1) == (0, 1)
    assert "conflict" in one.raw.read_all()
    assert "</stream:stream" not in one.end.read_all()
    two.raw.send(message(2))
    two.end.read_until("good 2")
    assert two.acked(2) == 2
    wait_for(lambda: len(wall.sessions()) == 1, 10, "the old one to be gone")


def test_a_stranger_changes_nothing(place):
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send(message(1) + message(2, "gone"))
    one.end.read_until("good 1")
    two = meet().ask_resume("id-1", 0)
    two.end.read_until("<resume [^>]*>")
    two.end.send(f"<failed xmlns='{SM3}' h='1'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
    assert 'h="2"' in two.raw.read_until("</failed>")
    three = meet().ask_resume("id-1", 77)
    assert "handled-count" not in three.raw.read_all(), "what another has is nobody's business"
    assert one.acked(1) == 2
    one.cut()
    four = meet()
    assert four.resume("id-1", 0, 1) == (0, 2)


def test_unknown_ids(place):
    wall, meet = place
    for ns in (SM3, SM2):
        one = meet().ask_resume("nobody", 0, ns)
        assert f'xmlns=\'{ns}\'' in one.raw.read_until("<item-not-found[^>]*>")
    one.enable("id-9", SM2)
    assert counter(wall, "sm.unknown") == 2


def test_closed_is_closed(place):
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send("</stream:stream>")
    one.end.read_until("</stream:stream>")
    one.end.send("</stream:stream>")
    one.raw.read_all()
    two = meet().ask_resume("id-1", 0)
    two.raw.read_until("<item-not-found[^>]*>")


def test_lies(place):
    """XEP-0198 4: handled-count-too-high, to whoever says it."""
    wall, meet = place
    one = meet().enable("id-1")
    one.end.send(downward(1) + downward(2, "evil"))
    one.raw.read_until("good 1")
    one.raw.send(f"<a xmlns='{SM3}' h='2'/>")
    ended = one.raw.read_all()
    assert re.search(r"<undefined-condition[^>]*/><handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/>", ended)
    two = meet().enable("id-2")
    two.raw.send(message(1) + message(2, "gone"))
    two.end.read_until("good 1")
    two.end.send(f"<a xmlns='{SM3}' h='2'/>")
    assert "send-count='1'" in two.end.read_until("</stream:stream>")
    assert "internal-server-error" in two.raw.read_all()
    three = meet().enable("id-3").cut()
    four = meet().ask_resume("id-3", 0)
    four.end.read_until("<resume [^>]*>")
    four.end.send(f"<resumed xmlns='{SM3}' previd='id-3' h='5'/>")
    assert "undefined-condition" in four.end.read_until("</stream:stream>")
    assert counter(wall, "sm.lied") == 3
    assert three.raw is not None


def test_a_long_ledger_asks_for_acks(place):
    """A client that never asks, and whose every other message is dropped."""
    wall, meet = place
    one = meet().enable("id-1")
    for n in range(15):
        one.raw.send(message(2 * n) + message(2 * n + 1, "gone"))
    one.end.read_until("<r [^>]*>")
    one.end.read_until("good 28")
    one.end.send(f"<a xmlns='{SM3}' h='12'/>")
    assert 'h="24"' in one.raw.read_until("<a [^>]*>")
    for n in range(15, 300):
        one.raw.send(message(2 * n) + message(2 * n + 1, "gone"))
    one.end.read_until("good 598")
    assert one.acked(300) == 600
    one.cut()
    two = meet()
    assert two.resume("id-1", 0, 300) == (0, 600)


def test_inline(place):
    """SASL2: <resume/> inside <authenticate/>, known and unknown."""
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send(message(1) + message(2, "gone"))
    one.end.read_until("good 1")
    one.cut()
    two = meet(SASL2, login=False)
    two.raw.send(AUTHENTICATE.format("id-1", 0))
    two.end.read_until("</authenticate>")
    two.end.send("<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>mercutio@verona.example</authorization-identifier>"
                 f"<resumed xmlns='{SM3}' previd='id-1' h='1'/></success>")
    assert 'h="2"' in two.raw.read_until("</success>")
    two.raw.send(message(3))
    two.end.read_until("good 3")
    assert two.acked(2) == 3
    assert wall.sessions()[-1]["jid"] == "mercutio@verona.example/raw"
    three = meet(SASL2, login=False)
    three.raw.send(AUTHENTICATE.format("nobody", 0))
    assert "<resume" not in three.end.read_until("</authenticate>")
    three.end.send("<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>mercutio@verona.example/new</authorization-identifier>"
                   "</success>")
    assert "item-not-found" in three.raw.read_until("</success>")


def test_two_children_share_it(place):
    """An old child that retires and a new one that serves: who comes back is taken up by the new one."""
    wall, meet = place
    one = meet().enable("id-1")
    one.raw.send(message(1) + message(2, "gone"))
    one.end.read_until("good 1")
    old = set(wall.proxies())
    done = wall.run("upgrade", check=False)
    if done.returncode != 0 and "unknown" in done.stderr:
        pytest.skip("no such command")
    wait_for(lambda: set(wall.proxies()) - old, 20, "the next child")
    two = meet()
    assert two.resume("id-1", 0, 1) == (0, 2)
    assert "conflict" in one.raw.read_all()
    two.raw.send(message(3))
    two.end.read_until("good 3")
    assert two.acked(2) == 3
