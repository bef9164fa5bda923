# SPDX-License-Identifier: BSD-2-Clause
"""A server of the tests' own making, at an address of the lab's net: it opens streams (Dialler) and takes them (Listener), shows what
certificate it is given, and says what it is told to, true or not."""
import contextlib
import re
import socket
import ssl
import threading
import xml.etree.ElementTree as ET

from federation import peer_address
from lab import LabError, wait_for
from raw import PROCEED, STARTTLS, RawClient

STREAMS, DIALBACK, SASL = "http://etherx.jabber.org/streams", "jabber:server:dialback", "urn:ietf:params:xml:ns:xmpp-sasl"
TLS_FEATURE = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
DIALBACK_FEATURE = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
EXTERNAL_FEATURE = f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
BIDI_FEATURE, BIDI = "<bidi xmlns='urn:xmpp:features:bidi'/>", "<bidi xmlns='urn:xmpp:bidi'/>"


def peer_domain(number, serial=None):
    """Known to the lab's name server by its address only. A new serial number each time: servers remember who failed."""
    return f"peer{number}.example" if serial is None else f"t{serial}.peer{number}.example"


def stream_header(sender=None, receiver=None, number=None, more=""):
    attributes = "".join(f" {name}='{value}'" for name, value in (("from", sender), ("to", receiver), ("id", number)) if value is not None)
    return (f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='{DIALBACK}' xmlns:stream='{STREAMS}' "
            f"version='1.0'{attributes}{more}>")


def result(sender, receiver, key="", kind=None, more=""):
    return element("result", sender, receiver, key, kind, more=more)


def verify(sender, receiver, number, key="", kind=None):
    return element("verify", sender, receiver, key, kind, number)


def element(name, sender, receiver, key="", kind=None, number=None, more=""):
    attributes = "".join(f" {k}='{v}'" for k, v in (("from", sender), ("to", receiver), ("type", kind), ("id", number)) if v is not None)
    return f"<db:{name}{attributes}>{key}{more}</db:{name}>" if key or more else f"<db:{name}{attributes}/>"


def message(sender, receiver, body, number):
    return f"<message from='{sender}' to='{receiver}' id='{number}' type='chat'><body>{body}</body></message>"


def context(certificate, listens, trust=None):
    """TLS that shows a certificate (None: none) and believes whatever it is shown; a listener asks for a certificate if it trusts anybody."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if listens else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if listens and trust:
        made.load_verify_locations(trust)
        made.verify_mode = ssl.CERT_OPTIONAL
    if certificate:
        made.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return made


class Dialler(RawClient):
    """A stream towards a side's server. me: who it says it is."""

    def __init__(self, side, me=None, to=None, number=101, certificate=None, version=4, port=5269, address=None):
        self.me, self.to, self.certificate, self.seen, self.id = me, to or side.domain(), certificate, b"", None
        self.socket = side.federation.net.connect(address or side.addresses[version == 6], port, source=peer_address(number, version))

    def open(self, **header):
        """A header and the features that come for it."""
        self.send(stream_header(header.get("sender", self.me), header.get("receiver", self.to)))
        self.features = self.read_until("</stream:features>|<stream:features/>")
        found = re.search(r"<stream:stream[^>]*\bid=['\"]([^'\"]*)", self.features)
        self.id = found[1] if found else None
        return self

    def wrap(self):
        self.socket.settimeout(10)
        self.socket = context(self.certificate, False).wrap_socket(self.socket, server_hostname=self.to)
        return self

    def starttls(self, **header):
        self.open(**header)
        self.send(STARTTLS)
        self.read_until("<proceed[^>]*>")
        return self.wrap()

    def secure(self, **header):
        """Through STARTTLS, up to the features behind it."""
        return self.starttls().open(**header)

    def external(self, authzid="="):
        """What is answered to SASL EXTERNAL; '=' is an empty authzid."""
        self.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{authzid}</auth>")
        return self.read_until("<success[^>]*>|</failure>|</stream:stream>")

    def dialback(self, sender=None, receiver=None, key=None, seconds=20):
        """The answer to a db:result: its type."""
        self.send(result(sender or self.me, receiver or self.to, key or f"key-of-{self.id}"))
        return self.answer(seconds)

    def answer(self, seconds=20):
        text = self.read_until(r"<db:result\b[^>]*?(/>|>.*?</db:result>)|</stream:stream>", seconds)
        found = re.search(r"<db:result\b[^>]*\btype=['\"](\w+)", text)
        return found[1] if found else text

    def end(self, seconds=10):
        """Everything until the other side hangs up."""
        return self.read_all(seconds)


class Taken:
    """One stream that a Listener took."""

    def __init__(self, listener, connection):
        self.listener, self.socket, self.id = listener, connection, f"{listener.domain}-{id(self):x}"
        self.secured, self.heard, self.raw = False, [], b""
        self.parser = self.fresh()

    @staticmethod
    def fresh():
        return ET.XMLPullParser(("start", "end"))

    def send(self, text):
        with contextlib.suppress(OSError):
            self.socket.sendall(text.encode())

    def run(self):
        depth = 0
        with contextlib.suppress(OSError, ET.ParseError):
            while chunk := self.socket.recv(65536):
                self.raw += chunk
                self.parser.feed(chunk)
                for event, found in self.parser.read_events():
                    depth += 1 if event == "start" else -1
                    if event == "start" and depth == 1:
                        self.header = dict(found.attrib)
                        self.listener.opened(self)
                    elif event == "end" and depth == 1:
                        self.heard.append(found)
                        if self.listener.hears(self, found):
                            self.parser, depth = self.fresh(), 0
                            break
        self.socket.close()

    def secure(self):
        self.socket = context(self.listener.certificate, True, self.listener.trust).wrap_socket(self.socket, server_side=True)
        self.secured = True

    def said(self, name):
        """Elements of that local name so far."""
        return [e for e in list(self.heard) if e.tag.rpartition("}")[2] == name]


class Listener:
    """Takes streams as a well-behaved server of a domain would, as far as its parts are not replaced:

        features(stream)      the text of the features
        judge(stream, e)      the type of the answer to a db:verify ("valid" to a key of its own)
        believe(stream, e)    the type of the answer to a db:result
    """

    def __init__(self, federation, number=101, domain=None, certificate=None, trust=None, direct=False, version=4, port=5269, tls=True):
        self.domain, self.address = domain or peer_domain(number), peer_address(number, version)
        self.certificate, self.trust, self.direct, self.tls = certificate, trust, direct, tls
        self.streams, self.asked = [], []
        self.listener = federation.net.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.address, port))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                stream = Taken(self, connection)
                self.streams.append(stream)
                threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream):
        with contextlib.suppress(OSError):
            if self.direct:
                stream.secure()
            stream.run()

    # ---- manners, to be replaced ----

    def opened(self, stream):
        stream.send(stream_header(self.domain, stream.header.get("from"), stream.id))
        stream.send(f"<stream:features>{self.features(stream)}</stream:features>")

    def features(self, stream):
        if self.tls and not stream.secured:
            return TLS_FEATURE
        return (EXTERNAL_FEATURE if self.trust and stream.secured and stream.socket.getpeercert() else "") + DIALBACK_FEATURE

    def judge(self, _stream, found):
        return "valid" if (found.text or "").startswith("key-of-") else "invalid"

    def believe(self, _stream, _found):
        return "valid"

    def hears_verify(self, stream, found):
        stream.send(verify(found.get("to"), found.get("from"), found.get("id"), kind=self.judge(stream, found)))

    def hears(self, stream, found):
        """True: the stream begins anew."""
        name = found.tag.rpartition("}")[2]
        sender, receiver, kind = found.get("from"), found.get("to"), found.get("type")
        if name == "starttls":
            stream.send(PROCEED)
            stream.secure()
            return True
        if name == "auth":
            stream.send(f"<success xmlns='{SASL}'/>")
            return True
        if name == "verify" and not kind:
            self.asked.append(found)
            self.hears_verify(stream, found)
        if name == "result" and not kind:
            stream.send(result(receiver, sender, kind=self.believe(stream, found)))
        return False

    # ---- what was seen ----

    def stanzas(self, name="message"):
        return [e for stream in list(self.streams) for e in stream.said(name)]

    def stanza(self, body, seconds=20):
        """The message with that body."""
        return wait_for(lambda: next((e for e in self.stanzas() if e.findtext("{*}body") == body), None), seconds,
                        f"a message saying {body!r} at {self.domain}; heard {[s.raw[-300:] for s in self.streams]}")

    def stream(self, seconds=20, condition=lambda stream: True):
        return wait_for(lambda: next((s for s in self.streams if condition(s)), None), seconds, f"a stream towards {self.domain}")

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for stream in self.streams:
            with contextlib.suppress(OSError):
                stream.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def refused(dialler, seconds=10):
    """The condition of the stream error that ends it; "" if it just ends."""
    try:
        text = dialler.end(seconds)
    except LabError as error:
        raise LabError(f"not refused: {error}") from None
    found = re.search(r"<stream:error[^>]*>\s*<([\w-]+)", text)
    return found[1] if found else ""
