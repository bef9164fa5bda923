# SPDX-License-Identifier: BSD-2-Clause
"""Streams that do not log in push each other out: whoever opens thousands and says nothing, or half of something, has a few of
them, and those who log in are not kept waiting."""
import contextlib
import time

import policy
import pytest

from lab import client_address, wait_for
from raw import RawClient, header

SERVICE = policy.service(more="sessions-per-address 0; streams-preauth 24; streams-preauth-per-address 8;")
HALF_HELLO = bytes.fromhex("160301020001000200fc0303") + b"\x55" * 20


@pytest.fixture
def tight(new_wall):
    return new_wall(SERVICE + policy.RULES).start()


@pytest.fixture
def idlers(lab, prosody):
    """idlers(N, client number, say): connections that say that and no more; all end with the test."""
    made = []

    def make(n, number, say=b""):
        for _ in range(n):
            raw = RawClient(lab, prosody, source=client_address(number, 4))
            if say:
                raw.send(say)
            made.append(raw)
        return made[-n:]

    yield make
    for raw in made:
        raw.close()


def counter(wall, name):
    return wall.ctl("status")["counters"].get(name, 0)


def waiting(wall):
    return [s for s in wall.sessions() if not s["jid"]]


@pytest.mark.parametrize("say", [b"", HALF_HELLO, header("verona.example").encode(), header("verona.example").encode()[:-9], b"<"],
                         ids=["silent", "half-a-hello", "header", "half-a-header", "one-byte"])
def test_one_address_has_a_few(tight, idlers, prosody, user, say):
    friend = user("juliet", prosody, 11, version=4)
    raws = idlers(60, 20, say)
    wait_for(lambda: counter(tight, "session.pushed-out") >= 52, 10, "the oldest to be pushed out")
    assert counter(tight, "refused.preauth.address") >= 52
    wait_for(lambda: len(waiting(tight)) <= 8, 5, "their sessions to be gone")
    # two threads accept: the order is not quite that of dialling
    ends = [raw.read_all(5) for raw in raws[:36]]
    if say.endswith(b"'>"):
        assert all("<resource-constraint" in text for text in ends), ends[0]
    # who logs in beside them, from the very same address, too, is not in the way
    user("romeo", prosody, 20, version=4)
    user("nurse", prosody, 12, version=4)
    friend.say(prosody.jid("juliet"), "still here")
    friend.body("still here")
    assert friend.alive()
    events = [e for e in tight.ctl("events", "-n", "400") if "preauth.address" in str(e)]
    assert 1 <= len(events) <= 60


def test_many_addresses_push_each_other(tight, idlers, prosody, user):
    """The whole has a ceiling, and it is the address that has most of them that pays."""
    lone = idlers(1, 30)[0]
    for number in range(20, 28):
        idlers(7, number)
    wait_for(lambda: counter(tight, "refused.preauth.full") >= 32, 10, "the whole to be full")
    assert len(waiting(tight)) <= 26
    users = [user(name, prosody, 11 + i, version=4) for i, name in enumerate(["juliet", "romeo", "nurse"])]
    assert all(u.alive() for u in users)
    lone.socket.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        assert lone.socket.recv(1) != b"", "the only one of its address was pushed out"


def test_new_ceilings_with_a_reload(tight, idlers, prosody):
    idlers(8, 20)
    wait_for(lambda: len(waiting(tight)) == 8, 5, "eight of them")
    tight.write(**{"xmppwall.conf": SERVICE.replace("per-address 8", "per-address 2") + policy.RULES})
    tight.ctl("reload")
    for _ in range(12):
        idlers(1, 20)
    wait_for(lambda: counter(tight, "session.pushed-out") >= 12, 5, "the oldest to be pushed out")


def test_logged_in_and_unbound(new_wall, prosody, lab):
    """Who logs in and binds nothing is sent home in the time a login has."""
    wall = new_wall(policy.service(more="timeouts { login 3s; }") + policy.RULES).start()
    with RawClient(lab, prosody) as raw:
        raw.starttls().open()
        raw.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AG1lcmN1dGlvAHF1ZWVuLW1hYg==</auth>")
        raw.read_until("<success[^>]*/?>")
        raw.open()
        begun = time.monotonic()
        assert "<connection-timeout" in raw.read_all(8)
        assert time.monotonic() - begun > 2
    wait_for(lambda: not wall.sessions(), 5, "its session to be gone")
