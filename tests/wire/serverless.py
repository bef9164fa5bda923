# SPDX-License-Identifier: BSD-2-Clause
"""People without a server (XEP-0174) and the places where a wall may stand between them. Peer is the tests' own: it says what it is
told to, in its announcements and in its streams. Finch as Debian ships it is in tests/captures/bonjour.py."""
import contextlib
import socket
import struct
import threading

from lab import Namespace, Process, run, wait_for

GROUP, GROUP6, PORT = "224.0.0.251", "ff02::fb", 5353
SERVICE = "_presence._tcp.local"


NETS = {4: ("192.0.2.", "198.51.100."), 6: ("fd00:174:1::", "fd00:174:2::")}
AVAHI = """[server]
host-name=router
use-ipv4=yes
use-ipv6=yes
enable-dbus=no
[reflector]
enable-reflector=yes
[publish]
disable-publishing=yes
"""


# ---- multicast DNS ----

def dns_name(text):
    """Labels by dots; an instance's own dots are not for these tests."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(name, kind, ttl, data, flush=True):
    return dns_name(name) + struct.pack(">HHIH", kind, 0x8001 if flush else 1, ttl, len(data)) + data


def answer(*records):
    return struct.pack(">6H", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)


def texts(**values):
    return b"".join(bytes([len(t)]) + t for t in (f"{k.lstrip('_')}={v}".encode() for k, v in values.items()))


class Peer:
    """A host on the network: announces, hears what others announce, listens and dials."""

    def __init__(self, name, host, addresses):
        self.name, self.host, self.addresses = f"{name}@{name}-laptop", host, addresses
        self.hears, self.streams, self.listeners = [], [], []
        self.mdns = {}

    def join(self, version):
        """From now on it hears the group. Its link is eth0."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        index = int(self.host.run("cat", "/sys/class/net/eth0/ifindex").stdout)
        s = self.host.socket(family, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if version == 4:
            s.bind(("", PORT))
            member = struct.pack("4s4si", socket.inet_aton(GROUP), socket.inet_aton("0.0.0.0"), index)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        else:
            s.bind(("::", PORT))
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(family, GROUP6) + struct.pack("i", index))
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        self.mdns[version] = s
        threading.Thread(target=self._hear, args=(s,), daemon=True).start()

    def _hear(self, s):
        with contextlib.suppress(OSError):
            while True:
                self.hears.append(s.recv(9000))

    def announce(self, port, version=4, ttl=120, name=None, address=None, **said):
        """All a client announces, in one datagram; ttl 0: a goodbye."""
        instance = f"{name or self.name}.{SERVICE}"
        host = f"{self.name.split('@')[1]}.local"
        where = socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, address or self.addresses[version])
        self.send(answer(record(SERVICE, 12, 4500 if ttl else 0, dns_name(instance), flush=False),
                         record(instance, 33, ttl, struct.pack(">HHH", 0, 0, port) + dns_name(host)),
                         record(instance, 16, 4500 if ttl else 0, texts(txtvers=1, status="avail", **said)),
                         record(host, 1 if version == 4 else 28, ttl, where)), version)

    def send(self, datagram, version=4):
        self.mdns[version].sendto(datagram, (GROUP if version == 4 else GROUP6, PORT))

    def heard(self, text, seconds=5):
        wait_for(lambda: self.has_heard(text), seconds, f"{self.name} to hear of {text}")

    def has_heard(self, text):
        return any(text.encode() in datagram for datagram in list(self.hears))

    # ---- streams ----

    def listen(self, port, version=4):
        s = self.host.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((self.addresses[version], port))
        s.listen(16)
        self.listeners.append(s)
        threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                self.streams.append(Stream(listener.accept()[0]))

    def dial(self, other, port, version=4):
        made = Stream(self.host.connect(other.addresses[version], port, source=self.addresses[version]))
        self.streams.append(made)
        return made

    def header(self, to, name=None):
        """As Pidgin writes it: without a version."""
        return f"<?xml version='1.0' encoding='UTF-8' ?>\n<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='{name or self.name}' to='{to.name}'>"

    def close(self):
        for s in (*self.mdns.values(), *self.listeners):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
        for stream in self.streams:
            stream.close()


class Stream:
    """A connection, with all that came over it."""

    def __init__(self, s):
        self.socket, self.got, self.over = s, b"", None
        s.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while data := self.socket.recv(65536):
                self.got += data
            self.over = "closed"
        except OSError:
            self.over = "reset"

    def send(self, text):
        self.socket.sendall(text.encode())

    def say(self, body, **attributes):
        extra = "".join(f" {k}='{v}'" for k, v in attributes.items())
        self.send(f"<message type='chat'{extra}><body>{body}</body></message>")

    def has(self, text, seconds=5):
        wait_for(lambda: text.encode() in self.got, seconds, f"{text!r} to arrive; came: {self.got[-300:]!r}")

    def ends(self, seconds=5):
        return wait_for(lambda: self.over, seconds, "the stream to end")

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


# ---- places ----

class Place:
    """juliet's and romeo's hosts and what is between them; wall is the host where the wall stands.

    laptop: it is romeo's own. bridge: a host whose bridge joins both. router: a host between two networks, with avahi telling each
    what the other announces. Each host's link is eth0."""

    def __init__(self, tag, kind, folder, hosts=None):
        self.kind, self.folder, self.own, self.avahi = kind, folder, [], None
        try:
            self.hosts = hosts or [self._namespace(f"{tag}-{n}") for n in ("juliet", "romeo")]
            {"laptop": self._cable, "bridge": self._bridge, "router": self._router}[kind](f"{tag}-{kind}")
            for number, host in enumerate(self.hosts):
                self._address(host, "eth0", [self.addresses(number)[v] for v in (4, 6)])
                if kind == "router":
                    for version in (4, 6):
                        run("ip", "-n", host.name, f"-{version}", "route", "add", "default", "via", f"{NETS[version][number]}254")
        except BaseException:
            self.close()
            raise

    def addresses(self, number):
        """Those of juliet's (0) or romeo's (1) host."""
        return {v: f"{NETS[v][number if self.kind == 'router' else 0]}{number + 1}" for v in (4, 6)}

    def _namespace(self, name):
        self.own.append(Namespace(name))
        self.own[-1].run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        run("ip", "-n", name, "link", "set", "lo", "up")
        return self.own[-1]

    def _address(self, host, link, addresses):
        run("ip", "-n", host.name, "link", "set", link, "up")
        for address in addresses:
            run("ip", "-n", host.name, "addr", "add", f"{address}/{64 if ':' in address else 24}", "dev", link, *(["nodad"] if ":" in address else []))

    def _cable(self, _):
        a, b = (h.name for h in self.hosts)
        run("ip", "-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b)
        self.wall = self.hosts[1]

    def _ports(self, name):
        self.wall = self._namespace(name)
        for number, host in enumerate(self.hosts):
            run("ip", "-n", name, "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", host.name)

    def _bridge(self, name):
        self._ports(name)
        run("ip", "-n", name, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        for number in range(2):
            run("ip", "-n", name, "link", "set", f"port{number}", "master", "br0", "up")
        # An address, as one has to reach it by: without a way the kernel sends no resets.
        self._address(self.wall, "br0", [f"{NETS[v][0]}254" for v in (4, 6)])

    def _router(self, name):
        self._ports(name)
        self.wall.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for number in range(2):
            self._address(self.wall, f"port{number}", [f"{NETS[v][number]}254" for v in (4, 6)])
        (self.folder / f"{name}.conf").write_text(AVAHI)
        self.avahi = Process(self.wall, self.folder / f"{name}.log", "sh", "-c", "mkdir -p /run/avahi-daemon && mount -t tmpfs avahi /run/avahi-daemon && "
                             f"exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f {self.folder / name}.conf")
        wait_for(lambda: "startup complete" in self.avahi.text(), 10, "avahi", self.avahi.alive)

    def close(self):
        if self.avahi:
            self.avahi.close()
            self.avahi = None
        for host in reversed(self.own):
            host.remove()
        self.own = []


def pairs(host, version=4):
    """What the kernel's set of serverless pairs holds: {(address, port)}."""
    done = host.run("nft", "list", "set", "inet", "xmppwall", f"serverless{version}", check=False)
    found = set()
    for part in done.stdout.partition("elements = {")[2].partition("}")[0].split(","):
        words = part.split()
        if len(words) >= 3 and words[1] == ".":
            found.add((words[0], int(words[2])))
    return found

