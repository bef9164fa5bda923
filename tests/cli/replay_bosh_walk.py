#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""replay of BOSH: real traffic (tests/captures/bosh-*.pcap) as it is and torn apart, and conversations made here that no honest client
leads. `replay_bosh_walk.py XMPPWALLCTL`"""
import json
import random
import re
import struct
import unittest

import replay_walk
from replay_walk import CAPTURES, RULES, STILL, Frames, first_level, run, tcp_of

BIND = "http://jabber.org/protocol/httpbind"
POLICY = RULES.replace("5222", "5280")
QUIET = STILL.replace("5222", "5280")
SPAM = "<message xmlns='jabber:client'><body>free crypto</body></message>"
BODY = f"<body xmlns='{BIND}' rid='1' to='a.example'>"


def streams_of(frames):
    """Per direction of each connection its bytes."""
    parts = {}
    for _, _, frame in frames:
        src, dst, seq, payload, _ = tcp_of(frame)
        if payload:
            parts.setdefault((src, dst), {})[seq] = payload
    return {key: b"".join(p[seq] for seq in sorted(p)) for key, p in parts.items()}


def bodies_of(data):
    """What stands in a direction's HTTP messages, by Content-Length."""
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        yield data[:length].decode()
        data = data[length:]


def judged_alike(test, rules, capture, verdicts):
    """What judge says of each stanza that stands in the capture's bodies is what replay said; how many there are."""
    compared = 0
    for (src, dst), data in streams_of(Frames(capture).frames).items():
        stanzas = [s for body in bodies_of(data) for s in first_level(body)]
        mine = [v for v in verdicts if v["src"].endswith(f":{src[1]}") and v["dst"].endswith(f":{dst[1]}")]
        test.assertEqual(len(mine), len(stanzas))
        for stanza, seen in zip(stanzas, mine, strict=True):
            jid, inward = seen.get("jid"), seen["direction"] == "in"
            peer = seen["src" if inward else "dst"].rsplit(":", 1)[0].strip("[]")
            done = run("--json", "judge", "--rules", rules, "--service", "c2s", "--direction", seen["direction"], "--peer", peer,
                       *(["--jid", jid] if jid else []), input=stanza.encode())
            test.assertEqual(done.returncode, 0, done.stderr)
            judged = json.loads(done.stdout)
            judged.pop("id")
            test.assertEqual(judged, {k: seen[k] for k in judged}, stanza)
            test.assertEqual(seen["size"], len(stanza.encode()))
            compared += 1
    return compared


class Talk:
    """A connection made by hand: SYN, what each says, FIN; checksums are not right."""

    def __init__(self, port=40000):
        self.port, self.frames, self.at = port, [], 1
        self.seq = {True: 1000, False: 5000}
        self.segment(True, b"", 2)
        self.segment(False, b"", 18)

    def segment(self, client, payload, flags=24):
        ports = (self.port, 5280) if client else (5280, self.port)
        hosts = (bytes((192, 0, 2, 7)), bytes((198, 51, 100, 7)))[::1 if client else -1]
        tcp = struct.pack("!HHIIBBHHH", *ports, self.seq[client], self.seq[not client], 80, flags, 65535, 0, 0) + payload
        ip = struct.pack("!BBHHHBBH", 69, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + b"".join(hosts)
        self.frames.append((1700000000, self.at, b"\2" * 12 + b"\x08\x00" + ip + tcp))
        self.at += 1
        self.seq[client] += len(payload) + bool(flags & 3)

    def say(self, client, text, size=1000):
        data = text if isinstance(text, bytes) else text.encode()
        for at in range(0, len(data), size):
            self.segment(client, data[at:at + size])
        return self

    def end(self):
        self.segment(True, b"", 17)
        self.segment(False, b"", 17)
        return Frames.pcap(self.frames)


def post(body, head=""):
    return f"POST /http-bind HTTP/1.1\r\nHost: a.example\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"


class Bosh(unittest.TestCase):
    setUp, tearDown, write, replay = (getattr(replay_walk.Replay, name) for name in ("setUp", "tearDown", "write", "replay"))
    heart = staticmethod(replay_walk.Replay.heart)

    def made(self, *said, size=1000):
        """(from the client?, text)...: the verdicts and what was broken."""
        talk = Talk()
        for client, text in said:
            talk.say(client, text, size)
        verdicts, notes, summary = self.replay(self.write(talk.end()), "--any-checksum", rules=QUIET)
        return [v["verdict"] for v in verdicts], [n.get("detail", n["note"]) for n in notes], summary

    def test_real_bosh(self):
        for name, domain, seen in (("prosody", "verona.example", 18), ("ejabberd", "mantua.example", 16)):
            verdicts, notes, summary = self.replay(CAPTURES / f"bosh-{name}.pcap", rules=QUIET)
            self.assertEqual((len(verdicts), notes), (seen, []))
            self.assertEqual([(v["rule"], v["jid"], v["direction"]) for v in verdicts if v["verdict"] != "accept"],
                             [("spam", f"romeo@{domain}/orchard", "in")])
            self.assertEqual({v["service"] for v in verdicts}, {"c2s"})
            # Juliet's session is known on her second connection, too.
            self.assertEqual(sorted((s["jid"], s["mechanism"], s["carrier"]) for s in summary["streams"]),
                             [(f"{u}@{domain}/{r}", "PLAIN", "bosh") for u, r in (("juliet", "balcony"),) * 2 + (("romeo", "orchard"),)])
            counters = summary["counters"]
            self.assertEqual((counters["stream.http"], counters["stream.bad"], counters["bosh.unknown"], counters["tcp.gap"]), (3, 0, 0, 0))
            self.assertEqual(counters["bosh.all"], 38)

    def test_judge_agrees_on_bosh(self):
        for name, seen in (("prosody", 18), ("ejabberd", 16)):
            capture = CAPTURES / f"bosh-{name}.pcap"
            verdicts, _, _ = self.replay(capture, rules=QUIET)
            self.assertEqual(judged_alike(self, self.rules, capture, verdicts), seen)

    def test_torn_apart(self):
        """Sent again and again, in another order, contradicted, and without this or that packet."""
        frames = Frames(CAPTURES / "bosh-prosody.pcap").frames
        wanted = self.heart(self.replay(CAPTURES / "bosh-prosody.pcap", rules=QUIET)[0])
        again = [x for x in frames for _ in range(3)]
        self.assertEqual(self.heart(self.replay(self.write(Frames.pcap(again)), rules=QUIET)[0]), wanted)
        lied = []
        for s, f, b in frames:
            payload = tcp_of(b)[3]
            lied.append((s, f, b))
            if len(payload) > 20:
                lied.append((s, f, b[:-len(payload)] + payload.swapcase()))
        self.assertEqual(self.heart(self.replay(self.write(Frames.pcap(lied)), "--any-checksum", rules=QUIET)[0]), wanted)
        chance = random.Random(206)
        moved = list(frames)
        for at in range(len(moved) - 1):
            if chance.random() < 0.5 and tcp_of(moved[at][2])[:2] == tcp_of(moved[at + 1][2])[:2] and tcp_of(moved[at][2])[3]:
                moved[at], moved[at + 1] = moved[at + 1], moved[at]
        self.assertEqual(self.heart(self.replay(self.write(Frames.pcap(moved)), rules=QUIET)[0]), wanted)
        kinds = lambda rows: [(r[0], r[1], r[4], r[9 - 1]) for r in rows]  # noqa: E731
        for at in range(0, len(frames), 5):
            late = self.heart(self.replay(self.write(Frames.pcap(frames[at:])), rules=QUIET)[0])
            self.assertLessEqual(len(late), len(wanted))
            holed, _, summary = self.replay(self.write(Frames.pcap(frames[:at] + frames[at + 2:])), rules=QUIET)
            self.assertGreater(len(holed), 5)
            self.assertTrue(all(k in kinds(wanted) for k in kinds(self.heart(holed))), at)
            self.assertEqual(summary["counters"]["stream.bad"], 0, at)

    def test_made(self):
        chunks = f"POST /b HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n{{}}{len(BODY + SPAM + '</body>'):x}\r\n{BODY}{SPAM}</body>\r\n0\r\n{{}}\r\n"
        for size in (1000, 1, 7):
            self.assertEqual(self.made((True, post(BODY + SPAM + "</body>")), size=size)[:2], (["drop"], []))
            self.assertEqual(self.made((True, chunks.format("", "")), size=size)[:2], (["drop"], []))
            # Two at once, a page in between.
            page = "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
            both = post(BODY + SPAM + "</body>") + page + post(BODY + SPAM + "</body>")
            self.assertEqual(self.made((True, both), size=size)[:2], (["drop", "drop"], []))
            for text, why in (
                    (post(BODY + SPAM + "</body>", "Content-Length: 3\r\n"), "http.length"),
                    (post(BODY + SPAM + "</body>", "Transfer-Encoding: chunked\r\n"), "http.length"),
                    (post("x").replace("Content-Length:", "Content-Length :"), "http.colon"),
                    (post("x", "X: y\r\n z\r\n"), "http.fold"), (post("x", "X: y\n"), "http.line-end"),
                    (chunks.format("0;a=b\r\n", ""), "http.chunk-extension"), (chunks.format("", "X: y\r\n"), "http.trailer"),
                    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http.version"),
                    (post("x").replace(" /http-bind", " http://b.example/"), "http.target"),
                    (post("x", "Content-Encoding: gzip\r\n"), "http.encoding"),
                    (post(BODY + "<!-- x -->" + SPAM + "</body>"), "xml.comment"), (post(BODY + "</body>" + SPAM), "bosh.after-body"),
                    (post(BODY + SPAM.replace("jabber:client", "jabber:server") + "</body>"), "bosh.namespace")):
                verdicts, notes, summary = self.made((True, text), size=size)
                if why == "http.version" and size > 1:
                    continue  # Not HTTP by its first word.
                self.assertEqual([n.split("(")[-1].rstrip(")") for n in notes], [why])
                # What stands before it is judged, and goes no further, for the request is not complete.
                self.assertEqual(verdicts, ["drop"] if why == "http.trailer" else [])
                self.assertEqual(summary["counters"]["stream.bad"], 1)

    def test_text_of_bosh(self):
        self.rules.write_text(POLICY)
        said = run("replay", "--rules", self.rules, CAPTURES / "bosh-prosody.pcap").stdout.decode()
        self.assertIn("18 stanzas in 3 streams of 2 peers", said)
        self.assertRegex(said, r"bosh\.all +\d+  BOSH bodies, both ways")
        self.assertRegex(said, r":5280 +c2s, BOSH +\d+ +\d+  juliet@verona.example/balcony PLAIN")


if __name__ == "__main__":
    unittest.main(argv=["replay_bosh_walk.py"])
