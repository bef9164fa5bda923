#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the captures of this folder anew: `make.py FOLDER [NAME...]` (root; Debian's prosody, ejabberd, slixmpp, tcpdump, dnsmasq-base,
ethtool; for bonjour finch, avahi-daemon, dbus and libglib2.0-bin).

Real servers and clients in network namespaces made here, their packets as tcpdump saw them on the wire between them. There is
nothing in it but the lab's own names, addresses and passwords."""
import contextlib
import pathlib
import signal
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

import bonjour  # noqa: E402
import conversations  # noqa: E402
import record  # noqa: E402
from lab import Authority, Lab, wait_for  # noqa: E402

LAST_WORD = b"the last packet of this capture"


@contextlib.contextmanager
def seen(host, link, path, what):
    """What passes a link of a host. The end is a packet of our own, which is not in the capture."""
    dump = host.start("tcpdump", "-Z", "root", "-U", "--immediate-mode", "-n", "-i", link, "-w", path, f"({what}) or udp port 9")
    try:
        wait_for(path.exists, 10, "tcpdump to begin", lambda: dump.poll() is None)
        yield
        host.run("python3", "-c", f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(1, 25, b'{link}\\0'); "
                 f"s.setsockopt(1, 6, 1); s.sendto({LAST_WORD!r}, ('255.255.255.255', 9))")
        wait_for(lambda: LAST_WORD in path.read_bytes(), 10, "tcpdump to write it all")
    finally:
        dump.send_signal(signal.SIGINT)
        dump.wait(10)
    data, at = path.read_bytes(), 24
    kept = [data[:24]]
    while at < len(data):
        length = 16 + struct.unpack_from("<I", data, at + 8)[0]
        if LAST_WORD not in data[at:at + length]:
            kept.append(data[at:at + length])
        at += length
    path.write_bytes(b"".join(kept))


def no_offloads(lab):
    """Packets as a wire has them: checksums right, none longer than the link takes."""
    for host, link in ((lab.client, "eth0"), (lab.firewall, "clients"), (lab.firewall, "servers"), (lab.server, "eth0")):
        host.run("ethtool", "-K", link, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")


@contextlib.contextmanager
def lab_with(kind, domain, last):
    with Lab() as lab:
        lab.authority = Authority(lab.folder / "ca")
        leaf = lab.authority.issue(domain, lab.folder / "leaves")
        yield lab, lab.add(kind(lab, lab.server, domain, [f"198.51.100.{last}", f"2001:db8:2::{last}"], leaf, record.USERS))


def make_talk(path, kind, domain, last):
    with lab_with(kind, domain, last) as (lab, server):
        record.record(lab, server, path)


def make_with(talk, path, kind, domain, last, what):
    with lab_with(kind, domain, last) as (lab, server):
        no_offloads(lab)
        with seen(lab.client, "eth0", path, what):
            talk(lab, server)


def make_dialback(path):
    """Prosody in the client's place, ejabberd in the server's; one calls the other by IPv4 and is called by IPv6."""
    with Lab() as lab:
        lab.authority = Authority(lab.folder / "ca")
        no_offloads(lab)
        for host in (lab.client, lab.server):
            conversations.name_server(lab, host, {"verona.example": "2001:db8:1:11::11", "mantua.example": "198.51.100.20"})
        prosody = lab.add(conversations.S2sProsody(lab, lab.client, "verona.example", ["192.0.2.11", "2001:db8:1:11::11"],
                                                   lab.authority.issue("verona.example", lab.folder / "leaves"), record.USERS))
        ejabberd = lab.add(conversations.S2sEjabberd(lab, lab.server, "mantua.example", ["198.51.100.20", "2001:db8:2::20"],
                                                     lab.authority.issue("mantua.example", lab.folder / "leaves"), record.USERS))
        with seen(lab.firewall, "servers", path, "tcp port 5269"):
            conversations.dialback(lab, prosody, ejabberd)
            # Whoever closes first says so to the other: the streams end before the capture does.
            prosody.close()
            ejabberd.close()


def make_bonjour(path, version):
    with Lab() as lab:
        cable = lab.add(Ended(bonjour.Cable(lab.tag, lab.folder, version))).thing
        with seen(cable.people[0].host, "eth0", path, "tcp or udp port 5353"):
            bonjour.talk(cable)


class Ended:
    def __init__(self, thing):
        self.thing = thing

    def close(self):
        self.thing.end()


PROSODY, EJABBERD = ("verona.example", 10), ("mantua.example", 20)
CAPTURES = {
    "prosody": lambda p: make_talk(p, record.ClearProsody, *PROSODY),
    "ejabberd": lambda p: make_talk(p, record.ClearEjabberd, *EJABBERD),
    "management-prosody": lambda p: make_with(conversations.managed, p, conversations.PlainProsody, *PROSODY, "tcp port 5222"),
    "management-ejabberd": lambda p: make_with(conversations.managed, p, record.ClearEjabberd, *EJABBERD, "tcp port 5222"),
    "bosh-prosody": lambda p: make_with(conversations.bosh, p, conversations.BoshProsody, *PROSODY, "tcp port 5280"),
    "bosh-ejabberd": lambda p: make_with(conversations.bosh, p, conversations.BoshEjabberd, *EJABBERD, "tcp port 5280"),
    "dialback": make_dialback,
    "bonjour-ipv4": lambda p: make_bonjour(p, 4),
    "bonjour-ipv6": lambda p: make_bonjour(p, 6),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for name in sys.argv[2:] or CAPTURES:
        path = folder / f"{name}.pcap"
        path.unlink(missing_ok=True)
        CAPTURES[name](path)
        print(f"{path.name}: {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
