# SPDX-License-Identifier: BSD-2-Clause
"""An XMPP client of bare bytes, for what no library would send, and a server of bare bytes for what no server would."""
import base64
import contextlib
import re
import socket
import ssl
import threading
import time

from lab import LabError

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def header(domain, prefix="<?xml version='1.0'?>"):
    return (f"{prefix}<stream:stream to='{domain}' version='1.0' xml:lang='en' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>")


class RawClient:
    def __init__(self, lab, server, source="192.0.2.20", port=5222, version=4, address=None):
        self.lab, self.server = lab, server
        self.socket = lab.client.connect(address or server.addresses[version], port, source=source)
        self.seen = b""

    def send(self, data):
        """Sends what the peer still takes; a peer that hangs up in between is seen by what follows."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def read_until(self, pattern, seconds=10):
        """Everything up to and with the pattern; LabError if the peer closes or stays silent."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern.encode(), self.seen, re.S)):
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                chunk = self.socket.recv(65536)
            except (OSError, ssl.SSLError) as error:
                raise LabError(f"no {pattern!r} but {error}; seen {self.seen[-400:]!r}") from None
            if not chunk:
                raise LabError(f"closed before {pattern!r}; seen {self.seen[-400:]!r}")
            self.seen += chunk
        text, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return text.decode(errors="replace")

    def read_all(self, seconds=10):
        """Everything until the peer closes; LabError if it does not."""
        end = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                chunk = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                chunk = b""
            except OSError:
                raise LabError(f"the connection stays open; seen {self.seen[-400:]!r}") from None
            if not chunk:
                return self.seen.decode(errors="replace")
            self.seen += chunk

    def open(self):
        self.send(header(self.server.domain))
        self.features = self.read_until("</stream:features>")
        return self

    def wrap(self):
        context = ssl.create_default_context(cafile=str(self.lab.authority.file))
        self.socket.settimeout(10)
        self.socket = context.wrap_socket(self.socket, server_hostname=self.server.domain)
        return self

    def starttls(self):
        self.open()
        self.send(STARTTLS)
        self.read_until("<proceed[^>]*>")
        return self.wrap()

    def login(self, user="mercutio", resource=""):
        """Through TLS, SASL PLAIN and bind."""
        self.starttls().open()
        token = base64.b64encode(f"\0{user}\0{self.server.users[user]}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        self.read_until("<success[^>]*/?>")
        self.open()
        wanted = f"<resource>{resource}</resource>" if resource else ""
        self.send(f"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wanted}</bind></iq>")
        self.read_until("</iq>")
        return self

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RawServer:
    """Listens in the server namespace and plays a script: (wait for this pattern, then send that), then reads on."""

    def __init__(self, lab, script, address="198.51.100.10", port=7777):
        self.address, self.port, self.script, self.seen = address, port, script, b""
        self.listener = lab.server.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen()
        self.listener.settimeout(30)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            connection, _ = self.listener.accept()
            with connection:
                connection.settimeout(15)
                steps = list(self.script)
                while chunk := connection.recv(65536):
                    self.seen += chunk
                    while steps and re.search(steps[0][0].encode(), self.seen):
                        connection.sendall(steps.pop(0)[1].encode())

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self.listener.close()
        self.thread.join(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
