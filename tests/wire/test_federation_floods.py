# SPDX-License-Identifier: BSD-2-Clause
"""Floods, oversize and unreadable streams between servers; and what rules do there: refusals that find their way back, and counts of
stream management that stay true."""
import contextlib

import pytest

from federation import Federation
from fedscene import Scene, needs_root
from lab import LabError, wait_for
from s2speer import message, refused, result, stream_header

RULES = """
chain guard {
    hook s2s direction in; policy accept;
    rule word { message text contains "casino" reject policy-violation "not here", log }
    rule lost { message text contains "swallow" drop, log }
}
"""


@pytest.fixture(scope="module", params=["PE", "EP"])
def scene(request):
    needs_root()
    with Federation(request.param) as federation:
        yield Scene(federation)


@pytest.fixture
def fresh(scene):
    scene.begin()
    yield
    scene.end()


@pytest.mark.usefixtures("fresh")
def test_dialback_flood(scene):
    """Requests beyond those that may be open are answered with an error each; beyond a minute's number the stream ends."""
    peer = scene.external()
    with scene.refusing("dialback.open"), scene.refusing("dialback.rate"):
        for number in range(200):
            peer.send(result(f"f{number}.peer103.example", scene.a.domain(), "key"))
        text = peer.end(20)
    assert "resource-constraint" in text and "policy-violation" in text


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("behind_tls", [False, True], ids=["clear", "tls"])
def test_unreadable_streams(scene, behind_tls):
    header = stream_header(scene.me, scene.a.domain())
    for data in (("\ufeff" + header).encode("utf-16-le"), header.encode("utf-16-be"), header.replace("?>", " encoding='UTF-16'?>").encode(),
                 b"\0" + header.encode(), header.replace("<stream", "<!DOCTYPE x><stream").encode()):
        peer = scene.dial(certificate=scene.leaf)
        if behind_tls:
            peer.starttls()
        peer.send(data)
        refused(peer)


@pytest.mark.usefixtures("fresh")
def test_oversize_before_and_after_login(scene):
    for opened in (lambda: scene.dial(certificate=scene.leaf).secure(), scene.external):
        peer, token = opened(), scene.token()
        peer.send(message(f"x@{scene.me}", scene.juliet.jid, token + "x" * 2_000_000, token))
        with contextlib.suppress(LabError):
            refused(peer)


@pytest.fixture(scope="module", params=[("smacks",), ("smacks", "s2s_bidi")], ids=["one-way", "bidi"])
def ruled(request):
    needs_root()
    with Federation("PP", modules=request.param) as federation:
        federation.a.raise_wall(more=RULES)
        federation.bidi = "s2s_bidi" in request.param
        yield federation


def test_bidi_takes_one_stream(ruled):
    ruled.mark()
    ruled.exchange(how={"external"})
    assert len(ruled.a.wall.sessions()) == (1 if ruled.bidi else 2)
    assert len(ruled.a.server.streams_of()) == (1 if ruled.bidi else 2)


def test_refusals_find_their_way_back(ruled):
    """The error comes on the same stream with bidi, on the stream of the other direction without: the sender hears it."""
    ruled.exchange()
    romeo, juliet = ruled.b.user(), ruled.a.user()
    romeo.say(juliet.jid, "the casino is open")
    assert "policy-violation" in romeo.read_until("<message[^>]*type=.error.*?</message>", 20)
    heard = juliet.hear(romeo.say(juliet.jid))
    assert "casino" not in heard


def test_counts_stay_true(ruled):
    """XEP-0198 between servers: some of what was sent never arrives, and neither side is told a count it did not earn."""
    ruled.exchange()
    ruled.mark()
    romeo, juliet = ruled.b.user(), ruled.a.user()
    before = ruled.b.server.streams_of()
    for number in range(10):
        romeo.say(juliet.jid, f"swallow {number}" if number in (3, 7) else f"counted {number}")
    assert "swallow" not in juliet.hear("counted 9")
    romeo.hear(juliet.say(romeo.jid))
    wait_for(lambda: len(ruled.a.wall.events(rule="lost")) >= 2, 10, "two events")
    assert ruled.b.server.streams_of() == before
    assert "stream:error" not in ruled.b.server.since() and "stream:error" not in ruled.a.server.since()
