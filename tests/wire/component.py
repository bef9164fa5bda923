# SPDX-License-Identifier: BSD-2-Clause
"""An external component (XEP-0114) in clear text over a plain socket, and a server of the least kind that takes one."""
import contextlib
import hashlib
import re
import socket
import threading

from lab import LabError, wait_for

HEADER = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' {}>"


class Component:
    """Logged in; got: what the server said."""

    def __init__(self, namespace, host, name, secret, port=5347, source=None):
        self.name, self.got, self.error = name, b"", None
        self.socket = namespace.connect(host, port, source=source)
        self.socket.settimeout(None)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        self.send(HEADER.format(f"to='{name}'"))
        identity = wait_for(lambda: re.search(rb"<stream:stream[^>]* id=['\"]([^'\"]+)", self.got), 10, "the server's header")
        self.send(f"<handshake>{hashlib.sha1(identity.group(1) + secret.encode()).hexdigest()}</handshake>")
        wait_for(lambda: re.search(rb"<handshake ?/>", self.got), 10, "the handshake's answer")

    def _read(self):
        try:
            while data := self.socket.recv(65536):
                self.got += data
            self.error = EOFError()
        except OSError as error:
            self.error = error

    def send(self, text):
        self.socket.sendall(text.encode())

    def say(self, to, body):
        self.send(f"<message from='desk@{self.name}' to='{to}' type='chat'><body>{body}</body></message>")

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Hall:
    """Takes every component, and remembers all they say after the handshake."""

    def __init__(self, namespace, host, port=5347):
        self.listener = namespace.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(8)
        self.said, self.peers = b"", []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer = self.listener.accept()[0]
                self.peers.append(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with contextlib.suppress(OSError, LabError):
            self._until(peer, b"'>")
            peer.sendall(HEADER.format("from='hall' id='1'").encode())
            self._until(peer, b"</handshake>")
            peer.sendall(b"<handshake/>")
            while data := peer.recv(65536):
                self.said += data

    @staticmethod
    def _until(peer, end):
        got = b""
        while end not in got:
            data = peer.recv(65536)
            if not data:
                raise LabError("the component went away")
            got += data

    def close(self):
        for s in (self.listener, *self.peers):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
