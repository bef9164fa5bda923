#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmppwall beside HAProxy, in one run: TLS in, TLS out, the same load, the same cipher, the proxies in turn on the same
pinned core, the load's two ends on another. HAProxy (tcp mode) looks at nothing; xmppwall has 1,000 keywords,
100 regexes and 50 rules in force. Prints medians; --write puts the table into docs/BENCHMARKS.md.

    sudo tests/bench/bench_proxy.py [--build build] [--rounds 5] [--seconds 4] [--write]
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SINK, WALL, HAPROXY, HAPROXY_HELLO = 15299, 15523, 15524, 15525
PROXY_CORE, LOAD_CORE = "1", "0"
CASES = [  # title, connections, in flight, body bytes, messages/s asked (0: as many as go)
    ("one in flight, 200-byte bodies", 50, 1, 200, 0),
    ("16 in flight, 200-byte bodies", 50, 16, 200, 0),
    ("one in flight, 8 KiB bodies", 50, 1, 8192, 0),
    ("paced, 2,000 messages/s", 50, 1, 200, 2000),
]


def wait_port(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode} before it listened")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on {port}")


def make_files(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", folder / "certs/bench.example.key", "-out", folder / "certs/bench.example.crt",
         "-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example"],
        check=True, capture_output=True)
    pem = (folder / "certs/bench.example.crt").read_text() + (folder / "certs/bench.example.key").read_text()
    (folder / "both.pem").write_text(pem)
    (folder / "words.txt").write_text("".join(f"forbidden{i} word{i}\n" for i in range(1000)))
    (folder / "patterns.txt").write_text("".join(f"(?i)order\\s+no{i}[-_ ]?\\d{{4,}}\n" for i in range(100)))
    (folder / "hosts.txt").write_text("".join(f"bad{i}.example\n" for i in range(100)))
    rules = ["rule words { message text contains @words drop }",
             "rule patterns { message text matches @patterns reject policy-violation }",
             "rule links { message url.host in @hosts reject policy-violation }"]
    rules += [f'rule from{i} {{ message from.domain is "evil{i}.example" drop }}' for i in range(20)]
    rules += [f'rule ns{i} {{ message payload is "{{urn:example:{i}}}x" drop }}' for i in range(15)]
    rules += [f"rule size{i} {{ message size > {300000 + i} drop }}" for i in range(12)]
    (folder / "bench.conf").write_text(f"""
service c2s {{
    listen tcp {{ {WALL} }};
    listen on 127.0.0.1;
    mode proxy; tls required; certificates "certs";
    upstream 127.0.0.1:{SINK} tls; verify off;
    sessions 20000; sessions-per-address 0;
}}
daemon {{ threads 1; }}
set words {{ type keyword; flags fold; file "words.txt"; }}
set patterns {{ type regex; file "patterns.txt"; }}
set hosts {{ type domain; flags suffix; file "hosts.txt"; }}
chain inbound {{
    hook c2s; policy accept;
    {chr(10).join('    ' + r for r in rules).strip()}
}}
""")
    (folder / "haproxy.cfg").write_text(f"""
global
    nbthread 1
    maxconn 2000
    ssl-server-verify none
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend in
    bind 127.0.0.1:{HAPROXY} ssl crt {folder}/both.pem
    default_backend out
frontend hello
    bind 127.0.0.1:{HAPROXY_HELLO} ssl crt {folder}/both.pem
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req.len gt 0 }}
    default_backend out
backend out
    server sink 127.0.0.1:{SINK} ssl verify none sni str(bench.example)
""")
    return len(rules)


IDLE = 1000  # sessions that say nothing
IDLE_SECONDS, SETTLED = 24, 6  # how long they stay; a proxy that gives nothing back for so long has given all it will


def settled_kib(pid, deadline):
    """The proxy's resident memory when it has given back what it does not need: both do so after some seconds."""
    lowest, since = memory_kib(pid), time.monotonic()
    while time.monotonic() < since + SETTLED:
        if time.monotonic() > deadline:
            raise SystemExit("the memory of idle sessions does not settle")
        time.sleep(0.2)
        if (now := memory_kib(pid)) < lowest:
            lowest, since = now, time.monotonic()
    return lowest


def idle_kib(load, port, pid):
    """What one session that is logged in and silent adds to the proxy's resident memory."""
    before = memory_kib(pid)
    client = start(LOAD_CORE, load, "client", "127.0.0.1", port, IDLE, 0, IDLE_SECONDS, 0, 0, stdout=subprocess.PIPE, text=True)
    client.stdout.readline()
    added = settled_kib(pid, time.monotonic() + IDLE_SECONDS - 2) - before
    client.communicate(timeout=60)
    return added / IDLE


def handshake_rate(load, port):
    done = subprocess.run(["taskset", "-c", LOAD_CORE, load, "handshakes", "127.0.0.1", str(port), "20", "3"],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().split("\n")[-1])["rate"]


def start(core, *command, **kwargs):
    return subprocess.Popen(["taskset", "-c", core, *map(str, command)], **kwargs)


def worker_pid(parent):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
                if "(xmppwall-proxy)" in stat and int(stat.rsplit(")", 1)[1].split()[1]) == parent:
                    return int(pid)
        time.sleep(0.05)
    raise SystemExit("xmppwalld started no xmppwall-proxy")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def measure(load, port, pid, case, seconds):
    _, connections, in_flight, size, rate = case
    client = start(LOAD_CORE, load, "client", "127.0.0.1", port, connections, in_flight, seconds, size, rate,
                   stdout=subprocess.PIPE, text=True)
    client.stdout.readline()
    before = cpu_seconds(pid)
    out, _ = client.communicate(timeout=seconds + 90)
    cpu = cpu_seconds(pid) - before
    if client.returncode != 0:
        raise SystemExit(f"the load through port {port} failed")
    result = json.loads(out.strip().split("\n")[-1])
    result["cpu_us"] = cpu * 1e6 / max(1, result["messages"])
    return result


def start_wall(binaries, folder, config, cores):
    return start(cores, binaries / "xmppwalld", "--config", folder / config, "--no-firewall", "--state-dir",
                 folder / f"state-{config}", "--run-dir", folder / f"run-{config}", "--log-dir", folder / f"log-{config}",
                 "--libexec-dir", binaries)


def end(processes):
    for process in reversed(processes):
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


def threads_cpu(arguments, folder):
    """Processor time a message costs with one thread on one core and with two on two, in turn. The load needs a core,
    too: on two cores only what a message costs can be compared, not how many there are."""
    binaries = pathlib.Path(arguments.build).resolve() / "bin"
    case = CASES[1]
    costs = {1: [], 2: []}
    one = (folder / "bench.conf").read_text()
    (folder / "two.conf").write_text(one.replace("threads 1;", "threads 2;"))
    sink = start(LOAD_CORE, binaries / "xmppload", "server", SINK, folder / "certs/bench.example.crt",
                 folder / "certs/bench.example.key", stdout=subprocess.DEVNULL)
    try:
        wait_port(SINK, sink)
        for _ in range(arguments.rounds):
            for threads, config, cores in ((1, "bench.conf", PROXY_CORE), (2, "two.conf", f"{LOAD_CORE},{PROXY_CORE}")):
                wall = start_wall(binaries, folder, config, cores)
                try:
                    wait_port(WALL, wall)
                    costs[threads].append(measure(binaries / "xmppload", WALL, worker_pid(wall.pid), case,
                                                  arguments.seconds)["cpu_us"])
                finally:
                    end([wall])
    finally:
        end([sink])
    return {threads: statistics.median(values) for threads, values in costs.items()}


def run(arguments, folder):
    binaries = pathlib.Path(arguments.build).resolve() / "bin"
    load = binaries / "xmppload"
    n_rules = make_files(folder)
    processes = []
    try:
        sink = start(LOAD_CORE, load, "server", SINK, folder / "certs/bench.example.crt",
                     folder / "certs/bench.example.key", stdout=subprocess.DEVNULL)
        processes.append(sink)
        haproxy = start(PROXY_CORE, "haproxy", "-db", "-f", folder / "haproxy.cfg", stderr=subprocess.DEVNULL)
        processes.append(haproxy)
        wall = start_wall(binaries, folder, "bench.conf", PROXY_CORE)
        processes.append(wall)
        wait_port(SINK, sink), wait_port(HAPROXY, haproxy), wait_port(WALL, wall)
        pids = {"haproxy": haproxy.pid, "xmppwall": worker_pid(wall.pid)}
        ports = {"haproxy": HAPROXY, "xmppwall": WALL}
        table = []
        for case in CASES:
            results = {name: [] for name in pids}
            for round_ in range(arguments.rounds):
                for name in pids:
                    results[name].append(measure(load, ports[name], pids[name], case, arguments.seconds))
                    if sys.stderr.isatty():
                        print(f"\r{case[0]}: round {round_ + 1}, {name}   ", end="", file=sys.stderr)
            table.append((case, {name: {key: statistics.median(r[key] for r in rows)
                                        for key in ("rate", "cpu_us", "p50_us", "p99_us")}
                                 for name, rows in results.items()}))
        memory = {name: memory_kib(pid) for name, pid in pids.items()}
        more = {"handshakes": {}, "idle": {}}
        for name, port in (("haproxy", HAPROXY_HELLO), ("xmppwall", WALL)):
            rates = [handshake_rate(load, port) for _ in range(arguments.rounds)]
            more["handshakes"][name] = statistics.median(rates)
        for name in pids:
            more["idle"][name] = idle_kib(load, ports[name], pids[name])
        return n_rules, table, memory, more
    finally:
        end(processes)


def format_table(arguments, n_rules, table, memory, more, threads):
    lines = [f"Measured {datetime.date.today()} with `tests/bench/bench_proxy.py --rounds {arguments.rounds} "
             f"--seconds {arguments.seconds}`: medians, 50 connections, one proxy thread pinned to a core, the load's two "
             f"ends pinned to the other; each message passes the proxy twice (there and back). xmppwall judged with "
             f"1,000 keywords, 100 regexes and {n_rules} rules.", "",
             "| load | | messages/s | CPU µs/message | p50 µs | p99 µs |", "|---|---|--:|--:|--:|--:|"]
    for case, by in table:
        for name in ("haproxy", "xmppwall"):
            r = by[name]
            lines.append(f"| {case[0]} | {name} | {r['rate']:,.0f} | {r['cpu_us']:.1f} | {r['p50_us']:,.0f} | "
                         f"{r['p99_us']:,.0f} |")
        rate = by["xmppwall"]["rate"] / by["haproxy"]["rate"]
        cpu = by["xmppwall"]["cpu_us"] / by["haproxy"]["cpu_us"] if by["haproxy"]["cpu_us"] else 0
        lines.append(f"| | **ratio** | **{rate:.2f}** | **{cpu:.2f}** | "
                     f"{by['xmppwall']['p50_us'] / by['haproxy']['p50_us']:.2f} | "
                     f"{by['xmppwall']['p99_us'] / by['haproxy']['p99_us']:.2f} |")
    shakes, idle = more["handshakes"], more["idle"]
    lines += ["", "| | HAProxy | xmppwall | ratio |", "|---|--:|--:|--:|",
              f"| full TLS 1.3 handshakes/s, ECDSA P-256 | {shakes['haproxy']:,.0f} | {shakes['xmppwall']:,.0f} | "
              f"**{shakes['xmppwall'] / shakes['haproxy']:.2f}** |",
              f"| resident KiB for each of {IDLE:,} idle sessions, TLS on both legs | {idle['haproxy']:.1f} | "
              f"{idle['xmppwall']:.1f} | **{idle['xmppwall'] / idle['haproxy']:.2f}** |"]
    lines += ["", f"Two threads on two cores: a message costs {threads[2]:.1f} µs of processor time against "
              f"{threads[1]:.1f} with one thread, so both cores together carry **{2 * threads[1] / threads[2]:.2f}** times "
              "what one does (the load shares the cores: reckoned from the cost of a message, not from the rate)."]
    lines += ["", f"Resident memory after the run: HAProxy {memory['haproxy']:,} KiB, xmppwall-proxy "
              f"{memory['xmppwall']:,} KiB (pattern databases included)."]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--write", action="store_true", help="put the table into docs/BENCHMARKS.md")
    arguments = parser.parse_args()
    if not shutil.which("haproxy"):
        raise SystemExit("haproxy is missing: apt-get install haproxy")
    with tempfile.TemporaryDirectory(prefix="xmppwall-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "certs").mkdir()
        text = format_table(arguments, *run(arguments, folder), threads_cpu(arguments, folder))
    print(text)
    if arguments.write:
        page = ROOT / "docs/BENCHMARKS.md"
        begin, end = "<!-- proxy:begin -->", "<!-- proxy:end -->"
        old = page.read_text()
        head, rest = old.split(begin, 1)
        page.write_text(head + begin + "\n" + text + "\n" + end + rest.split(end, 1)[1])


if __name__ == "__main__":
    main()
