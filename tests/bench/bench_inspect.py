#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The live inspector beside a program that accepts every packet of the same queue, and beside no queue at all, in one run.

Each party has three hosts of its own (network namespaces: client, firewall, server); the load's two ends are pinned to one
core, the program at the queue to the other (after STARTTLS, when it has nothing to do: the receiving end); the parties take
turns, and medians count. Stanzas have 300 bytes; xmppwall has 1,000 keywords and 100 regexes in force. Prints tables; --write
puts them into docs/BENCHMARKS.md, section Inspector.

    sudo tests/bench/bench_inspect.py [--build build] [--rounds 5] [--quick] [--only flood,...] [--parties none,accept] [--write]
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOAD_CORE, QUEUE_CORE = "0", "1"
PORT, TLS_PORT, QUEUE, QUEUE_LENGTH = 5347, 5222, 5298, 65536
SERVER = "198.51.100.10"
PARTIES = ("none", "accept", "ours")
TITLES = {"none": "no queue", "accept": "accept all", "ours": "xmppwall-nfq"}
CONFIG = """
daemon {{ threads 1; }}
inspect {{ queues 1; queue {queue}; }}
service component {{ listen tcp {{ {port} }}; mode inspect; tls none; }}
service c2s {{ listen tcp {{ {tls} }}; mode inspect; tls required; }}
set words {{ type keyword; flags fold; file "words.txt"; }}
set patterns {{ type regex; file "patterns.txt"; }}
chain inbound {{
    hook component, c2s; policy accept;
    rule words {{ message text contains @words drop }}
    rule patterns {{ message text matches @patterns reject policy-violation }}
}}
"""


def pinned(core, command):
    return ["taskset", "-c", core, *map(str, command)]


class Party:
    """Three hosts, a server on one, and at the firewall between nothing, the accept-all program, or xmppwall."""

    def __init__(self, kind, build, gso):
        import lab  # of tests/wire: knows where the build is only once main() has said so
        self.kind, self.binaries = kind, build / "bin"
        self.lab = lab.Lab()
        self.load = self.binaries / "inspectload"
        self.queue_pid = None
        self.started = []
        for port in (PORT, TLS_PORT):
            self._start(self.lab.server, LOAD_CORE if port == PORT else QUEUE_CORE, self.load, "server", port)
        self.lab.client.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65000")
        if kind == "accept":
            self._queue_everything()
            self.queue_pid = self._start(self.lab.firewall, QUEUE_CORE, self.binaries / "queue_accept", QUEUE, QUEUE_LENGTH,
                                         *(["gso"] if gso else [])).pid
        if kind == "ours":
            self._start_wall(lab)

    def _start(self, host, core, *command):
        made = host.start(*pinned(core, command), stdout=subprocess.PIPE, text=True)
        self.started.append(made)
        if made.stdout.readline() != "ready\n":
            raise SystemExit(f"{command[0]} did not start")
        return made

    def _queue_everything(self):
        for way in ("--dports", "--sports"):
            self.lab.firewall.run("iptables", "-A", "FORWARD", "-p", "tcp", "-m", "multiport", way, f"{PORT},{TLS_PORT}", "-j",
                                  "NFQUEUE", "--queue-num", QUEUE)

    def _start_wall(self, lab):
        import wall
        made = wall.Wall(self.lab)
        made.write(**{"xmppwall.conf": CONFIG.format(queue=QUEUE, port=PORT, tls=TLS_PORT),
                      "words.txt": "".join(f"forbidden{i} word{i}\n" for i in range(1000)),
                      "patterns.txt": "".join(f"(?i)order\\s+no{i}[-_ ]?\\d{{4,}}\n" for i in range(100))})
        self.lab.add(made)
        made.start()
        self.wall = made
        self.queue_pid = lab.wait_for(lambda: self._child("xmppwall-nfq"), 10, "xmppwall-nfq")
        subprocess.run(["taskset", "-a", "-p", "-c", QUEUE_CORE, str(self.queue_pid)], check=True, capture_output=True)

    def _child(self, name):
        with contextlib.suppress(OSError):
            for pid in pathlib.Path(f"/proc/{self.wall.process.pid}/task/{self.wall.process.pid}/children").read_text().split():
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    return int(pid)
        return None

    def cpu_seconds(self):
        if not self.queue_pid:
            return 0.0
        total = 0  # nanoseconds that each thread ran
        for task in pathlib.Path(f"/proc/{self.queue_pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def pss_kib(self):
        return int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{self.queue_pid}/smaps_rollup").read_text(), re.M)[1])

    def dropped(self):
        """Packets that the queue lost: its own and its reader's."""
        if not self.queue_pid:
            return 0
        for line in self.lab.firewall.run("cat", "/proc/net/netfilter/nfnetlink_queue").stdout.splitlines():
            fields = line.split()
            if int(fields[0]) == QUEUE:
                return int(fields[5]) + int(fields[6])
        raise SystemExit(f"nobody listens at queue {QUEUE}")

    def talk(self, *what):
        """What the load program's client tells, and what it cost at the queue."""
        before = self.cpu_seconds()
        done = self.lab.client.run(*pinned(LOAD_CORE, (self.load, *what)), timeout=300)
        result = json.loads(done.stdout)
        result["cpu"] = self.cpu_seconds() - before
        return result

    def close(self):
        for process in reversed(self.started):
            process.terminate()
            process.wait(10)
        self.lab.close()


def in_turn(given, parties, what):
    """{party: [result of each round]}"""
    results = {p.kind: [] for p in parties}
    for _ in range(given.rounds):
        for p in parties:
            results[p.kind].append(what(p))
    return results


def median(results, field):
    return statistics.median(r[field] for r in results)


def ratio(value, digits=2):
    return "" if value is None else f"**{value:.{digits}f}**"


def measure_flood(given, parties, folder):
    megabytes = 8 if given.quick else given.megabytes
    file = folder / "payload"
    subprocess.run([given.build / "bin/inspectload", "payload", str(megabytes), file], check=True)
    command = pinned(QUEUE_CORE, (given.build / "bin/expat_streams", file))
    expat = []

    def one(p):
        if p.kind == "accept":
            expat.append(float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        return p.talk("flood", SERVER, PORT, megabytes)

    got = in_turn(given, [p for p in parties if p.kind != "none"], one)
    alone = statistics.median(expat)
    base = median(got["accept"], "seconds")
    yield f"| one way, {got['accept'][0]['stanzas']:,} stanzas | s | stanzas/s | CPU s at the queue |"
    yield "|---|--:|--:|--:|"
    for kind, results in got.items():
        seconds = median(results, "seconds")
        yield f"| {TITLES[kind]} | {seconds:.3f} | {results[0]['stanzas'] / seconds:,.0f} | {median(results, 'cpu'):.3f} |"
    yield f"| expat alone on the same bytes | {alone:.3f} | {got['accept'][0]['stanzas'] / alone:,.0f} | {alone:.3f} |"
    yield f"| the bound: accept all and expat, one after the other | {base + alone:.3f} | {got['accept'][0]['stanzas'] / (base + alone):,.0f} | |"
    if "ours" in got:
        given.outcome["one-way flood, of the bound"] = (base + alone) / median(got["ours"], "seconds"), "at least 0.85"


def measure_turns(given, parties, _):
    seconds, connections = (1, 10) if given.quick else (given.seconds, 50)
    got = in_turn(given, parties, lambda p: p.talk("turns", SERVER, PORT, connections, seconds, 0))
    yield f"| one in flight, {connections} connections | messages/s | CPU µs at the queue for one to and fro | p50 µs | p99 µs |"
    yield "|---|--:|--:|--:|--:|"
    for kind, results in got.items():
        cpu = statistics.median(r["cpu"] / r["messages"] * 1e6 for r in results)
        yield (f"| {TITLES[kind]} | {median(results, 'rate'):,.0f} | {cpu:.1f} | {median(results, 'p50_us'):,.0f} | "
               f"{median(results, 'p99_us'):,.0f} |")
    if "ours" in got:
        given.outcome["one in flight, of accept all"] = median(got["ours"], "rate") / median(got["accept"], "rate"), "at least 0.6"


def measure_latency(given, parties, _):
    seconds, connections = (1, 10) if given.quick else (given.seconds, 50)
    got = in_turn(given, parties, lambda p: p.talk("turns", SERVER, PORT, connections, seconds, 2000))
    yield "| to and fro at 2,000 messages/s | messages/s | p50 µs | p99 µs | added p50 | added p99 |"
    yield "|---|--:|--:|--:|--:|--:|"
    zero = {q: median(got["none"], q) for q in ("p50_us", "p99_us")}
    added = {}
    for kind, results in got.items():
        at = {q: median(results, q) for q in zero}
        added[kind] = {q: at[q] - zero[q] for q in zero}
        yield (f"| {TITLES[kind]} | {median(results, 'rate'):,.0f} | {at['p50_us']:,.1f} | {at['p99_us']:,.1f} | "
               + ("| |" if kind == "none" else f"{added[kind]['p50_us']:,.1f} | {added[kind]['p99_us']:,.1f} |"))
    if "ours" in got:
        for q in zero:
            given.outcome[f"added latency at 2,000 messages/s, {q[:3]}, times accept all"] = (
                added["ours"][q] / added["accept"][q], "at most 1.3")


def measure_offload(given, parties, _):
    """Not beside accept all: the connection is to leave the queue."""
    seconds = 1 if given.quick else given.seconds
    parties = [p for p in parties if p.kind != "accept"]
    got = in_turn(given, parties, lambda p: p.talk("bulk", SERVER, TLS_PORT, seconds))
    yield "| after STARTTLS, as much as goes through | Gbit/s | CPU s at the queue |"
    yield "|---|--:|--:|"
    rate = {kind: statistics.median(r["bytes"] * 8 / r["seconds"] / 1e9 for r in results) for kind, results in got.items()}
    for kind, results in got.items():
        yield f"| {TITLES[kind]} | {rate[kind]:.2f} | {median(results, 'cpu'):.3f} |"
    if "ours" in got:
        given.outcome["after STARTTLS, of no queue"] = rate["ours"] / rate["none"], "at least 0.97"


def measure_idle(given, parties, _):
    """Connections that said a stanza each way and then nothing; the inspector gives back after half a minute."""
    ours = next((p for p in parties if p.kind == "ours"), None)
    if not ours:
        return
    count = 200 if given.quick else min(given.flows, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 64)  # as descriptors allow
    before = ours.pss_kib()
    command = pinned(LOAD_CORE, (ours.load, "idle", SERVER, PORT, count))
    client = ours.lab.client.start(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    opened = json.loads(client.stdout.readline())["ready"]
    at_once = ours.pss_kib()
    end, kib = time.monotonic() + (0 if given.quick else 75), at_once
    while time.monotonic() < end:
        time.sleep(1)
        kib = min(kib, ours.pss_kib())
    client.communicate("", timeout=60)
    yield f"| {opened:,} idle connections | KiB each |"
    yield "|---|--:|"
    yield f"| just after their last stanza | {(at_once - before) / opened:.2f} |"
    yield f"| idle | {(kib - before) / opened:.2f} |"
    given.outcome["memory of an idle connection, KiB"] = (kib - before) / opened, "at most 4"


MEASURES = {"flood": measure_flood, "turns": measure_turns, "latency": measure_latency, "offload": measure_offload,
            "idle": measure_idle}


def tables(given):
    parties, lines = [], []
    with tempfile.TemporaryDirectory(prefix="xmppwall-bench-") as name:
        try:
            for kind in given.parties:
                parties.append(Party(kind, given.build, given.gso))
            for what in given.only:
                for line in MEASURES[what](given, parties, pathlib.Path(name)):
                    print(line, flush=True)
                    lines.append(line)
                lines.append("")
                print(flush=True)
            lost = sum(p.dropped() for p in parties)
        finally:
            for p in reversed(parties):
                p.close()
    if lost:
        lines.append(f"The queues lost {lost} packets.")
    if given.outcome:
        lines += ["| | target | came out |", "|---|---|--:|"]
        lines += [f"| {what} | {target} | **{value:.2f}** |" for what, (value, target) in given.outcome.items()]
        print("\n".join(lines[-len(given.outcome) - 2:]))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--flows", type=int, default=20000)
    parser.add_argument("--quick", action="store_true", help="one short round: does it work at all?")
    parser.add_argument("--only", default=",".join(MEASURES), help="some of " + ", ".join(MEASURES))
    parser.add_argument("--parties", default=",".join(PARTIES), help="some of " + ", ".join(PARTIES))
    parser.add_argument("--gso", action="store_true", help="the accept-all program takes what a card would still cut; ours does not")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")
    given = parser.parse_args()
    given.build, given.outcome = given.build.resolve(), {}
    given.rounds = 1 if given.quick else given.rounds
    given.only, given.parties = given.only.split(","), given.parties.split(",")
    os.environ["XMPPWALL_BUILD"] = str(given.build)
    sys.path.insert(0, str(ROOT / "tests/wire"))
    lines = tables(given)
    if given.write:
        page = ROOT / "docs/BENCHMARKS.md"
        begin, end = "<!-- inspect:begin -->\n", "<!-- inspect:end -->"
        before, _, rest = page.read_text().partition(begin)
        text = (f"Measured {datetime.date.today()} with `tests/bench/bench_inspect.py --rounds {given.rounds} --seconds {given.seconds}`."
                "\n\n" + "\n".join(lines) + "\n")
        page.write_text(before + begin + text + end + rest.partition(end)[2])


if __name__ == "__main__":
    main()
