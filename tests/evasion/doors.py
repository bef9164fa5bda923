# SPDX-License-Identifier: BSD-2-Clause
"""The wall as the catalogue meets it: the lab's three hosts, a recorder behind, one configuration a door."""
import functools
import ipaddress
import json
import os
import pathlib
import signal
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "wire")]

from lab import Authority, Lab, run, wait_for  # noqa: E402
from peer import Wire  # noqa: E402
from recorder import Recorder  # noqa: E402
from wall import BUILD, Wall  # noqa: E402

SERVER = {4: "198.51.100.10", 6: "2001:db8:2::10"}
PORTS = {"c2s": 5222, "web": 5280, "component": 5347, "s2s": 5269, "secure": 5322}
# Addresses of a case: those the client's kernel answers for, and those only we do.
KERNEL, OURS = {4: "198.18.{}.{}", 6: "2001:db8:18::{:x}{:02x}"}, {4: "198.19.{}.{}", 6: "2001:db8:19::{:x}{:02x}"}
COMMON = """
timeouts { handshake 8s; login 7s; stanza 30s; connect 3s; close 1s; }
daemon { threads 1; }
"""
CONFIGURATIONS = {
    "proxy": """
service c2s {
    listen tcp { 5222 }; tls optional; certificates "certs"; intercept tproxy;
    upstream original plain; source client; sessions-per-address 0;
}
service secure {
    listen tcp { 5322 }; role c2s; tls required; certificates "certs"; intercept tproxy;
    upstream original plain; source client; sessions-per-address 0;
}
""",
    # A busy machine must not let a beginning go that its sender has finished: four times the usual patience.
    "inspect": """
inspect { hold-time 1s; }
service c2s { listen tcp { 5222 }; mode inspect; tls optional; }
service web { listen tcp { 5280 }; role c2s; mode inspect; tls none; }
service s2s { listen tcp { 5269 }; mode inspect; tls optional; }
service component { listen tcp { 5347 }; mode inspect; tls none; }
service secure { listen tcp { 5322 }; role c2s; mode inspect; tls required; }
""",
}


def address(case, number):
    table = OURS if case.own_tcp else KERNEL
    return str(ipaddress.ip_address(table[case.version].format(number >> 8, number & 255)))


def configuration(door):
    return CONFIGURATIONS[door] + COMMON + (HERE / "evasion.rules").read_text()


@functools.cache
def missing(door):
    """Why this door cannot be tried here; nothing if it can."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "xmppwall.conf"
        path.write_text(configuration(door))
        (path.parent / "certs").mkdir()
        checked = run(BUILD / "bin/xmppwallctl", "check", path, check=False)
    return checked.stderr.strip().split("\n")[0] if checked.returncode else ""


class Ground:
    """A lab with its routes, its recorder and a wall of this door ("none": no wall at all)."""

    def __init__(self, door):
        self.door, self.lab, self.wall = door, Lab(), None
        try:
            self._route()
            if door != "none":
                self.lab.authority = Authority(self.lab.folder / "ca")
                leaf = self.lab.authority.issue("verona.example", self.lab.folder / "leaves")
                self.wall = Wall(self.lab, "wall")
                self.wall.write(**{"xmppwall.conf": configuration(door)})
                self.wall.certificate(leaf)
                self.wall.start()
        except BaseException:
            self.close()
            raise

    def _route(self):
        lab = self.lab
        for text in ("198.18.0.0/16", "2001:db8:18::/48"):
            lab.client.run("ip", "route", "add", "local", text, "dev", "lo")
        for text, via4, via6 in (("198.18.0.0/15", "192.0.2.11", None), ("2001:db8:18::/47", None, "2001:db8:1:11::11")):
            lab.firewall.run("ip", "route", "add", text, "via", via4 or via6, "dev", "clients")
        lab.firewall.run("ip", "route", "add", "198.51.101.0/24", "via", SERVER[4], "dev", "servers")
        # Data in a SYN is taken, cookie or none; behind the server's door everything far away has died.
        lab.server.run("sysctl", "-qw", "net.ipv4.tcp_fastopen=0x603")
        lab.server.run("nft", "-f", "-", text="table inet far { chain away { type filter hook prerouting priority -310; "
                       "ip ttl < 10 drop; ip6 hoplimit < 10 drop; }; }")
        for namespace in (lab.client, lab.server):
            namespace.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")

    def begin(self):
        """What lives in the event loop."""
        self.wire = Wire(self.lab.client, self.lab.firewall, "clients")
        self.far_wire = Wire(self.lab.server, self.lab.firewall, "servers")
        self.recorder = Recorder(self.lab.server, SERVER.values(), PORTS.values())

    async def end(self):
        await self.recorder.close()
        self.wire.close()
        self.far_wire.close()

    def restart(self):
        """The child that judges is killed, and another comes."""
        if not self.wall:
            return
        old = self._children()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self._children() and not set(self._children()) & set(old) and self.wall.ready(), 20, "another child")

    def _children(self):
        children = pathlib.Path(f"/proc/{self.wall.process.pid}/task/{self.wall.process.pid}/children").read_text().split()
        return [int(p) for p in children if pathlib.Path(f"/proc/{p}/comm").read_text().startswith(("xmppwall-proxy", "xmppwall-nfq"))]

    def events(self):
        """{peer's address: its events}, as the log has them."""
        found = {}
        path = self.wall.folder / "log" / "events.json" if self.wall else None
        if path and path.exists():
            for line in path.read_text(errors="replace").splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                for end in ("src_ip", "dest_ip"):
                    found.setdefault(event.get(end), []).append(event)
        return found

    def close(self):
        try:
            if self.wall:
                self.wall.close()
        finally:
            self.lab.close()
