# SPDX-License-Identifier: BSD-2-Clause
"""Attacks on the proxy itself, from both ends and at every moment: each ends with its RFC's stream error, a counter and
an event, or with nothing at all; the process stays the same one, and no socket outlives its session."""
import contextlib
import os
import pathlib
import re
import resource
import socket
import ssl
import subprocess
import threading
import time

import pytest

from lab import wait_for
from liar import (AUTH, BIND, BIND_REQUEST, HEADER, PLAIN, STARTTLS_ONLY, SUCCESS, TRAP, VERONA, LyingServer, reset)
from raw import PROCEED, STARTTLS, RawClient, header
from wall import Wall


@pytest.fixture(scope="module")
def trap(lab, leaves):
    made = Wall(lab, "trap")
    made.write(**{"xmppwall.conf": TRAP})
    for leaf in leaves:
        made.certificate(leaf)
    try:
        yield made.start()
        process = made.process
    finally:
        made.close()
    assert not re.search("ERROR: .*Sanitizer|runtime error|Assertion", process.text())


def counter(wall, name):
    return wall.ctl("status")["counters"].get(name, 0)


@pytest.fixture
def dial(lab, trap):
    """dial(port): a raw client of the trap; closed with its test."""
    made = []

    def make(port=5322, **keywords):
        made.append(RawClient(lab, VERONA, port=port, **keywords))
        return made[-1]

    yield make
    for raw in made:
        raw.close()


def refused(raw, condition, seconds=10):
    """The peer's last words: a header, the stream error, the stream's end (RFC 6120 4.9.1)."""
    answer = raw.read_all(seconds)
    assert re.search(f"<stream:error><(?:{condition})[ /]", answer), answer
    assert answer.count("<stream:error") == 1 and answer.endswith("</stream:stream>"), answer
    return answer


def dead(trap, seconds=6):
    """Nothing of it is left: no session, no socket."""
    wait_for(lambda: not trap.sessions(), seconds, "the session to be gone")


# ---- what a server may do before it is one ----

def say(*texts, then=None):
    def talk(c):
        for text in texts:
            if isinstance(text, float):
                time.sleep(text)
            elif text.startswith("until "):
                c.read_until(text[6:])
            else:
                c.send(text)
        if then:
            then(c)
        else:
            c.read_all(15)
    return talk


OFFER = f"{HEADER}<stream:features>{STARTTLS_ONLY}</stream:features>"
HEAD, TLS = "until <stream:stream[^>]*>", "until <starttls[^>]*>"


def drip(text, step):
    def talk(c):
        c.read_until("<stream:stream[^>]*>")
        for n in range(0, len(text), step):
            c.socket.sendall(text[n:n + step].encode())
            time.sleep(0.1)
    return talk


CONNECTION_FAILED = "remote-connection-failed"
BEFORE_TLS = [
    ("closes-at-once", lambda c: c.close(), CONNECTION_FAILED),
    ("resets-at-once", lambda c: reset(c.socket), CONNECTION_FAILED),
    ("never-answers", say(), CONNECTION_FAILED),
    ("header-and-silence", say(HEAD, HEADER), CONNECTION_FAILED),
    ("features-and-silence", say(HEAD, OFFER), CONNECTION_FAILED),
    ("proceed-and-silence", say(HEAD, OFFER, TLS, PROCEED), CONNECTION_FAILED),
    ("drips-for-ever", drip(HEADER + " " * 500, 1), CONNECTION_FAILED),
    ("closes-after-header", say(HEAD, HEADER, then=lambda c: c.close()), CONNECTION_FAILED),
    ("closes-after-proceed", say(HEAD, OFFER, TLS, PROCEED, then=lambda c: c.close()), CONNECTION_FAILED),
    ("resets-after-proceed", say(HEAD, OFFER, TLS, PROCEED, then=lambda c: reset(c.socket)), CONNECTION_FAILED),
    ("clear-text-as-tls", say(HEAD, OFFER, TLS, PROCEED, 0.3, HEADER), CONNECTION_FAILED),
    ("failure-for-proceed", say(HEAD, OFFER, TLS, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"),
     CONNECTION_FAILED),
    ("proceed-of-another-namespace", say(HEAD, OFFER, TLS, "<proceed xmlns='urn:example'/>"), CONNECTION_FAILED),
    ("error-and-end", say(HEAD, HEADER + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"),
     CONNECTION_FAILED),
    ("another-content-namespace", say(HEAD, OFFER.replace("jabber:client", "jabber:server")), CONNECTION_FAILED),
    ("stanza-first", say(HEAD, HEADER + "<message><body>x</body></message>"), CONNECTION_FAILED),
    ("features-first", say(HEAD, f"<stream:features xmlns:stream='http://etherx.jabber.org/streams'>{STARTTLS_ONLY}</stream:features>"),
     "internal-server-error|remote-connection-failed"),
    ("end-first", say(HEAD, HEADER + "</stream:stream>"), CONNECTION_FAILED),
    ("http", say(HEAD, "HTTP/1.1 400 Bad Request\r\n\r\n"), "internal-server-error|remote-connection-failed"),
    ("doctype", say(HEAD, "<!DOCTYPE x>" + OFFER), "internal-server-error|remote-connection-failed"),
    ("endless-header", say(HEAD, "<stream:stream " + "a" * 300_000), "internal-server-error|remote-connection-failed"),
    ("endless-features", say(HEAD, HEADER + "<stream:features>" + "<x/>" * 300_000), "internal-server-error|remote-connection-failed"),
]


@pytest.mark.parametrize("name,talk,condition", BEFORE_TLS, ids=[c[0] for c in BEFORE_TLS])
def test_server_before_tls(lab, trap, dial, name, talk, condition):
    with LyingServer(lab, talk):
        raw = dial(5222).starttls()
        raw.send(header("verona.example"))
        refused(raw, condition, 6)
        dead(trap)


def test_long_features_pass(lab, dial):
    """A server of today offers more than a stranger may say before the login."""
    many = "".join(f"<mechanism>SCRAM-SHA-{n}</mechanism>" for n in range(300))
    features = PLAIN.replace("<mechanism>", many + "<mechanism>", 1) + f"<x xmlns='urn:x'>{'x' * 20000}</x>"
    with LyingServer(lab, lambda c: c.greet(features) or c.read_all()):
        raw = dial().starttls()
        raw.send(header("verona.example"))
        assert "SCRAM-SHA-299" in raw.read_until("</stream:features>")


def loggedin(*texts, then=None):
    def talk(c):
        c.accept_login()
        say(*texts, then=then)(c)
    return talk


BAD_SERVER = "internal-server-error"
AT_LOGIN = [
    ("success-unasked", say(HEAD, f"{HEADER}<stream:features>{PLAIN}</stream:features>{SUCCESS}"), BAD_SERVER),
    ("proceed-inside-tls", say(HEAD, f"{HEADER}<stream:features>{PLAIN}</stream:features>{PROCEED}"), BAD_SERVER),
    ("compressed-unasked", say(HEAD, f"{HEADER}<stream:features>{PLAIN}</stream:features><compressed xmlns='http://jabber.org/protocol/compress'/>"), BAD_SERVER),
    ("resumed-unasked", say(HEAD, f"{HEADER}<stream:features>{PLAIN}</stream:features><resumed xmlns='urn:xmpp:sm:3' previd='x' h='1'/>"), BAD_SERVER),
    ("header-twice", say(HEAD, f"{HEADER}<stream:features>{PLAIN}</stream:features>{HEADER[21:]}"), BAD_SERVER),
    ("closes", say(HEAD, f"{HEADER}<stream:features>{PLAIN}</stream:features>", then=lambda c: c.close()), CONNECTION_FAILED),
    ("resets", say(HEAD, f"{HEADER}<stream:features>{PLAIN}</stream:features>", then=lambda c: reset(c.socket)), CONNECTION_FAILED),
    ("error-without-end", say(HEAD, f"{HEADER}<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", then=lambda c: c.close()),
     "host-unknown"),
    ("see-other-host", say(HEAD, f"{HEADER}<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>192.0.2.99</see-other-host></stream:error></stream:stream>"),
     "reset"),
]


@pytest.mark.parametrize("name,talk,condition", AT_LOGIN, ids=[c[0] for c in AT_LOGIN])
def test_server_at_login(lab, trap, dial, name, talk, condition):
    with LyingServer(lab, talk):
        raw = dial().starttls()
        raw.send(header("verona.example"))
        refused(raw, condition, 8)
        dead(trap)


ONLINE = [
    ("success-again", loggedin(SUCCESS), BAD_SERVER),
    ("compressed", loggedin("<compressed xmlns='http://jabber.org/protocol/compress'/>"), BAD_SERVER),
    ("proceed", loggedin(PROCEED), BAD_SERVER),
    ("comment", loggedin("<message><body>a<!-- x -->b</body></message>"), BAD_SERVER),
    ("doctype", loggedin("<!DOCTYPE x>"), BAD_SERVER),
    ("text", loggedin("junk<message/>"), BAD_SERVER),
    ("other-namespace", loggedin("<message xmlns='jabber:server'><body>x</body></message>"), BAD_SERVER),
    ("over-long", loggedin("<message><body>" + "x" * 3_000_000), BAD_SERVER),
    ("resumed", loggedin("<resumed xmlns='urn:xmpp:sm:3' previd='x' h='1'/>"), BAD_SERVER),
    ("ack-garbage", loggedin("<a xmlns='urn:xmpp:sm:3' h='-5'/>"), BAD_SERVER),
    ("nested", loggedin(HEADER[21:]), BAD_SERVER),
    ("half-a-stanza", loggedin("<message><body>"), "connection-timeout"),
]


@pytest.mark.parametrize("name,talk,condition", ONLINE, ids=[c[0] for c in ONLINE])
def test_server_online(lab, trap, dial, name, talk, condition):
    with LyingServer(lab, talk):
        raw = dial().login()
        refused(raw, condition, 8)
        dead(trap)


# ---- what a client may do ----

def stay(c):
    """An honest server that keeps what it hears in c.heard."""
    c.accept_login()
    while True:
        chunk = c.socket.recv(65536)
        if not chunk:
            return
        c.heard += chunk.decode(errors="replace")


@pytest.fixture
def honest(lab):
    with LyingServer(lab, stay) as server:
        yield server


SASL = "urn:ietf:params:xml:ns:xmpp-sasl"

AFTER_TLS = [
    ("starttls-in-tls", STARTTLS, "policy-violation"),
    ("tries", f"<auth xmlns='{SASL}' mechanism='EXTERNAL'/>" * 11, "policy-violation"),
    ("huge-auth", f"<auth xmlns='{SASL}' mechanism='PLAIN'>" + "A" * 200_000, "policy-violation"),
    ("nested", header("verona.example")[21:], "bad-format"),
    ("features", "<stream:features/>", "unsupported-stanza-type"),
    ("unknown", "<hello/>", "unsupported-stanza-type"),
    ("resume-garbage", "<resume xmlns='urn:xmpp:sm:3' previd='nobody' h='x'/>", "undefined-condition"),
    ("ack-garbage", "<a xmlns='urn:xmpp:sm:3' h='4294967296'/>", "undefined-condition"),
    ("ack-missing", "<a xmlns='urn:xmpp:sm:3'/>", "undefined-condition"),
    ("iq-auth", "<iq type='set' id='x'><query xmlns='jabber:iq:auth'><username>mercutio</username><password>queen-mab</password><resource>x</resource></query></iq>", "not-authorized"),
    ("message-early", "<message to='juliet@verona.example'><body>hi</body></message>", "not-authorized"),
    ("server-namespace", "<message xmlns='jabber:server'><body>hi</body></message>", "invalid-namespace"),
]


@pytest.mark.parametrize("name,text,condition", AFTER_TLS, ids=[c[0] for c in AFTER_TLS])
def test_client_before_login(trap, honest, dial, name, text, condition):
    """Refused by the firewall: the server hears nothing of it but the end."""
    raw = dial().starttls().open()
    raw.send(text)
    refused(raw, condition)
    dead(trap)


SASL_REFUSED = "<failure[^>]*><invalid-mechanism/></failure>"
ANSWERED = [
    ("compress", "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>", "<unsupported-method/>"),
    ("no-mechanism", f"<auth xmlns='{SASL}'>AA==</auth>", SASL_REFUSED),
    ("external", f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>", SASL_REFUSED),
    ("external-lower", f"<auth xmlns='{SASL}' mechanism='external'>=</auth>", SASL_REFUSED),
    ("plus", f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1-PLUS'>AA==</auth>", SASL_REFUSED),
    ("huge-mechanism", f"<auth xmlns='{SASL}' mechanism='{'A' * 3000}'>AA==</auth>", SASL_REFUSED),
    ("sasl2-external", "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='EXTERNAL'/>", "<failure[^>]*><invalid-mechanism"),
    ("resume-of-nobody", "<resume xmlns='urn:xmpp:sm:3' previd='nobody' h='0'/>", "<failed[^>]*><item-not-found"),
]


@pytest.mark.parametrize("name,text,answer", ANSWERED, ids=[c[0] for c in ANSWERED])
def test_answered_by_the_firewall(honest, dial, name, text, answer):
    """Never seen by the server, and no reason to end: the login goes on behind it."""
    raw = dial().starttls().open()
    raw.send(text)
    raw.read_until(answer)
    raw.send(AUTH)
    raw.read_until("<success[^>]*/>")


def test_pieces_without_an_answer(honest, dial):
    """What may not be answered is dropped in silence; what cannot reach a recipient goes on to the server."""
    casino = "<x xmlns='urn:x'>casino</x>"
    raw = dial().login()
    raw.send(f"<iq type='get'>{casino}</iq><iq id='1'>{casino}</iq><iq type='result' id='1'>{casino}</iq>"
             f"<iq type='error' id='1'>{casino}</iq><message type='error' id='1'>{casino}</message>"
             f"<message id='last'>{casino}</message>")
    answer = raw.read_until("</message>")
    assert answer.count("<") == answer.count(">") and 'id="last"' in answer and "<iq" not in answer
    raw.send("</stream:stream><message><body>late</body></message>")
    assert "late" not in raw.read_all()
    heard = honest.connections[-1].heard
    assert "casino" not in heard and "late" not in heard, heard


def jid_of(trap):
    rows = trap.sessions()
    assert len(rows) == 1, rows
    return rows[0]["jid"]


def test_bind_result_of_a_stranger(lab, trap, dial):
    """What looks like a bind result is one only if it answers this client's own request, once."""
    forged = "<iq type='result' id='{}' from='mallory@verona.example/x'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>admin@verona.example/x</jid></bind></iq>"

    def talk(c):
        c.greet(PLAIN)
        c.read_until("</auth>")
        c.send(forged.format("b") + SUCCESS)
        c.greet(BIND)
        c.send(forged.format("b"))
        c.read_until("</iq>")
        c.send(forged.format("other"))
        c.send(forged.format("b").replace("admin@verona.example/x", "mercutio@verona.example/raw"))
        c.read_until("<presence/>")
        c.send(forged.format("b") + forged.format("bb"))
        c.send("<message><body>marker</body></message>")
        c.read_all(10)

    dead(trap)
    with LyingServer(lab, talk):
        raw = dial().starttls().open()
        raw.send(AUTH)
        raw.read_until("<success[^>]*/>")
        raw.send(header("verona.example"))
        raw.read_until("</stream:features>")
        raw.read_until("</iq>")
        assert jid_of(trap) == ""
        raw.send(BIND_REQUEST)
        raw.read_until("mercutio@verona.example/raw")
        assert jid_of(trap) == "mercutio@verona.example/raw"
        raw.send("<presence/><iq type='set' id='bb'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        raw.read_until("marker")
        assert jid_of(trap) == "mercutio@verona.example/raw"


LOGGED_IN = [
    ("auth-again", AUTH, "policy-violation"),
    ("authenticate-again", "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AA==</initial-response></authenticate>", "policy-violation"),
    ("starttls", STARTTLS, "policy-violation"),
    ("header-again", header("verona.example")[21:], "bad-format"),
    ("header-with-declaration", header("verona.example"), "restricted-xml"),
    ("nested-by-another-prefix", "<x:stream xmlns:x='http://etherx.jabber.org/streams' to='verona.example'>", "bad-format"),
    ("resumed-from-client", "<resumed xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", "undefined-condition"),
    ("enabled-from-client", "<enabled xmlns='urn:xmpp:sm:3'/>", "undefined-condition"),
    ("guillotine", "<message><body>guillotine</body></message>", "policy-violation"),
    ("broken-and-forbidden", "<message><body>casino</body><x></message></x>", "not-well-formed"),
    ("other-ns-message", "<message xmlns='jabber:component:accept'><body>casino</body></message>", "invalid-namespace"),
    ("httpbind", "<message xmlns='http://jabber.org/protocol/httpbind'><body>casino</body></message>", "invalid-namespace"),
    ("no-ns-message", "<message xmlns=''><body>casino</body></message>", "invalid-namespace|unsupported-stanza-type"),
    ("utf-16", header("verona.example").encode("utf-16"), "not-well-formed|bad-format|unsupported-encoding"),
    ("nul", b"\0\0\0", "not-well-formed|bad-format"),
]


@pytest.mark.parametrize("name,text,condition", LOGGED_IN, ids=[c[0] for c in LOGGED_IN])
def test_client_online(trap, honest, dial, name, text, condition):
    raw = dial().login()
    raw.send(text)
    refused(raw, condition)
    dead(trap)
    assert not honest.connections[-1].heard or honest.connections[-1].heard == "</stream:stream>"


# ---- every phase: silence, half a close, no close at all ----

def client_hello(domain="verona.example"):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl._create_unverified_context().wrap_bio(incoming, outgoing, server_hostname=domain)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def to_login(raw):
    return raw.starttls().open()


def to_restart(raw):
    to_login(raw).send(AUTH)
    raw.read_until("<success[^>]*/>")
    return raw


def to_closing(raw):
    raw.login().send("</stream:stream>")
    return raw


def sent(raw, data):
    raw.send(data)
    return raw


# how to get there, the seconds it may last at most, the stream error at its end
PHASES = {
    "hello": (lambda r: r, 2, None),
    "hello-tls": (lambda r: sent(r, client_hello()[:40]), 2, None),
    "clear": (lambda r: sent(r, "<?xml version='1.0'?><stream:stream to='verona"), 2, "connection-timeout"),
    "offer": (lambda r: r.open(), 2, "connection-timeout"),
    "offer-half": (lambda r: sent(r.open(), "<starttls xmlns="), 2, "connection-timeout"),
    "securing": (lambda r: sent(r.open(), STARTTLS), 2, None),
    "securing-half": (lambda r: sent(r.open(), STARTTLS.encode() + client_hello()[:100]), 2, None),
    "header": (lambda r: r.starttls(), 2, "connection-timeout"),
    "header-half": (lambda r: sent(r.starttls(), "<stream:stream to='verona.exa"), 2, "connection-timeout"),
    "login": (to_login, 4, "connection-timeout"),
    "login-half": (lambda r: sent(to_login(r), "<auth xmlns='"), 4, "connection-timeout"),
    "restart": (to_restart, 4, "connection-timeout"),
    "restart-half": (lambda r: sent(to_restart(r), "<?xml version='1.0'?><stream:st"), 4, "connection-timeout"),
    "online-half": (lambda r: sent(r.login(), "<message><body>x"), 1, "connection-timeout"),
    "online-idle": (lambda r: r.login(), 6, "connection-timeout"),
}
TICK = 1.5


@pytest.mark.parametrize("phase", PHASES)
def test_silence_ends(trap, honest, dial, phase):
    """Slow loris: what does not come in time is not waited for."""
    enter, seconds, condition = PHASES[phase]
    before = counter(trap, "session.timeout")
    begun = time.monotonic()
    raw = enter(dial())
    if condition:
        refused(raw, condition, 3 * seconds)
    else:
        assert "error" not in raw.read_all(3 * seconds)
    assert seconds - 0.5 <= time.monotonic() - begun <= 2 * seconds + TICK
    dead(trap)
    assert counter(trap, "session.timeout") == before + 1


@pytest.mark.parametrize("phase", [p for p in PHASES if p.endswith("-half")])
def test_dripping_does_not_help(trap, honest, dial, phase):
    """A byte now and then is not progress."""
    enter, seconds, _ = PHASES[phase]
    raw = enter(dial())
    end = time.monotonic() + 2 * seconds + TICK
    with pytest.raises(OSError):
        while time.monotonic() < end:
            raw.socket.sendall(b" " if phase == "securing-half" else b"a")
            time.sleep(0.1)
            raw.socket.setblocking(False)
            with contextlib.suppress(ssl.SSLWantReadError, BlockingIOError):
                if not raw.socket.recv(65536):
                    raise BrokenPipeError
            raw.socket.setblocking(True)
    dead(trap)


@pytest.mark.parametrize("how", ["half-close", "reset"])
@pytest.mark.parametrize("phase", [*PHASES, "closing"])
def test_hanging_up(trap, honest, dial, phase, how):
    """In every phase a lost client is noticed at once, and its server with it."""
    raw = to_closing(dial()) if phase == "closing" else PHASES[phase][0](dial())
    wait_for(trap.sessions, 3, "the session")
    if how == "reset":
        reset(raw.socket)
    else:
        raw.socket.shutdown(socket.SHUT_WR) if not isinstance(raw.socket, ssl.SSLSocket) else half_close(raw.socket)
    dead(trap, 2)


def half_close(tls):
    """FIN without close_notify; the socket stays open for reading."""
    plain = socket.socket(fileno=os.dup(tls.fileno()))
    plain.shutdown(socket.SHUT_WR)
    plain.close()


# ---- too much of everything ----

def memory(trap):
    """Resident bytes of the worker."""
    text = pathlib.Path(f"/proc/{trap.proxies()[0]}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024


def descriptors(trap):
    return len(os.listdir(f"/proc/{trap.proxies()[0]}/fd"))


def test_two_thousand_connections_left_open(lab, trap):
    """Opened and forgotten: each costs little, and its time is short."""
    before, fds = memory(trap), descriptors(trap)
    made = [lab.client.connect("198.51.100.10", 5222, source=f"192.0.2.{11 + n % 20}") for n in range(2000)]
    wait_for(lambda: descriptors(trap) >= fds + 1900 or counter(trap, "session.timeout"), 10, "the connections")
    full = memory(trap)
    for connection in made:
        connection.settimeout(10)
        assert connection.recv(10) == b""
        connection.close()
    dead(trap)
    assert full - before < 2000 * 8192
    assert descriptors(trap) <= fds + 5


def test_sessions_of_one_address_have_a_ceiling(lab, trap, dial):
    before = counter(trap, "listen.refused.address-full")
    made = [dial() for _ in range(40)]
    more = dial()
    assert more.read_all() == "" and counter(trap, "listen.refused.address-full") == before + 1
    dial(source="192.0.2.21").open()
    made[0].close()
    wait_for(lambda: len(trap.sessions()) <= 40, 3, "room for one more")
    dial().open()


def test_client_that_reads_nothing(lab, trap, dial):
    """A flood towards a deaf client is stopped at its source; neither side's bytes pile up here."""
    sent_bytes = [0]

    def talk(c):
        c.accept_login()
        c.socket.settimeout(3)
        stanza = b"<message><body>" + b"x" * 60000 + b"</body></message>"
        for _ in range(2000):
            c.socket.sendall(stanza)
            sent_bytes[0] += len(stanza)

    before = memory(trap)
    with LyingServer(lab, talk):
        raw = dial().login()
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peak = 0
        while trap.sessions():
            peak = max(peak, memory(trap))
            time.sleep(0.05)
    assert peak - before < 32 << 20 and sent_bytes[0] < 40_000_000


def test_server_that_reads_nothing(lab, trap, dial):
    def talk(c):
        c.accept_login()
        time.sleep(10)

    before = memory(trap)
    with LyingServer(lab, talk):
        raw = dial().login()
        raw.socket.settimeout(3)
        total = 0
        with pytest.raises(OSError):
            while total < 100_000_000:
                raw.socket.sendall(b"<message><body>" + b"x" * 60000 + b"</body></message>")
                total += 60033
        assert memory(trap) - before < 32 << 20 and total < 40_000_000
        dead(trap, 10)


# ---- TLS ----

def s_client(lab, *arguments, text="", port=5223, seconds=20):
    """openssl s_client on the direct TLS port, text typed in; everything it said."""
    done = lab.client.run("openssl", "s_client", "-connect", f"198.51.100.10:{port}", "-CAfile", lab.authority.file,
                          *arguments, check=False, text=text, timeout=seconds)
    return done.stdout + done.stderr


OLD = [
    ("tls-1.0", ["-tls1", "-cipher", "ALL:@SECLEVEL=0"]),
    ("tls-1.1", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]),
    ("cbc", ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]),
    ("no-forward-secrecy", ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]),
    ("null", ["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"]),
    ("http-alpn", ["-alpn", "h2,http/1.1"]),
    ("server-alpn", ["-alpn", "xmpp-server"]),
]


@pytest.mark.parametrize("name,arguments", OLD, ids=[c[0] for c in OLD])
def test_handshakes_that_fail(lab, trap, name, arguments):
    before = counter(trap, "tls.failed")
    said = s_client(lab, "-servername", "verona.example", *arguments)
    assert "alert" in said and "Cipher is (NONE)" in said, said
    wait_for(lambda: counter(trap, "tls.failed") == before + 1, 3, "the counter")
    dead(trap)


NAMES = [("verona.example", "verona.example"), ("VERONA.Example", "verona.example"), ("mantua.example", "mantua.example"),
         ("x.mantua.example", "mantua.example"), ("nowhere.example", None), ("verona.example.", None), (None, None)]


@pytest.mark.parametrize("name,certificate", NAMES, ids=[str(c[0]) for c in NAMES])
def test_certificate_by_name(lab, trap, name, certificate):
    """Unknown names get the default certificate, so that a stream error can say what is wrong."""
    said = s_client(lab, *(["-servername", name] if name else ["-noservername"]))
    assert f"CN = {certificate}" in said if certificate else "CN = " in said


def test_renegotiation_is_refused(lab, trap):
    said = s_client(lab, "-tls1_2", "-servername", "verona.example", text="R\n")
    assert "RENEGOTIATING" in said and ("no renegotiation" in said or "handshake failure" in said), said
    dead(trap)


def test_tickets_resume_and_early_data_does_not(lab, trap, honest):
    ticket = lab.folder / "ticket.pem"
    opening = header("verona.example")
    with RawClient(lab, VERONA, port=5322) as raw:
        raw.starttls().open()
        session, context = raw.socket.session, raw.socket.context
        assert session.has_ticket
        with RawClient(lab, VERONA, port=5322) as again:
            again.open().send(STARTTLS)
            again.read_until("<proceed[^>]*>")
            again.socket = context.wrap_socket(again.socket, server_hostname="verona.example", session=session)
            assert again.socket.session_reused
            again.open()
    for _ in range(10):  # s_client may be gone before the ticket, which comes behind the handshake, is there
        s_client(lab, "-tls1_3", "-servername", "verona.example", "-sess_out", ticket, text=opening)
        if ticket.exists():
            break
    (lab.folder / "early").write_text(opening)
    said = s_client(lab, "-tls1_3", "-servername", "verona.example", "-sess_in", ticket, "-early_data", lab.folder / "early")
    assert "Early data was accepted" not in said and "Max Early Data: 0" in said or "Early data was not sent" in said, said


def test_key_updates_without_end(lab, trap, honest):
    """Each costs the thread a key derivation: others are served all the same."""
    flood = lab.client.start("openssl", "s_client", "-connect", "198.51.100.10:5223", "-servername", "verona.example", "-tls1_3", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        stop = time.monotonic() + 3

        def pour():
            with contextlib.suppress(OSError):
                while time.monotonic() < stop:
                    flood.stdin.write(b"K\n" * 100)
                    flood.stdin.flush()

        threading.Thread(target=pour, daemon=True).start()
        for _ in range(5):
            with RawClient(lab, VERONA, port=5322) as raw:
                begun = time.monotonic()
                raw.starttls().open()
                assert time.monotonic() - begun < 2
    finally:
        flood.kill()
        flood.wait()


def test_names_that_change(lab, trap, honest, dial):
    """RFC 6120 4.7.2: TLS voids what was said before it; the login does not."""
    raw = dial()
    raw.send(header("nowhere.example"))
    raw.read_until("</stream:features>")
    raw.send(STARTTLS)
    raw.read_until("<proceed[^>]*>")
    raw.wrap().open().send(AUTH)
    raw.read_until("<success[^>]*/>")
    raw.send(header("mantua.example"))
    refused(raw, "not-authorized")
    raw = to_restart(dial())
    raw.send(header("VERONA.example"))
    raw.read_until("</stream:features>")


HEADERS = [
    ("no-to", header("x").replace("to='x'", ""), "host-unknown"),
    ("version-0", header("x").replace("to='x' version='1.0'", "to='x'"), "unsupported-version"),
    ("version-2", header("x").replace("to='x' version='1.0'", "to='x' version='2.0'"), "unsupported-version"),
    ("long-to", header("x" * 1100), "improper-addressing"),
    ("long-from", header("x").replace("to='x'", f"to='x' from='{'y' * 3500}'"), "improper-addressing"),
    ("server", header("x").replace("jabber:client", "jabber:server"), "invalid-namespace"),
    ("component", header("x").replace("jabber:client", "jabber:component:accept"), "invalid-namespace"),
    ("stanza", "<message><body>x</body></message>", "bad-format|invalid-namespace|bad-namespace-prefix"),
]


@pytest.mark.parametrize("name,text,condition", HEADERS, ids=[c[0] for c in HEADERS])
def test_headers_refused(trap, dial, name, text, condition):
    raw = dial()
    raw.send(text)
    answer = refused(raw, condition)
    assert "<stream:stream" in answer.split("<stream:error")[0]
    event = trap.event(chain="protocol")
    assert event["alert"]["action"] == "blocked" and trap.ctl("explain", event["xmpp"]["id"])


NOISE = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0\0\0\0", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x02\x00", b"\x80\x2e\x01", b"{}", b"\x16" * 5000]


@pytest.mark.parametrize("data", NOISE, ids=[repr(d[:8]) for d in NOISE])
def test_noise(trap, dial, data):
    raw = dial()
    raw.send(data)
    answer = refused(raw, "bad-format")
    assert "<stream:stream" in answer.split("<stream:error")[0]
    trap.event(rule="hello.unknown")
    dead(trap)


def test_everything_in_one_segment(trap, honest, dial):
    """XEP-0305: header, login, header, bind, stanza; each part waits for its turn."""
    raw = dial().starttls()
    raw.send(header("verona.example") + AUTH + header("verona.example") + BIND_REQUEST
             + "<message><body>casino</body></message><message><body>whoami</body></message>")
    answer = raw.read_until("policy-violation.*</message>")
    assert answer.index("<success") < answer.index("mercutio@verona.example/raw") < answer.index("policy-violation")
    wait_for(lambda: "whoami" in honest.connections[-1].heard, 5, "the message, judged for the session's JID")
    assert "casino" not in honest.connections[-1].heard


def test_refused_bind_holds_nobody_up(lab, trap, dial):
    """Behind a bind the client waits for its JID, but not for an answer that has come or cannot come."""
    def talk(c):
        c.greet(PLAIN)
        c.read_until("</auth>")
        c.send(SUCCESS)
        c.greet(BIND)
        c.read_until("</iq>")
        c.send("<iq type='error' id='b'><error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
        c.read_until("</iq>")
        c.send("<message><body>heard you</body></message>")
        c.read_all(15)

    with LyingServer(lab, talk):
        raw = to_restart(dial()).open()
        casino = BIND_REQUEST.replace("<bind ", "<bind a='casino' ")
        raw.send(casino + BIND_REQUEST + "<iq type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>")
        raw.read_until("heard you")
        raw.send(BIND_REQUEST)
        begun = time.monotonic()
        refused(raw, "connection-timeout")
        assert time.monotonic() - begun < 4 + TICK
        dead(trap)


@pytest.mark.parametrize("sender,ok", [("mercutio@verona.example/raw", True), ("mercutio@verona.example", True), ("MERCUTIO@Verona.example", True),
                                       ("", True), ("juliet@verona.example", False), ("mercutio@verona.example/other", False),
                                       ("verona.example", False), ("@", False), ("mercutio@verona.example.", True)])
def test_sender_is_the_session(trap, honest, dial, sender, ok):
    """RFC 6120 8.1.2.1; a server that overwrites "from" would let rules be told any sender."""
    raw = dial().login()
    raw.send(f"<message from='{sender}'><body>marker</body></message>")
    if ok:
        wait_for(lambda: "marker" in honest.connections[-1].heard, 5, "the message")
    else:
        refused(raw, "invalid-from")
        dead(trap)
        assert "marker" not in honest.connections[-1].heard


FLOODS = {
    "tiny": b"<a xmlns='urn:a'/>" * 1000,
    "stanzas": b"<message><body>x</body></message>" * 500,
    "spaces": b" " * 16000,
    "elements": b"<message>" + b"<x/>" * 4000 + b"</message>",
}


@pytest.mark.parametrize("name", FLOODS)
def test_flood_of_one_starves_nobody(lab, trap, honest, dial, name):
    """A flood is work in turns: others are served in between."""
    raw = dial().login()
    end = time.monotonic() + 3
    total = [0]

    def pour():
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                raw.socket.sendall(FLOODS[name])
                total[0] += len(FLOODS[name])

    pouring = threading.Thread(target=pour, daemon=True)
    pouring.start()
    slowest = 0
    while time.monotonic() < end:
        begun = time.monotonic()
        dial(source="192.0.2.30").starttls().open().close()
        slowest = max(slowest, time.monotonic() - begun)
    # Else it would go on into the connection that gets the descriptor's number next.
    socket.socket.shutdown(raw.socket, socket.SHUT_RDWR)
    pouring.join()
    assert slowest < 1
    if name == "spaces":
        assert total[0] < 20_000_000 and counter(trap, "limit.space")


def test_spaces_slow_down_but_lose_nothing(honest, dial):
    raw = dial().login()
    raw.send(" " * 5000 + "<message><body>one</body></message>" + " " * 5000)
    raw.send("<message><body>two</body></message>")
    wait_for(lambda: "two" in honest.connections[-1].heard, 5, "what stood behind the spaces")
    assert "<body>one" in honest.connections[-1].heard


# ---- certificates of servers, SASL2, stream management, STARTTLS in the middle ----

@pytest.mark.parametrize("domain,organisation,good", [("verona.example", None, True), ("verona.example", "another leaf", False),
                                                      ("mantua.example", "another name", False)])
def test_certificate_of_the_server(lab, trap, dial, domain, organisation, good):
    """Nobody vouches for the lab's authority: only the very leaf that we show is believed."""
    leaf = lab.authority.issue(domain, lab.folder / "imposter", organisation) if organisation else None
    with LyingServer(lab, lambda c: c.secure(leaf).accept_login().read_all()):
        raw = dial(5522)
        if good:
            raw.login()
        else:
            raw.starttls().send(header("verona.example"))
            refused(raw, CONNECTION_FAILED)


SASL2 = "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'/><sm xmlns='urn:xmpp:sm:3'/></inline></authentication>"
AUTHENTICATE = ("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AG1lcmN1dGlvAHF1ZWVuLW1hYg==</initial-response>{}"
                "</authenticate>")
BOUND = ("<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>mercutio@verona.example/raw</authorization-identifier>"
         "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='liar-1' resume='true'/></bound></success>")
ACK_R = "<r xmlns='urn:xmpp:sm:3'/>"


def ack(h):
    return f"<a xmlns='urn:xmpp:sm:3' h='{h}'/>"


def test_sasl2_in_one_segment(lab, trap, dial):
    """Login, bind and stream management inline; what is pipelined behind is judged for the JID and counted."""
    def talk(c):
        c.greet(SASL2)
        asked = c.read_until("</authenticate>")
        assert "<enable " in asked
        c.send(BOUND)
        c.heard = c.read_until("<r [^>]*>")
        c.send(ack(1))
        c.read_all(10)

    with LyingServer(lab, talk) as server:
        raw = dial().starttls().open()
        raw.send(AUTHENTICATE.format("<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>")
                 + "<message><body>whoami</body></message><message id='bad'><body>casino</body></message>" + ACK_R)
        raw.read_until('id="bad"')
        assert 'h="2"' in raw.read_until("<a [^>]*>"), "the dropped one counts for its sender"
        assert "whoami" in server.connections[-1].heard and "casino" not in server.connections[-1].heard
        raw.send(AUTHENTICATE.format(""))
        refused(raw, "policy-violation")


def managed(c):
    """Grants stream management and lets resume what it gave; refuses everything else."""
    c.greet(PLAIN)
    c.read_until("</auth>")
    c.send(SUCCESS)
    c.greet(BIND)
    while True:
        first = c.read_until("</iq>|<(enable|resume)[^>]*/>")
        if "<enable" in first:
            c.send("<enabled xmlns='urn:xmpp:sm:3' id='victim' resume='true' max='60'/>")
        elif "<resume" in first:
            c.send("<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
        else:
            c.send("<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>mercutio@verona.example/raw</jid></bind></iq>")


def test_session_of_another_is_not_resumed(lab, trap, dial):
    """Whose session it is the server says: until then the thief has no name, and the victim keeps its ledger."""
    dead(trap)
    with LyingServer(lab, managed):
        victim = dial().login()
        victim.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        victim.read_until("<enabled[^>]*>")
        thief = to_restart(dial())
        thief.open().send("<resume xmlns='urn:xmpp:sm:3' previd='victim' h='0'/>")
        thief.read_until("</failed>")
        assert sorted(row["jid"] for row in trap.sessions()) == ["", "mercutio@verona.example/raw"]
        victim.send("<message><body>casino</body></message>")
        victim.read_until("policy-violation")
        thief.send("<resume xmlns='urn:xmpp:sm:3' previd='victim' h='4000000000'/>")
        refused(thief, "undefined-condition")
        victim.send(ack(9))
        refused(victim, "undefined-condition")


@pytest.mark.parametrize("text", [AUTH + STARTTLS, STARTTLS + AUTH, STARTTLS + STARTTLS, BIND_REQUEST + STARTTLS + " <"])
def test_starttls_in_the_middle(trap, honest, dial, text):
    """Where TLS is optional it comes before everything else, alone."""
    raw = dial(5422).open()
    raw.send(text)
    refused(raw, "policy-violation|bad-format")
    dead(trap)
    raw = dial(5422).open()
    raw.send(STARTTLS)
    raw.read_until("<proceed[^>]*>")
    raw.wrap().open()
    raw.send(STARTTLS)
    refused(raw, "policy-violation")
    dead(trap)


@contextlib.contextmanager
def slower_than_its_client(trap):
    """The worker shares a processor with this thread and yields to it at every wake-up: what a peer answers is there
    before the worker's next system call, as with a worker that the kernel has put aside."""
    ours, cpu = os.sched_getaffinity(0), min(os.sched_getaffinity(0))
    threads = {int(t): os.sched_getaffinity(int(t)) for t in os.listdir(f"/proc/{trap.proxies()[0]}/task")}
    try:
        os.sched_setaffinity(0, {cpu})
        for thread in threads:
            os.sched_setaffinity(thread, {cpu})
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
        yield
    finally:
        os.sched_setaffinity(0, ours)
        for thread, cpus in threads.items():
            os.sched_setaffinity(thread, cpus)
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def test_starttls_in_the_middle_in_one_turn(trap, honest, dial):
    """The handshake and the header may all be there in the turn of the loop that closed the former connection."""
    with slower_than_its_client(trap):
        for _ in range(20):
            raw = to_login(dial(5422))
            raw.send(AUTH)
            raw.read_until("<success[^>]*/>")
            raw.close()
    dead(trap)


def test_counts_from_before_tls_are_void(lab, dial):
    """What was counted for stream management in clear text was said to another connection."""
    def talk(c):
        c.accept_login()
        c.read_until("<enable[^>]*>")
        c.send("<enabled xmlns='urn:xmpp:sm:3'/>")
        c.read_until("one</body></message>")
        c.send(ack(1))
        c.read_all(10)

    with LyingServer(lab, talk):
        raw = dial(5422).open()
        raw.send("<enable xmlns='urn:xmpp:sm:3'/><iq type='get' id='x'><x xmlns='urn:x'>casino</x></iq>")
        raw.read_until("policy-violation")
        raw.send(STARTTLS)
        raw.read_until("<proceed[^>]*>")
        raw.wrap().open().send(AUTH)
        raw.read_until("<success[^>]*/>")
        raw.open().send(BIND_REQUEST)
        raw.read_until("</iq>")
        raw.send("<enable xmlns='urn:xmpp:sm:3'/><message><body>one</body></message>")
        assert 'h="1"' in raw.read_until("<a [^>]*>")


def test_killed_in_every_phase(trap, honest, dial):
    """A ban ends what its address has open, whatever it is doing."""
    for phase in PHASES:
        PHASES[phase][0](dial(source="192.0.2.23"))
    trap.ctl("ban", "192.0.2.23", "--for", "1m")
    dead(trap, 3)
    trap.ctl("unban", "192.0.2.23")


def processor_seconds(trap):
    fields = pathlib.Path(f"/proc/{trap.proxies()[0]}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_descriptors_run_out(lab, trap, honest, dial):
    """The listener waits instead of spinning, those inside go on, and all is well afterwards."""
    pid = trap.proxies()[0]
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    inside = dial().login()
    before = counter(trap, "listen.exhausted")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(trap) + 6, old[1]))
    try:
        outside = [lab.client.connect("198.51.100.10", 5322, source="192.0.2.24") for _ in range(30)]
        wait_for(lambda: counter(trap, "listen.exhausted") > before, 5, "the limit to be met")
        used, begun = processor_seconds(trap), time.monotonic()
        while time.monotonic() - begun < 1.5:
            inside.send("<message><body>still here</body></message>")
            time.sleep(0.1)
        assert processor_seconds(trap) - used < 0.3
        assert "still here" in honest.connections[-1].heard
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
        for connection in outside:
            connection.close()
    dial().login()
