# SPDX-License-Identifier: BSD-2-Clause
"""A server that says whatever a test wants, on as many connections as come, and the honest steps between the lies."""
import contextlib
import socket
import ssl
import struct
import threading
import types

from raw import PROCEED, RawClient

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
          "id='liar' from='verona.example' version='1.0'>")
STARTTLS_ONLY = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
PLAIN = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>"
BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AG1lcmN1dGlvAHF1ZWVuLW1hYg==</auth>"
BIND_REQUEST = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"

VERONA = types.SimpleNamespace(domain="verona.example", addresses={4: "198.51.100.10"}, users={"mercutio": "queen-mab"})
# 5222 reaches a liar by STARTTLS, 5322 another in clear text; all times are short.
TRAP = """
service c2s {
    listen tcp { 5222, 5223 };
    tls required; certificates "certs"; intercept tproxy;
    upstream 198.51.100.10:7777 starttls; verify off;
}
service clear {
    listen tcp { 5322 }; role c2s;
    tls required; certificates "certs"; intercept tproxy;
    upstream 198.51.100.10:7777 plain;
    sessions-per-address 40;
}
service open {
    listen tcp { 5422 }; role c2s;
    tls optional; certificates "certs"; intercept tproxy;
    upstream 198.51.100.10:7777 plain;
}
service strict {
    listen tcp { 5522 }; role c2s;
    tls required; certificates "certs"; intercept tproxy;
    upstream 198.51.100.10:7777 starttls;
}
timeouts { handshake 2s; login 4s; connect 2s; close 1s; stanza 1s; idle 6s; }
set words { type keyword; elements = { "casino" }; }
chain inbound {
    hook any; policy accept;
    rule shut  { message body contains "guillotine" close policy-violation "enough" }
    rule jid   { message body contains "whoami" and not session.jid == "mercutio@verona.example/raw" reject forbidden }
    rule spam  { text contains @words reject policy-violation }
}
"""


def reset(connection):
    """RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Connection(RawClient):
    """The same bare bytes from the server's end: what a test's talk(connection) gets."""

    def __init__(self, lab, accepted):
        self.lab, self.socket, self.seen = lab, accepted, b""
        self.heard = ""  # after login, where the server keeps it

    def greet(self, features):
        self.read_until("<stream:stream[^>]*>")
        self.send(f"{HEADER}<stream:features>{features}</stream:features>")

    def wrap(self, leaf=None):
        leaf = leaf or self.lab.folder / "leaves" / "verona.example.crt"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf, leaf.with_suffix(".key"))
        self.socket.settimeout(10)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        return self

    def secure(self, leaf=None):
        self.greet(STARTTLS_ONLY)
        self.read_until("<starttls[^>]*>")
        self.send(PROCEED)
        return self.wrap(leaf)

    def accept_login(self, features=PLAIN, jid="mercutio@verona.example/raw"):
        self.greet(features)
        self.read_until("</auth>|</authenticate>")
        self.send(SUCCESS)
        self.greet(BIND)
        request = self.read_until("</iq>")
        number = request.split('id="')[1].split('"')[0]
        self.send(f"<iq type='result' id='{number}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{jid}</jid></bind></iq>")
        return self


class LyingServer:
    """talk(connection) runs once for each connection, on a thread of its own."""

    def __init__(self, lab, talk, address="198.51.100.10", port=7777):
        self.lab, self.talk, self.connections = lab, talk, []
        self.listener = lab.server.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(512)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self.listener.accept()
                accepted.settimeout(15)
                self.connections.append(Connection(self.lab, accepted))
                threading.Thread(target=self._talk, args=(self.connections[-1],), daemon=True).start()

    def _talk(self, connection):
        """What the firewall does to a liar is the test's business; that it hangs up is not an error here."""
        with contextlib.suppress(Exception):
            self.talk(connection)
        connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
