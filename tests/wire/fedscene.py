# SPDX-License-Identifier: BSD-2-Clause
"""What tests of attacks on federation share: a firewall before side a, an honest server b beside whoever attacks, and what must hold
afterwards: the reason told and counted, nothing forged heard by our own server or its users, and b served as before."""
import contextlib
import itertools
import os

import pytest

from certificates import dns, srv
from lab import LabError, wait_for
from s2speer import Dialler, Listener, message, peer_domain, refused, stream_header

_tokens = itertools.count(1)


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")


class Outsider(Dialler):
    def starttls_raw(self):
        """As far as the header behind TLS, without waiting for an answer; for headers that are refused there or before."""
        with contextlib.suppress(LabError, OSError):
            self.starttls()
            self.send(stream_header(self.me, self.to))
        return self


class Scene:
    """me: a peer with a good certificate, who is not b; other: one more, without. Both are new with every test."""

    def __init__(self, federation):
        self.federation, self.a, self.b = federation, federation.a, federation.b
        self.certificates = federation.folder / "peers"
        self.federation.a.raise_wall()
        self.usual, self.made, self.tokens, self.mine = True, [], [], None
        self.honest()

    # ---- a test's frame ----

    def begin(self):
        if not self.usual:
            self.federation.a.raise_wall()
            self.usual = True
        self.federation.mark()
        serial = next(_tokens)
        self.me, self.other = peer_domain(101, serial), peer_domain(102, serial)
        self.leaf = self.federation.public.issue(self.me, self.certificates, [dns(self.me), srv(self.me)])
        self.tokens = []
        self.told_before = {}

    def end(self):
        """After every test: the honest are served, and nothing forged was heard."""
        for stream in self.made:
            stream.close()
        self.made.clear()
        self.mine = None
        heard = self.honest()
        for token in self.tokens:
            assert token not in heard, "a forged stanza reached a user"
            assert token not in self.a.server.since(), "a forged stanza reached our own server"

    def wall(self, **keywords):
        """A firewall of this test's own."""
        self.usual = False
        self.a.raise_wall(**keywords)

    def honest(self):
        """A message each way between juliet@a and romeo@b; what juliet saw meanwhile."""
        heard = self.juliet.hear(self.romeo.say(self.juliet.jid))
        self.romeo.hear(self.juliet.say(self.romeo.jid))
        return heard

    @property
    def juliet(self):
        return self.a.user()

    @property
    def romeo(self):
        return self.b.user()

    # ---- who attacks ----

    def dial(self, me=None, to=None, certificate=None, **keywords):
        made = Outsider(self.a, me or self.me, to, certificate=certificate, **keywords)
        self.made.append(made)
        return made

    def inside(self, me, to, address=None, port=5269):
        """Somebody on our own server's host, dialling out."""
        made = Outsider.__new__(Outsider)
        made.me, made.to, made.certificate, made.seen, made.id = me, to, None, b"", None
        made.socket = self.a.host.connect(address or "192.0.2.101", port, source=self.a.addresses[0])
        self.made.append(made)
        return made

    def external(self):
        """A stream of me, proved by certificate."""
        peer = self.dial(certificate=self.leaf).secure()
        assert "<success" in peer.external(), "the good certificate was refused"
        return peer.open()

    def dialback(self):
        """The same, proved by dialback."""
        mine = self.listen()
        peer = self.dial().secure()
        assert peer.dialback() == "valid", [s.raw[-300:] for s in mine.streams]
        return peer

    def listen(self):
        """The server of me that is asked about keys, until the test ends: our own server may keep its stream."""
        if not self.mine:
            self.mine = Listener(self.federation, 101, self.me, self.leaf)
            self.made.append(self.mine)
        return self.mine

    # ---- what must be seen ----

    def token(self):
        """Text that nobody may ever hear."""
        self.tokens.append(f"forged-{next(_tokens)}-")
        return self.tokens[-1]

    @staticmethod
    def text():
        """Text that is to be heard."""
        return f"honest-{next(_tokens)}-"

    def never(self, peer, sender, condition, receiver=None):
        """A message of sender's on that stream: it ends, and nobody hears."""
        token = self.token()
        with self.refusing("stanza.pair"):
            peer.send(message(f"x@{sender}", receiver or self.juliet.jid, token, token))
            assert refused(peer) == condition

    def counter(self, reason):
        return self.a.wall.ctl("status")["counters"].get(f"refused.{reason}", 0)

    def events(self, reason):
        return len(self.a.wall.events(last=2000, rule=reason, chain="protocol"))

    def told(self, reason, seconds=20):
        """Counted and told since refusing() began."""
        counted, told = self.told_before[reason]
        wait_for(lambda: self.counter(reason) > counted, seconds, f"a count of {reason}; {self.refusals()}")
        wait_for(lambda: self.events(reason) > told, seconds, f"an event {reason}")

    def refusals(self):
        return {k: v for k, v in self.a.wall.ctl("status")["counters"].items() if k.startswith("refused.")}

    @contextlib.contextmanager
    def refusing(self, reason):
        """Within, something is refused for that reason: counted, and an event says so."""
        self.told_before[reason] = (self.counter(reason), self.events(reason))
        yield
        self.told(reason)
