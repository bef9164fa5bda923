# SPDX-License-Identifier: BSD-2-Clause
"""What a middlebox has to say, to take out and to leave alone in a stream beside stanzas: limits, addresses to go to, nonzas
in their order, segments that hold several steps at once."""
import base64
import re

import pytest

from lab import wait_for
from liar import AUTH, BIND_REQUEST, PLAIN, SUCCESS, TRAP, VERONA, LyingServer
from raw import RawClient, header
from wall import Wall

LIMITED = TRAP.replace("timeouts {", "stream-limits { stanza 30000; stanza-preauth 12000; }\ntimeouts {")
LIMITED += "".join(f"""service {name} {{ listen tcp {{ {port} }}; role c2s; tls required; certificates "certs"; intercept tproxy;
    upstream {address}:5222 starttls; }}""" for name, port, address in
                   (("prosody", 5622, "198.51.100.10"), ("ejabberd", 5722, "198.51.100.20")))
LIMITS = "<limits xmlns='urn:xmpp:stream-limits:0'>{}</limits>"
ENABLED = "<enabled xmlns='urn:xmpp:sm:3' id='e1' resume='true' max='60' location='[198.51.100.99]:5222'/>"
SASL2 = ("<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'/>"
         "<sm xmlns='urn:xmpp:sm:3'/></inline></authentication>")
AUTHENTICATE = ("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AG1lcmN1dGlvAHF1ZWVuLW1hYg=="
                "</initial-response><bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/>"
                "<inactive xmlns='urn:xmpp:csi:0'/></bind></authenticate>")


@pytest.fixture(scope="module")
def limited(lab, leaves):
    made = Wall(lab, "limited")
    made.write(**{"xmppwall.conf": LIMITED})
    for leaf in leaves:
        made.certificate(leaf)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def dial(lab, limited):
    made = []

    def make(port=5322):
        made.append(RawClient(lab, VERONA, port=port))
        return made[-1]

    yield make
    for raw in made:
        raw.close()


def numbers(features):
    return dict(re.findall(r"<(max-bytes|idle-seconds)>(\d+)<", features))


@pytest.mark.parametrize("offered,before,after", [
    ("", ("12000", None), ("30000", "6")),
    (LIMITS.format("<max-bytes>10000</max-bytes><idle-seconds>5</idle-seconds>"), ("10000", "5"), ("10000", "5")),
    (LIMITS.format("<max-bytes>262144</max-bytes><idle-seconds>600</idle-seconds>"), ("12000", "600"), ("30000", "6"))],
    ids=["silent-server", "stricter-server", "looser-server"])
def test_limits_are_the_smaller_ones(lab, dial, offered, before, after):
    """XEP-0478: before the login and after it, the smaller of the server's and ours; ours where the server says nothing."""
    def talk(c):
        c.greet(PLAIN + offered)
        c.read_until("</auth>")
        c.send(SUCCESS)
        c.greet("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>" + offered)
        c.read_all(10)

    with LyingServer(lab, talk):
        raw = dial().starttls().open()
        first = numbers(raw.features)
        raw.send(AUTH)
        raw.read_until("<success[^>]*>")
        second = numbers(raw.open().features)
    assert (first.get("max-bytes"), first.get("idle-seconds")) == before
    assert (second.get("max-bytes"), second.get("idle-seconds")) == after


def test_what_is_announced_is_what_passes(lab, dial):
    """A stanza of exactly the announced size passes, one byte more does not."""
    def talk(c):
        c.accept_login()
        c.heard = c.read_until("</message>")
        c.read_all(10)

    with LyingServer(lab, talk) as server:
        raw = dial().login()
        frame = len("<message><body></body></message>")
        raw.send("<message><body>" + "x" * (30000 - frame) + "</body></message>")
        wait_for(lambda: getattr(server.connections[-1], "heard", ""), 5, "the message")
        raw.send("<message><body>" + "x" * (30001 - frame) + "</body></message>")
        assert "policy-violation" in raw.read_all()


@pytest.mark.parametrize("two", [False, True], ids=["enabled", "inline"])
def test_location_leads_nowhere(lab, dial, two):
    """XEP-0198's location would lead the client around the firewall; what else stands in <enabled/> stays."""
    def talk(c):
        if two:
            c.greet(SASL2)
            c.read_until("</authenticate>")
            c.send("<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>mercutio@verona.example/raw</authorization-identifier>"
                   f"<bound xmlns='urn:xmpp:bind:0'>{ENABLED}</bound></success>")
        else:
            c.accept_login()
            c.read_until("<enable[^>]*>")
            c.send(ENABLED)
        c.read_all(10)

    with LyingServer(lab, talk):
        raw = dial()
        if two:
            raw.starttls().open().send(AUTHENTICATE)
        else:
            raw.login().send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        enabled = re.search("<enabled[^>]*>", raw.read_until("<enabled[^>]*>"))[0]
    assert "location" not in enabled and 'id="e1"' in enabled and 'max="60"' in enabled and 'resume="true"' in enabled


def test_see_other_host_online(lab, dial):
    """Where to go next is nothing the server may tell a client of ours; that it has to come again is."""
    def talk(c):
        c.accept_login()
        c.send("<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>198.51.100.99:5222</see-other-host>"
               "</stream:error></stream:stream>")
        c.read_all(10)

    with LyingServer(lab, talk):
        answer = dial().login().read_all()
    assert "<reset " in answer and "198.51.100.99" not in answer and answer.endswith("</stream:stream>")


def test_nonzas_keep_their_place(lab, dial):
    """XEP-0352's words, acknowledgements and stanzas, some of them dropped: each side sees them in the order they were said."""
    def talk(c):
        c.accept_login()
        c.read_until("<enable[^>]*>")
        c.send("<enabled xmlns='urn:xmpp:sm:3' id='n1'/>")
        c.heard = c.read_until("last")
        c.send("<message><body>one</body></message><r xmlns='urn:xmpp:sm:3'/><x xmlns='urn:example:nonza' n='1'/>"
               "<message><body>two</body></message><x xmlns='urn:example:nonza' n='2'/>")
        c.read_all(10)

    said = []
    for n in range(20):
        said += ["<inactive xmlns='urn:xmpp:csi:0'/>", f"<message><body>m{n}</body></message>", "<message><body>casino</body></message>",
                 "<r xmlns='urn:xmpp:sm:3'/>", "<active xmlns='urn:xmpp:csi:0'/>"]
    with LyingServer(lab, talk) as server:
        raw = dial().login()
        raw.send("<enable xmlns='urn:xmpp:sm:3'/>" + "".join(said) + "<message><body>last</body></message>")
        back = raw.read_until('n="2"/>')
        heard = server.connections[-1].heard
    order = re.findall(r"<(?:(inactive|r|active) |message[^>]*><body>(\w+))", heard)
    assert [a or b for a, b in order] == [w for n in range(20) for w in ("inactive", f"m{n}", "r", "active")] + ["last"]
    assert [m[0] for m in re.finditer(r'>one<|<r |n="1"|>two<|n="2"', back)] == [">one<", "<r ", 'n="1"', ">two<", 'n="2"']


@pytest.mark.parametrize("server", ["prosody", "ejabberd"], indirect=True)
def test_all_steps_in_one_segment_with_real_servers(lab, server, limited):
    """XEP-0305 without the server's knowing: header, login, header, bind and a ping in one write, no byte lost."""
    token = base64.b64encode(f"\0mercutio\0{server.users['mercutio']}".encode()).decode()
    with RawClient(lab, server, port=5622 if server.name == "prosody" else 5722) as raw:
        raw.starttls()
        raw.send(header(server.domain) + f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>"
                 + header(server.domain) + BIND_REQUEST
                 + f"<iq type='get' id='p' to='{server.domain}'><ping xmlns='urn:xmpp:ping'/></iq>")
        answer = raw.read_until('<iq[^>]*id="p"[^>]*>')
        raw.send("</stream:stream>")
        answer += raw.read_all(15)
    places = [answer.index(w) for w in ("<success", "mercutio@", 'id="p"', "</stream:stream>")]
    assert places == sorted(places), answer
    wait_for(lambda: not limited.sessions(), 5, "the session to be gone")


def test_close_in_order(lab, dial):
    """RFC 6120 4.4: what the server says between the client's close and its own still arrives; then both ends are closed."""
    def talk(c):
        c.accept_login()
        c.heard = c.read_until("</stream:stream>")
        c.send("<message><body>one more</body></message></stream:stream>")
        c.heard += c.read_all(5)

    with LyingServer(lab, talk) as server:
        raw = dial().login()
        raw.send("<message><body>bye</body></message></stream:stream>")
        answer = raw.read_all()
    assert answer.index("one more") < answer.index("</stream:stream>") and "<stream:error" not in answer
    assert "bye" in server.connections[-1].heard
