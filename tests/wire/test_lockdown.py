# SPDX-License-Identifier: BSD-2-Clause
"""Lockdown: only the allow set comes in, at once, for standing connections as for new ones, in the proxy as in mode inspect; it
outlives kill -9, another tool's flush, an upgrade and the disk's refusal, and ends by itself where it was told to."""
import contextlib
import signal
import time

import pytest

import policy
from lab import client_address, wait_for

FRIENDS = """
set friends { type address; elements = { 192.0.2.11, 192.0.2.12, 2001:db8:1:11::/64 }; }
firewall { allow @friends; }
"""


@pytest.fixture
def fresh(new_wall):
    return new_wall(policy.STANDARD + FRIENDS).start()


def comes_in(lab, server, number, version=4):
    try:
        lab.client.connect(server.addresses[version], 5222, source=client_address(number, version), timeout=1).close()
    except OSError:
        return False
    return True


def shut(wall):
    """The kernel's own word."""
    text = wall.namespace.run("nft", "list", "set", "inet", "xmppwall", "lockdown", check=False).stdout
    return "elements = { tcp }" in text


def attention(wall):
    return wall.ctl("status")["attention"]


def test_only_friends_come_in_at_once(lab, server, user, fresh):
    juliet, tybalt = user("juliet", server, 11), user("tybalt", server, 24)
    for client in (juliet, tybalt):
        client.mark()
    answer = fresh.ctl("lockdown", "on", "--why", "they are here")
    assert answer["on"] and answer["until"] == 0 and answer["kept"] and shut(fresh)
    for version in (4, 6):
        assert comes_in(lab, server, 11, version) and not comes_in(lab, server, 25, version)
    tybalt.stanza("policy-violation", seconds=10)
    tybalt.event("disconnected", seconds=10)
    romeo = user("romeo", server, 12)
    juliet.say(romeo.jid, "we are among ourselves")
    romeo.body("we are among ourselves")
    status = fresh.ctl("status")
    assert status["attention"][0].startswith("LOCKDOWN: only who is in @friends comes in: they are here")
    assert status["lockdown"]["why"] == "they are here" and "uid 0" in status["lockdown"]["who"]
    assert juliet.alive()
    assert not fresh.ctl("lockdown", "off")["on"] and not shut(fresh)
    assert comes_in(lab, server, 25)
    user("tybalt", server, 24)
    told = [e["xmppwall"] for e in fresh.ctl("events", "-n", "100") if e["event_type"] == "lockdown"]
    assert [e["state"] for e in told] == ["on", "off"] and told[0]["why"] == "they are here"
    assert juliet.alive() and romeo.alive()


def test_it_outlives_everything(lab, prosody, user, fresh):
    """kill -9, a flush by another tool, an element taken out, a reload, a stop with its table gone (a reboot), an upgrade."""
    fresh.ctl("lockdown", "on")
    juliet = user("juliet", prosody, 11)

    def holds():
        return shut(fresh) and not comes_in(lab, prosody, 25)

    fresh.namespace.run("nft", "flush", "ruleset")
    wait_for(lambda: shut(fresh), 3, "the table to come back shut")
    fresh.namespace.run("nft", "delete", "element", "inet", "xmppwall", "lockdown", "{ tcp }")
    wait_for(lambda: shut(fresh), 3, "the element to come back")
    fresh.ctl("reload")
    assert holds() and juliet.alive()
    fresh.ctl("upgrade")
    assert holds() and juliet.alive() and fresh.ctl("lockdown", "show")["on"]
    fresh.process.kill(signal.SIGKILL)
    fresh.process.popen.wait(5)
    assert holds()
    fresh.start()
    assert holds() and fresh.ctl("lockdown", "show")["on"]
    fresh.process.close()
    fresh.unload()
    fresh.start()
    assert holds()
    user("juliet", prosody, 11)
    fresh.ctl("lockdown", "off")
    fresh.process.kill(signal.SIGKILL)
    fresh.process.popen.wait(5)
    fresh.start()
    assert not shut(fresh) and comes_in(lab, prosody, 25)


def test_it_ends_by_itself(lab, prosody, fresh):
    start = time.monotonic()
    answer = fresh.ctl("lockdown", "on", "--for", "3s")
    assert 1000 < answer["until"] - answer["since"] <= 3000
    assert "for another" in attention(fresh)[0] and not comes_in(lab, prosody, 25)
    wait_for(lambda: not shut(fresh), 6, "its end")
    assert time.monotonic() - start > 2.5
    assert comes_in(lab, prosody, 25) and not fresh.ctl("lockdown", "show")["on"]
    # Also while nobody runs: the next start finds it over.
    fresh.ctl("lockdown", "on", "--for", "1s")
    fresh.process.kill(signal.SIGKILL)
    fresh.process.popen.wait(5)
    fresh.start()
    wait_for(lambda: not shut(fresh), 3, "its end")
    assert not any("LOCKDOWN" in line for line in attention(fresh))


def test_said_again_it_has_the_new_end(fresh):
    first = fresh.ctl("lockdown", "on", "--for", "2s", "--why", "first")
    again = fresh.ctl("lockdown", "on", "--for", "1h", "--why", "second")
    assert abs(again["since"] - first["since"]) < 1000 and again["why"] == "second"
    assert 3500 < (again["until"] - time.time() * 1000) / 1000 <= 3600


def test_nobody_could_come_in(lab, prosody, new_wall):
    wall = new_wall(policy.STANDARD).start()
    done = wall.run("lockdown", "on", check=False)
    assert done.returncode == 1 and "--force" in done.stderr and not shut(wall)
    assert comes_in(lab, prosody, 11)
    wall.ctl("lockdown", "on", "--force")
    assert shut(wall) and not comes_in(lab, prosody, 11)
    assert attention(wall)[0].startswith("LOCKDOWN: nobody comes in")
    wall.ctl("lockdown", "off")
    assert comes_in(lab, prosody, 11)


def test_what_does_not_belong_to_it_passes(lab, prosody, fresh):
    """Other ports, and what the protected side asks of others."""
    fresh.ctl("lockdown", "on")
    with lab.server.socket() as listener:
        listener.bind(("198.51.100.10", 7777))
        listener.listen()
        lab.client.connect("198.51.100.10", 7777, source=client_address(25), timeout=3).close()
    with lab.client.socket() as listener:
        listener.bind((client_address(25), 7778))
        listener.listen()
        lab.server.connect(client_address(25), 7778, timeout=3).close()


INSPECTED = policy.SERVICE.replace("mode proxy;\n    intercept {intercept};\n    tls required;\n    certificates \"certs\";\n    {upstream}",
                                   "mode inspect; tls optional;").format(more="")


def test_mode_inspect(lab, prosody, new_wall):
    """Packets that are only forwarded stop as well, in the middle of a stream."""
    wall = new_wall(INSPECTED + FRIENDS).start()
    header = (f"<stream:stream to='{prosody.domain}' version='1.0' xmlns='jabber:client' "
              "xmlns:stream='http://etherx.jabber.org/streams'>").encode()
    inside = {n: lab.client.connect(prosody.addresses[4], 5222, source=client_address(n)) for n in (11, 25)}
    for connection in inside.values():
        connection.settimeout(5)
        connection.sendall(header)
        said = b""
        while b"</stream:features>" not in said:
            said += connection.recv(65536)
    wall.ctl("lockdown", "on")
    for connection in inside.values():
        connection.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert b"<proceed" in inside[11].recv(65536)
    inside[25].settimeout(1)
    with contextlib.suppress(OSError):
        assert b"<proceed" not in inside[25].recv(65536)
    assert comes_in(lab, prosody, 11) and not comes_in(lab, prosody, 25)
    wall.ctl("lockdown", "off")
    assert comes_in(lab, prosody, 25)
    for connection in inside.values():
        connection.close()
