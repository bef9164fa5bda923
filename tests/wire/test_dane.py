# SPDX-License-Identifier: BSD-2-Clause
"""TLSA records by way of SRV out of zones that are really signed, asked by proxy/dane_ask.c in the proxy's sandbox; and
everything that may be wrong with them: not signed, wrongly signed, changed on the way, late, or not there at all."""
import os
import pathlib
import re
import select
import struct
import subprocess
import time

import pytest
from lab import ROOT, Authority, LabError, Namespace, run
from zones import Between, Zones, tlsa

BUILD = pathlib.Path(os.environ.get("XMPPWALL_BUILD", ROOT / "build"))
DEADLINE_MS = 5000  # what a session may be held
SRV, TLSA = 33, 52
TWO = ["_xmpp-server._tcp SRV 5 0 5269 a", "_xmpp-server._tcp SRV 5 0 5269 b", "_xmpps-server._tcp SRV 5 0 5270 a",
       "a A 198.51.100.10", "b A 198.51.100.20", "b AAAA 2001:db8:2::20"]


class Asker:
    """tests/wire/dane_ask.c at work."""

    def __init__(self, namespace, anchors, certificates=(), resolver=("127.0.0.1", 53), wrap=()):
        self.popen = namespace.start(*wrap, BUILD / "bin/dane_ask", resolver[0], resolver[1], anchors, *certificates,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.left, self.number = b"", 0

    def line(self, seconds=10):
        end = time.monotonic() + seconds
        while b"\n" not in self.left:
            if not select.select([self.popen.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise LabError(f"no answer within {seconds} s")
            more = os.read(self.popen.stdout.fileno(), 65536)
            if not more:
                raise LabError(f"it ended: {self.popen.stderr.read().decode()}")
            self.left += more
        line, self.left = self.left.split(b"\n", 1)
        return line.decode()

    def say(self, text):
        self.popen.stdin.write(text.encode() + b"\n")
        self.popen.stdin.flush()

    def send(self, domain, dialled=None, name="q"):
        self.number += 1
        self.say(f"{name}{self.number} {domain}" + (f" {dialled[0]} {dialled[1]}" if dialled else ""))
        return f"{name}{self.number}"

    def answer(self, seconds=10):
        words = self.line(seconds).split()
        return {"id": words[0], "n": int(words[1]), "why": words[2], "ms": int(words[3]), "says": words[4:]}

    def ask(self, domain, dialled=None):
        name = self.send(domain, dialled)
        answer = self.answer()
        assert answer["id"] == name and answer["ms"] <= DEADLINE_MS
        return answer

    def counts(self):
        self.say("counts")
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", self.line())}

    def close(self):
        self.popen.stdin.close()
        assert self.popen.wait(10) == 0, self.popen.stderr.read().decode()


@pytest.fixture(scope="module")
def dns(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    folder = tmp_path_factory.mktemp("dane")
    namespace = Namespace(f"xw{os.getpid()}-dns")
    run("ip", "-n", namespace.name, "link", "set", "lo", "up")
    authority = Authority(folder / "ca")
    leaf, other = (authority.issue(d, folder / "leaves") for d in ("verona.example", "mantua.example"))
    zones = Zones(namespace, folder / "zones", ["127.0.0.1", "::1"])
    one = ["_xmpp-server._tcp SRV 0 0 5269 xmpp", "xmpp A 198.51.100.10"]
    good = [*one, tlsa("_5269._tcp.xmpp", leaf)]
    zones.add("verona.example", good)
    zones.add("nsec3.example", good, nsec3=True)
    zones.add("plain.example", good, signed=False)
    zones.add("island.example", good, trusted=False)  # signed, and nobody vouches for the key
    zones.add("wrong.example", good, trusted="wrong")
    zones.add("bare.example", one)
    zones.add("bare3.example", one, nsec3=True)
    zones.add("nothing.example")
    zones.add("host.example", [tlsa("_5269._tcp", leaf)])
    zones.add("closed.example", ["_xmpp-server._tcp SRV 0 0 0 .", "_xmpps-server._tcp SRV 0 0 0 .", tlsa("_5269._tcp", leaf)])
    zones.add("hosted.example", ["_xmpp-server._tcp SRV 0 0 5269 xmpp.verona.example."])
    zones.add("downhill.example", ["_xmpp-server._tcp SRV 0 0 5269 xmpp.plain.example."])
    zones.add("uphill.example", ["_xmpp-server._tcp SRV 0 0 5269 xmpp.verona.example."], signed=False)
    zones.add("alias.example", ["_xmpp-server._tcp SRV 0 0 5269 xmpp", "_5269._tcp.xmpp CNAME _5269._tcp.xmpp.verona.example."])
    zones.add("lostalias.example", ["_xmpp-server._tcp SRV 0 0 5269 xmpp", "_5269._tcp.xmpp CNAME _5269._tcp.xmpp.plain.example."])
    zones.add("star.example", ["_xmpp-server._tcp SRV 0 0 5269 xmpp", tlsa("*._tcp.xmpp", leaf)])
    zones.add("two.example", [*TWO, tlsa("_5269._tcp.a", leaf), tlsa("_5269._tcp.b", other), tlsa("_5270._tcp.a", leaf, 3, 0, 2)])
    zones.add("half.example", [*(r for r in TWO if "_xmpps" not in r), "_xmpps-server._tcp SRV 5 0 5270 xmpp.wrong.example.",
                               tlsa("_5269._tcp.a", leaf)])
    zones.add("many.example", [f"_xmpp-server._tcp SRV {99 - i} 0 5269 h{i:02}" for i in range(40)]
              + [f"_5269._tcp.h{i:02} TLSA 3 1 1 {i:02x}{j:02x}{'00' * 30}" for i in range(40) for j in range(6)])
    zones.add("odd.example", ["_xmpp-server._tcp SRV 0 0 5269 xmpp", tlsa("_5269._tcp.xmpp", leaf),
                              "_5269._tcp.xmpp TLSA 3 1 9 00", "_5269._tcp.xmpp TLSA 9 1 1 " + "11" * 32,
                              "_5269._tcp.xmpp TLSA 3 1 1 " + "11" * 31, "_5269._tcp.xmpp TLSA 3 1 0 " + "30" * 700])
    zones.add("xn--bcher-kva.example", good)
    namespace.leaf, namespace.other, namespace.zones, namespace.anchors = leaf, other, zones, zones.anchors
    try:
        zones.start()
        yield namespace
    finally:
        zones.close()
        namespace.remove()


@pytest.fixture
def asker(dns):
    made = []

    def make(**kwargs):
        made.append(Asker(dns, kwargs.pop("anchors", dns.anchors), [dns.leaf, dns.other], **kwargs))
        assert made[-1].line() == "ready"
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def between(dns):
    """A resolver that may be told to misbehave, and an asker's way to it."""
    b = Between(dns, "127.0.0.1", 5353, ("127.0.0.1", 53))
    yield b
    b.close()


CASES = [  # domain, records, why
    ("verona.example", 1, "-"),
    ("nsec3.example", 1, "-"),
    ("plain.example", 0, "dns-insecure"),
    ("island.example", 0, "dns-insecure"),
    ("wrong.example", 0, "dns-bogus"),
    ("bare.example", 0, "dns-none"),
    ("bare3.example", 0, "dns-none"),
    ("nothing.example", 0, "dns-none"),
    ("nowhere.example", 0, "dns-none"),
    ("host.example", 1, "-"),  # without SRV it is the domain's own host
    ("closed.example", 0, "dns-none"),  # RFC 2782: decidedly not available
    ("hosted.example", 1, "-"),
    ("downhill.example", 0, "dns-insecure"),
    ("uphill.example", 0, "dns-insecure"),
    ("alias.example", 1, "-"),
    ("lostalias.example", 0, "dns-insecure"),
    ("star.example", 1, "-"),
    ("odd.example", 2, "-"),
    ("b\u00fccher.example", 1, "-"),
    ("192.0.2.1", 0, "dns-name"),
    ("2001:db8::1", 0, "dns-name"),
    ("a\\032b.example", 0, "dns-name"),
    ("x" * 64 + ".example", 0, "dns-name"),
    (".".join(["y" * 60] * 4), 0, "dns-name"),  # a name, and with _xmpp-server before it none
]


@pytest.mark.parametrize("resolver", ["127.0.0.1", "::1"])
def test_zones(asker, resolver):
    a = asker(resolver=(resolver, 53))
    for domain, n, why in CASES:
        answer = a.ask(domain)
        assert (answer["n"], answer["why"]) == (n, why), domain
        assert answer["says"] == (["yes", "dane-mismatch"] if n else ["dane-mismatch"] * 2), domain
    counts = a.counts()
    assert counts["bogus"] and counts["secure"] and counts["insecure"] and not counts["full"]


def test_several_servers(asker):
    """A union for who came to us; for whom we dialled, what was dialled."""
    a = asker()
    assert a.ask("two.example")["says"] == ["yes", "yes"] and a.ask("two.example")["n"] == 3
    for dialled, n, says in [(("198.51.100.10", 5269), 1, ["yes", "dane-mismatch"]),
                             (("198.51.100.20", 5269), 1, ["dane-mismatch", "yes"]),
                             (("2001:db8:2::20", 5269), 1, ["dane-mismatch", "yes"]),
                             (("203.0.113.7", 5269), 2, ["yes", "yes"]),  # not an address anybody signed
                             (("198.51.100.10", 5270), 1, ["yes", "dane-mismatch"]),
                             (("198.51.100.10", 5222), 0, ["dane-mismatch"] * 2)]:
        answer = a.ask("two.example", dialled)
        assert (answer["n"], answer["says"]) == (n, says), dialled
    # What is broken beside it takes nothing from what is signed.
    assert a.ask("half.example")["says"] == ["yes", "dane-mismatch"]
    assert a.ask("half.example", ("198.51.100.10", 5270))["why"] == "dns-bogus"
    assert a.ask("host.example", ("198.51.100.10", 5269))["n"] == 1
    assert a.ask("host.example", ("198.51.100.10", 5270))["why"] == "dns-none"


def test_ceilings(asker):
    """Eight targets, the first ones by priority; 32 records; answers too large for UDP come by TCP."""
    answer = asker().ask("many.example")
    assert (answer["n"], answer["why"]) == (32, "-")


def test_expired(asker, dns, tmp_path):
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("q", 0))
    wrap = ["env", f"LD_PRELOAD={BUILD / 'lib/libwallclock.so'}", f"WALLCLOCK={clock}", "ASAN_OPTIONS=verify_asan_link_order=0"]
    assert asker(wrap=wrap).ask("verona.example")["n"] == 1
    for days in (60, -60):
        clock.write_bytes(struct.pack("q", days * 86400))
        assert asker(wrap=wrap).ask("verona.example")["why"] == "dns-bogus"


def question_type(packet):
    at = 12
    while packet[at]:
        at += 1 + packet[at]
    return struct.unpack_from("!H", packet, at + 1)[0]


def changed(kind, change):
    """Meddles with answers to questions of that type."""
    return lambda question, answer: change(answer) if question_type(question) == kind else answer


def rdata_changed(answer):
    """The last byte of the first record's data, or of the name a SRV gives."""
    at = 12
    while answer[at]:
        at += 1 + answer[at]
    at += 5
    at = at + 2 if answer[at] & 0xc0 else answer.index(b"\0", at) + 1
    end = at + 10 + struct.unpack_from("!H", answer, at + 8)[0]
    return answer[:end - 2] + bytes([answer[end - 2] ^ 1]) + answer[end - 1:]


def denied(answer):
    """NXDOMAIN, and not a record with it."""
    end = answer.index(b"\0", 12) + 5
    return answer[:2] + struct.pack("!HHHHH", 0x8583, 1, 0, 0, 0) + answer[12:end]


@pytest.mark.parametrize("what,meddle,why", [
    ("tlsa", changed(TLSA, rdata_changed), "dns-bogus"),
    ("srv", changed(SRV, rdata_changed), "dns-bogus"),
    ("no tlsa", changed(TLSA, denied), "dns-bogus"),
    ("no srv", changed(SRV, denied), "dns-bogus"),
    ("nothing signed", lambda question, answer: denied(answer), "dns-bogus"),
    ("servfail", lambda question, answer: answer[:3] + bytes([answer[3] & 0xf0 | 2]) + answer[4:], "dns-failed"),
    ("refused", lambda question, answer: answer[:3] + bytes([answer[3] & 0xf0 | 5]) + answer[4:], "dns-failed"),
    ("cut", lambda question, answer: answer[:len(answer) * 2 // 3], None),
    ("garbage", lambda question, answer: answer[:2] + os.urandom(200), None),
    ("echo", lambda question, answer: question, None),
    ("other id", lambda question, answer: bytes([answer[0] ^ 1]) + answer[1:], None),
    ("silence", lambda question, answer: None, None),
], ids=lambda value: value if isinstance(value, str) else "")
def test_changed_on_the_way(asker, between, what, meddle, why):
    between.meddle = meddle
    a = asker(resolver=("127.0.0.1", 5353))
    answer = a.ask("verona.example")
    assert answer["n"] == 0
    assert answer["why"] in ([why] if why else ["dns-bogus", "dns-failed", "dns-timeout"])
    # The resolver behaves again, and is believed again, before long.
    between.meddle = lambda question, answer: answer
    if what == "nothing signed":
        return  # but the root's keys are held for bogus for a minute
    end = time.monotonic() + 30
    while a.ask("verona.example")["n"] != 1:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_slow(asker, between):
    between.delay = 0.3
    a = asker(resolver=("127.0.0.1", 5353))
    answer = a.ask("verona.example")
    assert answer["n"] == 1 and answer["ms"] >= 300
    assert a.ask("verona.example")["ms"] < 300  # kept
    between.delay = 1.2
    assert a.ask("bare.example")["why"] in ("dns-none", "dns-timeout") and a.ask("bare.example")["why"] == "dns-none"
    between.delay = 20
    assert a.ask("two.example")["why"] in ("dns-timeout", "dns-failed")


def test_dead(asker):
    """Nobody listens there."""
    assert asker(resolver=("127.0.0.1", 5999)).ask("verona.example")["why"] in ("dns-failed", "dns-timeout")


def test_flood(asker, between):
    """A resolver that is silent: 256 questions, all askers are let go in time, and nothing is left behind."""
    between.meddle = lambda question, answer: None
    a = asker(resolver=("127.0.0.1", 5353))
    for i in range(1000):
        a.send(f"d{i}.example")
    answers = [a.answer() for _ in range(1000)]
    assert {x["why"] for x in answers} <= {"dns-timeout", "dns-failed", "dns-full"} and max(x["ms"] for x in answers) <= 2 * DEADLINE_MS
    assert sum(x["why"] != "dns-full" for x in answers) == 128  # of two questions each
    counts = a.counts()
    assert counts["asked"] == 256 and counts["full"] == 872
    between.meddle = lambda question, answer: answer
    end = time.monotonic() + 90  # the root's keys could not be had: a minute
    while a.ask("verona.example")["n"] != 1:
        assert time.monotonic() < end, a.counts()
        time.sleep(0.2)


def test_another_resolver(asker, between):
    """A policy that names another: who waits is told, and the next question goes there."""
    between.meddle = lambda question, answer: None
    a = asker(resolver=("127.0.0.1", 5353))
    names = {a.send("verona.example"), a.send("two.example")}
    a.say("use 127.0.0.1 53")
    answers = [a.answer(), a.answer()]
    assert {x["id"] for x in answers} == names and {x["why"] for x in answers} == {"dns-failed"}
    assert max(x["ms"] for x in answers) < 3000
    assert a.ask("verona.example")["n"] == 1
    a.say("use 127.0.0.1 53")  # the same: nothing happens to what it knows
    asked = a.counts()["asked"]
    assert a.ask("verona.example")["n"] == 1 and a.counts()["asked"] > asked


def test_forgotten(asker, between):
    """A session that ends while it waits hears nothing more."""
    between.delay = 0.5
    a = asker(resolver=("127.0.0.1", 5353))
    lost = [a.send("verona.example", name="lost") for _ in range(20)]
    for name in lost:
        a.say(f"forget {name}")
    name = a.send("two.example")
    answer = a.answer()
    assert answer["id"] == name and answer["n"] == 3
    assert a.counts()["secure"] > 0


@pytest.mark.parametrize("text", ["", "; nothing\n", "nonsense\n", ". IN DS 1 2 3\n", ". IN A 192.0.2.1\n", "\0\0\0", ". DNSKEY 257 3 8 !!!\n",
                                  ". DS 13951 13 2 56\n" * 100],
                         ids=["system", "comment", "word", "no-digest", "address", "nul", "no-key", "many"])
def test_anchors_that_are_none(dns, tmp_path, text):
    file = tmp_path / "root.key"
    file.write_text(text)
    a = Asker(dns, file if text else "system")
    if text:
        assert "refused" in a.line() and a.popen.wait(10) == 1
    else:
        a.line()
        a.close()


def test_another_root(asker, dns, tmp_path):
    """Anchors of somebody else's root: everything is bogus, nothing is verified."""
    text = dns.anchors.read_text()
    digest = re.search(r"[0-9a-f]{64}", text).group(0)
    file = tmp_path / "root.key"
    file.write_text(text.replace(digest, digest[::-1]))
    a = asker(anchors=file)
    assert a.ask("verona.example")["why"] == "dns-bogus" and a.ask("plain.example")["why"] == "dns-bogus"
