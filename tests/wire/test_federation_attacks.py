# SPDX-License-Identifier: BSD-2-Clause
"""Servers that claim to be others, at each step and from both sides: refused, told, counted, and our own server never hears of the
stanza, while honest servers go on beside it."""
import base64
import contextlib
import threading

import pytest

from certificates import dns
from federation import Federation, peer_address
from fedscene import Scene, needs_root
from lab import LabError
from raw import PROCEED
from s2speer import BIDI, SASL, Listener, message, peer_domain, refused, result, stream_header, verify

@pytest.fixture(scope="module", params=["PE", "EP"])
def scene(request):
    needs_root()
    with Federation(request.param) as federation:
        yield Scene(federation)


@pytest.fixture(autouse=True)
def fresh(scene):
    scene.begin()
    yield
    scene.end()


def encoded(name):
    return base64.b64encode(name.encode()).decode()


# ---- a remote server that dials ours ----

def test_nobody_speaks_as_one_of_ours(scene):
    for name in (scene.a.domain(), scene.a.domain("more"), f"rooms.{scene.a.domain()}"):
        with scene.refusing("header.from-ours"):
            assert refused(scene.dial(me=name).starttls_raw()) == "invalid-from"


def test_no_way_through_to_others(scene):
    """We are no relay: neither the header nor dialback leads to a domain that is not ours."""
    with scene.refusing("header.domain"):
        assert refused(scene.dial(to=scene.b.domain()).starttls_raw()) == "host-unknown"
    peer = scene.dial(certificate=scene.leaf).secure()
    with scene.refusing("dialback.to"):
        assert peer.dialback(receiver=scene.b.domain()) == "error"


def test_a_header_that_names_nobody(scene):
    """Who says no name has no certificate for it, and nothing to say."""
    peer = scene.dial(certificate=scene.leaf).starttls()
    peer.send(stream_header(None, peer.to))
    features = peer.read_until("</stream:features>|<stream:features/>|</stream:stream>")
    assert "EXTERNAL" not in features
    token = scene.token()
    peer.send(message(f"x@{scene.me}", scene.juliet.jid, token, token))
    assert refused(peer) in ("not-authorized", "invalid-from")


def test_anothers_name_in_the_header(scene):
    """The certificate is not b's: no EXTERNAL is offered, none is taken, and b denies the key."""
    peer = scene.dial(me=scene.b.domain(), certificate=scene.leaf).secure()
    assert "EXTERNAL" not in peer.features
    with scene.refusing("sasl.unverified"):
        assert "<failure" in peer.external()
    assert peer.dialback() in ("invalid", "error")
    scene.never(peer, scene.b.domain(), "not-authorized")


def test_anothers_name_as_authzid(scene):
    for name in (scene.b.domain(), f"x@{scene.me}", f"{scene.me}\0{scene.b.domain()}", "*"):
        peer = scene.dial(certificate=scene.leaf).secure()
        assert "EXTERNAL" in peer.features
        with scene.refusing("sasl.authzid"):
            assert "<failure" in peer.external(encoded(name))
        scene.never(peer, scene.b.domain(), "not-authorized")


def test_another_name_behind_sasl(scene):
    """The stream begins anew after <success/>, as the same server's."""
    peer = scene.dial(certificate=scene.leaf).secure()
    assert "<success" in peer.external()
    with scene.refusing("header.from-changed"):
        peer.send(stream_header(scene.b.domain(), scene.a.domain()))
        assert refused(peer) == "invalid-from"


def test_another_certificate_than_the_header(scene):
    """The clear header said b, the one behind TLS says what the certificate says: only the latter counts, in both directions."""
    peer = scene.dial(certificate=scene.leaf).starttls(sender=scene.b.domain()).open()
    assert "EXTERNAL" in peer.features and "<success" in peer.external()
    peer = scene.dial(certificate=scene.leaf).starttls().open(sender=scene.b.domain())
    assert "EXTERNAL" not in peer.features


def test_stanza_before_any_proof(scene):
    for certificate in (None, scene.leaf):
        peer = scene.dial(certificate=certificate).secure()
        scene.never(peer, scene.me, "not-authorized")


def test_stanza_in_anothers_name(scene):
    """EXTERNAL and dialback prove one pair each, and nothing else."""
    juliet = scene.juliet.jid
    for opened in (scene.external, scene.dialback):
        for sender, receiver in ((scene.b.domain(), juliet), (scene.a.domain(), juliet), (scene.other, juliet), (f"x.{scene.me}", juliet),
                                 (scene.me, f"juliet@{scene.a.domain('more')}")):
            scene.never(opened(), sender, "invalid-from", receiver)


def test_stanza_without_addresses(scene):
    for missing in ("from", "to"):
        peer, token = scene.external(), scene.token()
        text = message(f"x@{scene.me}", scene.juliet.jid, token, token)
        with scene.refusing("stanza.address"):
            peer.send(text.replace(f" {missing}=", " was="))
            assert refused(peer) == "improper-addressing"


def test_pair_asked_for_and_not_proved(scene):
    """Dialback for another domain on a stream that is somebody's already: b denies it, and stanzas before and after are refused."""
    peer = scene.external()
    assert peer.dialback(sender=scene.b.domain()) in ("invalid", "error")
    scene.never(peer, scene.b.domain(), "invalid-from")
    peer = scene.external()
    peer.send(result(scene.b.domain(), scene.a.domain(), "key"))  # not answered yet, or just so
    scene.never(peer, scene.b.domain(), "invalid-from")


def test_domains_share_a_stream(scene):
    """Multiplexed targets of ours and a sender that came later (XEP-0220 2.3), each proved by dialback: their stanzas pass."""
    peer, more = scene.dialback(), scene.a.domain("more")
    scene.a.user("more")
    with Listener(scene.federation, 102, scene.other, scene.leaf):
        assert peer.dialback(receiver=more) == "valid"
        assert peer.dialback(sender=scene.other) == "valid"
    for sender, user in ((scene.me, scene.juliet), (scene.me, scene.a.user("more")), (scene.other, scene.juliet)):
        body = scene.text()
        peer.send(message(f"x@{sender}", user.jid, body, body))
        user.hear(body)
    scene.never(peer, scene.other, "invalid-from", f"juliet@{more}")


def test_proof_of_another_is_none_of_the_headers(scene):
    """A stream in b's name on which another domain was proved: what goes wrong on it is not told of b."""
    scene.listen()
    peer = scene.dial(me=scene.b.domain()).secure()
    assert peer.dialback(sender=scene.me) == "valid"
    scene.never(peer, scene.b.domain(), "invalid-from")
    event = scene.a.wall.events(last=2000, rule="stanza.pair", chain="protocol")[-1]
    assert scene.b.domain() != event["xmpp"].get("remote"), event


def test_refused_pair_leaves_the_first_alone(scene):
    """Errors are a pair's, not the stream's: another sender is denied, and who was there first is still heard."""
    peer = scene.external()
    with Listener(scene.federation, 102, scene.other, scene.leaf) as others:
        others.judge = lambda stream, found: "invalid"
        assert peer.dialback(sender=scene.other) in ("invalid", "error")
    body = scene.text()
    peer.send(message(f"x@{scene.me}", scene.juliet.jid, body, body))
    scene.juliet.hear(body)
    scene.never(peer, scene.other, "invalid-from")


def test_policy_is_asked_for_every_pair(scene):
    """A domain that has to show a certificate does not get in by dialback on a stream of somebody else's."""
    scene.wall(more=f'remote strict {{ domains "{scene.other}"; require pkix; }}')
    peer = scene.external()
    with Listener(scene.federation, 102, scene.other, scene.leaf):
        with scene.refusing("dialback.policy"):
            assert peer.dialback(sender=scene.other) == "error"
    scene.never(peer, scene.other, "invalid-from")


def test_valid_that_nobody_asked_for(scene):
    """XEP-0220 2.1.1: whoever believes an unsolicited "valid" believes everybody."""
    ours, other = scene.a.domain(), scene.b.domain()
    unsolicited = [result(other, ours, kind="valid"), result(ours, other, kind="valid"), result(scene.me, ours, kind="valid"),
                   verify(other, ours, "1", kind="valid"), verify(scene.me, ours, "1", kind="valid")]
    for said in unsolicited:
        peer = scene.external()
        with scene.refusing("dialback.unsolicited"):
            peer.send(said)
            assert refused(peer) == "policy-violation"


def test_invalid_that_nobody_asked_for_is_ignored(scene):
    """It cannot talk a pair down that is valid."""
    peer, body = scene.external(), scene.text()
    with scene.refusing("dialback.unsolicited"):
        peer.send(result(scene.me, scene.a.domain(), kind="invalid"))
        peer.send(message(f"x@{scene.me}", scene.juliet.jid, body, body))
        scene.juliet.hear(body)


def test_answers_that_are_about_another_pair(scene):
    """Our server asks me whether a key is mine; I answer for b."""
    def lie(stream, found):
        stream.send(verify(scene.b.domain(), found.get("to"), found.get("id"), kind="valid"))
        stream.send(verify(scene.me, found.get("from"), found.get("id") + "x", kind="valid"))

    with Listener(scene.federation, 101, scene.me, scene.leaf) as mine:
        mine.hears_verify = lie
        with scene.refusing("dialback.unsolicited"):
            with contextlib.suppress(LabError):
                scene.dial().secure().dialback(seconds=3)


def test_bidi_where_it_was_not_offered(scene):
    peer = scene.dial(certificate=scene.leaf).secure()
    if "urn:xmpp:features:bidi" in peer.features:
        pytest.skip("this server offers it")
    with scene.refusing("dialback.bidi"):
        peer.send(BIDI)
        assert refused(peer) == "policy-violation"


def test_success_is_for_receivers_to_say(scene):
    """Elements of the other side's part of the play."""
    for text in (f"<success xmlns='{SASL}'/>", f"<failure xmlns='{SASL}'/>"):
        peer = scene.dial(certificate=scene.leaf).secure()
        with scene.refusing("sasl.order"):
            peer.send(text)
            scene.told("sasl.order")
        scene.never(peer, scene.me, "not-authorized")


def test_words_that_nobody_judges(scene):
    """No stanza, no rule, no line in the audit trail: what is no word between servers goes no further, before the login as behind it."""
    words = {"<stream:cargo>{}</stream:cargo>": lambda: scene.dial(certificate=scene.leaf).secure(),
             "<cargo xmlns='urn:xmpp:sm:3'>{}</cargo>": scene.external}
    for word, opened in words.items():
        peer = opened()
        with scene.refusing("stanza.unknown"):
            peer.send(word.format(scene.token()))
            assert refused(peer) == "unsupported-stanza-type"


REJECTS = """
chain judge { hook s2s direction in; policy accept; rule word { kind is iq and type is get reject not-allowed } }
"""


def test_rejected_iq_carries_nothing(scene):
    """Without a stream back it goes on emptied, so that its receiver answers: with nothing of its sender's in it."""
    scene.wall(more=REJECTS)
    peer, token = scene.external(), scene.token()
    peer.send(f"<iq from='x@{scene.me}' to='{scene.juliet.jid}' type='get' id='e1' more='{token}'>{token}<q xmlns='urn:x'>{token}</q></iq>")
    assert token not in scene.juliet.read_until("<iq[^>]*id=.e1.*?</iq>")
    peer.send(f"<iq from='x@{scene.me}' to='{scene.juliet.jid}' type='get' id='{token * 100}'><q xmlns='urn:x'/></iq>")


# ---- a remote server that ours dials ----

def lying(scene, **parts):
    """A listener of me with other manners."""
    listener = Listener(scene.federation, 101, scene.me, parts.pop("certificate", scene.leaf), trust=scene.federation.public.file, **parts)
    return contextlib.closing(listener)


def opening_lie(listener, text):
    """Says this behind its features, once TLS stands."""
    usual = listener.opened

    def opened(stream):
        usual(stream)
        if stream.secured:
            stream.send(text)

    listener.opened = opened


@pytest.mark.parametrize("what, reason", [
    ("stanza", "stanza.pair"), ("valid", "dialback.unsolicited"), ("verified", "dialback.unsolicited"), ("success", "sasl.unasked"),
    ("bidi", "dialback.bidi"), ("features", "stanza.unknown"), ("word", "stanza.unknown")])
def test_receiver_that_speaks_unasked(scene, what, reason):
    """On a stream of ours the other side answers; whatever else it says is not believed, and its stanzas are nobody's."""
    token, ours = scene.token(), scene.a.domain()
    lies = {"stanza": message(f"x@{scene.me}", scene.juliet.jid, token, token), "valid": result(scene.me, ours, kind="valid"),
            "verified": verify(scene.me, ours, "1", kind="valid"), "success": f"<success xmlns='{SASL}'/>", "bidi": BIDI,
            "features": f"<stream:features><c xmlns='http://jabber.org/protocol/caps' node='{token}'/></stream:features>",
            "word": f"<stream:cargo>{token}</stream:cargo>"}
    with lying(scene) as listener, scene.refusing(reason):
        opening_lie(listener, lies[what])
        scene.juliet.say(f"x@{scene.me}")
        listener.stream(condition=lambda s: s.secured and hasattr(s, "header"))
        scene.told(reason)


def test_receiver_that_asks(scene):
    """db:result the wrong way round, without bidi: answered with an error, or the stream ends; our own server is not asked."""
    with lying(scene) as listener, scene.refusing("dialback.direction"):
        opening_lie(listener, result(scene.me, scene.a.domain(), "key-of-wrong"))
        scene.juliet.say(f"x@{scene.me}")
        scene.told("dialback.direction")


def test_stanza_of_another_on_our_stream(scene):
    """Once the pair is valid, still nothing may be said on it the other way without bidi."""
    with lying(scene) as listener:
        body = scene.juliet.say(f"x@{scene.me}")
        listener.stanza(body)
        stream = listener.stream(condition=lambda s: s.said("message"))
        token = scene.token()
        with scene.refusing("stanza.pair"):
            stream.send(message(f"x@{scene.me}", scene.juliet.jid, token, token))
            scene.told("stanza.pair")


def test_our_server_speaks_as_ours_only(scene):
    """A compromised host inside dials out as b (whose name is not ours): refused, in the clear header and behind TLS."""
    for sender in (scene.b.domain(), scene.other):
        with lying(scene) as listener, scene.refusing("header.from-not-ours"):
            peer = scene.inside(me=sender, to=scene.me)
            assert refused(peer.starttls_raw()) in ("invalid-from", "")
            assert not listener.streams
    with scene.refusing("header.loop"):
        assert refused(scene.inside(me=scene.a.domain(), to=scene.a.domain("more"), address=peer_address(101)).starttls_raw()) == "host-unknown"


# ---- in the middle ----

def test_starttls_stripped_by_the_remote(scene):
    """It offers none: our server is told, and nothing of its goes out in clear text."""
    with lying(scene, tls=False) as listener, scene.refusing("remote.no-starttls"):
        body = scene.juliet.say(f"x@{scene.me}")
        scene.told("remote.no-starttls")
        assert not any(body.encode() in s.raw for s in listener.streams)


def test_clear_text_behind_proceed(scene):
    """<proceed/>, and then no TLS but what looks like the end of it."""
    with lying(scene) as listener:
        def hears(stream, found):
            if found.tag.endswith("starttls"):
                stream.send(PROCEED + stream_header(scene.me, scene.a.domain(), "x") + "<stream:features/>")
                return True
            return False

        listener.hears = hears
        body = scene.juliet.say(f"x@{scene.me}")
        stream = listener.stream(condition=lambda s: b"starttls" in s.raw)
        scene.juliet.read_until("<message[^>]*type=.error", 30)
        assert body.encode() not in stream.raw and b"EXTERNAL" not in stream.raw


class Stripper(Listener):
    """A man in the middle between a and a domain of b's: hands everything on, without STARTTLS."""

    def __init__(self, federation, number, to):
        super().__init__(federation, number)
        self.federation, self.towards, self.said_by_a = federation, to, b""

    def _serve(self, stream):
        with contextlib.suppress(OSError):
            on = self.federation.net.connect(self.towards, 5269, source=self.address)

            def back():
                with contextlib.suppress(OSError):
                    while chunk := on.recv(65536):
                        start = chunk.find(b"<starttls")
                        if start >= 0:
                            end = chunk.find(b"</starttls>", start)
                            end = end + 11 if end >= 0 else chunk.find(b"/>", start) + 2
                            chunk = chunk[:start] + chunk[end:]
                        stream.socket.sendall(chunk)

            threading.Thread(target=back, daemon=True).start()
            while chunk := stream.socket.recv(65536):
                self.said_by_a += chunk
                on.sendall(chunk)


def test_starttls_stripped_on_the_way(scene):
    """Real servers at both ends, and the names lead past somebody who takes <starttls/> out of the features."""
    b = scene.b
    elsewhere = [line for line in scene.federation.records() if b.domain("more") not in line]
    scene.federation.names.say(*elsewhere, f"srv-host=_xmpp-server._tcp.{b.domain('more')},{peer_domain(110)},5269")
    try:
        with contextlib.closing(Stripper(scene.federation, 110, b.addresses[0])) as middle, scene.refusing("remote.no-starttls"):
            body = scene.juliet.say(f"romeo@{b.domain('more')}")
            scene.told("remote.no-starttls")
            assert body.encode() not in middle.said_by_a and b"db:result" not in middle.said_by_a
    finally:
        scene.federation.names.say(*scene.federation.records())


def test_another_server_when_it_is_dialled_again(scene):
    """TLS from the first byte: the remote server is verified, ours is shown so, and then dialled again with the certificate of whom ours
    turns out to be. Who takes that second connection has to be verified, too, whatever dialback may say later."""
    scene.wall(federation="require pkix, dialback; unverified untrusted;")
    someone = scene.federation.public.issue(scene.other, scene.certificates, [dns(scene.other)])
    with lying(scene, direct=True, port=5270) as listener, scene.refusing("remote.changed"):
        serve = listener._serve

        def once(stream):
            if len(listener.streams) > 1:
                listener.certificate = someone
            serve(stream)

        listener._serve = once
        for domain in scene.a.domains:
            peer = scene.inside(me=domain, to=scene.me, port=5270).wrap()
            with contextlib.suppress(LabError):
                peer.open()
            if len(listener.streams) > 1:
                break
            listener.streams.clear()
        scene.told("remote.changed")
