# SPDX-License-Identifier: BSD-2-Clause
"""Logins through the firewall: SASL, SASL2 with bind2 and FAST, channel binding in each arrangement, and who guesses."""
import base64
import hashlib
import hmac
import html
import re
import ssl
import time
import types

import pytest

from lab import ROOT, run, wait_for
from liar import LyingServer
from raw import RawClient
from saslpeers import PADUA, Padua, go_sendxmpp, xmpp_js
from wall import Wall

# 5222 to Padua by STARTTLS, 5322 in clear text; 5422 to ejabberd in clear text, 5522 by TLS 1.2, 5622 by TLS 1.3; 5722 and 5822 to a liar.
CONFIGURATION = """
daemon {{ login-window 1h; }}
service padua  {{ listen tcp {{ 5222 }}; role c2s; tls required; certificates "certs"; intercept tproxy; upstream {padua}:5272 starttls; }}
service local  {{ listen tcp {{ 5322 }}; role c2s; tls required; certificates "certs"; intercept tproxy; upstream {padua}:5272 plain; }}
service mantua {{ listen tcp {{ 5422 }}; role c2s; tls required; certificates "certs"; intercept tproxy; upstream 198.51.100.20:5422 plain; }}
service old    {{ listen tcp {{ 5522 }}; role c2s; tls required; certificates "certs"; intercept tproxy; upstream 198.51.100.20:5522 starttls; }}
service liar   {{ listen tcp {{ 5722 }}; role c2s; tls required; certificates "certs"; intercept tproxy; upstream {padua}:7777 plain; }}
service trust  {{ listen tcp {{ 5822 }}; role c2s; tls required; certificates "certs"; intercept tproxy;
                 upstream {padua}:7777 starttls; verify off; }}
service new    {{ listen tcp {{ 5622 }}; role c2s; tls required; certificates "certs"; intercept tproxy; upstream 198.51.100.20:5222 starttls; }}

chain inbound {{
    hook any direction in; policy accept;
    rule whoami  {{ message body is "whoami" and session.jid exists                reject policy-violation "you are known" }}
    rule guessed {{ message body is "was I guessed at?" login.failures.account > 1 reject policy-violation "yes" }}
    rule how     {{ message body is "FAST?" sasl.mechanism matches /^HT-/          reject policy-violation "yes" }}
}}
chain logins {{
    hook login;
    rule down  {{ login.failure is temporary-auth-failure                          log, accept }}
    rule brute {{ login.failures.peer > 4                                          ban 10m, close policy-violation "too many attempts" }}
    rule quiet {{ login.account is tybalt@padua.example                            drop, log }}
    rule slow  {{ login.account is sampson@padua.example                           tarpit 1s }}
    rule seen  {{ login.failures.account > 2                                       mark guessed }}
}}
"""


PADUA_RAW = types.SimpleNamespace(domain="padua.example", addresses={4: PADUA}, users={"mercutio": "queen-mab"})


@pytest.fixture(scope="module")
def padua(lab):
    leaf = lab.authority.issue("padua.example", lab.folder / "leaves")
    users = {"juliet": "balcony", "romeo": "orchard", "mercutio": "queen-mab", "tybalt": "rapier"}
    made = Padua(lab, lab.server, "padua.example", [PADUA], leaf, users)
    yield made
    made.close()


@pytest.fixture(scope="module")
def wall(lab, padua, ejabberd):
    made = Wall(lab, "sasl")
    guests = (ROOT / "docs/examples/policies/anonymous.rules").read_text().split("\nexpect ")[0]
    for name, ours in (("anonymous.example.org", "anon.padua.example"), ("helpdesk@example.org", "romeo@padua.example"),
                       ("rooms.example.org", "rooms.padua.example"), ("= example.org", "= padua.example"), ("hook c2s", "hook any")):
        guests = guests.replace(name, ours)
    made.write(**{"xmppwall.conf": CONFIGURATION.format(padua=PADUA) + guests})
    for domain in ("padua.example", "mantua.example"):
        made.certificate(lab.folder / "leaves" / f"{domain}.crt")
    try:
        yield made.start()
    finally:
        made.close()


# ---- SASL2, bind2, FAST ----

def test_sasl2_bind2_and_fast(lab, padua, wall):
    """xmpp.js with Prosody's modules: one round of SASL2 binds a resource and gets a token, the token logs in again."""
    told = xmpp_js(lab, padua.domain, "juliet", "balcony", logins=3, resource="js")
    assert told.ok, told
    said, heard = told.of("out"), told.of("in")
    assert sum("<authenticate" in s for s in said) == 3 and not any("<auth " in s for s in said), told
    assert [re.search('mechanism="([^"]*)"', s)[1] for s in said if "<authenticate" in s] == \
        ["SCRAM-SHA-1", "HT-SHA-256-NONE", "HT-SHA-256-NONE"]
    assert any("urn:xmpp:bind:0" in s for s in said) and any("<bound " in s for s in heard)
    jids = told.of("online")
    assert len(jids) == 3 and all(j.startswith("juliet@padua.example/") for j in jids)


def test_resumption_inline(lab, padua, wall):
    """The connection dies, SASL2 with a token resumes the session in the same round; the firewall knows whose it is."""
    told = xmpp_js(lab, padua.domain, "juliet", "balcony", logins=3, resume=True, probes=["whoami", "FAST?"])
    assert told.ok, told
    assert told.of("resumed") == [True, True]
    resumes = [s for s in told.of("out") if "<authenticate" in s and "<resume " in s]
    assert len(resumes) == 2 and all("HT-SHA-256-NONE" in s for s in resumes), told
    assert len(set(told.of("online"))) == 1, "the same resource each time"
    answers = {(line["login"], line["probe"]): line["answer"] for line in told.lines if "probe" in line}
    assert all("you are known" in answers[n, "whoami"] for n in range(3)), answers
    assert answers[0, "FAST?"] == "FAST?" and "yes" in answers[1, "FAST?"] and "yes" in answers[2, "FAST?"], answers
    assert not any("not-well-formed" in s or "undefined-condition" in s for s in told.of("in"))


def test_spoiled_token_is_the_servers_business(lab, padua, wall):
    """A token that is not known, and then the password on the same stream, which this Prosody does not take: with the
    firewall and without it the same words."""
    before = wall.ctl("status")["counters"].get("login.failed", 0)
    without, told = (xmpp_js(lab, padua.domain, "romeo", "orchard", logins=2, spoil=True, port=port) for port in (5272, 5222))
    words = [re.sub(".*<failure[^>]*><([a-z-]*).*", r"\1", s) for s in told.of("in") if "<failure" in s]
    assert words == [re.sub(".*<failure[^>]*><([a-z-]*).*", r"\1", s) for s in without.of("in") if "<failure" in s]
    assert words[0] == "not-authorized" and told.of("failed") == without.of("failed"), told
    assert wall.ctl("status")["counters"]["login.failed"] == before + len(words)


# ---- channel binding: docs/DEPLOY-SASL.md's table, line by line ----

def tried():
    text = (ROOT / "docs/DEPLOY-SASL.md").read_text()
    lines = text.split("<!-- tried:begin -->")[1].split("<!-- tried:end -->")[0].strip().splitlines()[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


PACKAGES = {"Prosody": "prosody", "ejabberd": "ejabberd", "slixmpp": "python3-slixmpp", "go-sendxmpp": "go-sendxmpp"}
# Where to dial, and which host of Padua's; "none" is a port that the firewall leaves alone.
WAYS = {("Prosody", "none"): (5272, ""), ("Prosody", "A: clear text"): (5322, "plain"), ("Prosody", "B: TLS 1.3"): (5222, ""),
        ("Prosody", "TLS 1.2"): (5222, "old"), ("ejabberd", "none"): (5223, None), ("ejabberd", "A: clear text"): (5422, None),
        ("ejabberd", "B: TLS 1.3"): (5622, None), ("ejabberd", "TLS 1.2"): (5522, None)}


def as_documented(what):
    name, version = what.split(",")[0].split()
    if name not in PACKAGES:
        return name
    done = run("dpkg-query", "-W", "-f=${Version}", PACKAGES[name], check=False)
    if not done.stdout.startswith(version):
        pytest.skip(f"{name} {done.stdout or 'is not there'}, not {version}")
    return name


def login_of_slixmpp(client, server, port, address, tls, only):
    client.dial(server, "juliet", 11, address=address, port=port, direct=port == 5223, tls=f"TLSv{tls.replace('.', '_')}",
                mechanism="SCRAM-SHA-1" if only else None)
    ended = client.event("session_start", "failed_all_auth", "stream_error", "ssl_invalid_chain", "disconnected")
    if ended["event"] == "session_start":
        return client.ask("mechanism")
    refused = [re.search(r"<failure[^>]*><([a-z-]+)", e["xml"])[1] for e in client.events if e["event"] == "failure"]
    return f"refused: {refused[-1]}" if refused else ended["event"]


@pytest.mark.parametrize("what,way,who,tls,result", tried(), ids=lambda cell: re.sub(r"[^A-Za-z0-9.]+", "-", cell))
def test_as_the_table_says(lab, padua, ejabberd, wall, new_client, what, way, who, tls, result):
    server_name, client_name = as_documented(what), as_documented(who)
    port, host = WAYS[server_name, way]
    server = ejabberd if host is None else padua.host(host)
    address = server.addresses[4]
    if client_name == "slixmpp":
        got = login_of_slixmpp(new_client("juliet"), server, port, address, tls, "only" in who)
    elif client_name == "xmpp.js":
        told = xmpp_js(lab, server.domain, "juliet", "balcony", port=port, address=address, tls=tls, quiet=True)
        names = [re.search('mechanism="([^"]*)"', s)[1] for s in told.of("out") if re.match("<auth(enticate)? ", s)]
        got = names[-1] if told.ok else f"failed: {told}"
    else:
        got = "yes" if go_sendxmpp(lab, server.domain, "juliet", "balcony", port=port, address=address, tls=tls.replace(".", ""))[0] else "no"
    assert got == result


# ---- nothing of a payload changes ----

SASL, SASL2 = "urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:sasl:2"
BOTH = (f"<mechanisms xmlns='{SASL}'><mechanism>X-LAB</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>"
        f"<authentication xmlns='{SASL2}'><mechanism>X-LAB</mechanism><mechanism>SCRAM-SHA-1</mechanism><inline/></authentication>")


@pytest.mark.parametrize("two", [False, True], ids=["sasl1", "sasl2"])
@pytest.mark.parametrize("mechanism", ["X-LAB", "SCRAM-SHA-1"])
def test_payloads_are_not_touched(lab, wall, two, mechanism):
    """Hashes go over them (RFC 5802, XEP-0474): text for text what was sent, in both directions, base64 or not."""
    payloads = ["biwsbj1qLHI9YQ==", "eSwsbj1qLHI9YQ==", "=", "AAAA" * 700, "not base64 !,=&amp;&lt; \u00e9", "a b\nc\t "]
    ns, heard, said = SASL2 if two else SASL, [], []

    def talk(c):
        c.greet(BOTH)
        for n, payload in enumerate(payloads):
            heard.append(re.search(r">([^<]*)</(?:initial-response|auth|response)>", c.read_until("</(authenticate|auth|response)>"))[1])
            c.send(f"<challenge xmlns='{ns}'>{payloads[-1 - n]}</challenge>")
        c.read_until("</response>|<response[^>]*/>")
        c.send(f"<success xmlns='{ns}'>" + (f"<additional-data>{payloads[3]}</additional-data><authorization-identifier>"
               "j@padua.example/x</authorization-identifier>" if two else payloads[3]) + "</success>")
        c.read_all(10)

    with LyingServer(lab, talk):
        with RawClient(lab, PADUA_RAW, port=5722) as raw:
            raw.starttls().open()
            first = f"<initial-response>{payloads[0]}</initial-response>" if two else payloads[0]
            element = "authenticate" if two else "auth"
            raw.send(f"<{element} xmlns='{ns}' mechanism='{mechanism}'>{first}</{element}>")
            for n in range(len(payloads)):
                said.append(re.search(r">([^<]*)</challenge>", raw.read_until("</challenge>"))[1])
                raw.send(f"<response xmlns='{ns}'>{payloads[n + 1]}</response>" if n + 1 < len(payloads)
                         else f"<response xmlns='{ns}'/>")
            assert f">{payloads[3]}<" in raw.read_until("</success>")
    assert [html.unescape(t) for t in heard] == [html.unescape(t) for t in payloads]
    assert [html.unescape(t) for t in said] == [html.unescape(t) for t in reversed(payloads)]


# ---- lists ----

LISTS = (f"<mechanisms xmlns='{SASL}'><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism></mechanisms>"
         f"<authentication xmlns='{SASL2}'><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism><inline>"
         "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism><mechanism>HT-SHA-256-UNIQ</mechanism>"
         "<mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-ENDP</mechanism></fast>"
         "<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:csi:0'/></inline></bind></inline></authentication>"
         "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>{}<channel-binding type='tls-exporter'/>"
         "<channel-binding type='tls-unique'/></sasl-channel-binding>")
END_POINT = "<channel-binding type='tls-server-end-point'/>"


@pytest.mark.parametrize("secure,leaf,end_point,kept", [
    (True, "padua.example", True, True), (True, "mantua.example", True, False), (True, "padua.example", False, False),
    (False, None, True, False)], ids=["same-leaf", "other-leaf", "not-offered", "clear-text"])
def test_lists_are_edited_together(lab, wall, secure, leaf, end_point, kept):
    """All three lists and XEP-0440's agree: what is bound to the TLS of one leg goes, tls-server-end-point stays where the
    very same certificate stands on both legs; CSI and bind2 are left alone."""
    def talk(c):
        if secure:
            c.secure(lab.folder / "leaves" / f"{leaf}.crt")
        c.greet(LISTS.format(END_POINT if end_point else ""))
        c.read_all(10)

    with LyingServer(lab, talk):
        with RawClient(lab, PADUA_RAW, port=5822 if secure else 5722) as raw:
            features = raw.starttls().open().features
            assert features.count("SCRAM-SHA-256-PLUS<") == (2 if kept else 0), features
            assert ("HT-SHA-256-ENDP" in features) == kept and ("tls-server-end-point" in features) == kept
            assert ("sasl-channel-binding" in features) == kept
            assert "HT-SHA-256-NONE" in features and "urn:xmpp:csi:0" in features
            assert not re.search("tls-exporter|tls-unique|HT-SHA-256-(UNIQ|EXPR)", features)
            raw.send(f"<authenticate xmlns='{SASL2}' mechanism='HT-SHA-256-EXPR'><initial-response>AA==</initial-response></authenticate>")
            raw.read_until("<failure[^>]*><invalid-mechanism")


def test_end_point_binding_works_through_the_firewall(lab, wall):
    """Case C, whole: SCRAM-SHA-256-PLUS with tls-server-end-point, checked by a server that has the same certificate."""
    proof = {}

    def talk(c):
        leaf = lab.folder / "leaves" / "padua.example.crt"
        c.secure(leaf)
        c.greet(f"<mechanisms xmlns='{SASL}'><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism></mechanisms>"
                f"<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>{END_POINT}</sasl-channel-binding>")
        first = base64.b64decode(re.search(">([^<]*)</auth>", c.read_until("</auth>"))[1])
        bare = first.split(b",", 2)[2]
        challenge = b"r=" + bare.split(b"r=")[1] + b"server,s=c2FsdA==,i=4096"
        c.send(f"<challenge xmlns='{SASL}'>{base64.b64encode(challenge).decode()}</challenge>")
        final = base64.b64decode(re.search(">([^<]*)</response>", c.read_until("</response>"))[1])
        bound = base64.b64decode(final.split(b",")[0][2:])
        pem = leaf.read_text().split("-----END")[0] + "-----END CERTIFICATE-----\n"
        proof["binding"] = bound == b"p=tls-server-end-point,," + hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
        proof["key"] = scram_proof(b"queen-mab", bare, challenge, final.rsplit(b",p=", 1)[0]) == final.rsplit(b",p=", 1)[1]
        c.send(f"<success xmlns='{SASL}'/>" if all(proof.values()) else f"<failure xmlns='{SASL}'><not-authorized/></failure>")
        c.read_all(10)

    with LyingServer(lab, talk):
        with RawClient(lab, PADUA_RAW, port=5822) as raw:
            raw.starttls().open()
            binding = hashlib.sha256(raw.socket.getpeercert(True)).digest()
            bare = b"n=mercutio,r=client"
            raw.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256-PLUS'>"
                     f"{base64.b64encode(b'p=tls-server-end-point,,' + bare).decode()}</auth>")
            challenge = base64.b64decode(re.search(">([^<]*)</challenge>", raw.read_until("</challenge>"))[1])
            final = b"c=" + base64.b64encode(b"p=tls-server-end-point,," + binding) + b"," + challenge.split(b",")[0]
            final += b",p=" + scram_proof(b"queen-mab", bare, challenge, final)
            raw.send(f"<response xmlns='{SASL}'>{base64.b64encode(final).decode()}</response>")
            raw.read_until("<success")
    assert proof == {"binding": True, "key": True}


def scram_proof(password, first, challenge, final):
    """RFC 5802 3, for SCRAM-SHA-256."""
    fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), b",".join((first, challenge, final)), "sha256")
    return base64.b64encode(bytes(a ^ b for a, b in zip(key, signature)))


# ---- who guesses ----

def guess(raw, user, password="wrong"):
    """One SASL PLAIN attempt on an open stream; what the server made of it."""
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    raw.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
    return raw.read_until("<success[^>]*/>|</failure>|</stream:stream>")


def test_failures_are_counted_and_a_rule_bans(lab, padua, wall):
    """Two attempts a stream pass with the server's answer; the fifth from this address ends it and bans it."""
    source = "192.0.2.27"
    for _ in range(2):
        with RawClient(lab, padua, source=source) as raw:
            raw.starttls().open()
            assert "not-authorized" in guess(raw, "mercutio") and "not-authorized" in guess(raw, "Mercutio")
    event = wall.event(rule="", kind="login", account="mercutio@padua.example")
    assert "mark guessed" in event["xmpp"]["orders"] and "wrong" not in str(event)
    with RawClient(lab, padua, source=source) as raw:
        raw.starttls().open()
        answer = guess(raw, "nobody") + raw.read_all()
        assert "not-authorized" in answer and "policy-violation" in answer and "too many attempts" in answer
    event = wall.event(rule="brute", chain="logins")["xmpp"]
    assert event["kind"] == "login" and event["failure"] == "not-authorized" and event["account"] == "nobody@padua.example"
    shown = wall.run("explain", event["id"]).stdout
    assert "login.failures.peer" in shown and "brute" in shown
    wait_for(lambda: source in wall.blocked(), 5, "the ban in the kernel")
    wall.run("unban", source)
    # The owner of the account logs in from elsewhere, and rules know that somebody has tried.
    with RawClient(lab, padua, source="192.0.2.28") as raw:
        raw.login("mercutio").send("<message to='mercutio@padua.example'><body>was I guessed at?</body></message>")
        raw.read_until("yes")


def test_account_of_scram_and_silence(lab, padua, wall):
    """SCRAM's name counts, too, and "drop" says nothing."""
    with RawClient(lab, padua, source="192.0.2.29") as raw:
        raw.starttls().open()
        first = base64.b64encode(b"n,,n=tybalt,r=abcdefgh").decode()
        raw.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{first}</auth>")
        challenge = base64.b64decode(re.search(">([^<]*)</challenge>", raw.read_until("</challenge>"))[1])
        final = b"c=biws," + challenge.split(b",")[0] + b",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA="
        raw.send(f"<response xmlns='{SASL}'>{base64.b64encode(final).decode()}</response>")
        answer = raw.read_all()
        assert "<failure" not in answer and "<stream:error" not in answer
    assert wall.event(rule="quiet")["xmpp"]["account"] == "tybalt@padua.example"


def test_guessers_wait(lab, padua, wall):
    """After "tarpit" the answer comes at once and the next attempt is not heard before its time; others do not wait."""
    with RawClient(lab, padua, source="192.0.2.22") as raw, RawClient(lab, padua, source="192.0.2.21") as other:
        raw.starttls().open()
        other.starttls().open()
        begun = time.monotonic()
        assert "not-authorized" in guess(raw, "sampson")
        first = time.monotonic() - begun
        assert "<success" in guess(other, "mercutio", "queen-mab")
        between = time.monotonic() - begun
        assert "<success" in guess(raw, "mercutio", "queen-mab")
        assert max(first, between) < 0.9 < time.monotonic() - begun


@pytest.mark.parametrize("two", [False, True], ids=["sasl1", "sasl2"])
def test_database_down_counts_against_nobody(lab, wall, two):
    """RFC 6120 6.5.9: temporary-auth-failure is judged and told, and counts for no address and no account."""
    ns, element = (SASL2, "authenticate") if two else (SASL, "auth")

    def talk(c):
        c.greet(BOTH)
        while True:
            c.read_until(f"</{element}>")
            c.send(f"<failure xmlns='{ns}'><temporary-auth-failure xmlns='{SASL}'/></failure>")

    with LyingServer(lab, talk):
        with RawClient(lab, PADUA_RAW, port=5722, source="192.0.2.30") as raw:
            raw.starttls().open()
            payload = base64.b64encode(b"y,,n=romeo,r=abc").decode()
            for _ in range(8):
                first = f"<initial-response>{payload}</initial-response>" if two else payload
                raw.send(f"<{element} xmlns='{ns}' mechanism='SCRAM-SHA-1'>{first}</{element}>")
                raw.read_until("temporary-auth-failure")
                raw.read_until("</failure>")
    event = wall.event(rule="down")["xmpp"]
    assert event["account"] == "romeo@padua.example" and event["failure"] == "temporary-auth-failure"
    assert "192.0.2.30" not in wall.bans()


def test_downgrade_is_told_and_not_held_against_anybody(lab, padua, wall, new_client):
    """Prosody 0.12 behind TLS 1.2 offers -PLUS and refuses "y": that is the arrangement's fault."""
    before = wall.ctl("status")["counters"].get("sasl.downgrade", 0)
    for n in range(6):
        with RawClient(lab, padua.host("old"), source="192.0.2.26") as raw:
            raw.starttls().open()
            raw.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{base64.b64encode(b'y,,n=juliet,r=abc').decode()}</auth>")
            raw.read_until("malformed-request")
    assert wall.ctl("status")["counters"]["sasl.downgrade"] == before + 6
    assert "192.0.2.26" not in wall.bans() and "downgrade" in wall.process.text()


# ---- SASL2 out of order ----

NO = "not-authorized|policy-violation|invalid-mechanism|malformed-request|unsupported-stanza-type|aborted|not-well-formed"
FIRST = base64.b64encode(b"n,,n=juliet,r=abcdefgh").decode()
START = f"<authenticate xmlns='{SASL2}' mechanism='SCRAM-SHA-1'><initial-response>{FIRST}</initial-response></authenticate>"


@pytest.mark.parametrize("text", [
    f"<response xmlns='{SASL2}'>AAAA</response>", f"<next xmlns='{SASL2}' task='x'/>", f"<abort xmlns='{SASL2}'/>",
    f"<success xmlns='{SASL2}'><authorization-identifier>juliet@padua.example/x</authorization-identifier></success>",
    f"<authenticate xmlns='{SASL2}'/>", START + START, START + "<message to='romeo@padua.example'><body>x</body></message>",
    START + f"<abort xmlns='{SASL2}'/>",
    START + "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    f"<authenticate xmlns='{SASL2}' mechanism='HT-SHA-256-EXPR'><initial-response>AAAA</initial-response><fast xmlns='urn:xmpp:fast:0'/></authenticate>",
    f"<authenticate xmlns='{SASL2}' mechanism='HT-SHA-256-NONE'><fast xmlns='urn:xmpp:fast:0'/></authenticate>",
    START.replace("</authenticate>", "<resume xmlns='urn:xmpp:sm:3' previd='nobody' h='4294967295'/></authenticate>"),
    START.replace("</authenticate>", "<bind xmlns='urn:xmpp:bind:0'>" + "<enable xmlns='urn:xmpp:sm:3'/>" * 20 + "</bind></authenticate>"),
], ids=range(13))
def test_sasl2_out_of_order(lab, padua, wall, text):
    """Whatever order it comes in, nobody is logged in by it, the server answers or the stream ends, and the process lives."""
    process = wall.proxies()
    with RawClient(lab, padua, source="192.0.2.23") as raw:
        raw.starttls().open().send(text + "<presence/></stream:stream>")
        answer = raw.read_all(12)
    assert re.search(NO + "|<challenge|</stream:stream>", answer) and "<success" not in answer, answer
    assert "juliet@padua.example/" not in answer and wall.proxies() == process


@pytest.mark.parametrize("talk_text", [
    f"<success xmlns='{SASL2}'><authorization-identifier>romeo@padua.example/evil</authorization-identifier></success>",
    f"<challenge xmlns='{SASL2}'/><success xmlns='{SASL}'/>", f"<continue xmlns='{SASL2}'/><success xmlns='{SASL2}'/>"], ids=range(3))
def test_success_that_nobody_asked_for(lab, wall, talk_text):
    """A server that lets in who has not come is not believed."""
    def talk(c):
        c.greet(BOTH)
        c.send(talk_text)
        c.read_all(10)

    with LyingServer(lab, talk):
        with RawClient(lab, PADUA_RAW, port=5722) as raw:
            answer = raw.starttls().open().read_all()
    assert "<success" not in answer and "internal-server-error" in answer
    assert wall.event(rule="sasl.unasked")


# ---- anonymous, and clients that end their lines ----

def test_guests_have_their_limits(lab, padua, wall):
    """docs/examples/policies/anonymous.rules, with the lab's names in it, before Prosody's anonymous host."""
    with RawClient(lab, padua) as desk, RawClient(lab, padua.host("anon"), source="192.0.2.24") as raw:
        desk.login("romeo").send("<presence/>")
        raw.starttls().open().send(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>")
        raw.read_until("<success")
        raw.open().send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        guest = re.search("<jid>([^<]*)", raw.read_until("</iq>"))[1]
        assert guest.endswith("anon.padua.example/" + guest.split("/")[1])
        for stanza, condition in [
                ("<message to='juliet@padua.example'><body>hello</body></message>", "forbidden"),
                ("<presence to='juliet@padua.example' type='subscribe'/>", "not-allowed"),
                ("<iq type='get' id='v' to='juliet@padua.example'><vCard xmlns='vcard-temp'/></iq>", "service-unavailable"),
                ("<message to='romeo@padua.example'><body>http://bad.example/</body></message>", "policy-violation")]:
            raw.send(stanza)
            raw.read_until(f"<{condition}")
        raw.send("<message to='romeo@padua.example' type='chat'><body>is somebody there?</body></message>")
        desk.read_until("is somebody there")
        desk.send(f"<message to='{guest}' type='chat'><body>yes</body></message>")
        raw.read_until(">yes<")
        desk.send("<presence type='unavailable'/>")
        raw.send("<presence to='nobody@rooms.padua.example/x'/>" * 40)
        raw.read_until("slow down")


def test_line_ends_behind_every_element(lab, padua, wall):
    """go-xmpp ends its lines, behind <starttls/> as well: thrown away, and everything else is still an injection."""
    worked, said = go_sendxmpp(lab, padua.domain, "juliet", "balcony")
    assert worked and "said by Go" in said, said
    with RawClient(lab, padua) as raw:
        raw.open().send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\r\n \n<presence/>")
        assert "policy-violation" in raw.read_all()
