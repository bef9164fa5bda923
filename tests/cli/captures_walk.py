#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every capture of real traffic that ships (tests/captures), through replay: as it is, against what a person has read and found
right (golden/), and as captures come from the field: cut, with holes, twice, out of order, with short packets. judge must say
of each stanza what replay says. `captures_walk.py XMPPWALLCTL [golden]`; with golden the expectations are written anew: look at the diff."""
import json
import random
import re
import struct
import sys
import tempfile
import pathlib
import unittest

from replay_walk import CAPTURES, Frames, first_level, run, tcp_of

HEADER = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
RULES = CAPTURES / "golden.rules"
GOLDEN = CAPTURES / "golden"
ALL = sorted(p.stem for p in CAPTURES.glob("*.pcap"))
STREAM = ("stream", "client", "server", "role", "service", "ends", "midstream", "in", "out", "from", "to", "jid", "mechanism")
LINE = ("src", "dst", "service", "direction", "jid", "kind", "type", "from", "to", "size", "verdict", "chain", "rule", "condition", "note")


def replay(path, *words):
    done = run("--json", "replay", "--rules", RULES, *words, path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return rows[:-1], rows[-1]["summary"]


def golden(path):
    """What is worth reading, a line a stanza."""
    rows, summary = replay(path)
    return {
        "lines": [" | ".join(f"{k}={row[k]}" for k in LINE if k in row) for row in rows],
        "streams": sorted(" | ".join(f"{k}={s[k]}" for k in STREAM if k in s) for s in summary["streams"]),
        "kinds": summary["kinds"],
        "verdicts": summary["verdicts"],
        "rules": [{k: r[k] for k in ("chain", "rule", "stanzas") if k in r} for r in summary["rules"]],
        "bans": [{k: b[k] for k in ("address", "rule", "why")} for b in summary["bans"]],
        "broken": summary["broken"],
        "stanzas": summary["stanzas"],
        "bytes": summary["bytes"],
    }


def heart(rows):
    return sorted(tuple(str(r.get(k)) for k in ("kind", "type", "from", "to", "size")) for r in rows if "verdict" in r)


def is_tcp(frame):
    return frame[12:14] == b"\x08\x00" and frame[23] == 6 or frame[12:14] == b"\x86\xdd" and frame[20] == 6


def said(frames):
    """Per direction of a connection, in order: the stream headers with the stanzas behind them, by expat."""
    streams = {}
    for _, _, frame in frames:
        if not is_tcp(frame):
            continue
        src, dst, seq, payload, _ = tcp_of(frame)
        if payload:
            streams.setdefault((src, dst), {}).setdefault(seq, payload)
    for ends, parts in streams.items():
        text = b"".join(parts[s] for s in sorted(parts)).decode(errors="replace")
        # BOSH: each body of HTTP holds some.
        bodies = re.findall(r"\r\n\r\n(<body\b.*?)(?=HTTP/1|POST /|$)", text, re.S)
        whole = [(HEADER, [s for b in bodies for s in first_level(b)])] if bodies else []
        for piece in re.split(r"(?=<stream:stream )", re.sub(r"<\?xml[^>]*\?>", "", text))[1:]:
            whole.append((piece[:piece.index(">") + 1], first_level(piece)))
        yield ends, whole


class Captures(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.folder.cleanup()

    def made(self, data):
        path = pathlib.Path(self.folder.name) / "made.pcap"
        path.write_bytes(data)
        return path

    def test_small(self):
        for name in ALL:
            self.assertLess((CAPTURES / f"{name}.pcap").stat().st_size, 200 << 10)

    def test_golden(self):
        self.maxDiff = None
        self.assertEqual(sorted(p.stem for p in GOLDEN.glob("*.json")), ALL)
        for name in ALL:
            with self.subTest(name):
                self.assertEqual(golden(CAPTURES / f"{name}.pcap"), json.loads((GOLDEN / f"{name}.json").read_text()))

    def test_judge_agrees(self):
        """The same stanza, the same verdict, in every role and both directions."""
        compared = 0
        for name in ALL:
            path = CAPTURES / f"{name}.pcap"
            rows = [r for r in replay(path)[0] if "verdict" in r]
            for (src, dst), pieces in said(Frames(path).frames):
                mine = [r for r in rows if r["src"].endswith(f":{src[1]}") and r["dst"].endswith(f":{dst[1]}")]
                stanzas = [s for _, inside in pieces for s in inside]
                self.assertEqual(len(mine), len(stanzas), (name, src[1], dst[1]))
                if not mine:
                    continue
                inward = mine[0]["direction"] == "in"
                peer = mine[0]["src" if inward else "dst"].rsplit(":", 1)[0].strip("[]")
                jid = mine[-1].get("jid")
                done = run("--json", "judge", "--rules", RULES, "--service", mine[0]["service"], "--direction", mine[0]["direction"],
                           "--peer", peer, *(["--jid", jid] if jid else []), input=(pieces[-1][0] + "".join(stanzas)).encode())
                self.assertEqual(done.returncode, 0, (name, done.stderr))
                for line, row, stanza in zip(done.stdout.splitlines(), mine, stanzas, strict=True):
                    judged = json.loads(line)
                    judged.pop("id")
                    self.assertEqual(judged, {k: row[k] for k in judged}, stanza)
                    self.assertEqual(row["size"], len(stanza.encode()))
                    compared += 1
        self.assertGreater(compared, 160)

    def test_cut(self):
        """The end of the file is missing: what is there is read, and that it is cut is told."""
        for name in ALL:
            data, whole = (CAPTURES / f"{name}.pcap").read_bytes(), heart(replay(CAPTURES / f"{name}.pcap")[0])
            for part in range(1, 8):
                size = len(data) * part // 8 | 1
                rows, summary = replay(self.made(data[:size]))
                left = list(whole)
                for row in heart(rows):
                    left.remove(row)
                frames = [len(b) + 16 for _, _, b in Frames(self.made(data)).frames]
                ends = {24 + sum(frames[:n]) for n in range(len(frames) + 1)}
                self.assertEqual(summary["capture"]["cut"], size not in ends)

    def test_begun_late(self):
        """The beginning is missing: whatever is read was said, and what was joined in the middle says so."""
        for name in ALL:
            frames, whole = Frames(CAPTURES / f"{name}.pcap").frames, heart(replay(CAPTURES / f"{name}.pcap")[0])
            for part in range(1, 8):
                rows, summary = replay(self.made(Frames.pcap(frames[len(frames) * part // 8:])))
                self.assertEqual([r for r in heart(rows) if r not in whole], [], name)
                self.assertEqual(summary["counters"]["stream.bad"], 0)
                self.assertTrue(all(s["midstream"] for s in summary["streams"] if not s.get("to") and not s.get("from") and s["role"] != "serverless"), name)

    def test_holes(self):
        for name in ALL:
            frames, whole = Frames(CAPTURES / f"{name}.pcap").frames, heart(replay(CAPTURES / f"{name}.pcap")[0])
            with_data = [i for i, x in enumerate(frames) if is_tcp(x[2]) and tcp_of(x[2])[3]]
            for part in range(1, 8):
                gone = set(with_data[len(with_data) * part // 8:][:2])
                rows, summary = replay(self.made(Frames.pcap([x for i, x in enumerate(frames) if i not in gone])))
                self.assertEqual([r for r in heart(rows) if r not in whole], [], (name, part))
                if len(heart(rows)) < len(whole):
                    counters = summary["counters"]
                    told = counters["tcp.gap"] + counters["flow.midstream"] + counters["stream.unfinished"] + counters["stream.skipped-bytes"]
                    self.assertGreater(told, 0, (name, part, gone))

    def test_twice(self):
        for name in ALL:
            frames, whole = Frames(CAPTURES / f"{name}.pcap").frames, replay(CAPTURES / f"{name}.pcap")
            rows, summary = replay(self.made(Frames.pcap([x for x in frames for _ in range(1 + is_tcp(x[2]))])))
            self.assertEqual(heart(rows), heart(whole[0]), name)
            self.assertEqual(summary["counters"]["tcp.conflict"], 0)
            self.assertGreater(summary["counters"]["tcp.retransmission"], 0)

    def test_shuffled(self):
        """Packets change places with their neighbours: everything is found all the same."""
        for name in ALL:
            whole = heart(replay(CAPTURES / f"{name}.pcap")[0])
            for seed in range(4):
                frames, chance = list(Frames(CAPTURES / f"{name}.pcap").frames), random.Random(seed)
                for at in range(0, len(frames) - 4, 4):
                    window = frames[at:at + 4]
                    chance.shuffle(window)
                    frames[at:at + 4] = window
                rows, _ = replay(self.made(Frames.pcap(frames)))
                found = heart(rows)
                self.assertEqual(found, whole, (name, seed))

    def test_short_packets(self):
        for name in ALL:
            frames, whole = Frames(CAPTURES / f"{name}.pcap").frames, heart(replay(CAPTURES / f"{name}.pcap")[0])
            for snap in (60, 96, 200, 400):
                data = struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, snap, 1) + b"".join(
                    struct.pack("<IIII", s, f, len(b[:snap]), len(b)) + b[:snap] for s, f, b in frames)
                rows, summary = replay(self.made(data))
                self.assertEqual([r for r in heart(rows) if r not in whole], [], (name, snap))
                short = sum(len(b) > snap for _, _, b in frames if is_tcp(b) and tcp_of(b)[3])
                if short:
                    self.assertGreater(summary["counters"]["packet.cut"], 0, (name, snap))


def main():
    if sys.argv[2:] == ["golden"]:
        GOLDEN.mkdir(exist_ok=True)
        for name in ALL:
            (GOLDEN / f"{name}.json").write_text(json.dumps(golden(CAPTURES / f"{name}.pcap"), indent=1) + "\n")
        return
    unittest.main(argv=sys.argv[:1])


if __name__ == "__main__":
    main()
