# SPDX-License-Identifier: BSD-2-Clause
"""What holding costs who is honest: the same stanzas through the inspector and past it, by a real sender's TCP."""
import contextlib
import os
import socket
import statistics
import threading
import time

import pytest

from lab import wait_for
from wall import Wall

pytestmark = pytest.mark.alone

POLICY = """
service component { listen tcp { 5276 }; mode inspect; tls none; }
set words { type keyword; file "words.txt"; }
chain inbound { hook any; policy accept; rule spam { message body contains @words drop } }
"""
HEADER = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' {}>"
SERVER = "198.51.100.10"
PORTS = {"inspected": 5276, "plain": 5999}
ROUNDS = 3


class Sink:
    """Reads stanzas, and answers each with a short one."""

    def __init__(self, namespace, host, port):
        self.read = 0
        self.listener = namespace.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._read, args=(self.listener.accept()[0],), daemon=True).start()

    def _read(self, peer):
        tail, greeted = b"", False
        with contextlib.suppress(OSError), peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := peer.recv(65536):
                self.read += len(data)
                tail = (tail + data)[-65536:]
                if not greeted and b"</handshake>" in tail:
                    greeted = True
                    peer.sendall((HEADER.format("from='irc.example' id='1'") + "<handshake/>").encode())
                if tail.endswith(b"</message>"):
                    tail = b""
                    peer.sendall(b"<presence/>")

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def connect(lab, port, mss):
    s = lab.client.socket()
    if mss:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    s.settimeout(10)
    s.connect((SERVER, port))
    s.sendall((HEADER.format("to='irc.example'") + "<handshake>aa</handshake>").encode())
    hear(s, b"<handshake/>")
    return s


def hear(s, end):
    got = b""
    while not got.endswith(end):
        data = s.recv(65536)
        if not data:
            raise EOFError(got)
        got += data


def delay(lab, port, size, pieces, nodelay, mss):
    """Median milliseconds from the first write until the answer, the first stanza of each connection and the second."""
    body = b"<message from='a@irc.example' to='b@verona.example'><body>" + b"x " * ((size - 75) // 2) + b"</body></message>"
    step = -(-len(body) // (pieces or len(body)))
    first, second = [], []
    for _ in range(ROUNDS):
        with contextlib.closing(connect(lab, port, mss)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
            for times in (first, second):
                start = time.monotonic()
                for at in range(0, len(body), step):
                    s.sendall(body[at:at + step])
                hear(s, b"<presence/>")
                times.append((time.monotonic() - start) * 1000)
    return statistics.median(first), statistics.median(second)


@pytest.fixture(scope="module")
def wall(lab):
    made = Wall(lab, "delay")
    made.write(**{"xmppwall.conf": POLICY, "words.txt": "casino\n"})
    sinks = [Sink(lab.server, SERVER, port) for port in PORTS.values()]
    try:
        yield made.start()
    finally:
        made.close()
        for s in sinks:
            s.close()


# Size, how many writes (None: one a byte), without Nagle's algorithm?, the largest segment (0: the wire's).
PATTERNS = {
    f"{kib} KiB, {'a byte a write' if pieces is None else f'{pieces} writes'}, {'nodelay' if nodelay else 'Nagle'}, mss {mss or 1448}": (
        kib << 10, pieces, nodelay, mss)
    for mss in (0, 536) for kib in (1, 20, 100) for pieces, nodelay in ((1, 0), (2, 0), (2, 1), (None, 0), (None, 1))
    if pieces or kib < 100
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_delay(lab, wall, pattern):
    size, pieces, nodelay, mss = PATTERNS[pattern]
    pieces = size if pieces is None else pieces
    plain = delay(lab, PORTS["plain"], size, pieces, nodelay, mss)
    through = delay(lab, PORTS["inspected"], size, pieces, nodelay, mss)
    line = f"{pattern}: past {plain[0]:.1f} / {plain[1]:.1f} ms, through {through[0]:.1f} / {through[1]:.1f} ms"
    print(line)
    if where := os.environ.get("XMPPWALL_DELAYS"):
        with open(where, "a", encoding="utf-8") as out:
            print(line, file=out)
    assert through[0] - plain[0] < 150 and through[1] - plain[1] < 150, line


def test_loopback(lab, wall):
    """Segments there are as long as a packet can be, if nobody says otherwise."""
    sink = Sink(lab.firewall, "127.0.0.1", 5276)
    try:
        with contextlib.closing(lab.firewall.socket()) as s:
            s.settimeout(10)
            s.connect(("127.0.0.1", 5276))
            s.sendall((HEADER.format("to='irc.example'") + "<handshake>aa</handshake>").encode())
            hear(s, b"<handshake/>")
            before = sink.read
            text = (b"<message from='a@irc.example' to='b@verona.example'><body>" + b"x " * 4000 + b"garden</body></message>") * 20
            for _ in range(20):
                s.sendall(text)
            wait_for(lambda: sink.read == before + 20 * len(text), 10, "all of it")
    finally:
        sink.close()
