#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A million JIDs into a list of the running daemon, by command, by file and by feed, the real proxy behind it: how long until
they are judged by. And the mix of issue 3's target: 100,000 keywords, 1,000 regexes, 1,000,000 JIDs, the daemon started cold and
from what it compiled before. Prints tables; --write puts them into docs/BENCHMARKS.md, section Lists.

    tests/bench/bench_lists.py [--build build] [--entries 1000000] [--only edits|mix] [--write]
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE = 300


def wait(what):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.02)
    raise SystemExit("it did not happen in time")


def kib(path, what):
    return int(re.search(rf"^{what}:\s+(\d+)", pathlib.Path(path).read_text(), re.M).group(1))


def memory_text(memory):
    return f"{' / '.join(map(str, memory[0]))}, together {memory[1]}"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Wall:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.daemon = None

    def start(self):
        self.daemon = subprocess.Popen(
            [self.build / "bin/xmppwalld", "--config", self.folder / "wall.conf", "--state-dir", self.folder / "state",
             "--run-dir", self.folder / "run", "--log-dir", self.folder / "log", "--libexec-dir", self.build / "bin",
             "--no-firewall"], stderr=subprocess.DEVNULL)
        begin = time.monotonic()
        wait(lambda: self.daemon.poll() is not None or self.ready())
        if self.daemon.poll() is not None:
            raise SystemExit("xmppwalld did not start")
        return time.monotonic() - begin

    def ready(self):
        done = self.ctl("--json", "status")
        return done.returncode == 0 and all(w["state"] == "ready" for w in json.loads(done.stdout)["workers"])

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait(DEADLINE)

    def ctl(self, *words):
        return subprocess.run([self.build / "bin/xmppwallctl", "--run-dir", self.folder / "run", *map(str, words)],
                              capture_output=True, text=True, timeout=DEADLINE, check=False)

    def must(self, *words):
        begin = time.monotonic()
        done = self.ctl(*words)
        if done.returncode:
            raise SystemExit(f"{words}: {done.stderr}")
        return time.monotonic() - begin

    def entries(self, name):
        with contextlib.suppress(ValueError, KeyError):
            return {row["name"]: row["entries"] for row in json.loads(self.ctl("--json", "list").stdout)["lists"]}[name]
        return -1

    def processes(self):
        children = pathlib.Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").read_text().split()
        return [self.daemon.pid, *children]

    def memory(self):
        """MiB of the daemon and of its child: resident; what is theirs when shared pages are divided (Pss), summed."""
        resident = [kib(f"/proc/{p}/status", "VmRSS") // 1024 for p in self.processes()]
        return resident, sum(kib(f"/proc/{p}/smaps_rollup", "Pss") for p in self.processes()) // 1024

    def peaks(self):
        return [kib(f"/proc/{p}/status", "VmHWM") // 1024 for p in self.processes()]

    def counters(self):
        return json.loads(self.ctl("--json", "status").stdout)["counters"]


def measure(build, folder, n):
    (folder / "lists").mkdir()
    for name in ("jids", "edited", "words"):
        (folder / f"lists/{name}.txt").write_text("casino bonus\n" if name == "words" else "seed@a.example\n")
    (folder / "wall.conf").write_text(f"""
service c2s {{ listen tcp {free_port()}; listen on 127.0.0.1; tls none; upstream 127.0.0.1:9 plain; }}
set jids {{ type jid; file "lists/jids.txt"; }}
set edited {{ type jid; file "lists/edited.txt"; }}
set fed {{ type jid; feed f {{ file "feed.txt"; every 1s; }} }}
set words {{ type keyword; flags fold; file "lists/words.txt"; }}
chain inbound {{ hook c2s; policy accept;
    rule jids {{ from in @jids drop }} rule edited {{ from in @edited drop }} rule fed {{ from in @fed drop }}
    rule words {{ text contains @words drop }} }}
""")
    (folder / "feed.txt").write_text("seed@a.example\n")
    text = "".join(f"user{i}@host{i % 977}.example\n" for i in range(n))
    (folder / "million.txt").write_text(text)
    wall, rows = Wall(build, folder), []
    try:
        wall.start()
        rows.append((f"`list import` of {n:,} JIDs, until it answers (file written, judged by)",
                     wall.must("list", "import", "jids", folder / "million.txt")))
        assert wall.entries("jids") == n + 1, wall.entries("jids")
        rows.append(("the same import again: all are there", wall.must("list", "import", "jids", folder / "million.txt")))
        rows.append(("`list add` of one more", wall.must("list", "add", "jids", "one.more@a.example")))
        rows.append(("`list export`", wall.must("list", "export", "jids", folder / "out.txt")))
        assert (folder / "out.txt").read_text().count("\n") == n + 2
        begin = time.monotonic()
        (folder / "lists/new").write_text("seed@a.example\n" + text)
        os.rename(folder / "lists/new", folder / "lists/edited.txt")
        wait(lambda: wall.entries("edited") == n + 1)
        rows.append((f"a file of {n:,} put in place by hand, beside the first list", time.monotonic() - begin))
        memory = wall.memory()
        wall.must("list", "del", "edited", "seed@a.example")
        wall.stop()
        rows.append(("start with both lists, until the proxy is ready", wall.start()))
        rows.append(("memory then, MiB: resident, daemon / proxy; together, what they share counted once", memory_text(wall.memory())))
        (folder / "lists/edited.txt").write_text("seed@a.example\n")
        wait(lambda: wall.entries("edited") == 1)
        begin = time.monotonic()
        (folder / "new").write_text(text)
        os.rename(folder / "new", folder / "feed.txt")
        wait(lambda: wall.entries("fed") == n)
        rows.append((f"a feed that has {n:,} at its next look (every 1s)", time.monotonic() - begin))
        rows.append(("memory just after the second list", memory_text(memory)))
    finally:
        wall.stop()
    return rows


LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHAPES = [r"/\b{w} ?{n}\b.{{0,20}}bonus/i", r"/(?:buy|sell)\s+{w}{n}/i", r"/{w}[a-z0-9-]*{n}\.(?:example|invalid)/",
          r"/{w}\d{{2,4}}(?:usd|eur){n}/f"]


def mix_write(folder, n):
    """The files of the target; words and expressions as people would write them, from a fixed seed."""
    rng = random.Random(1)
    word = lambda: "".join(rng.choice(LETTERS) for _ in range(rng.randint(5, 12)))  # noqa: E731
    words = {word() for _ in range(n // 20)}
    words |= {f"{word()} {word()}" for _ in range(n // 10 - len(words))}
    (folder / "lists").mkdir(exist_ok=True)
    (folder / "lists/words.txt").write_text("".join(f"{w}\n" for w in sorted(words)))
    (folder / "lists/shapes.txt").write_text(
        "".join(SHAPES[i % len(SHAPES)].format(w=word(), n=i) + "\n" for i in range(n // 1000)))
    (folder / "lists/jids.txt").write_text("".join(f"user{i}@host{i % 977}.example\n" for i in range(n)))
    (folder / "wall.conf").write_text(f"""
service c2s {{ listen tcp {free_port()}; listen on 127.0.0.1; tls none; upstream 127.0.0.1:9 plain; }}
set jids {{ type jid; file "lists/jids.txt"; }}
set words {{ type keyword; flags fold; file "lists/words.txt"; }}
set shapes {{ type regex; file "lists/shapes.txt"; }}
chain inbound {{ hook c2s; policy accept;
    rule jids {{ from in @jids drop }} rule words {{ text contains @words drop }} rule shapes {{ text matches @shapes drop }} }}
""")


def measure_mix(build, folder, n):
    mix_write(folder, n)
    wall, rows = Wall(build, folder), []
    try:
        rows.append(("start with nothing compiled, until the proxy is ready", wall.start()))
        rows.append(("memory then, MiB: resident, daemon / proxy; together, what they share counted once", memory_text(wall.memory())))
        rows.append(("most that was resident at a time, daemon / proxy", " / ".join(map(str, wall.peaks()))))
        rows.append(("`list add` of one JID", wall.must("list", "add", "jids", "one.more@a.example")))
        wall.must("list", "del", "jids", "one.more@a.example")
        wall.stop()
        rows.append(("start again, from the cache", wall.start()))
        counters = wall.counters()
        assert counters["cache.found"] >= 2 and counters["cache.compiled"] == 0, counters
        rows.append(("memory then", memory_text(wall.memory())))
        rows.append(("most that was resident at a time, daemon / proxy", " / ".join(map(str, wall.peaks()))))
        wall.must("list", "add", "words", "a new word")
        rows.append(("`list add` of one keyword", wall.must("list", "add", "words", "another new word")))
        rows.append(("`reload`, nothing changed but those", wall.must("reload")))
    finally:
        wall.stop()
    return rows


def report(rows):
    lines = ["| what | seconds |", "|---|---:|"]
    lines += [f"| {what} | {value if isinstance(value, str) else f'{value:.2f}'} |" for what, value in rows]
    return "\n".join(lines) + "\n"


def write(name, text):
    path = ROOT / "docs/BENCHMARKS.md"
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    head, _, rest = path.read_text().partition(begin)
    path.write_text(head + begin + text + end + rest.partition(end)[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--entries", type=int, default=1000000)
    parser.add_argument("--only", choices=["edits", "mix"])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    for name, run in (("lists", measure), ("mix", measure_mix)):
        if args.only not in (None, "edits" if name == "lists" else name):
            continue
        with tempfile.TemporaryDirectory(prefix="xmppwall-bench-") as folder:
            text = report(run(pathlib.Path(args.build).resolve(), pathlib.Path(folder), args.entries))
        print(text, flush=True)
        if args.write:
            write(name, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
