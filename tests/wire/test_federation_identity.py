# SPDX-License-Identifier: BSD-2-Clause
"""Certificates of remote servers, good and bad, shown to us and shown to whom ours dials: what proves a domain leads to SASL EXTERNAL at
our own server, what does not leads nowhere where a proof is required."""
import base64
import contextlib
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certificates import Issuer, dns, srv, xmpp_addr
from federation import Federation
from fedscene import Scene, needs_root
from lab import LabError
from s2speer import Listener, message


@pytest.fixture(scope="module", params=["PE", "EP"])
def scene(request):
    needs_root()
    with Federation(request.param) as federation:
        made = Scene(federation)
        made.stranger_authority = Issuer(federation.folder / "elsewhere", "another CA")
        yield made


@pytest.fixture(autouse=True)
def fresh(scene):
    scene.begin()
    yield
    scene.end()


def parent(domain):
    return domain.partition(".")[2]


GOOD = {
    "dns": lambda me: [dns(me)],
    "srv": lambda me: [srv(me)],
    "xmpp-addr": lambda me: [xmpp_addr(me)],
    "wildcard": lambda me: [dns(f"*.{parent(me)}")],
    "among-others": lambda me: [dns("x.example"), srv("y.example"), dns(me)],
}
BAD = {
    "expired": dict(days=(-30, -1)),
    "not-yet-valid": dict(days=(1, 30)),
    "self-signed": dict(self_signed=True),
    "wrong-name": dict(names=lambda me: [dns(f"x.{me}"), srv(parent(me))]),
    "common-name-beside-names": dict(names=lambda me: [dns("x.example")], common=True),
    "wildcard-in-part": dict(names=lambda me: [dns(f"{me[0]}*.{parent(me)}")]),
    "wildcard-of-itself": dict(names=lambda me: [dns(f"*.{me}")]),
    "wildcard-xmpp-addr": dict(names=lambda me: [xmpp_addr(f"*.{parent(me)}")]),
    "srv-of-clients": dict(names=lambda me: [srv(me, "_xmpp-client")]),
    "other-authority": dict(elsewhere=True),
}


def bad_leaf(scene, flaw):
    flaw = dict(BAD[flaw])
    issuer = scene.stranger_authority if flaw.pop("elsewhere", False) else scene.federation.public
    names = flaw.pop("names", lambda me: [dns(me), srv(me)])
    if flaw.pop("common", False):
        flaw["common"] = scene.me
    return issuer.issue(scene.me, scene.certificates / "bad", names(scene.me), **flaw)


@pytest.mark.parametrize("names", GOOD)
@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
def test_good_certificates_lead_in(scene, names, direct):
    leaf, body = scene.federation.public.issue(scene.me, scene.certificates / "good", GOOD[names](scene.me)), scene.text()
    peer = scene.dial(certificate=leaf, port=5270 if direct else 5269)
    peer = peer.wrap().open() if direct else peer.secure()
    assert "EXTERNAL" in peer.features and "<success" in peer.external()
    peer.open().send(message(f"x@{scene.me}", scene.juliet.jid, body, body))
    scene.juliet.hear(body)


@pytest.mark.parametrize("flaw", BAD)
def test_bad_certificates_lead_nowhere(scene, flaw):
    """No EXTERNAL is offered, and none is taken."""
    peer = scene.dial(certificate=bad_leaf(scene, flaw)).secure()
    assert "EXTERNAL" not in peer.features
    with scene.refusing("sasl.unverified"):
        assert "<failure" in peer.external()
    scene.never(peer, scene.me, "not-authorized")


@pytest.mark.parametrize("flaw", ["expired", "self-signed", "wrong-name", "other-authority"])
def test_a_proof_that_is_required(scene, flaw):
    """Inbound the stream ends before our own server is dialled; outbound nothing of ours is sent to whoever is there."""
    scene.wall(federation="require pkix;")
    leaf = bad_leaf(scene, flaw)
    with scene.refusing("remote.require"):
        with contextlib.suppress(LabError, OSError):
            scene.dial(certificate=leaf).starttls_raw().read_all(5)
        scene.told("remote.require")
    with contextlib.closing(Listener(scene.federation, 102, scene.other, leaf, scene.federation.public.file)) as listener:
        with scene.refusing("remote.require"):
            body = scene.juliet.say(f"x@{scene.other}")
            scene.told("remote.require")
        assert not any(body.encode() in s.raw or b"db:result" in s.raw for s in listener.streams)


def pin_of(file):
    key = x509.load_pem_x509_certificate(file.read_bytes()).public_key()
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256:" + base64.b64encode(hashlib.sha256(spki).digest()).decode()


def test_pins_prove_what_nobody_signed(scene):
    """A self-signed certificate whose key is pinned leads in by EXTERNAL; another key of that domain does not, and rules know which."""
    leaf = scene.federation.public.issue(scene.me, scene.certificates / "pinned", self_signed=True)
    scene.wall(more=f"""
remote pinned {{ domains "{scene.me}"; require pin; pins "{pin_of(leaf)}"; }}
chain who {{ hook s2s direction in; policy accept; rule pinned {{ message remote.verified is pin remote.domain is "{scene.me}" drop, log }} }}
""")
    peer, token = scene.dial(certificate=leaf).secure(), scene.token()
    assert "EXTERNAL" in peer.features and "<success" in peer.external()
    peer.open().send(message(f"x@{scene.me}", scene.juliet.jid, token, token))
    scene.a.wall.event(rule="pinned")
    with scene.refusing("remote.require"):
        with contextlib.suppress(LabError, OSError):
            scene.dial(certificate=scene.leaf).starttls_raw().read_all(5)
        scene.told("remote.require")
