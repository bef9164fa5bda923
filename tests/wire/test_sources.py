# SPDX-License-Identifier: BSD-2-Clause
"""The server learns the client's own address: transparently routed, on the same host, and by PROXY protocol."""
import pytest

import policy
from lab import CLIENT_GATEWAY, wait_for
from servers import Prosody


def seen(server, address):
    wait_for(lambda: address in server.log_text(), 10, f"{address} in {server.name}'s log")


@pytest.mark.parametrize("version,address", [(4, "192.0.2.15"), (6, "2001:db8:1:15::15")])
def test_gateway_keeps_the_source(server, user, new_wall, version, address):
    wall = new_wall(policy.STANDARD).start()
    juliet = user("juliet", server, 15, version=version)
    seen(server, address)
    rows = [s for s in wall.sessions() if s["address"] == address]
    assert rows and rows[0]["jid"].startswith(server.jid("juliet"))
    assert juliet.alive()


@pytest.fixture(scope="module")
def same_host(lab):
    """Prosody on the very host the firewall runs on."""
    leaf = lab.authority.issue("siena.example", lab.folder / "leaves")
    users = {"juliet": "balcony", "romeo": "orchard"}
    return lab.add(Prosody(lab, lab.firewall, "siena.example", list(CLIENT_GATEWAY), leaf, users))


@pytest.mark.parametrize("version,address", [(4, "192.0.2.16"), (6, "2001:db8:1:16::16")])
@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
def test_same_host_by_redirect(lab, same_host, user, new_wall, version, address, direct):
    wall = new_wall(policy.service("redirect") + policy.RULES, certificates=[same_host.certificate]).start()
    juliet = user("juliet", same_host, 16, version=version, direct=direct)
    romeo = user("romeo", same_host, 12, version=4)
    seen(same_host, address)
    juliet.say(romeo.jid, "casino bonus")
    juliet.say(romeo.jid, "http://bad.example/")
    juliet.say(romeo.jid, "passes")
    romeo.body("passes")
    assert not romeo.saw("casino") and wall.event(rule="spam")["src_ip"] == address
    juliet.stanza("policy-violation", kind="message")


@pytest.mark.parametrize("version,address", [(4, "192.0.2.18"), (6, "2001:db8:1:18::18")])
def test_proxy_protocol_to_ejabberd(ejabberd, user, new_wall, version, address):
    host = ejabberd.addresses[version]
    upstream = f"upstream {f'[{host}]' if version == 6 else host}:5322 starttls; proxy-protocol v2;"
    new_wall(policy.service(upstream=upstream) + policy.RULES).start()
    user("juliet", ejabberd, 18, version=version)
    seen(ejabberd, f"from {address}")


def test_another_certificate_for_clients(lab, prosody, user, new_wall):
    """The firewall shows its own certificate and trusts the server's by a file."""
    leaf = lab.authority.issue("verona.example", lab.folder / "other-leaves", organisation="firewall")
    configuration = policy.service(more=f'verify file "{lab.authority.file}";') + policy.RULES
    new_wall(configuration, certificates=[leaf]).start()
    juliet = user("juliet", prosody, 11)
    subject = dict(pair[0] for pair in juliet.ask("tls")["certificate"]["subject"])
    assert subject["organizationName"] == "firewall"


def test_untrusted_server_is_refused(lab, prosody, new_client, new_wall):
    """Without that trust the client is told, and nothing of it reaches the server."""
    leaf = lab.authority.issue("verona.example", lab.folder / "third-leaves", organisation="firewall")
    wall = new_wall(policy.STANDARD, certificates=[leaf]).start()
    juliet = new_client("juliet")
    juliet.dial(prosody, "juliet", 11)
    juliet.event("stream_error", "disconnected", "failed_auth")
    assert not any(e["event"] == "session_start" for e in juliet.events)
    wait_for(lambda: "verif" in wall.process.text() or "certificate" in wall.process.text(), 5, "the reason in the log")
