# SPDX-License-Identifier: BSD-2-Clause
"""DNS that is really signed: a root of the lab's own and zones below it, by Knot DNS; and what may stand between it and who asks.

    zones = Zones(namespace, folder, ["127.0.0.1"])
    zones.add("verona.example", ["_xmpp-server._tcp SRV 0 0 5269 xmpp", "xmpp A 198.51.100.10", tlsa("_5269._tcp.xmpp", leaf)])
    zones.add("plain.example", [...], signed=False)
    zones.start()                      # zones.anchors: a file for `anchor`; port 53 of the addresses is a resolver
    zones.change("verona.example", [...])

Names in records are relative to their zone. Each zone stands directly below the root, which says by signature which of them are signed."""
import contextlib
import hashlib
import pathlib
import socket
import struct
import subprocess
import threading
import time

from lab import Process, run, wait_for

SOA = "@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns\n"


def der_of(leaf, selector):
    """The whole certificate (0) or its public key (1) as bytes."""
    if selector == 0:
        return subprocess.run(["openssl", "x509", "-in", leaf, "-outform", "DER"], capture_output=True, check=True).stdout
    key = run("openssl", "x509", "-in", leaf, "-noout", "-pubkey").stdout
    return subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.encode(), capture_output=True, check=True).stdout


def tlsa(name, leaf, usage=3, selector=1, matching=1):
    """A TLSA record of a certificate in PEM; DANE-EE with the digest of the key unless told otherwise."""
    der = der_of(leaf, selector)
    data = der if matching == 0 else hashlib.new({1: "sha256", 2: "sha512"}[matching], der).digest()
    return f"{name} TLSA {usage} {selector} {matching} {data.hex()}"


class Zones:
    """Knot DNS in a namespace: the root and what was added, each in a file of the folder."""

    def __init__(self, namespace, folder, addresses, port=53):
        self.namespace, self.addresses, self.port = namespace, list(addresses), port
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.conf, self.anchors = self.folder / "knot.conf", self.folder / "root.key"
        self.zones = {}  # name -> (records, signed, trusted)
        self.serial = 1
        self.process = None

    def add(self, name, records=(), signed=True, trusted=True, nsec3=False):
        """trusted False: signed, but the root does not say so; "wrong": the root names another key."""
        assert not self.process
        self.zones[name] = [list(records), signed, trusted, nsec3]

    def _file(self, name):
        return self.folder / f"{name or 'root'}.zone"

    def _knot(self, program, *command, **kwargs):
        return self.namespace.run(program, "-c", self.conf, *command, **kwargs)

    def _write_conf(self):
        listen = ", ".join(f"{a}@{self.port}" for a in self.addresses)
        text = (f"server:\n    rundir: {self.folder}\n    listen: [ {listen} ]\n    udp-workers: 1\n    tcp-workers: 1\n"
                f"    background-workers: 1\nlog:\n  - target: stderr\n    any: warning\n"
                f"database:\n    storage: {self.folder}\ncontrol:\n    listen: {self.folder}/knot.sock\npolicy:\n")
        for nsec3 in ("off", "on"):
            text += (f"  - id: nsec3-{nsec3}\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n    manual: on\n"
                     f"    cds-cdnskey-publish: none\n    nsec3: {nsec3}\n")
        text += f"template:\n  - id: default\n    storage: {self.folder}\n    zonefile-sync: -1\n    zonefile-load: difference-no-serial\n"
        text += "    journal-content: all\nzone:\n"
        for name, (_, signed, _, nsec3) in {"": [[], True, True, False], **self.zones}.items():
            text += f"  - domain: {name}.\n    file: {self._file(name)}\n"
            if signed:
                text += f"    dnssec-signing: on\n    dnssec-policy: nsec3-{'on' if nsec3 else 'off'}\n"
        self.conf.write_text(text)

    def _write(self, name, records):
        self._file(name).write_text(f"$ORIGIN {name}.\n$TTL 60\n" + SOA + f"ns A {self._v4()}\n" + "\n".join(records) + "\n")

    def _v4(self):
        return next((a for a in self.addresses if ":" not in a), "127.0.0.1")

    def _ds(self, name):
        """The zone's DS record (SHA-256), without its owner."""
        lines = self._knot("keymgr", f"{name}.", "ds").stdout.splitlines()
        return next(line.split(" ", 1)[1] for line in lines if line.split()[4] == "2")

    def _delegations(self):
        for name, (_, signed, trusted, _) in self.zones.items():
            yield f"{name}. NS ns.{name}."
            yield f"ns.{name}. A {self._v4()}"
            if signed and trusted:
                tag, algorithm, kind, digest = self._ds(name).split()[1:]
                if trusted == "wrong":
                    digest = hashlib.sha256(digest.encode()).hexdigest()
                yield f"{name}. DS {tag} {algorithm} {kind} {digest}"

    def start(self):
        self._write_conf()
        for name, (records, signed, _, _) in {"": [[], True, True, False], **self.zones}.items():
            if signed:
                self._knot("keymgr", f"{name}.", "generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes")
            if name:
                self._write(name, records)
        self._file("").write_text("$ORIGIN .\n$TTL 60\n" + SOA + f"ns A {self._v4()}\n" + "\n".join(self._delegations()) + "\n")
        self.anchors.write_text(f"; the lab's root\n. {self._ds('')}\n")
        self.process = Process(self.namespace, self.folder / "knot.log", "knotd", "-c", self.conf)
        wait_for(lambda: all(self._serves(name) for name in ["", *self.zones]), 15, "the zones to be signed", self.process.alive)
        return self

    def _serves(self, name):
        done = self._knot("knotc", "zone-status", f"{name}.", check=False)
        return done.returncode == 0 and "serial: -" not in done.stdout and "serial: none" not in done.stdout

    def change(self, name, records):
        """Other records from now on; caches in between keep theirs for a minute."""
        self.zones[name][0] = list(records)
        self._write(name, records)
        self._knot("knotc", "-b", "zone-reload", f"{name}.")

    def close(self):
        if self.process:
            self.process.close()


def name_of(packet):
    """The name and type a packet asks for."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii", "replace").lower())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack_from("!H", packet, at + 1)[0]


class Between:
    """On the way to a resolver, by UDP: meddle(question, answer) gives what is sent on (None: nothing), after `delay` seconds."""

    def __init__(self, namespace, address, port, resolver):
        self.resolver, self.namespace = resolver, namespace
        self.meddle, self.delay, self.asked = lambda question, answer: answer, 0, []
        self.socket = namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.open = True
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while self.open:
            with contextlib.suppress(OSError):
                question, whence = self.socket.recvfrom(4096)
                if not self.open:
                    return
                self.asked.append(name_of(question))
                threading.Thread(target=self._answer, args=(question, whence), daemon=True).start()

    def _answer(self, question, whence):
        with contextlib.suppress(OSError), self.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(question, self.resolver)
            answer = self.meddle(question, s.recv(65535))
            time.sleep(self.delay)
            if answer is not None and self.open:
                self.socket.sendto(answer, whence)

    def close(self):
        self.open = False
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)
