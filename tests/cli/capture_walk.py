#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""capture --from as a user types it: real traffic (tests/captures) whole, in part and masked. A masked copy reads as the
original does, and has no word of it. `capture_walk.py XMPPWALLCTL`"""
import fcntl
import json
import pathlib
import random
import re
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import xml.etree.ElementTree

from captures_walk import is_tcp, said
from replay_walk import CAPTURES, CTL, Frames, run, tcp_of

PLAIN = "chain all { hook any; policy accept; rule iqs { iq accept, log } rule big { size > 500 accept } }\n"
KEPT_TEXT = {"mechanism", "jid", "resource", "priority", "show", "method"}


def blocks(data):
    """The packets of a pcapng file as this program writes it."""
    order, at = "<", 0
    while at < len(data):
        kind, length = struct.unpack_from(order + "II", data, at)
        if kind == 6:
            interface, high, low, size, wire = struct.unpack_from(order + "IIIII", data, at + 8)
            yield (high << 32) | low, data[at + 28:at + 28 + size], wire
        at += length


def summed(data, value=0):
    data += b"\0" * (len(data) % 2)
    value += sum(struct.unpack(f"!{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xffff) + (value >> 16)
    return value


def tcp_sum(frame):
    """0xffff where the checksum is right."""
    (src, _), (dst, _), _, payload, at = tcp_of(frame)
    begin = 14 + (20 if frame[12:14] == b"\x08\x00" else 40)
    segment = frame[begin:at + len(payload)]
    return summed(src + dst + struct.pack("!HH", len(segment), 6) + segment), begin


def righted(frame):
    _, begin = tcp_sum(frame)
    zeroed = frame[:begin + 16] + b"\0\0" + frame[begin + 18:]
    return zeroed[:begin + 16] + struct.pack("!H", 0xffff - tcp_sum(zeroed)[0]) + zeroed[begin + 18:]


class Capture(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.rules = self.path("plain.rules")
        self.rules.write_text(PLAIN)

    def tearDown(self):
        self.folder.cleanup()

    def path(self, name):
        return pathlib.Path(self.folder.name) / name

    def copy(self, source, *words, status=0, out="out.pcapng"):
        done = run("--json", "capture", "--from", source, *words, self.path(out))
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout) if done.stdout else None, self.path(out)

    def replay(self, capture):
        done = run("--json", "replay", "--rules", self.rules, capture)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        for row in rows:
            row.pop("id", None)
        rows[-1]["summary"]["capture"].pop("format")
        return rows

    def written(self, data, name):
        self.path(name).write_bytes(data)
        return self.path(name)

    def words_of(self, frames):
        """What people wrote, and what no stranger should have: every text of the streams."""
        words, raw = set(), b"".join(tcp_of(b)[3] for _, _, b in frames if is_tcp(b)).decode(errors="replace")
        for _, pieces in said(frames):
            for stanza in (s for _, inside in pieces for s in inside):
                root = xml.etree.ElementTree.fromstring(re.sub(r"\b(stream|db):", "", stanza))
                words |= {e.text for e in root.iter() if e.text and e.tag.split("}")[-1] not in KEPT_TEXT}
        words |= set(re.findall(r"<(?:auth|challenge|response|success|handshake|db:result|db:verify)\b[^>]*>([^<]+)<", raw))
        # What serverless peers announce of themselves.
        words |= set(re.findall(r"(?:1st|last|email|nick|msg)=([ -~]+)", "".join(re.findall(r"[ -~]+", b"".join(b[62:] for _, _, b in frames if not is_tcp(b)).decode("latin-1")))))
        return {w.strip().encode() for w in words if len(w.strip()) > 6}

    def same_shape(self, frames, masked):
        data = masked.read_bytes()
        made = list(blocks(data))
        self.assertEqual([len(b) for _, _, b in frames], [len(b) for _, b, _ in made])
        self.assertEqual([s * 1000000000 + f * 1000 for s, f, _ in frames], [t for t, _, _ in made])
        for (_, _, before), (_, after, _) in zip(frames, made, strict=True):
            if not is_tcp(before):
                continue
            at = tcp_of(before)[4]
            self.assertEqual(before[:at][:34], after[:at][:34])
        return made, data

    def test_masked(self):
        for path in sorted(CAPTURES.glob("*.pcap")):
            frames = [(s, f, b) for s, f, b in Frames(path).frames]
            told, masked = self.copy(path, "--mask")
            self.assertEqual((told["packets"], told["read"], told["end"], told["masked"]), (len(frames), len(frames), "all", True))
            self.assertEqual(told["bytes"], masked.stat().st_size)
            _, data = self.same_shape(frames, masked)
            words = self.words_of(frames)
            self.assertGreater(len(words), 2)
            for word in words:
                self.assertFalse(word in data, word)
            self.assertEqual(self.replay(masked), self.replay(path))
            self.assertEqual(stat.S_IMODE(masked.stat().st_mode), 0o600)

    def test_names(self):
        path = CAPTURES / "prosody.pcap"
        _, masked = self.copy(path, "--mask-names")
        data = masked.read_bytes()
        for name in (b"juliet", b"romeo", b"verona"):
            self.assertIn(name, path.read_bytes())
            self.assertFalse(name in data, name)
        before, after = self.replay(path), self.replay(masked)
        self.assertEqual([(r.get("kind"), r.get("size"), r.get("verdict")) for r in before], [(r.get("kind"), r.get("size"), r.get("verdict")) for r in after])
        names = {}
        for old, new in zip(before, after, strict=True):
            for key in ("from", "to", "jid"):
                if key in old:
                    self.assertEqual(names.setdefault(old[key], new[key]), new[key])
        self.assertEqual(len(set(names.values())), len(names))

    def test_checksums(self):
        frames = [(s, f, righted(b)) for s, f, b in Frames(CAPTURES / "ejabberd.pcap").frames]
        chance = random.Random(1624)
        wrong = set(chance.sample(range(len(frames)), 9))
        frames = [(s, f, b[:-1] + bytes([b[-1] ^ 1]) if i in wrong else b) for i, (s, f, b) in enumerate(frames)]
        _, masked = self.copy(self.written(Frames.pcap(frames), "right.pcap"), "--mask")
        made, _ = self.same_shape(frames, masked)
        self.assertEqual({i for i, (_, b, _) in enumerate(made) if tcp_sum(b)[0] != 0xffff}, wrong)

    def test_what_can_happen_to_packets(self):
        """Sent twice, in another order, with other bytes, cut, begun in the middle: the copy reads as the original does."""
        frames = Frames(CAPTURES / "prosody.pcap").frames
        chance, made = random.Random(6121), []
        made.append(Frames.pcap([x for x in frames for _ in range(2)]))
        shuffled = list(frames)
        for at in range(0, len(shuffled) - 6, 6):
            window = shuffled[at:at + 6]
            chance.shuffle(window)
            shuffled[at:at + 6] = window
        made.append(Frames.pcap(shuffled))
        made += [Frames.pcap(frames[at:]) for at in range(10, len(frames), 29)]
        made += [Frames.pcap([x for i, x in enumerate(frames) if not at <= i < at + 3]) for at in range(9, len(frames), 31)]
        made += [Frames.pcap(frames)[:size] for size in range(30, 40000, 7001)]
        for data in made:
            path = self.written(data, "made.pcap")
            _, masked = self.copy(path, "--mask")
            before, after = self.replay(path), self.replay(masked)
            for rows in (before, after):
                for key in ("cut", "damaged", "damaged_at"):
                    rows[-1]["summary"]["capture"].pop(key, None)
            self.assertEqual(before, after)
            for word in (b"sweet sorrow", b"apothecary", b"wherefore", b"good night"):
                self.assertFalse(word in masked.read_bytes(), word)

    def test_contradictions(self):
        lied = []
        for s, f, b in Frames(CAPTURES / "ejabberd.pcap").frames:
            payload = tcp_of(b)[3]
            lied.append((s, f, b))
            if len(payload) > 20 and payload[:1] == b"<":
                lied.append((s, f, b[:-len(payload)] + b"<secret>" * (len(payload) // 8) + b"z" * (len(payload) % 8)))
        for words in ((), ("--any-checksum",)):
            _, masked = self.copy(self.written(Frames.pcap(lied), "lied.pcap"), "--mask", *words)
            self.assertFalse(b"secret" in masked.read_bytes(), b"secret")
            self.assertEqual([r for r in self.replay(masked) if "verdict" in r], [r for r in self.replay(CAPTURES / "ejabberd.pcap") if "verdict" in r])

    def test_short_packets(self):
        frames = Frames(CAPTURES / "ejabberd.pcap").frames
        data = struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 260, 1) + b"".join(
            struct.pack("<IIII", s, f, len(b[:260]), len(b)) + b[:260] for s, f, b in frames)
        path = self.written(data, "short.pcap")
        _, masked = self.copy(path, "--mask")
        self.assertEqual(self.replay(path), self.replay(masked))
        self.assertTrue(all(wire >= len(b) for _, b, wire in blocks(masked.read_bytes())))
        self.assertFalse(b"apothecary" in masked.read_bytes(), b"apothecary")

    def test_not_ours(self):
        """What no stream is in goes without a readable byte; what is neither TCP nor mDNS is left out, but only of a masked copy."""
        frames = Frames(CAPTURES / "prosody.pcap").frames
        ether = frames[0][2][:12]
        other = [(1, 0, ether + b"\x08\x06" + b"arp secret" * 4), (1, 1, ether + b"\x08\x00" + bytes.fromhex("4500003600000000401100000a0000010a00000214e914e900220000") + b"udp secret" * 3)]
        path = self.written(Frames.pcap(other + frames[:30]), "other.pcap")
        told, masked = self.copy(path, "--mask")
        self.assertEqual(told["mask"]["left_out"], 1)
        self.assertFalse(b"secret" in masked.read_bytes(), b"secret")
        told, plain = self.copy(path)
        self.assertEqual([b for _, b, _ in blocks(plain.read_bytes())], [b for _, _, b in other + frames[:30]])

    def test_in_part(self):
        path = CAPTURES / "prosody.pcap"
        told, small = self.copy(path, "--size", "8k")
        self.assertEqual(told["end"], "size")
        self.assertTrue(7000 < small.stat().st_size <= 8192)
        told, short = self.copy(path, "--for", "100ms")
        self.assertEqual(told["end"], "time")
        times = [t for t, _, _ in blocks(short.read_bytes())]
        self.assertTrue(times and times[-1] - times[0] <= 100_000_000)
        told, six = self.copy(path, "--peer", "2001:db8:1:30::/64")
        self.assertEqual({b[12:14] for _, b, _ in blocks(six.read_bytes())}, {b"\x86\xdd"})
        told, nobody = self.copy(path, "--peer=203.0.113.7,198.51.100.0/30", "--mask")
        self.assertEqual((told["packets"], told["mask"]["streams"]), (0, 0))
        for words in (("--size", "8q"), ("--size", "0"), ("--for", "soon"), ("--for", "0s"), ("--peer", "nobody"), ("--peer", "1.2.3.4/99"), ("--nosuch",)):
            self.assertEqual(run("capture", "--from", path, *words, self.path("no.pcapng")).returncode, 2, words)
        self.assertFalse(self.path("no.pcapng").exists())
        self.assertEqual(run("--run-dir", self.folder.name, "capture", self.path("no.pcapng")).returncode, 3)
        self.assertFalse(self.path("no.pcapng").exists())

    def test_files(self):
        path = CAPTURES / "prosody.pcap"
        done = subprocess.run([CTL, "capture", "--from", "-", "--mask", "-"], input=path.read_bytes(), capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(list(blocks(done.stdout))), len(Frames(path).frames))
        self.assertIn(b"masked: 4 streams", done.stderr)
        mine = self.written(path.read_bytes(), "mine.pcap")
        _, linked = self.copy(mine, out="mine.pcap", status=1)
        self.assertEqual(linked.read_bytes(), path.read_bytes())
        self.assertEqual(run("capture", "--from", self.path("none"), self.path("x")).returncode, 1)
        self.assertEqual(run("capture", "--from", path, self.path("none") / "x").returncode, 1)
        self.assertEqual(self.copy(self.written(b"not a capture at all, by far", "text"), status=1)[0]["end"], "damaged")
        data = path.read_bytes()
        told, cut = self.copy(self.written(data[:20000] + struct.pack("<IIII", 0, 0, 1 << 30, 0) + data[20000:], "damaged"), "--mask", status=1)
        self.assertEqual(told["end"], "damaged")
        self.assertGreater(len(list(blocks(cut.read_bytes()))), 20)

    def test_stopped(self):
        """Ctrl-C: what has come is in the file."""
        path = CAPTURES / "prosody.pcap"
        for words in ((), ("--mask",)):
            out = self.path("stopped.pcapng")
            running = subprocess.Popen([CTL, "--json", "capture", "--from", "-", *words, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            running.stdin.write(path.read_bytes()[:30000])
            running.stdin.flush()
            end, unread = time.monotonic() + 20, b"\1"
            while any(unread) and time.monotonic() < end:
                unread = fcntl.ioctl(running.stdin, termios.FIONREAD, b"\0" * 4)
            running.send_signal(signal.SIGINT)
            text, errors = running.communicate(timeout=30)
            self.assertEqual(running.returncode, 0, errors)
            told = json.loads(text)
            self.assertEqual(told["end"], "stopped")
            self.assertEqual(len(list(blocks(out.read_bytes()))), told["packets"])
            self.assertGreater(told["packets"], 20)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
