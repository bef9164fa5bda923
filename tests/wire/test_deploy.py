# SPDX-License-Identifier: BSD-2-Clause
"""The arrangements of docs/DEPLOY.md, each with its own file of docs/examples: who sees which address, and that nothing passes
unjudged. The lab's addresses are those of the files."""
import os
import pathlib
import re
import shutil

import pytest

from component import Component, Hall
from deploy import EXAMPLES, RULES, Names, example
from lab import CLIENT_GATEWAY, wait_for
from servers import SECRET, Ejabberd, Prosody
from test_queue import bridge, ground, is_on  # noqa: F401

FIREWALL = {4: CLIENT_GATEWAY[0], 6: CLIENT_GATEWAY[1]}
BEHIND = {4: "198.51.100.1", 6: "2001:db8:2::1"}  # the firewall as a server sees it
USERS = {"juliet": "balcony", "romeo": "orchard"}
both = pytest.mark.parametrize("version", [4, 6])
ways = pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])


def seen(server, text, before=0):
    wait_for(lambda: text in server.log_text()[before:], 10, f"{text} in {server.name}'s log")


def judged(user, wall, server, juliet, romeo):
    """Spam is stopped, phishing is answered, the rest arrives."""
    juliet.say(romeo.jid, "casino bonus")
    juliet.say(romeo.jid, "http://bad.example/")
    juliet.say(romeo.jid, "passes")
    romeo.body("passes")
    assert not romeo.saw("casino") and not romeo.saw("bad.example")
    assert wall.event(rule="spam")["src_ip"] == juliet.source
    juliet.stanza("policy-violation", kind="message")


# ---- the firewall is the gateway ----

@both
@ways
def test_gateway(server, user, new_wall, version, direct):
    """gateway.conf: nobody's address changes."""
    wall = new_wall(example("gateway.conf"), **RULES).start()
    before = len(server.log_text())
    juliet, romeo = user("juliet", server, 15, version=version, direct=direct), user("romeo", server, 12)
    seen(server, juliet.source, before)
    judged(user, wall, server, juliet, romeo)


# ---- on the server's own host ----

class TestSameHost:
    """A server on the firewall's own host and addresses, as long as this class runs."""

    @pytest.fixture(scope="class")
    def rome(self, lab):
        leaf = lab.authority.issue("rome.example", lab.folder / "leaves")
        made = Prosody(lab, lab.firewall, "rome.example", list(CLIENT_GATEWAY), leaf, USERS)
        yield made
        made.close()

    @pytest.mark.parametrize("name", ["same-host.conf", "deploy/same-host-tproxy.conf"], ids=["redirect", "tproxy"])
    @both
    @ways
    def test_same_host(self, rome, user, new_wall, name, version, direct):
        """same-host.conf, same-host-tproxy.conf: the server's log shows the clients' addresses."""
        wall = new_wall(example(name), certificates=[rome.certificate], **RULES).start()
        before = len(rome.log_text())
        juliet, romeo = user("juliet", rome, 16, version=version, direct=direct), user("romeo", rome, 12)
        seen(rome, juliet.source, before)
        judged(user, wall, rome, juliet, romeo)


@pytest.fixture
def pisa(lab):
    """ejabberd on the firewall's host, on 127.0.0.1 alone, with the PROXY protocol."""
    class Hidden(Ejabberd):
        def _configuration(self):
            made = super()._configuration()
            for listener in made["listen"]:
                if listener["module"] == "ejabberd_c2s":
                    listener["ip"] = "127.0.0.1"
            return made

    leaf = lab.authority.issue("pisa.example", lab.folder / "leaves")
    made = Hidden(lab, lab.firewall, "pisa.example", ["127.0.0.1"], leaf, USERS)
    made.addresses = dict(FIREWALL)
    yield made
    made.close()


def test_same_host_on_the_loopback(pisa, user, new_wall):
    """same-host-loopback.conf: no help of the kernel's, not even of its firewall."""
    wall = new_wall(example("deploy/same-host-loopback.conf"), certificates=[pisa.certificate], **RULES).start("--no-firewall")
    for version in (4, 6):
        before = len(pisa.log_text())
        juliet, romeo = user("juliet", pisa, 17, version=version), user("romeo", pisa, 12, direct=True)
        seen(pisa, juliet.source, before)
        judged(user, wall, pisa, juliet, romeo)


def test_a_loopback_with_the_clients_address_is_refused(new_wall):
    """It cannot work, so it is said when it is written, with what can."""
    text = example("deploy/same-host-loopback.conf").replace("proxy-protocol v2;", "source client;")
    wall = new_wall(text, **RULES)
    done = wall.run("check", wall.config, check=False)
    assert done.returncode == 1
    assert "'source client' cannot work with the server on 127.0.0.1" in done.stderr
    assert "proxy-protocol v2" in done.stderr and "source client;\n    ^^^^^^" in done.stderr


def test_the_loopback_of_ipv6_answers_clients(lab, user, new_wall):
    """What IPv4 forbids, IPv6 does: ::1 behind a firewall that dials in the client's name."""
    leaf = lab.authority.issue("lucca.example", lab.folder / "leaves")
    lucca = Prosody(lab, lab.firewall, "lucca.example", ["::1"], leaf, USERS)
    try:
        text = example("deploy/same-host-loopback.conf").replace("127.0.0.1:5322", "[::1]:5222")
        new_wall(text.replace("proxy-protocol v2;", "source client;"), certificates=[lucca.certificate], **RULES).start()
        juliet = user("juliet", lucca, 16, version=6, address=FIREWALL[6])
        seen(lucca, juliet.source)
    finally:
        lucca.close()


# ---- dialled by clients ----

@both
@ways
def test_explicit(prosody, user, new_wall, version, direct):
    """explicit.conf: the server sees the firewall's address."""
    wall = new_wall(example("deploy/explicit.conf"), **RULES).start("--no-firewall")
    before = len(prosody.log_text())
    juliet = user("juliet", prosody, 18, version=version, direct=direct, address=FIREWALL[version])
    romeo = user("romeo", prosody, 12, address=FIREWALL[4])
    seen(prosody, BEHIND[4], before)
    assert juliet.source not in prosody.log_text()[before:]
    judged(user, wall, prosody, juliet, romeo)


@both
def test_explicit_with_the_clients_address(prosody, user, new_wall, version):
    """explicit-source.conf: the family of the client chooses the server's address."""
    wall = new_wall(example("deploy/explicit-source.conf"), **RULES).start()
    before = len(prosody.log_text())
    juliet = user("juliet", prosody, 19, version=version, address=FIREWALL[version])
    romeo = user("romeo", prosody, 12, address=FIREWALL[4])
    seen(prosody, juliet.source, before)
    judged(user, wall, prosody, juliet, romeo)


@pytest.fixture
def names(lab):
    """records.dnsmasq, asked by the clients' host."""
    lines = [line for line in (EXAMPLES / "deploy/records.dnsmasq").read_text().split("\n") if not line.startswith("#")]
    made = Names(lab, lab.client, *lines)
    yield made
    made.close()


@ways
def test_explicit_by_dns(prosody, names, user, new_wall, direct):
    """records.dnsmasq: an unmodified client finds the firewall by its SRV records, for STARTTLS and for direct TLS."""
    wall = new_wall(example("deploy/explicit.conf"), **RULES).start("--no-firewall")
    juliet = user("juliet", prosody, 11, address="dns", port=5999, direct=direct)
    row = [s for s in wall.sessions() if s["jid"].startswith("juliet@")][0]
    assert row["address"].startswith(("192.0.2.", "2001:db8:1:")) and row["server"] == "198.51.100.10"
    status = wall.ctl("status")["counters"]
    assert status.get("listen.direct", 0) == (1 if direct else 0)
    assert juliet.alive()


# ---- the PROXY protocol ----

@both
@ways
def test_proxy_protocol_to_ejabberd(ejabberd, user, new_wall, version, direct):
    """proxy-protocol-ejabberd.conf: ejabberd logs the client's address."""
    new_wall(example("deploy/proxy-protocol-ejabberd.conf"), **RULES).start("--no-firewall")
    before = len(ejabberd.log_text())
    juliet = user("juliet", ejabberd, 20, version=version, direct=direct, address=FIREWALL[version])
    seen(ejabberd, f"from {juliet.source}" if version == 4 else juliet.source, before)


def net_proxy():
    """The folder of mod_net_proxy: not in Debian 12's prosody-modules, but in the community's own collection."""
    places = [os.environ.get("PROSODY_NET_PROXY", ""), "/usr/lib/prosody/modules/mod_net_proxy",
              "/usr/local/lib/prosody/modules/mod_net_proxy", "/var/lib/prosody/custom_plugins/share/lua/5.4"]
    return next((pathlib.Path(p) for p in places if p and (pathlib.Path(p) / "mod_net_proxy.lua").exists()), None)


@pytest.fixture(scope="module")
def siena(lab):
    """Prosody with mod_net_proxy on 15222."""
    folder = net_proxy()
    if not folder:
        pytest.skip("mod_net_proxy is not installed (PROSODY_NET_PROXY names its folder)")

    class Proxied(Prosody):
        CONFIG = Prosody.CONFIG.replace('modules_enabled = {{', f'plugin_paths = {{{{ "{folder}" }}}}\n'
                                        'proxy_ports = {{ 15222 }}; proxy_port_mappings = {{ [15222] = "c2s" }}\n'
                                        'proxy_trusted_proxies = {{ "198.51.100.1" }}; proxy_interfaces = {{ "198.51.100.10" }}\n'
                                        'modules_enabled = {{ "net_proxy",')
        CONFIG = CONFIG.replace("c2s_ports = {{ 5222 }}; c2s_direct_tls_ports = {{ 5223 }}",
                                "c2s_ports = {{ 5622 }}; c2s_direct_tls_ports = {{ 5623 }}; component_ports = {{ }}")
        CONFIG = CONFIG.replace("component_ports = {{ 5347 }};", "")

    leaf = lab.authority.issue("siena.example", lab.folder / "leaves")
    listens, lab.server.listens = lab.server.listens, lambda host, port: listens(host, {5222: 15222, 5223: 15222}.get(port, port))
    try:
        made = Proxied(lab, lab.server, "siena.example", ["198.51.100.10"], leaf, USERS)
    finally:
        del lab.server.listens
    yield made
    made.close()


@both
def test_proxy_protocol_to_prosody(siena, prosody, user, new_wall, version):
    """proxy-protocol-prosody.conf: Prosody logs the client's address."""
    new_wall(example("deploy/proxy-protocol-prosody.conf"), certificates=[siena.certificate], **RULES).start("--no-firewall")
    juliet = user("juliet", siena, 21, version=version, address=FIREWALL[version])
    seen(siena, juliet.source)


# ---- in flight ----

COMPONENT_RULES = {"rules.d/components.rules": """chain components {
    hook component; policy accept;
    rule spam       { message text contains "casino" drop, log }
    rule guillotine { message text contains "guillotine" close policy-violation, log }
}
"""}


def judged_in_flight(wall, component, to, heard):
    """A word that is not wanted vanishes and the stream lives; another ends it. heard(text): has it come at the other end?"""
    component.say(to, "good day")
    component.say(to, "casino bonus")
    component.say(to, "and good night")
    wait_for(lambda: heard("good day") and heard("and good night"), 10, "what is allowed")
    assert not heard("casino")
    wall.event(rule="spam")
    component.say(to, "to the guillotine")
    wait_for(lambda: component.error, 10, "the end of the connection")
    assert not heard("guillotine")


def heard_by(user):
    return lambda text: user.saw(text)


@both
def test_inspect_router(prosody, user, new_wall, lab, version):
    """inspect-router.conf: the server sees the component's own address and connection."""
    wall = new_wall(example("deploy/inspect-router.conf"), certificates=[], **COMPONENT_RULES).start()
    juliet = user("juliet", prosody, 12)
    component = lab.add(Component(lab.client, prosody.addresses[version], f"firewall.{prosody.domain}", SECRET))
    judged_in_flight(wall, component, juliet.jid, heard_by(juliet))
    assert wall.event(rule="spam")["src_ip"] == component.socket.getsockname()[0]


@pytest.mark.parametrize("place", ["beside", "network"])
def test_inspect_host(lab, new_wall, place):
    """inspect-host.conf: components of the network, and those beside the server."""
    wall = new_wall(example("deploy/inspect-host.conf"), lab.firewall, certificates=[], **COMPONENT_RULES).start()
    address, host = (CLIENT_GATEWAY[0], lab.client) if place == "network" else ("127.0.0.2", lab.firewall)
    hall = Hall(lab.firewall, address)
    component = Component(host, address, "irc.rome.example", "secret")
    judged_in_flight(wall, component, "juliet@rome.example", lambda text: text.encode() in hall.said)
    component.close()
    hall.close()


@both
def test_inspect_bridge(bridge, new_wall, version):  # noqa: F811
    """inspect-bridge.conf: two ports of one network."""
    left, box, right = bridge
    address = {4: "203.0.113.2", 6: "2001:db8:3::2"}[version]
    box.run("ip", f"-{version}", "route", "add", "default", "dev", "br0")
    wall = new_wall(example("deploy/inspect-bridge.conf"), box, certificates=[], **COMPONENT_RULES).start()
    assert is_on(box)
    hall = Hall(right, address)
    component = Component(left, address, "irc.pisa.example", "secret")
    judged_in_flight(wall, component, "juliet@pisa.example", lambda text: text.encode() in hall.said)
    component.close()
    hall.close()
    wall.close()
    assert not is_on(box)


def test_inspect_flushed_by_another(lab, new_wall):
    """Somebody's "nft flush ruleset": the table is back before long, with its queue, and judges."""
    wall = new_wall(example("deploy/inspect-router.conf"), certificates=[], **COMPONENT_RULES).start()
    before = len(lab.firewall.run("nft", "list", "table", "inet", "xmppwall").stdout)
    lab.firewall.run("nft", "flush", "ruleset")
    wait_for(lambda: len(lab.firewall.run("nft", "list", "table", "inet", "xmppwall", check=False).stdout) == before, 10, "the table")
    wait_for(lambda: wall.ctl("status")["firewall"]["restored"] == 1, 10, "it in the status")
    hall = Hall(lab.server, "198.51.100.10", 5275)
    component = Component(lab.client, "198.51.100.10", "irc.rome.example", "secret", port=5275)
    judged_in_flight(wall, component, "juliet@rome.example", lambda text: text.encode() in hall.said)
    component.close()
    # Without the daemon nothing passes; without its table everything does.
    wall.process.close(10)
    with pytest.raises(TimeoutError):
        lab.client.connect("198.51.100.10", 5275, timeout=1)
    wall.unload()
    lab.client.connect("198.51.100.10", 5275).close()
    hall.close()


def test_inspect_says_what_the_kernel_has(lab, new_wall):
    wall = new_wall(example("deploy/inspect-router.conf"), certificates=[], **COMPONENT_RULES).start()
    checks = {c["name"]: c for c in wall.ctl("firewall", "check", check=False)["checks"]}
    assert all(checks[name]["ok"] for name in ("conntrack", "conntrack-mark", "reset", "queue-expression", "queue-target"))
    text = wall.run("firewall", "print").stdout
    assert "counter queue to 5298" in text
    assert ("NFQUEUE target" in text) == ("takes its place" in checks["queue-expression"]["text"])


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_inspect_beside_iptables(lab, new_wall, kind):
    """The hook among the operator's iptables rules, and gone again, as DEPLOY.md says."""
    if not shutil.which(f"iptables-{kind}-restore"):
        pytest.skip(f"no iptables-{kind} here")
    wall = new_wall(example("deploy/inspect-router.conf"), certificates=[], **COMPONENT_RULES).start("--no-firewall")
    folder = wall.folder / "bin"
    folder.mkdir()
    for family in ("iptables", "ip6tables"):
        for end in ("", "-restore"):
            (folder / f"{family}{end}").symlink_to(shutil.which(f"{family}-{kind}{end}"))
    script = wall.folder / "iptables.sh"
    script.write_text(wall.run("firewall", "print", "--iptables").stdout)
    paths = {"PATH": f"{folder}:{os.environ['PATH']}"}
    page = (EXAMPLES.parent / "DEPLOY.md").read_text()
    undo = re.search(r"To take it away:\n\n((?:    .*\n)+)", page).group(1)
    hall = Hall(lab.server, "198.51.100.10", 5275)
    try:
        for _ in range(2):  # it may be run again
            lab.firewall.run("sh", script, environment=paths)
        component = Component(lab.client, "198.51.100.10", "irc.rome.example", "secret", port=5275)
        judged_in_flight(wall, component, "juliet@rome.example", lambda text: text.encode() in hall.said)
        component.close()
    finally:
        lab.firewall.run("sh", "-c", undo, environment=paths)
    assert not re.search(r"^-A (FORWARD|INPUT|OUTPUT) -j XMPPWALL", lab.firewall.run(f"iptables-{kind}-save").stdout, re.M)
    wall.process.close(10)
    lab.client.connect("198.51.100.10", 5275).close()
    hall.close()
