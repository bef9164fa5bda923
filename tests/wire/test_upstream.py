# SPDX-License-Identifier: BSD-2-Clause
"""Servers that lie, or are not there: the client is told, and nothing false reaches it."""
import pytest

import policy
from lab import wait_for
from raw import PROCEED, RawClient, RawServer, header

FEATURES = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
            "id='x' from='verona.example' version='1.0'><stream:features>{}</stream:features>")
TLS_FEATURE = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"


def fake_upstream(new_wall, more="verify off;"):
    return new_wall(policy.service(upstream="upstream 198.51.100.10:7777 starttls;", more=more) + policy.RULES).start()


def test_injection_behind_proceed_of_the_server(lab, prosody, new_wall):
    """The same from the other side: what a man in the middle puts behind <proceed/> never reaches the client."""
    fake_upstream(new_wall)
    injected = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>INJECTED</mechanism></mechanisms></stream:features>"
    script = [("<stream:stream", FEATURES.format(TLS_FEATURE)), ("<starttls", PROCEED + injected)]
    with RawServer(lab, script), RawClient(lab, prosody).starttls() as raw:
        raw.send(header(prosody.domain))
        answer = raw.read_all(20)
    assert "INJECTED" not in answer
    assert "<stream:error" in answer


def test_server_without_tls_is_not_spoken_to(lab, prosody, new_wall):
    """No silent clear text: credentials stay here and the client is told."""
    fake_upstream(new_wall)
    script = [("<stream:stream", FEATURES.format("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>"))]
    with RawServer(lab, script) as server, RawClient(lab, prosody).starttls() as raw:
        raw.send(header(prosody.domain))
        answer = raw.read_all(20)
        assert b"<auth" not in server.seen
    assert "<stream:error" in answer and "<mechanism>" not in answer


@pytest.mark.parametrize("upstream", ["198.51.100.10:9", "198.51.100.99:5222"], ids=["closed-port", "no-host"])
def test_unreachable_server(prosody, new_client, new_wall, upstream):
    wall = new_wall(policy.service(upstream=f"upstream {upstream} starttls;", more="timeouts { connect 2s; }") + policy.RULES).start()
    juliet = new_client("juliet")
    juliet.dial(prosody, "juliet", 11)
    juliet.stanza("remote-connection-failed", seconds=15)
    wait_for(lambda: upstream.split(":")[0] in wall.process.text(), 5, "the server's address in the log")
