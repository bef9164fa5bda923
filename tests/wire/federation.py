#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts that federate, a firewall before each, and the net between them, which has a name server and room for peers that lie.

    host a ───────── gate a ───── net ───── gate b ───────── host b
    198.51.100.10    xmppwall     DNS       xmppwall     203.0.113.10
    2001:db8:a::10   or a router  peers     or a router  2001:db8:b::10

Each host's server has several domains, which differ in how they are found and what they prove (KINDS): so one pair of servers, started
once, does all of it. Standing alone it sets up, sends a message each way and says what happened:

    tests/wire/federation.py --servers PE --wall both --auth dialback --keep"""
import argparse
import base64
import concurrent.futures
import contextlib
import itertools
import re
import shutil
import types

from certificates import Issuer, dns, srv
from deploy import Names
from fedservers import KINDS as SERVERS
from lab import Lab, LabError, run, wait_for
from raw import RawClient
from wall import BUILD, Wall, missing_programs

NAME_SERVER = ("192.0.2.53", "2001:db8:53::53")
PEERS = range(101, 121)  # addresses of the net's own, for peers of the tests' making
SIDES = {"a": ("198.51.100", "2001:db8:a", 2), "b": ("203.0.113", "2001:db8:b", 6)}  # networks, and the gate's place in 192.0.2.0/24
USERS = {"a": {"juliet": "balcony", "nurse": "aqua-vitae"}, "b": {"romeo": "orchard", "friar": "cell"}}
FIRST = {"a": "juliet", "b": "romeo"}
KINDS = {
    "": "found by _xmpp-server._tcp at an IPv4 address, certificate of the public authority",
    "more": "the same; for a second pair on a stream",
    "six": "the same at an IPv6 address only",
    "direct": "found by _xmpps-server._tcp only: TLS from the first byte",
    "dial": "a certificate that nobody vouches for: dialback",
}
_numbers = itertools.count(1)

SERVICES = """
service from_others {{
    role s2s; listen tcp {{ 5269, 5270 }}; listen on {addresses};
    intercept tproxy; tls {tls}; certificates "certs"; upstream original {local}; source client; {inward}
}}
service to_others {{
    role s2s; direction out; from @ours; listen tcp {{ 5269, 5270 }};
    intercept tproxy; tls {tls}; certificates "certs"; upstream original starttls; source client; {outward}
}}
set ours {{ type address; elements = {{ {addresses} }}; }}
federation {{ trust file "trust.pem"; resolver {resolver}; {federation} }}
"""


def domain_of(side, kind=""):
    return f"{kind}-{side}.example" if kind else f"{side}.example"


def peer_address(number, version=4):
    return f"192.0.2.{number}" if version == 4 else f"2001:db8:66::{number}"


class User(RawClient):
    """A user of a side's server, in clear text on that very host: what clients do is not what is tried here."""

    def __init__(self, side, kind="", name=None, resource="lab"):
        self.name = name or FIRST[side.name]
        domain = side.domain(kind)
        address = side.server.addresses[4]
        super().__init__(types.SimpleNamespace(client=side.host), types.SimpleNamespace(domain=domain), source=address, address=address)
        token = base64.b64encode(f"\0{self.name}\0{side.server.users[self.name]}".encode()).decode()
        self.open()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        self.read_until("<success[^>]*/?>")
        self.open()
        self.send(f"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>")
        self.jid = re.search(r"<jid>([^<]*)</jid>", self.read_until("</iq>"))[1]
        self.bare = self.jid.split("/")[0]
        self.send("<presence/>")
        self.read_until("<presence")

    def say(self, to, body=None, more=""):
        """Sends a message and gives its body."""
        body = body or f"text {next(_numbers)}"
        self.send(f"<message to='{to}' type='chat' id='m{next(_numbers)}'><body>{body}</body>{more}</message>")
        return body

    def hear(self, body, seconds=20):
        """The message with that body, and everything that came before it."""
        return self.read_until(f"<body[^>]*>{re.escape(body)}</body>.*?</message>", seconds)

    def ask(self, to, payload="<ping xmlns='urn:xmpp:ping'/>", kind="get", seconds=20):
        """The answer of an iq."""
        number = f"q{next(_numbers)}"
        self.send(f"<iq to='{to}' type='{kind}' id='{number}'>{payload}</iq>")
        text = self.read_until(rf"<iq\b[^>]*\bid=.{number}\b[^>]*(/>|>.*?</iq>)", seconds)
        return text[text.rindex("<iq "):]


class Side:
    """One domain's host, its gate, its server, and the firewall at the gate."""

    def __init__(self, federation, name):
        self.federation, self.name = federation, name
        self.host, self.gate = (federation.namespace(f"-{part}{name}", part == "g") for part in "hg")
        self.net4, self.net6, self.place = SIDES[name]
        self.addresses = [f"{self.net4}.10", f"{self.net6}::10"]
        self.domains = [self.domain(kind) for kind in KINDS]
        self.server = self.wall = self.authority = None
        self.users = {}

    def domain(self, kind=""):
        return self.federation.names_of.get(self.name, {}).get(kind) or domain_of(self.name, kind)

    def wire(self, net):
        """host — gate — net, routed."""
        out6 = f"2001:db8:{self.place}"
        run("ip", "-n", self.gate.name, "link", "add", "inside", "type", "veth", "peer", "name", "eth0", "netns", self.host.name)
        run("ip", "-n", self.gate.name, "link", "add", "outside", "type", "veth", "peer", "name", f"to-{self.name}", "netns", net.name)
        give_addresses(self.host, "eth0", f"{self.net4}.10/24", f"{self.net6}::10/64")
        give_addresses(self.gate, "inside", f"{self.net4}.1/24", f"{self.net6}::1/64")
        give_addresses(self.gate, "outside", f"192.0.2.{self.place}/30", f"{out6}::2/64")
        give_addresses(net, f"to-{self.name}", f"192.0.2.{self.place - 1}/30", f"{out6}::1/64")
        for host, via in ((self.host, (f"{self.net4}.1", f"{self.net6}::1")), (self.gate, (f"192.0.2.{self.place - 1}", f"{out6}::1"))):
            run("ip", "-n", host.name, "route", "add", "default", "via", via[0])
            run("ip", "-n", host.name, "-6", "route", "add", "default", "via", via[1])
        run("ip", "-n", net.name, "route", "add", f"{self.net4}.0/24", "via", f"192.0.2.{self.place}")
        run("ip", "-n", net.name, "-6", "route", "add", f"{self.net6}::/64", "via", f"{out6}::2")

    def records(self):
        """How its domains are found, for dnsmasq."""
        four, six = f"four.{self.domain()}", f"six.{self.domain()}"
        lines = [f"host-record={four},{self.addresses[0]}", f"host-record={six},{self.addresses[1]}"]
        for domain in (*self.domains, f"rooms.{self.domain()}"):
            if domain == self.domain("direct"):
                lines.append(f"srv-host=_xmpps-server._tcp.{domain},{four},5270")
            else:
                lines.append(f"srv-host=_xmpp-server._tcp.{domain},{six if domain == self.domain('six') else four},5269")
        return lines

    def certify(self, issuer, folder, together):
        """together: one certificate for all that can be verified. (ejabberd 23.01 takes SNI lightly: where TLS comes with the first
        byte it shows now and then another domain's.)"""
        public = [d for d in self.domains if d != self.domain("dial")]
        issuer.issue(self.domain("dial"), folder, [dns(self.domain("dial")), srv(self.domain("dial"))], self_signed=True)
        for domain in (*public, f"rooms.{self.domain()}"):
            if together and domain in public[1:]:
                for end in (".crt", ".key"):
                    shutil.copy(folder / (public[0] + end), folder / (domain + end))
            else:
                issuer.issue(domain, folder, [name(d) for d in (public if together and domain in public else [domain]) for name in (dns, srv)])

    def user(self, kind="", name=None):
        """A user logged in and present; kept for the next one who asks."""
        key = (kind, name)
        if key not in self.users:
            self.users[key] = User(self, kind, name)
        return self.users[key]

    def forget(self):
        for user in self.users.values():
            user.close()
        self.users.clear()

    # ---- the firewall ----

    def make_wall(self, federation="", inward="", outward="", more="", tls=None, configuration=None, own_host=False):
        """A configured firewall, not started, with this side's authority and certificates; on the gate, or beside the server."""
        self.drop_wall()
        lab = self.federation
        wall = Wall(lab, f"wall-{self.name}-{next(_numbers)}", self.host if own_host else self.gate)
        text = configuration or SERVICES.format(
            addresses=", ".join(self.addresses), tls=tls or lab.tls, local="plain" if lab.tls == "none" else "starttls",
            resolver=NAME_SERVER[0], inward=inward, outward=outward, federation=federation) + more
        wall.write(**{"xmppwall.conf": text, "trust.pem": lab.public.file.read_text()})
        for domain in (*self.domains, f"rooms.{self.domain()}"):
            wall.certificate(lab.certificates / self.name / f"{domain}.crt")
        if self.authority:
            shutil.copytree(self.authority, wall.folder / "state/ca")
        self.wall = wall
        return wall

    def raise_wall(self, **keywords):
        """Streams there are end, for they began without it."""
        wall = self.make_wall(**keywords).start()
        self.federation.hang_up()
        return wall

    def drop_wall(self):
        wall, self.wall = self.wall, None
        if wall:
            wall.close()

    def make_authority(self):
        """This side's own authority, before the server starts that is to trust it: gives its certificate. Nothing without a build."""
        if missing_programs():
            return ""
        state = self.federation.folder / f"authority-{self.name}"
        ctl = (BUILD / "bin/xmppwallctl", "--state-dir", state, "ca")
        state.mkdir()
        self.gate.run(*ctl, "init")
        self.authority = state / "ca"
        return self.gate.run(*ctl, "export").stdout


def give_addresses(host, link, *addresses):
    lines = "".join(f"addr add {a} dev {link}{' nodad' if ':' in a else ''}\n" for a in addresses)
    run("ip", "-n", host.name, "-batch", "-", text=lines + f"link set {link} up\n")


class Federation(Lab):
    """servers: "PP", "PE", "EP" or "EE", for hosts a and b. tls: what the servers want of each other (required, optional, none).
    domains: other names for some kinds, {"a": {"": "high.example"}}."""

    def __init__(self, servers="PP", tls="required", modules=("smacks",), folder=None, domains=None, **more):
        self.kinds, self.tls, self.modules, self.more = servers, tls, modules, more
        self.names_of = domains or {}
        super().__init__(folder=folder)

    def kind_of(self, side):
        return self.kinds["ab".index(side.name)]

    def namespace(self, end, routes=False):
        return self._namespace(self.tag + end, routes)

    def _build(self):
        self.net = self.namespace("-net", True)
        self.a, self.b = self.sides = [Side(self, name) for name in SIDES]
        self.client = self.firewall = self.server = self.net  # what parts of the other lab ask for
        for side in self.sides:
            side.wire(self.net)
        give_addresses(self.net, "lo", *(f"{a}/{128 if ':' in a else 32}" for a in NAME_SERVER),
                       *(f"{peer_address(n, v)}/{32 if v == 4 else 128}" for n in PEERS for v in (4, 6)))
        self.public = Issuer(self.folder / "public")
        self.certificates = self.folder / "leaves"
        for side in self.sides:
            side.certify(self.public, self.certificates / side.name, self.kind_of(side) == "E")
        self.names = self.add(Names(self, self.net, *self.records(), address=NAME_SERVER[0],
                                    hosts=[self.net, *(n for s in self.sides for n in (s.host, s.gate))]))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for side, server in zip(self.sides, pool.map(self._serve, self.sides)):
                side.server = server

    def records(self, *more):
        """Of both sides, and of every name at or below peerN.example."""
        peers = (f"address=/peer{n}.example/{peer_address(n)}" for n in PEERS)
        return [*(line for side in self.sides for line in side.records()), *peers, *more]

    def _serve(self, side):
        trust = self.folder / f"trust-{side.name}.pem"
        trust.write_text(self.public.file.read_text() + side.make_authority())
        place = types.SimpleNamespace(folder=self.folder / f"server-{side.name}", tag=f"{self.tag}{side.name}")
        place.folder.mkdir()
        place.folder.chmod(0o755)
        kind = SERVERS[self.kind_of(side)]
        return self.add(kind(place, side.host, side.domains, side.addresses, self.certificates / side.name, USERS[side.name], trust,
                             tls=self.tls, modules=self.modules, **self.more))

    def hang_up(self):
        """No stream is left between the servers."""
        for side in self.sides:
            side.server.hang_up()
        wait_for(lambda: not any(side.server.streams_of() for side in self.sides), 20, "the streams between the servers to end")

    def mark(self):
        for side in self.sides:
            side.server.mark()

    def exchange(self, kind_a="", kind_b=None, how=None, seconds=20):
        """A message each way between two domains. how: in what way both servers must then have believed each other, as their logs say
        (since mark()), in each direction that was used."""
        kind_b = kind_a if kind_b is None else kind_b
        a, b = self.a.user(kind_a), self.b.user(kind_b)
        for sender, receiver in ((a, b), (b, a)):
            receiver.hear(sender.say(receiver.jid), seconds)
        if how:
            try:
                wait_for(lambda: self.believed(kind_a, kind_b) == {"a": how, "b": how}, 10, "")
            except LabError:
                raise LabError(f"authentication: {self.believed(kind_a, kind_b)} instead of {how}") from None

    def believed(self, kind_a="", kind_b=None):
        """{"a": how a's server and the other came to believe each other, "b": the same as b's server saw it}, since mark()."""
        own, peer = self.a.domain(kind_a), self.b.domain(kind_a if kind_b is None else kind_b)
        return {side.name: {how for way in ("in", "out") for how in side.server.authenticated(way, *names)}
                for side, names in ((self.a, (peer, own)), (self.b, (own, peer)))}

    def close(self):
        """A sanitizer's complaint about a firewall is heard once everything has been removed."""
        wrong = []
        for side in getattr(self, "sides", ()):
            side.forget()
            try:
                side.drop_wall()
            except LabError as error:
                wrong.append(error)
        super().close()
        if wrong:
            raise wrong[0]


def main():
    ask = argparse.ArgumentParser(description="Sets up a federation in network namespaces and sends a message each way.")
    ask.add_argument("--servers", default="PP", choices=["PP", "PE", "EP", "EE"])
    ask.add_argument("--wall", default="none", choices=["a", "b", "both", "none"])
    ask.add_argument("--auth", default="external", choices=["external", "dialback"])
    ask.add_argument("--kind", choices=list(KINDS), help="; ".join(f"'{k}': {v}" for k, v in KINDS.items()))
    ask.add_argument("--tls", default="required", choices=["required", "optional", "none"])
    ask.add_argument("--bidi", action="store_true", help="Prosody offers XEP-0288")
    ask.add_argument("--federation", default="", help="settings inside the walls' block federation")
    ask.add_argument("--policy", default="", help="more of the walls' configuration")
    ask.add_argument("--keep", action="store_true", help="leave everything running until a key is pressed, and the logs afterwards")
    wanted = ask.parse_args()
    kind = wanted.kind if wanted.kind is not None else {"external": "", "dialback": "dial"}[wanted.auth]
    federation = Federation(wanted.servers, wanted.tls, ("smacks", *(["s2s_bidi"] if wanted.bidi else [])))
    with (contextlib.nullcontext() if wanted.keep else federation):
        print(f"namespaces {federation.tag}-…, folder {federation.folder}")
        try:
            for side in federation.sides:
                print(f"  log of server {side.name}: {side.server.log}")
                if wanted.wall in (side.name, "both"):
                    side.raise_wall(federation=wanted.federation, more=wanted.policy)
                    print(f"  log of wall {side.name}: {side.wall.process.log}; {' '.join(map(str, side.wall.ctl_command()))} (in {side.gate.name})")
            federation.exchange(kind, how={"external" if kind != "dial" and wanted.tls == "required" else "dialback"})
            print("a message each way; believed by", federation.believed(kind))
        except LabError as error:
            print("FAILED:", error)
        for side in federation.sides:
            print(f"streams of {side.name}:\n{side.server.streams()}")
        if wanted.keep:
            with contextlib.suppress(KeyboardInterrupt, EOFError):
                input("Enter ends it. ")
            kept = federation.folder.with_name(federation.folder.name + "-kept")
            shutil.copytree(federation.folder, kept, ignore=shutil.ignore_patterns("*.sock", "run"))
            federation.close()
            print("logs:", kept)


if __name__ == "__main__":
    main()
