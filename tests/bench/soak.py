#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Many TLS-to-TLS sessions for a long time: most of them idle, some that talk, all through one xmppwalld with the rules of
bench_proxy.py. Prints a line a minute: messages, round trips, resident memory of the proxy and the daemon. Fails when a
session ends, a message stays unanswered, memory grows, or anything is left behind when all have hung up. Everything runs in
a network namespace of its own. Where one process may not have enough descriptors (two a session), several walls share them.

    sudo tests/bench/soak.py [--build build] [--idle 20000] [--active 2000] [--minutes 10] [--rate 1000] [--upgrade]

--upgrade puts the same programs anew in the place of those that run (xmppwallctl upgrade) in the middle of it.
"""
import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import bench_proxy as bench  # noqa: E402

CLONE_NEWNET = 0x40000000
WANTED_FILES, SPARE_FILES = 65536, 400
GROWTH_SHARE, GROWTH_KIB = 0.02, 4096  # what may come and go: buffers of the moment, the allocator's page or two


def own_network():
    """Ports, and ranges of ports, are nobody else's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise SystemExit("a network namespace needs root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65000", "net.core.somaxconn=4096"], check=False)


def memory_kib(pid):
    """Resident, without pages of files and shared memory that it has in common with others."""
    with contextlib.suppress(OSError):
        return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
    return 0


def children(parent):
    with contextlib.suppress(OSError):
        return [int(p) for p in pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
                if "xmppwall-proxy" in pathlib.Path(f"/proc/{p}/comm").read_text()]
    return []


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Group:
    """One wall with a far end and a load of its own: as many sessions as one process may have descriptors for."""

    def __init__(self, soak, number, idle, active, rate):
        self.soak, self.number, self.idle, self.active, self.rate = soak, number, idle, active, rate
        self.folder = soak.folder / str(number)
        (self.folder / "certs").mkdir(parents=True)
        self.rows, self.load = [], None
        self.sink, self.port = bench.SINK + 10 * number, bench.WALL + 10 * number

    def start(self, *command, **keywords):
        return self.soak.start(*command, **keywords)

    def ctl(self, *command):
        done = subprocess.run([self.soak.bin / "xmppwallctl", "--json", "--run-dir", self.folder / "run", *command],
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise SystemExit(f"xmppwallctl {' '.join(command)}: {done.stderr}")
        return json.loads(done.stdout)

    def up(self):
        bench.make_files(self.folder)
        config, binaries = self.folder / "bench.conf", self.soak.bin
        text = config.read_text().replace("sessions 20000", f"sessions {2 * (self.idle + self.active)}")
        text = text.replace(f"{{ {bench.WALL} }}", f"{{ {self.port} }}").replace(f":{bench.SINK} ", f":{self.sink} ")
        config.write_text(text.replace("threads 1", f"threads {self.soak.arguments.threads}"))
        sink = self.start(binaries / "xmppload", "server", self.sink, self.folder / "certs/bench.example.crt",
                          self.folder / "certs/bench.example.key", stdout=subprocess.DEVNULL)
        self.wall = self.start(binaries / "xmppwalld", "--config", config, "--no-firewall", "--state-dir",
                               self.folder / "state", "--run-dir", self.folder / "run", "--log-dir", self.folder / "log",
                               "--libexec-dir", binaries, stderr=open(self.folder / "log.txt", "w"))
        bench.wait_port(self.sink, sink)
        bench.wait_port(self.port, self.wall)

    def go(self, seconds, every):
        self.load = self.start(self.soak.bin / "xmppload", "soak", "127.0.0.1", self.port, self.idle, self.active, seconds,
                               self.rate, every, stdout=subprocess.PIPE, text=True)

    def follow(self, seconds):
        for line in self.load.stdout:
            self.row(json.loads(line), seconds)

    def row(self, said, seconds):
        said["proxy"] = {pid: memory_kib(pid) for pid in children(self.wall.pid)}
        said["daemon"] = memory_kib(self.wall.pid)
        self.rows.append(said)
        print(f"{self.number}: {said['phase']:6}{said['seconds']:7.0f} s  {said['ready']} sessions, {said['messages']} messages, "
              f"{said['errors']} errors, p50 {said['p50_us'] / 1000:.1f} p99 {said['p99_us'] / 1000:.1f} max "
              f"{said['max_us'] / 1000:.1f} ms, proxy {' + '.join(str(v) for v in said['proxy'].values())} KiB, daemon "
              f"{said['daemon']} KiB", flush=True)
        if self.soak.arguments.upgrade and said["phase"] == "run" and said["seconds"] > seconds / 2 and not self.upgraded():
            print(f"{self.number}: upgraded:", json.dumps(self.ctl("upgrade")), flush=True)
            self.rows[-1]["proxy"] = {pid: memory_kib(pid) for pid in children(self.wall.pid)}

    def upgraded(self):
        return len({tuple(r["proxy"]) for r in self.rows}) > 1

    def judge(self):
        """What is wrong; nothing if all is well."""
        wrong, last = [], self.rows[-1]
        if self.load.wait(60) != 0 or last["phase"] != "end" or last["errors"] or last["overdue"]:
            wrong.append(f"the load had errors: {last}")
        if last["ready"] != self.idle + self.active:
            wrong.append(f"{last['ready']} of {self.idle + self.active} sessions")
        if last["messages"] < self.rate:
            wrong.append(f"only {last['messages']} messages went through")
        runs = [r for r in self.rows if r["phase"] == "run"]
        for pid in runs[0]["proxy"]:
            first, then = runs[0]["proxy"][pid], runs[-1]["proxy"].get(pid, 0)
            if then > first + max(GROWTH_KIB, first * GROWTH_SHARE):
                wrong.append(f"the proxy {pid} grew from {first} to {then} KiB")
        if not self.upgraded() and runs[-1]["daemon"] > runs[0]["daemon"] + GROWTH_KIB:
            wrong.append(f"the daemon grew from {runs[0]['daemon']} to {runs[-1]['daemon']} KiB")
        return [f"{self.number}: {line}" for line in wrong + self.aftermath()]

    def aftermath(self):
        """All have hung up: nothing is left of them."""
        end, counters = time.monotonic() + 60, {}
        while time.monotonic() < end:
            counters = self.ctl("status")["counters"]
            if counters.get("session.active") == 0 and len(children(self.wall.pid)) == 1:
                break
            time.sleep(0.5)
        left = {pid: descriptors(pid) for pid in children(self.wall.pid)}
        print(f"{self.number}: after: {counters.get('session.active')} sessions, descriptors {list(left.values())}, proxy "
              f"{' + '.join(str(memory_kib(p)) for p in left)} KiB", flush=True)
        wrong = [f"{n} descriptors stay open in {pid}" for pid, n in left.items() if n > 100]
        if counters.get("session.active") != 0:
            wrong.append(f"{counters.get('session.active')} sessions stay")
        if len(left) != 1:
            wrong.append(f"{len(left)} children stay")
        for name in ("judge.failed", "event.lost", "limit.buffer", "listen.exhausted", "listen.refused", "upstream.failed"):
            if counters.get(name):
                wrong.append(f"{name} is {counters[name]}")
        return wrong


class Soak:
    def __init__(self, arguments, folder):
        self.arguments, self.folder, self.processes = arguments, folder, []
        self.bin = pathlib.Path(arguments.build).resolve() / "bin"
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (WANTED_FILES, max(hard, WANTED_FILES)))
            hard = max(hard, WANTED_FILES)
        total = arguments.idle + arguments.active
        n = -(-total // ((hard - SPARE_FILES) // 2))  # a session takes two descriptors of the proxy
        if n > 1:
            print(f"a process may have {hard} descriptors here: {n} walls share the {total} sessions")
        share = lambda what, i: what // n + (i < what % n)  # noqa: E731
        self.groups = [Group(self, i, share(arguments.idle, i), share(arguments.active, i), share(arguments.rate, i))
                       for i in range(n)]

    def start(self, *command, **keywords):
        self.processes.append(subprocess.Popen([str(c) for c in command], **keywords))
        return self.processes[-1]

    def run(self):
        seconds = round(self.arguments.minutes * 60)
        for group in self.groups:
            group.up()
        for group in self.groups:
            group.go(seconds, max(1, min(60, seconds // 5)))
        threads = [threading.Thread(target=g.follow, args=(seconds,)) for g in self.groups]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [line for g in self.groups for line in g.judge()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=bench.ROOT / "build")
    parser.add_argument("--idle", type=int, default=20000)
    parser.add_argument("--active", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=1000, help="messages a second in all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--upgrade", action="store_true")
    arguments = parser.parse_args()
    own_network()
    with tempfile.TemporaryDirectory(prefix="xmppwall-soak-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        soak = Soak(arguments, folder)
        try:
            wrong = soak.run()
        finally:
            bench.end(soak.processes)
    for line in wrong:
        print(f"FAILED: {line}")
    print("no error, no growth" if not wrong else f"{len(wrong)} failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
