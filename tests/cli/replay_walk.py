#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""replay as a user types it, over real traffic (tests/captures) and over what can be made of it: cut, shuffled, sent twice,
contradicted, in other formats. `replay_walk.py XMPPWALLCTL`"""
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.parsers.expat

CTL = sys.argv[1]
CAPTURES = pathlib.Path("tests/captures")
RULES = """
service c2s { listen tcp { 5222 }; mode proxy; tls none; upstream 192.0.2.99 plain; }
set words { type keyword; flags fold; elements = { "free crypto" }; }
set hosts { type domain; flags suffix; elements = { bad.example }; }
limit chatter { rate 2/second; burst 6; key from.bare; }
chain inbound {
    hook c2s, component direction in; policy accept;
    rule link { message url.host in @hosts reject policy-violation "blocked", strike 2 }
    rule spam { message text contains @words drop, strike 1, log }
    rule flood { message limit chatter exceeded reject resource-constraint, strike 1 }
}
chain outbound { hook any direction out; policy accept; rule big { size > 4000 accept, log } }
punish peer { 3 strikes within 1m; ban 10m; }
"""
# The same without what depends on time.
STILL = RULES.replace("    rule flood { message limit chatter exceeded reject resource-constraint, strike 1 }\n", "").replace(
    "limit chatter { rate 2/second; burst 6; key from.bare; }\n", "")


def run(*words, **more):
    return subprocess.run([CTL, *map(str, words)], capture_output=True, timeout=60, check=False, **more)


class Frames:
    """A pcap of Ethernet frames as a list of (seconds, fraction, bytes)."""

    def __init__(self, path):
        data, at, self.frames = pathlib.Path(path).read_bytes(), 24, []
        while at < len(data):
            seconds, fraction, length, _ = struct.unpack_from("<IIII", data, at)
            self.frames.append((seconds, fraction, data[at + 16:at + 16 + length]))
            at += 16 + length

    @staticmethod
    def pcap(frames, link=1, order="<", magic=0xa1b2c3d4):
        return struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 262144, link) + b"".join(
            struct.pack(order + "IIII", s, f, len(b), len(b)) + b for s, f, b in frames)

    @staticmethod
    def pcapng(frames, link=1, order=">"):
        def block(kind, body):
            body += b"\0" * (-len(body) % 4)
            return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)
        out = block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1)) + block(1, struct.pack(order + "HHI", link, 0, 0))
        for s, f, b in frames:
            ticks = s * 1000000 + f
            out += block(6, struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xffffffff, len(b), len(b)) + b)
        return out


def tcp_of(frame):
    """(address and port of both, sequence number, payload, where the payload begins) or None"""
    ip = 14
    if frame[12:14] == b"\x08\x00":
        header, ends, total = (frame[ip] & 15) * 4, (frame[26:30], frame[30:34]), struct.unpack_from("!H", frame, 16)[0]
    else:
        header, ends, total = 40, (frame[22:38], frame[38:54]), 40 + struct.unpack_from("!H", frame, 18)[0]
    at = ip + header
    sport, dport, seq = struct.unpack_from("!HHI", frame, at)
    payload = at + (frame[at + 12] >> 4) * 4
    return (ends[0], sport), (ends[1], dport), seq, frame[payload:ip + total], payload


def stanzas_of(frames):
    """Per direction of each connection, in order of appearance: the first-level stanzas as text, by expat."""
    streams = {}
    for _, _, frame in frames:
        src, dst, seq, payload, _ = tcp_of(frame)
        if payload:
            streams.setdefault((src, dst), {})[seq] = payload
    out = {}
    for key, parts in streams.items():
        data = b"".join(parts[seq] for seq in sorted(parts))
        found = out[key] = []
        for text in data.decode(errors="replace").replace("<?xml version='1.0'?>", "").split("<stream:stream ")[1:]:
            found += first_level("<stream:stream " + text)
    return out


def first_level(text):
    parser, depth, begin, found = xml.parsers.expat.ParserCreate(), 0, 0, []
    raw = text.encode()

    def start(name, _):
        nonlocal depth, begin
        depth += 1
        if depth == 2:
            begin = parser.CurrentByteIndex

    def end(name):
        nonlocal depth
        depth -= 1
        if depth == 1:
            at = parser.CurrentByteIndex  # of an empty element: behind it
            stop = at if raw.find(b">", begin) == at - 1 else raw.index(b">", at) + 1
            if name in ("message", "presence", "iq"):
                found.append(raw[begin:stop].decode())

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(raw)
    except xml.parsers.expat.ExpatError:
        pass  # TLS
    return found


class Replay(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.rules = pathlib.Path(self.folder.name) / "policy.rules"
        self.rules.write_text(RULES)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, data, name="made.pcap"):
        path = pathlib.Path(self.folder.name) / name
        path.write_bytes(data)
        return path

    def replay(self, capture, *words, status=0, rules=RULES):
        """The verdicts without their ids, the remarks, the summary."""
        self.rules.write_text(rules)
        done = run("--json", "replay", "--rules", self.rules, *words, capture)
        self.assertEqual(done.returncode, status, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        for row in rows:
            row.pop("id", None)
        return [r for r in rows if "verdict" in r], [r for r in rows if "note" in r], rows[-1]["summary"]

    @staticmethod
    def heart(verdicts):
        """What must not depend on how it travelled."""
        keys = ("kind", "type", "from", "to", "size", "verdict", "rule", "chain", "service", "direction", "jid")
        return sorted(tuple(str(v.get(k)) for k in keys) for v in verdicts)

    def test_real_traffic(self):
        for name, domain in (("prosody", "verona.example"), ("ejabberd", "mantua.example")):
            verdicts, notes, summary = self.replay(CAPTURES / f"{name}.pcap")
            self.assertEqual(summary["stanzas"], 53)
            self.assertEqual(summary["capture"]["format"], "pcap")
            self.assertEqual([n["note"] for n in notes], ["starttls"])
            stopped = [(v["rule"], v["service"], v.get("jid", v.get("from"))) for v in verdicts if v["verdict"] != "accept"]
            romeo = f"romeo@{domain}/romeo"
            self.assertEqual(stopped[:3], [("spam", "c2s", romeo), ("link", "c2s", romeo), ("spam", "component", f"hall@firewall.{domain}")])
            self.assertEqual({s[0] for s in stopped[3:]}, {"flood"})
            link = next(v for v in verdicts if v["rule"] == "link")
            self.assertEqual(link["matches"][0]["text"], "login.bad.example")
            self.assertEqual(link["condition"], "policy-violation")
            self.assertRegex(link["src"], r"^\[2001:db8:1:30::30\]:\d+$")
            self.assertEqual(link["dst"].split(":")[-1], "5222")
            self.assertEqual([b["address"] for b in summary["bans"]], ["2001:db8:1:30::30"])
            self.assertEqual({s["role"] for s in summary["streams"]}, {"c2s", "component"})
            jids = {s["jid"]: s["mechanism"] for s in summary["streams"] if "jid" in s}
            self.assertEqual(set(jids), {f"juliet@{domain}/juliet", romeo})
            self.assertTrue(all(m.startswith("SCRAM-SHA-") for m in jids.values()))
            self.assertEqual(summary["counters"]["stream.tls"], 1)
            self.assertEqual(summary["counters"]["tcp.gap"], 0)
            self.assertEqual(summary["counters"]["stream.bad"], 0)
            self.assertEqual(sum(k["stanzas"] for k in summary["kinds"]), 53)

    def test_judge_agrees(self):
        """The same stanza, the same verdict: judge is told what replay saw."""
        for name in ("prosody", "ejabberd"):
            capture = CAPTURES / f"{name}.pcap"
            verdicts, _, _ = self.replay(capture, rules=STILL)
            compared = 0
            for (src, dst), stanzas in stanzas_of(Frames(capture).frames).items():
                mine = [v for v in verdicts if v["src"].endswith(f":{src[1]}") and v["dst"].endswith(f":{dst[1]}")]
                self.assertEqual(len(mine), len(stanzas))
                if not mine:
                    continue
                inward = mine[0]["direction"] == "in"
                peer = mine[0]["src" if inward else "dst"].rsplit(":", 1)[0].strip("[]")
                jid = mine[-1].get("jid")
                done = run("--json", "judge", "--rules", self.rules, "--service", mine[0]["service"], "--direction", mine[0]["direction"],
                           "--peer", peer, *(["--jid", jid] if jid else []), input="".join(stanzas).encode())
                self.assertEqual(done.returncode, 0, done.stderr)
                for line, seen, stanza in zip(done.stdout.splitlines(), mine, stanzas, strict=True):
                    judged = json.loads(line)
                    judged.pop("id")
                    self.assertEqual(judged, {k: seen[k] for k in judged}, stanza)
                    self.assertEqual(seen["size"], len(stanza.encode()))
                    compared += 1
            self.assertEqual(compared, 53)

    def test_formats(self):
        frames = Frames(CAPTURES / "prosody.pcap").frames
        wanted = self.heart(self.replay(CAPTURES / "prosody.pcap")[0])
        bare = [(s, f, b[14:]) for s, f, b in frames]
        cooked = [(s, f, b"\0\0\0\1\0\6" + b[6:12] + b"\0\0" + b[12:14] + b[14:]) for s, f, b in frames]
        cooked2 = [(s, f, b[12:14] + b"\0\0" + b"\0\0\0\1\0\1\0\6" + b[6:12] + b"\0\0" + b[14:]) for s, f, b in frames]
        vlan = [(s, f, b[:12] + b"\x88\xa8\0\x05\x81\0\0\x07" + b[12:]) for s, f, b in frames]
        for made in (Frames.pcap(bare, 101), Frames.pcap(bare, 101, ">"), Frames.pcap([(s, f * 1000, b) for s, f, b in bare], 101, "<", 0xa1b23c4d),
                     Frames.pcap(cooked, 113), Frames.pcap(cooked2, 276), Frames.pcap(vlan, 1), Frames.pcapng(frames), Frames.pcapng(frames, 1, "<"),
                     Frames.pcap([(s, f, b"\0\0\0\2" + b) for s, f, b in bare], 108)):
            self.assertEqual(self.heart(self.replay(self.write(made))[0]), wanted)

    def test_sent_again_and_again(self):
        """Every packet three times, out of order, and then with other bytes: the first copy counts."""
        frames = Frames(CAPTURES / "ejabberd.pcap").frames
        wanted = self.heart(self.replay(CAPTURES / "ejabberd.pcap", rules=STILL)[0])
        chance = random.Random(6120)
        made = [x for x in frames for _ in range(3)]
        verdicts, _, summary = self.replay(self.write(Frames.pcap(made)), rules=STILL)
        self.assertEqual(self.heart(verdicts), wanted)
        self.assertGreater(summary["counters"]["tcp.retransmission"], 100)
        lied = []
        for s, f, b in frames:
            payload = tcp_of(b)[3]
            lied.append((s, f, b))
            if len(payload) > 20 and payload[:1] == b"<":
                lied.append((s, f, b[:-len(payload)] + payload.swapcase()))
        verdicts, _, summary = self.replay(self.write(Frames.pcap(lied)), "--any-checksum", rules=STILL)
        self.assertEqual(self.heart(verdicts), wanted)
        self.assertGreater(summary["counters"]["tcp.conflict"], 1000)
        # Without that option their checksums betray them.
        verdicts, _, summary = self.replay(self.write(Frames.pcap(lied)), rules=STILL)
        self.assertEqual(self.heart(verdicts), wanted)
        # Neighbours change places where one connection speaks into one direction.
        for at in range(len(frames) - 1):
            if chance.random() < 0.5 and tcp_of(frames[at][2])[:2] == tcp_of(frames[at + 1][2])[:2] and tcp_of(frames[at][2])[3]:
                frames[at], frames[at + 1] = frames[at + 1], frames[at]
        self.assertEqual(self.heart(self.replay(self.write(Frames.pcap(frames)), rules=STILL)[0]), wanted)

    def test_cut(self):
        """A file that ends anywhere, and one that begins anywhere."""
        data = (CAPTURES / "prosody.pcap").read_bytes()
        whole = self.heart(self.replay(CAPTURES / "prosody.pcap", rules=STILL)[0])
        for size in range(24, len(data), 2711):
            verdicts, _, summary = self.replay(self.write(data[:size]), rules=STILL)
            self.assertLessEqual(len(verdicts), len(whole))
            self.assertTrue(all(v in whole for v in self.heart(verdicts)))
        self.assertTrue(summary["capture"]["cut"])
        frames = Frames(CAPTURES / "prosody.pcap").frames
        # Who they are was said before the cut: the rest must be the same.
        strip = lambda rows: [r[:9] for r in rows]  # noqa: E731
        for at in range(0, len(frames), 17):
            verdicts, _, summary = self.replay(self.write(Frames.pcap(frames[at:])), rules=STILL)
            self.assertTrue(all(v in strip(whole) for v in strip(self.heart(verdicts))), at)
            self.assertEqual(summary["counters"]["stream.bad"], 0)
        late = self.replay(self.write(Frames.pcap(frames[len(frames) * 2 // 3:])), rules=STILL)
        self.assertGreater(late[2]["stanzas"], 10)
        self.assertGreater(late[2]["counters"]["flow.midstream"], 0)
        # A hole in the middle: noticed, and read on behind it.
        lost = [x for i, x in enumerate(frames) if not (100 <= i < 103)]
        verdicts, notes, summary = self.replay(self.write(Frames.pcap(lost)), rules=STILL)
        self.assertTrue(all(v in strip(whole) for v in strip(self.heart(verdicts))))
        self.assertGreater(len(verdicts), 40)
        self.assertGreater(summary["counters"]["tcp.gap"], 0)
        self.assertIn("gap", [n["note"] for n in notes])

    def test_snap_length(self):
        """Packets that were cut when they were captured: what is there is read, what is not is told."""
        frames = Frames(CAPTURES / "ejabberd.pcap").frames
        whole = self.heart(self.replay(CAPTURES / "ejabberd.pcap", rules=STILL)[0])
        made = struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 260, 1) + b"".join(
            struct.pack("<IIII", s, f, len(b[:260]), len(b)) + b[:260] for s, f, b in frames)
        verdicts, _, summary = self.replay(self.write(made), rules=STILL)
        self.assertGreater(summary["counters"]["packet.cut"], 10)
        self.assertGreater(summary["counters"]["tcp.gap"], 10)
        self.assertGreater(len(verdicts), 10)
        self.assertTrue(all(v[:9] in [w[:9] for w in whole] for v in self.heart(verdicts)))

    def test_inside(self):
        """A connection opened by what we protect: the far server is the peer."""
        capture = CAPTURES / "prosody.pcap"
        verdicts, _, summary = self.replay(capture, "--inside", "192.0.2.0/24", rules=STILL)
        juliet = [v for v in verdicts if v["src"].startswith("192.0.2.11:") and v["service"] == "c2s"]
        self.assertEqual({(v["direction"], v["chain"]) for v in juliet}, {("out", "outbound")})
        self.assertIn("198.51.100.10", [p["address"] for p in summary["peers"]])
        self.assertNotIn("192.0.2.11", [p["address"] for p in summary["peers"]])
        # Both ends inside: as if nothing had been said.
        both = self.replay(capture, "--inside=192.0.2.0/24,198.51.100.10,2001:db8::/16", rules=STILL)[0]
        self.assertEqual(self.heart(both), self.heart(self.replay(capture, rules=STILL)[0]))
        for wrong in ("nowhere", "192.0.2.0/99", ",".join(["192.0.2.1"] * 17)):
            self.assertEqual(run("replay", "--rules", self.rules, "--inside", wrong, capture).returncode, 2, wrong)

    def test_text(self):
        said = run("replay", "--rules", self.rules, CAPTURES / "prosody.pcap").stdout.decode()
        self.assertIn("drop by inbound/spam: text \"Free crypto\" is \"free crypto\" of @words, strike 1", said)
        self.assertIn("53 stanzas in 4 streams of 2 peers", said)
        self.assertRegex(said, r"until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  inbound/\w+, \d strikes within 1m \(punish peer\)")
        self.assertRegex(said, r"chatter +2/second burst 6 by from.bare: exceeded \d+ times")
        notable = run("replay", "--notable", "--rules", self.rules, CAPTURES / "prosody.pcap").stdout.decode()
        self.assertNotIn("accept by policy", notable)
        self.assertIn("drop by inbound/spam", notable)
        summary = run("replay", "--summary", "--rules", self.rules, CAPTURES / "prosody.pcap").stdout.decode()
        self.assertTrue(summary.startswith("pcap: 159 packets"))
        with open(CAPTURES / "prosody.pcap", "rb") as pipe:
            self.assertEqual(run("replay", "--summary", "--rules", self.rules, "-", stdin=pipe).stdout.decode(), summary)

    def test_refusals(self):
        capture = CAPTURES / "prosody.pcap"
        for words in ((), (capture,), ("--rules", self.rules), ("--rules", self.rules, capture, capture),
                      ("--rules", self.rules, "--summary", "--notable", capture), ("--rules", self.rules, "--odd", capture)):
            self.assertEqual(run("replay", *words).returncode, 2, words)
        for made, why in ((b"GIF89a" + b"\0" * 30, b"no capture"), (b"", None)):
            done = run("replay", "--rules", self.rules, self.write(made))
            self.assertEqual(done.returncode, 1 if why else 0)
            self.assertIn(why or b"", done.stderr)
        data = bytearray(capture.read_bytes())
        data[24 + 8:24 + 12] = b"\xff\xff\xff\x7f"
        _, _, summary = self.replay(self.write(bytes(data)), status=1)
        self.assertEqual((summary["capture"]["damaged"], summary["capture"]["damaged_at"]), ("a record of impossible length", 24))
        self.assertEqual(run("replay", "--rules", self.rules, "/nonexistent").returncode, 1)
        self.rules.write_text("chain x { hook c2s; policy perhaps; }")
        done = run("replay", "--rules", self.rules, capture)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"^", done.stderr)

    def test_simulate(self):
        def simulate(*words):
            done = run("--json", "limit", "simulate", *words)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)

        capture = CAPTURES / "prosody.pcap"
        found = simulate("chatter", "2/second", "burst", "6", "--from", capture, "--rules", self.rules)
        # Messages alone are what the rule counts, and only those no rule stopped before.
        self.assertEqual((found["events"], found["peers"], found["skipped"]), (15, 2, 0))
        self.assertEqual([t["key"] for t in found["top"]], ["romeo@verona.example"])
        _, _, summary = self.replay(capture)
        self.assertEqual(found["limited"], summary["limits"][0]["exceeded"])
        found = simulate("any", "1/second", "--from", capture, "--key", "peer.address,kind")
        self.assertEqual(found["events"], 53)
        self.assertIn("2001:db8:1:30::/64, message", [t["key"] for t in found["top"]])
        done = run("limit", "simulate", "chatter", "2/second", "--from", capture, "--rules", self.rules)
        self.assertIn("who", done.stdout.decode().lower())
        self.assertEqual(run("limit", "simulate", "nosuch", "2/second", "--from", capture, "--rules", self.rules).returncode, 1)
        self.assertEqual(run("limit", "simulate", "x", "2/second", "--from", capture, "--key", "no.such").returncode, 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
