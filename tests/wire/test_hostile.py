# SPDX-License-Identifier: BSD-2-Clause
"""Peers that lie: each gets the stream error its RFC names, none gets further."""
import re

import pytest

from lab import LabError, wait_for
from raw import STARTTLS, RawClient, header

# name, bytes instead of (or after) the header, the condition: RFC 6120 4.9.3 and 11
BEFORE_TLS = [
    ("utf-16-le", header("verona.example").encode("utf-16"), "unsupported-encoding"),
    ("utf-16-be", b"\xfe\xff" + header("verona.example").encode("utf-16-be"), "unsupported-encoding"),
    ("utf-8-bom", b"\xef\xbb\xbf" + header("verona.example").encode(), "unsupported-encoding"),
    ("latin-1", header("verona.example", "<?xml version='1.0' encoding='ISO-8859-1'?>").encode(), "unsupported-encoding"),
    ("xml-1.1", header("verona.example", "<?xml version='1.1'?>").encode(), "unsupported-version"),
    ("doctype", b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]>" + header("verona.example", "").encode(), "restricted-xml"),
    ("comment", b"<!-- hello -->" + header("verona.example", "").encode(), "restricted-xml"),
    ("other-root", b"<html xmlns='http://www.w3.org/1999/xhtml'>", "bad-format|invalid-namespace"),
    ("wrong-namespace", header("verona.example").replace("etherx.jabber.org/streams", "example.org/").encode(), "invalid-namespace|bad-namespace-prefix"),
    ("overlong-header", ("<stream:stream " + "a" * 200000).encode(), "policy-violation"),
    ("stanza-first", (header("verona.example") + "<message to='juliet@verona.example'><body>x</body></message>").encode(),
     "not-authorized|policy-violation"),
]
AFTER_LOGIN = [
    ("comment", "<message to='juliet@{0}'><body>a<!-- -->b</body></message>", "restricted-xml"),
    ("processing-instruction", "<message to='juliet@{0}'><?php x?></message>", "restricted-xml"),
    ("entity", "<message to='juliet@{0}'><body>&lol;</body></message>", "restricted-xml|not-well-formed"),
    ("mismatched-tags", "<message to='juliet@{0}'><body>x</message></body>", "not-well-formed"),
    ("text-between", "junk<message to='juliet@{0}'><body>x</body></message>", "bad-format|not-well-formed"),
    ("bad-utf-8", b"<message><body>\xc0\xaf</body></message>", "not-well-formed|bad-format|unsupported-encoding"),
    ("surrogate", b"<message><body>\xed\xa0\x80</body></message>", "not-well-formed|bad-format|unsupported-encoding"),
    ("depth", "<message>" + "<x>" * 5000, "policy-violation"),
    ("attributes", "<message " + " ".join(f"a{n}='1'" for n in range(5000)) + "/>", "policy-violation"),
    ("over-long", "<message><body>" + "x" * 3_000_000, "policy-violation"),
    ("unbound-prefix", "<z:message/>", "bad-namespace-prefix|not-well-formed"),
]


def ids(cases):
    return [case[0] for case in cases]


@pytest.mark.parametrize("name,data,condition", BEFORE_TLS, ids=ids(BEFORE_TLS))
def test_bad_bytes_before_tls(lab, prosody, wall, name, data, condition):
    with RawClient(lab, prosody) as raw:
        raw.send(data)
        answer = raw.read_all()
    assert re.search(f"<(?:{condition})[ /]", answer), answer
    assert "<stream:stream" in answer.split("<stream:error")[0], "an error needs a header before it"
    assert answer.rstrip().endswith("</stream:stream>")


@pytest.mark.parametrize("name,data,condition", AFTER_LOGIN, ids=ids(AFTER_LOGIN))
def test_bad_bytes_after_login(lab, prosody, user, wall, name, data, condition):
    juliet = user("juliet", prosody, 11)
    juliet.mark()
    with RawClient(lab, prosody).login() as raw:
        raw.send(data if isinstance(data, bytes) else data.format(prosody.domain))
        answer = raw.read_all(20)
    assert re.search(f"<(?:{condition})[ /]", answer), answer
    assert juliet.alive() and not juliet.saw("mercutio@")


def test_the_utf16_session(lab, prosody, wall):
    """Both servers take a whole session in UTF-16; behind the firewall even its restart after TLS is refused."""
    with RawClient(lab, prosody).starttls() as raw:
        raw.send(header(prosody.domain).encode("utf-16"))
        assert "unsupported-encoding" in raw.read_all()


def test_disguised_stanzas_are_judged(lab, server, user, wall):
    """Prefixes, foreign quotes and spaces do not make a stanza something else."""
    juliet = user("juliet", server, 11)
    with RawClient(lab, server).login() as raw:
        juliet.mark()
        for stanza in (f"<z:message xmlns:z='jabber:client' to='{juliet.jid}' type='chat'><z:body>casino bonus 1</z:body></z:message>",
                       f"<message\n\tto=\"{juliet.jid}\"\r\n type = 'chat' ><body>casino\nbonus 2</body></message >",
                       f"<message xmlns='jabber:client' to='{juliet.jid}' type='chat'><body xml:lang='x'>casino <![CDATA[bonus]]> 3</body></message>"):
            raw.send(stanza)
        raw.send(f"<message to='{juliet.jid}' type='chat'><body>marker</body></message>")
        juliet.body("marker")
        assert not juliet.saw("casino")


def test_stanza_byte_by_byte(lab, server, user, wall):
    juliet = user("juliet", server, 11)
    with RawClient(lab, server).login() as raw:
        for byte in f"<message to='{juliet.jid}' type='chat'><body>slow \U0001f339 &amp; steady</body></message>".encode():
            raw.send(bytes([byte]))
        juliet.body("slow \U0001f339 & steady")


def test_injection_behind_starttls_of_the_client(lab, prosody, user, wall):
    """RFC 6120 5.4.3.3 and CVE-2011-0411: clear text after <starttls/> is never part of the encrypted stream."""
    juliet = user("juliet", prosody, 11)
    juliet.mark()
    with RawClient(lab, prosody).open() as raw:
        raw.send(STARTTLS + header(prosody.domain) + f"<message to='{juliet.jid}'><body>injected</body></message>")
        with pytest.raises((LabError, OSError)):
            raw.read_until("<proceed[^>]*>", 5)
            raw.wrap()
            raw.send(header(prosody.domain))
            raw.read_until("</stream:features>")
    assert not juliet.saw("injected")


def test_client_hello_right_behind_starttls(lab, prosody, wall):
    """XEP-0305: a pipelined ClientHello is part of the handshake, not lost and not an injection."""
    with RawClient(lab, prosody).open() as raw:
        hands = Hands(lab, prosody)
        raw.send(STARTTLS.encode() + hands.hello)
        raw.read_until("<proceed[^>]*>")
        assert hands.shake(raw.socket, raw.seen) in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize("cut", ["bytes", "records"])
@pytest.mark.parametrize("direct", [True, False])
def test_client_hello_in_pieces(lab, prosody, wall, direct, cut):
    """RFC 8446 5.1: a hello may come in several records, and each of them in any pieces."""
    hands = Hands(lab, prosody)
    body = hands.hello[5:]
    pieces = [bytes([b]) for b in hands.hello] if cut == "bytes" else \
        [b"\x16\x03\x01" + len(body[at:at + 50]).to_bytes(2, "big") + body[at:at + 50] for at in range(0, len(body), 50)]
    with lab.client.connect(prosody.addresses[4], 5223) if direct else RawClient(lab, prosody).open() as peer:
        socket = peer if direct else peer.socket
        if not direct:
            peer.send(STARTTLS)
            peer.read_until("<proceed[^>]*>")
        for piece in pieces:
            socket.sendall(piece)
        assert hands.shake(socket) in ("TLSv1.2", "TLSv1.3")


class Hands:
    """A TLS handshake whose bytes are in the test's hands; hello: its first ones."""

    def __init__(self, lab, server):
        import ssl
        self.unfinished = ssl.SSLWantReadError
        context = ssl.create_default_context(cafile=str(lab.authority.file))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=server.domain)
        with pytest.raises(self.unfinished):
            self.tls.do_handshake()
        self.hello = self.outgoing.read()

    def shake(self, socket, data=b""):
        """To its end; the version."""
        while True:
            self.incoming.write(data)
            try:
                self.tls.do_handshake()
                return self.tls.version()
            except self.unfinished:
                socket.sendall(self.outgoing.read()) if self.outgoing.pending else None
                data = socket.recv(65536)
                assert data, "closed in the middle of the handshake"


def test_only_starttls_before_tls(lab, prosody, wall):
    with RawClient(lab, prosody) as raw:
        raw.send(header(prosody.domain))
        features = raw.read_until("</stream:features>")
        assert "<required" in features and "mechanism" not in features
        raw.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
        answer = raw.read_all()
    assert "<success" not in answer and ("stream:error" in answer or "<failure" in answer)


def test_no_channel_binding_is_offered(lab, server, wall):
    with RawClient(lab, server).starttls() as raw:
        raw.send(header(server.domain))
        features = raw.read_until("</stream:features>")
    assert "SCRAM-SHA-1" in features and "-PLUS" not in features and "compression" not in features


def test_not_xmpp_at_all(lab, prosody, wall):
    for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0\0\0\0", b"SSH-2.0-OpenSSH_9.2\r\n"):
        with RawClient(lab, prosody) as raw:
            raw.send(noise)
            assert "features" not in raw.read_all()


def test_unknown_domain(lab, prosody, wall):
    with RawClient(lab, prosody) as raw:
        raw.send(header("nowhere.example"))
        answer = raw.read_until("</stream:(features|stream)>")
        assert "host-unknown" in answer or "starttls" in answer


def test_worker_survives_all_of_it(prosody, user, wall):
    """The last of this file: the same process has served every case above."""
    user("juliet", prosody, 11)
    wait_for(lambda: wall.proxies(), 1, "a worker")
    assert "ended" not in "".join(wall.ctl("status")["attention"]).lower()
