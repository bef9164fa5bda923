#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""replay of a large capture beside bare expat on its payload: `bench_replay.py BUILD [--megabytes 1000] [--runs 3] [--write]`.

The capture is made here: sessions of clients with stanzas of 300 bytes in both directions, in segments as TCP makes them,
acknowledged; every eighth connection at the same time as others. Prints a Markdown table: processor seconds (user and system)
of xmppwall-nfq, and of expat alone on the same bytes in one process, the least of the runs; and the most memory it held. --write
puts it into docs/BENCHMARKS.md, section Replay."""
import argparse
import os
import pathlib
import socket
import struct
import subprocess
import tempfile

MSS, FLOWS_AT_ONCE = 1400, 8
HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' {}='a.example' "
          "version='1.0'>")
WORDS = "the quick brown fox jumps over a lazy dog while seven wizards quietly box my five dozen liquor jugs at noon".split()
PLAIN = "chain inbound { hook c2s; policy accept; }\n"
KEYWORDS = ("set words {{ type keyword; flags fold; elements = {{ {} }}; }}\nset hosts {{ type domain; flags suffix; elements = {{ bad.example }}; }}\n"
            "limit chatter {{ rate 20/second; burst 60; key from.bare; }}\n"
            "chain inbound {{ hook c2s; policy accept; rule spam {{ message text contains @words drop }}\n"
            "rule link {{ message url.host in @hosts reject policy-violation }}\nrule flood {{ message limit chatter exceeded count }} }}\n")


def stanza(number, side):
    body = " ".join(WORDS[(number * 7 + i * (side + 3)) % len(WORDS)] for i in range(40))
    start = f"<message to='user{number % 500}@a.example' from='friend{number % 90}@b.example/home' type='chat' id='m{number}'><body>"
    return (start + body)[:283].rstrip() + "</body></message>"


class Writer:
    """Frames into a pcap, payload into the file for expat; checksums as a sending host leaves them, to the card."""

    def __init__(self, capture):
        self.out, self.time, self.size = open(capture, "wb", 1 << 20), 1790000000000000, 24
        self.out.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))

    def packet(self, src, dst, sport, dport, seq, ack, flags, data=b""):
        length = 20 + len(data)
        total = sum(struct.unpack("!4H", src + dst)) + 6 + length
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, 5 << 4, flags, 65535, total, 0)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0x4000, 64, 6, 0, src, dst)
        frame = ip + tcp + data
        self.time += 20
        self.out.write(struct.pack("<IIII", self.time // 1000000, self.time % 1000000, len(frame), len(frame)) + frame)
        self.size += 16 + len(frame)


class Flow:
    def __init__(self, writer, number, bytes_each):
        self.w, self.ends = writer, (socket.inet_aton(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"), socket.inet_aton("192.0.2.1"))
        self.ports, self.seq, self.at = (40000 + number % 20000, 5222), [1, 1], [0, 0]
        self.said = [self.text(side, number, bytes_each) for side in (0, 1)]
        self.send(0, 2)
        self.send(1, 0x12)

    @staticmethod
    def text(side, number, size):
        out = [HEADER.format("from" if side else "to")]
        length = len(out[0])
        while length < size:
            out.append(stanza(number * 1000 + len(out), side))
            length += len(out[-1])
        return "".join(out).encode()

    def send(self, side, flags, data=b""):
        seq = self.seq[side] - (flags & 2) // 2
        self.w.packet(self.ends[side], self.ends[1 - side], self.ports[side], self.ports[1 - side], seq, self.seq[1 - side], flags, data)
        self.seq[side] += len(data)

    def step(self):
        """A segment each way; false at the end."""
        for side in (0, 1):
            data = self.said[side][self.at[side]:self.at[side] + MSS]
            self.at[side] += len(data)
            if data:
                self.send(side, 0x18, data)
        return self.at[0] < len(self.said[0]) or self.at[1] < len(self.said[1])


def make(folder, megabytes):
    writer, number, active = Writer(folder / "made.pcap"), 0, []
    with open(folder / "payload", "wb") as payload:
        while writer.size < megabytes << 20 or active:
            while len(active) < FLOWS_AT_ONCE and writer.size < megabytes << 20:
                active.append(Flow(writer, number, 1 << 19))
                number += 1
                for said in active[-1].said:
                    payload.write(struct.pack("=Q", len(said)) + said)
            active = [f for f in active if f.step()]
    writer.out.close()
    return writer.size, (folder / "payload").stat().st_size


def cpu(*command):
    """Processor seconds and the most memory of a child, in MiB."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    text = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{command[0]}: status {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text


def measure(given, folder):
    """The lines of the table."""
    size, payload = make(folder, given.megabytes)
    expat = min(float(cpu(given.build / "bin/expat_streams", folder / "payload")[2]) for _ in range(given.runs))
    yield f"| a capture of {size >> 20} MiB, payload {payload >> 20} MiB | CPU s | MB/s of payload | speed, bare expat is 1 | memory MiB |"
    yield "|---|--:|--:|--:|--:|"
    yield f"| expat alone on the payload | {expat:.2f} | {payload / expat / 1e6:.0f} | 1 | |"
    words = ", ".join(f'"secret{i} word{i}"' for i in range(1000))
    empty = folder / "empty.pcap"
    with open(folder / "made.pcap", "rb") as made:
        empty.write_bytes(made.read(24))
    for what, rules in (("no rules", PLAIN), ("1,000 folded keywords, domains, a limit", KEYWORDS.format(words))):
        (folder / "bench.rules").write_text(rules)
        command = (given.build / "bin/xmppwall-nfq", "--replay", "--summary", "--rules", folder / "bench.rules")
        start = min(cpu(*command, empty)[0] for _ in range(given.runs))
        took, memory = min(cpu(*command, folder / "made.pcap")[:2] for _ in range(given.runs))
        took -= start
        yield f"| replay, {what} | {took:.2f} | {payload / took / 1e6:.0f} | {expat / took:.2f} | {memory:.0f} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        lines = []
        for line in measure(given, pathlib.Path(name)):
            print(line, flush=True)
            lines.append(line)
    if given.write:
        page = pathlib.Path(__file__).parents[2] / "docs/BENCHMARKS.md"
        before, _, rest = page.read_text().partition("<!-- replay:begin -->\n")
        page.write_text(before + "<!-- replay:begin -->\n" + "\n".join(lines) + "\n<!-- replay:end -->" + rest.partition("<!-- replay:end -->")[2])


if __name__ == "__main__":
    main()
