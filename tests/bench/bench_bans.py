#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bans in the kernel, in a network namespace of its own: changes a second through the daemon beside nft; half a million restored
after a reboot (empty kernel, full ledger), and the daemon's memory for them; from a worker's word to the element in force; a list of
a million addresses. Needs root. Prints a table; --write puts it into docs/BENCHMARKS.md, section Bans.

    tests/bench/bench_bans.py [--build build] [--bans 500000] [--listed 1000000] [--rounds 3] [--quick] [--write]
"""
import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE = 300
BATCH = 5000
NETLINK_NETFILTER, NFNLGRP_NFTABLES, NFT_MSG_NEWSETELEM = 12, 7, (10 << 8) | 12
POLICY = """
service c2s { listen tcp { 25222 }; listen on 127.0.0.1; mode proxy; tls none; upstream 127.0.0.1:9 plain; }
daemon { threads 1; }
chain inbound { hook c2s; policy accept; }
"""


def address(i):
    return f"{11 + i // 16777216}.{i // 65536 % 256}.{i // 256 % 256}.{i % 256}"


def wait(what, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = what()
        if result:
            return result
        time.sleep(0.002)
    raise SystemExit("it did not happen in time")


def nft(*words, text=None):
    return subprocess.run(["nft", *words], input=text, capture_output=True, text=True, timeout=DEADLINE)


class Wall:
    def __init__(self, build, folder, policy=POLICY, worker=None):
        self.build, self.folder, self.worker = build, folder, worker
        folder.mkdir()
        (folder / "wall.conf").write_text(policy)
        self.daemon = None
        if worker:
            (folder / "libexec").mkdir()
            shutil.copy(worker, folder / "libexec/xmppwall-proxy")
            os.chmod(folder / "libexec/xmppwall-proxy", 0o755)
            os.mkfifo(folder / "libexec/orders")
            self.orders = os.open(folder / "libexec/orders", os.O_RDWR)

    def start(self):
        self.daemon = subprocess.Popen(
            [self.build / "bin/xmppwalld", "--config", self.folder / "wall.conf", "--state-dir", self.folder / "state",
             "--run-dir", self.folder / "run", "--log-dir", self.folder / "log",
             "--libexec-dir", self.folder / "libexec" if self.worker else self.build / "bin"], stderr=subprocess.DEVNULL)
        wait(lambda: self.daemon.poll() is not None or self.ready())
        return self

    def ready(self):
        with contextlib.suppress(OSError, ValueError):
            return self.ask("status")["workers"][0]["state"] == "ready"

    def ask(self, cmd, **args):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(str(self.folder / "run/control.sock"))
            s.sendall(json.dumps({"cmd": cmd, "args": args}).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                piece = s.recv(1 << 20)
                if not piece:
                    raise OSError("no answer")
                data += piece
        answer = json.loads(data)
        if not answer["ok"]:
            raise SystemExit(answer["error"])
        return answer["result"]

    def batch(self, op, first, n):
        entries = [{"op": op, "address": address(i), **({"for": 86400000, "why": "bench"} if op == "ban" else {})}
                   for i in range(first, first + n)]
        return self.ask("ban-batch", entries=entries)

    def held(self, name="block4"):
        return self.ask("status")["firewall"]["sets"].get(name, 0)

    def memory(self, what="VmHWM"):
        text = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(re.search(rf"^{what}:\s+(\d+)", text, re.M).group(1)) / 1024

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()
        # The children see it and end; their ports are free then.
        wait(lambda: not re.search(r":6286 .* 0A ", pathlib.Path("/proc/net/tcp").read_text()))

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait(60)
        nft("flush", "ruleset")


def is_loading():
    done = nft("list", "set", "inet", "xmppwall", "loading")
    return done.returncode != 0 or "tcp" in done.stdout.partition("elements")[2]


# ---- what is measured ----

def measure_changes(wall, n):
    """Bans and unbans a second, in batches; one by one and in one file by nft, into a set of the same kind."""
    begin = time.monotonic()
    for op in ("ban", "unban"):
        for first in range(0, n, BATCH):
            wall.batch(op, first, min(BATCH, n - first))
    ours = 2 * n / (time.monotonic() - begin)
    some = min(n, 200)
    nft("add", "table", "inet", "beside")
    nft("add", "set", "inet", "beside", "s", "{ type ipv4_addr; flags timeout; }")
    begin = time.monotonic()
    for verb in ("add", "delete"):
        for i in range(some):
            nft(verb, "element", "inet", "beside", "s", "{", address(i), *(["timeout", "1d"] if verb == "add" else []), "}")
    single = 2 * some / (time.monotonic() - begin)
    begin = time.monotonic()
    for verb, rest in (("add", " timeout 1d"), ("delete", "")):
        done = nft("-f", "-", text="".join(f"{verb} element inet beside s {{ {address(i)}{rest} }}\n" for i in range(n)))
        assert done.returncode == 0, done.stderr
    file = 2 * n / (time.monotonic() - begin)
    nft("delete", "table", "inet", "beside")
    return {"changes": ours, "nft_single": single, "nft_file": file}


def measure_restore(wall, n):
    begin = time.monotonic()
    for first in range(0, n, BATCH):
        wall.batch("ban", first, min(BATCH, n - first))
    banned = time.monotonic() - begin
    wait(lambda: wall.held() == n)
    wall.kill()
    nft("flush", "ruleset")
    begin = time.monotonic()
    wall.start()
    answers = time.monotonic() - begin
    wait(lambda: wall.held() >= n and not is_loading())
    restored = time.monotonic() - begin
    begin = time.monotonic()
    nft("flush", "set", "inet", "xmppwall", "block4")
    wait(lambda: wall.held() >= n and not is_loading())
    return {"ban_all": banned, "answers": answers, "restored": restored, "flushed": time.monotonic() - begin,
            "memory": wall.memory()}


def measure_delay(wall, n):
    """A worker's word to the element's notification, in milliseconds."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    events.bind((0, 0))
    events.setsockopt(270, 1, NFNLGRP_NFTABLES)
    events.settimeout(10)
    delays = []
    for i in range(n):
        where = address(8000000 + i)
        order = {"m": "event", "event": {"timestamp": "2026-11-21T06:30:00.123456+0000", "event_type": "alert", "src_ip": where,
                                         "xmpp": {"id": "bench", "verdict": "reject", "rule": "r"}},
                 "act": {"address": where, "rule": "r", "chain": "inbound", "id": "bench", "ban": 60000}}
        key = socket.inet_aton(where)
        begin = time.monotonic()
        os.write(wall.orders, json.dumps(order).encode() + b"\n")
        while True:
            data = events.recv(1 << 16)
            if struct.unpack_from("=H", data, 4)[0] == NFT_MSG_NEWSETELEM and key in data:
                break
        delays.append(1000 * (time.monotonic() - begin))
    events.close()
    delays.sort()
    return {"delay_p50": statistics.median(delays), "delay_p99": delays[max(0, int(len(delays) * 0.99) - 1)]}


def measure_list(build, folder, n):
    """A million addresses to be let in for good: from the start until they are in the kernel."""
    wall = Wall(build, folder, POLICY + 'set friends { type address; file "friends.txt"; }\nfirewall { allow @friends; }\n')
    (folder / "friends.txt").write_text("".join(address(2 * i) + "\n" for i in range(n)))
    begin = time.monotonic()
    wall.start()
    answers = time.monotonic() - begin
    wait(lambda: wall.held("allow4") >= n)
    loaded = time.monotonic() - begin
    memory = wall.memory()
    wall.stop()
    return {"list_answers": answers, "list_loaded": loaded, "list_memory": memory}


# ---- telling ----

ROWS = (
    ("changes", "bans and unbans through the daemon, a second", "{:,.0f}", "10,000"),
    ("nft_single", "`nft add element`, one by one, a second", "{:,.0f}", ""),
    ("nft_file", "`nft -f`, one file, a second", "{:,.0f}", ""),
    ("ban_all", "{bans} bans entered, s", "{:.1f}", ""),
    ("restored", "{bans} bans in force after a reboot, s", "{:.1f}", "10"),
    ("answers", "... until the daemon answers, s", "{:.1f}", ""),
    ("flushed", "... and again after somebody's flush, s", "{:.1f}", ""),
    ("memory", "memory of the daemon for them, at most, MiB", "{:.0f}", "200"),
    ("delay_p50", "from a worker's word to the element in the kernel, p50, ms", "{:.2f}", ""),
    ("delay_p99", "... p99, ms", "{:.2f}", "5"),
    ("list_loaded", "a list of {listed} addresses in the kernel after the start, s", "{:.1f}", ""),
    ("list_answers", "... until the daemon answers, s", "{:.1f}", ""),
    ("list_memory", "... memory of the daemon, at most, MiB", "{:.0f}", ""),
)


def table(results, args):
    lines = ["| | median | of | target |", "|---|--:|---|--:|"]
    for key, text, form, target in ROWS:
        values = [r[key] for r in results]
        lines.append(f"| {text.format(bans=f'{args.bans:,}', listed=f'{args.listed:,}')} | {form.format(statistics.median(values))} | "
                     f"{form.format(min(values))} to {form.format(max(values))} | {target} |")
    return "\n".join(lines) + "\n"


def write(name, text):
    path = ROOT / "docs/BENCHMARKS.md"
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    head, _, rest = path.read_text().partition(begin)
    path.write_text(head + begin + text + end + rest.partition(end)[2])


def a_round(args):
    with tempfile.TemporaryDirectory(prefix="xmppwall-bans-") as name:
        folder, result = pathlib.Path(name), {}
        wall = Wall(args.build, folder / "bans").start()
        try:
            result |= measure_changes(wall, args.changes)
            result |= measure_restore(wall, args.bans)
        finally:
            wall.stop()
        wall = Wall(args.build, folder / "delay", worker=ROOT / "tests/cli/fake_worker.py").start()
        try:
            result |= measure_delay(wall, args.delays)
        finally:
            wall.stop()
        return result | measure_list(args.build, folder / "list", args.listed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--bans", type=int, default=500000)
    parser.add_argument("--listed", type=int, default=1000000)
    parser.add_argument("--changes", type=int, default=20000)
    parser.add_argument("--delays", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it still measures")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    args.build = args.build.resolve()
    if args.quick:
        args.bans, args.listed, args.changes, args.delays, args.rounds = 25000, 25000, 1000, 50, 1
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
        raise SystemExit("needs root and network namespaces")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    text = table([a_round(args) for _ in range(args.rounds)], args)
    print(text, end="")
    if args.write:
        write("bans", text)


if __name__ == "__main__":
    main()
