# SPDX-License-Identifier: BSD-2-Clause
"""The ground under the wire tests and ./quickstart: three hosts as network namespaces, made and removed here.

    client  192.0.2.11 … .30            firewall         server  198.51.100.10, .20
            2001:db8:1:N::N, a /64 each ── .1 routes .1 ──       2001:db8:2::10, ::20

Nothing here knows XMPP. Processes are started by this module and ended by their own id or by their namespace."""
import contextlib
import ctypes
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = range(11, 31)
CLIENT_GATEWAY, SERVER_GATEWAY = ("192.0.2.1", "2001:db8:1::1"), ("198.51.100.1", "2001:db8:2::1")
_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
POLL_SECONDS = 0.02


class LabError(Exception):
    """Something the lab waited for did not come, or could not be set up."""


def wait_for(condition, seconds, what, alive=None):
    """Asks condition() until it gives something true, and gives that; alive() false ends the waiting early."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if alive and not alive():
            raise LabError(f"{what}: the process that should have brought it about has ended")
        if time.monotonic() > end:
            raise LabError(f"waited {seconds} s in vain for {what}")
        time.sleep(POLL_SECONDS)


def client_address(number, version=4):
    return f"192.0.2.{number}" if version == 4 else f"2001:db8:1:{number}::{number}"


def run(*command, check=True, text=None, timeout=60, environment=None):
    done = subprocess.run([str(c) for c in command], input=text, capture_output=True, text=True, timeout=timeout,
                          env=dict(os.environ, **environment) if environment else None)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done


class Namespace:
    """One host of the lab."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)

    def command(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, **kwargs):
        return run(*self.command(*command), **kwargs)

    def start(self, *command, **kwargs):
        """The program's own Popen: ip-netns-exec becomes it."""
        return subprocess.Popen(self.command(*command), **kwargs)

    def pids(self):
        return [int(p) for p in run("ip", "netns", "pids", self.name, check=False).stdout.split()]

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        """A socket of this host, usable from the test itself."""
        made = []

        def enter():
            with open(f"/run/netns/{self.name}") as place:
                if _libc.setns(place.fileno(), CLONE_NEWNET) == 0:
                    made.append(socket.socket(family, kind, protocol))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if not made:
            raise LabError(f"could not enter namespace {self.name}")
        return made[0]

    def connect(self, host, port, source=None, timeout=5):
        s = self.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        s.settimeout(timeout)
        if source:
            s.bind((source, 0))
        try:
            s.connect((host, port))
        except OSError:
            s.close()
            raise
        return s

    def listens(self, host, port):
        with contextlib.suppress(OSError):
            self.connect(host, port, timeout=1).close()
            return True
        return False

    def remove(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            with contextlib.suppress(LabError):
                wait_for(lambda: not self.pids(), 3, "processes to end")
                break
        run("ip", "netns", "del", self.name, check=False)


class Lab:
    """client — firewall — server, routed; a scratch folder; everything removed by close()."""

    def __init__(self, tag=None, folder=None):
        tag = tag or f"xw{os.getpid()}n{next(_numbers)}"
        self.tag = tag
        self.closers = []
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="xmppwall-lab-"))
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.namespaces = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.client, self.firewall, self.server = (self._namespace(self.tag + end, end == "-fw") for end in ("-client", "-fw", "-server"))
        self._wire()

    def _namespace(self, name, routes=False):
        made = Namespace(name)
        self.namespaces.append(made)
        for key in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1") if routes else ():
            made.run("sysctl", "-qw", key)
        for key in ("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0",
                    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"):
            made.run("sysctl", "-qw", key)
        run("ip", "-n", name, "link", "set", "lo", "up")
        return made

    def _wire(self):
        client, firewall, server = (n.name for n in (self.client, self.firewall, self.server))
        run("ip", "-n", firewall, "link", "add", "clients", "type", "veth", "peer", "name", "eth0", "netns", client)
        run("ip", "-n", firewall, "link", "add", "servers", "type", "veth", "peer", "name", "eth0", "netns", server)
        self._address(firewall, "clients", CLIENT_GATEWAY, 48)
        self._address(firewall, "servers", SERVER_GATEWAY)
        self._address(client, "eth0", [a for n in CLIENTS for a in (client_address(n), client_address(n, 6))], 48)
        self._address(server, "eth0", [a for n in (10, 20) for a in (f"198.51.100.{n}", f"2001:db8:2::{n}")])
        for name, gateway in ((client, CLIENT_GATEWAY), (server, SERVER_GATEWAY)):
            run("ip", "-n", name, "route", "add", "default", "via", gateway[0])
            run("ip", "-n", name, "-6", "route", "add", "default", "via", gateway[1])

    def _address(self, name, link, addresses, prefix6=64):
        lines = "".join(f"addr add {a}/{prefix6 if ':' in a else 24} dev {link}{' nodad' if ':' in a else ''}\n" for a in addresses)
        run("ip", "-n", name, "-batch", "-", text=lines + f"link set {link} up\n")

    def add(self, thing):
        """Closed before the namespaces go, the last added first."""
        self.closers.append(thing)
        return thing

    def close(self):
        for thing in reversed(self.closers):
            with contextlib.suppress(Exception):
                thing.close()
        self.closers.clear()
        for namespace in self.namespaces:
            namespace.remove()
        self.namespaces.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Process:
    """A program in a namespace with its output in a file, ended politely and then not."""

    def __init__(self, namespace, log, *command, **kwargs):
        self.log = pathlib.Path(log)
        self.sink = open(self.log, "ab")
        self.popen = namespace.start(*command, stdout=self.sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **kwargs)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def text(self):
        return self.log.read_text(errors="replace")

    def kill(self, number=signal.SIGKILL):
        if self.alive():
            self.popen.send_signal(number)

    def close(self, seconds=5):
        self.kill(signal.SIGTERM)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self.popen.wait()
        self.sink.close()


class Authority:
    """A certificate authority of the lab's own, and leaves by it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "ca.crt"
        run("openssl", "req", "-x509", *self._key(self.folder / "ca.key"), "-days", "30", "-out", self.file, "-subj",
            "/CN=xmppwall lab CA", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")

    @staticmethod
    def _key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    def issue(self, domain, where, organisation="lab"):
        """DOMAIN.crt (full chain) and DOMAIN.key in a folder, for the domain and everything one level below it."""
        where = pathlib.Path(where)
        where.mkdir(parents=True, exist_ok=True)
        request, leaf = where / f"{domain}.csr", where / f"{domain}.crt"
        run("openssl", "req", *self._key(where / f"{domain}.key"), "-out", request, "-subj", f"/O={organisation}/CN={domain}",
            "-addext", f"subjectAltName=DNS:{domain},DNS:*.{domain}")
        run("openssl", "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.folder / "ca.key", "-CAcreateserial",
            "-days", "30", "-copy_extensions", "copy", "-out", leaf)
        leaf.write_text(leaf.read_text() + self.file.read_text())
        request.unlink()
        (where / f"{domain}.key").chmod(0o644)
        return leaf
