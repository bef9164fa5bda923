# SPDX-License-Identifier: BSD-2-Clause
"""Who is attacked in bench_flood.py and bench_slowloris.py: Prosody behind a router, and behind a router with xmppwall. Four hosts of
their own (network namespaces): honest clients, attackers, the router, the server. The attackers' host, with whatever the kernel does with
their packets, is pinned to one core, all others to the other: what honest clients feel is what the defence costs, not the attack's making."""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTACK_CORE, CORE = "0", "1"
SERVER, PORT, PLAIN_PORT = "198.51.100.10", 5223, 5222
HONEST, N_HONEST = "192.0.2.11", 20
ATTACKERS_NET, LINK = "10.66.0.0/16", ("203.0.113.1", "203.0.113.2")
CONFIG = """
daemon {{ threads 1; }}
service c2s {{
    listen tcp {{ 5222, 5223 }};
    mode proxy; intercept tproxy; tls required; certificates "certs";
    upstream {server}:5222 starttls; verify off; source client;
    {more}
}}
chain inbound {{ hook c2s; policy accept; rule spam {{ message text contains "casino" drop, strike 1 }} }}
{defend}
"""


class Party:
    """defend: the policy's kernel tier, "" for none; None: no xmppwall at all."""

    def __init__(self, title, build, defend=None, more=""):
        import lab  # of tests/wire: knows where the build is only once main() has said so
        import servers
        self.title, self.load, self.wall, self.attacks = title, build / "bin/xmppload", None, 0
        self.lab = lab.Lab()
        try:
            self._wire_attackers(lab)
            authority = lab.Authority(self.lab.folder / "ca")
            leaf = authority.issue("bench.example", self.lab.folder / "leaf")
            self.prosody = self.lab.add(servers.Prosody(self.lab, self.lab.server, "bench.example", [SERVER], leaf, {"u": "p"}))
            pin(self.prosody.process.pid)
            if defend is not None:
                self._start_wall(leaf, CONFIG.format(server=SERVER, defend=defend, more=more))
        except BaseException:
            self.lab.close()
            raise

    def _wire_attackers(self, lab):
        self.attackers = lab.Namespace(self.lab.tag + "-attack")
        self.lab.namespaces.append(self.attackers)
        name, router = self.attackers.name, self.lab.firewall.name
        lab.run("ip", "-n", router, "link", "add", "attackers", "type", "veth", "peer", "name", "eth0", "netns", name)
        for where, dev, address in ((router, "attackers", LINK[0]), (name, "eth0", LINK[1])):
            lab.run("ip", "-n", where, "addr", "add", f"{address}/30", "dev", dev)
            lab.run("ip", "-n", where, "link", "set", dev, "up")
        lab.run("ip", "-n", name, "link", "set", "lo", "up")
        lab.run("ip", "-n", name, "route", "add", "local", ATTACKERS_NET, "dev", "lo")  # all of them are this host's
        lab.run("ip", "-n", name, "route", "add", "default", "via", LINK[0])
        lab.run("ip", "-n", router, "route", "add", ATTACKERS_NET, "via", LINK[1])
        for host in (self.attackers, self.lab.client):
            host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65000")

    def _start_wall(self, leaf, config):
        import wall
        made = wall.Wall(self.lab)
        made.write(**{"xmppwall.conf": config})
        made.certificate(leaf)
        self.lab.add(made)
        made.start()
        self.wall = made
        for pid in self.wall_pids():
            pin(pid)

    def wall_pids(self):
        if not self.wall:
            return []
        pid = self.wall.process.pid
        return [pid, *map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def cpu_seconds(self):
        return cpu_seconds(self.wall_pids())

    def server_cpu_seconds(self):
        return cpu_seconds([self.prosody.process.pid])

    def memory_kib(self):
        """Resident memory: the proxy's, or without xmppwall the server's."""
        pids = self.wall.proxies() if self.wall else [self.prosody.process.pid]
        return sum(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) for pid in pids)

    def start(self, host, core, *what):
        return host.start("taskset", "-c", core, self.load, *map(str, what), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def honest(self, pings, logins, seconds):
        """What honest clients met with in so many seconds, and what it cost."""
        client = self.start(self.lab.client, CORE, "honest", SERVER, PORT, HONEST, N_HONEST, pings, logins, seconds)
        try:
            first = client.stdout.readline()
            before, server = self.cpu_seconds(), self.server_cpu_seconds()
            client.stdout.readline()
            cpu, server_cpu = (self.cpu_seconds() - before) / seconds, (self.server_cpu_seconds() - server) / seconds
            last = client.stdout.readline()
        finally:
            client.kill()
            client.wait()
        if not first or not last:
            return {"locked_out": True}
        told = json.loads(last)
        told.update(cpu=cpu, server_cpu=server_cpu)
        told["locked_out"] = False
        return told

    def attack(self, kind, *what):
        """The attack under way; heard() gives what it tells. Each comes from networks of its own: nobody has met them."""
        self.attacks += 1
        return self.start(self.attackers, ATTACK_CORE, kind, SERVER, PORT, f"10.66.{4 * (self.attacks % 64)}.1", *what)

    def close(self):
        self.lab.close()


def cpu_seconds(pids):
    """Of processes together, by the nanoseconds that each thread ran."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def pin(pid, core=CORE):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {int(core)})


def heard(process):
    """The next line of an attack, as an object."""
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"the attack ended by itself: {process.args}")
    return json.loads(line)


def told_to_end(process):
    """What it said last."""
    process.stdin.close()
    return heard(process)


def together(rounds):
    """One result of several rounds of honest clients: medians, and all logins in one heap."""
    if any(r["locked_out"] for r in rounds):
        return None
    logins = sorted(ms for r in rounds for ms in r["login_ms"])
    result = {key: statistics.median(r[key] for r in rounds) for key in ("p50_ms", "p99_ms", "cpu", "server_cpu")}
    result.update({key: sum(r[key] for r in rounds) for key in ("pings_lost", "lost", "absent", "logins", "failed")})
    result["login_p50_ms"] = quantile(logins, 0.5)
    result["login_p99_ms"] = quantile(logins, 0.99)
    return result


def quantile(values, q):
    return values[int((len(values) - 1) * q)] if values else None


def ms(value):
    return "never" if value is None else f"{value:,.1f}"


HONEST_HEAD = ("| | | ping p50 ms | p99 ms | login p50 ms | p99 ms | logins failed | lost or never in | xmppwall, % of a core | Prosody, % |",
               "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")


def honest_row(title, what, r, with_wall):
    if r is None:
        return f"| {title} | {what} | nobody could log in | | | | all | all | | |"
    wall = f"{r['cpu'] * 100:.1f}" if with_wall else ""
    return (f"| {title} | {what} | {ms(r['p50_ms'])} | {ms(r['p99_ms'])} | {ms(r['login_p50_ms'])} | {ms(r['login_p99_ms'])} | "
            f"{r['failed']} of {r['failed'] + r['logins']} | {r['lost'] + r['absent']} | {wall} | {r['server_cpu'] * 100:.1f} |")


def outcome(rows):
    """[(what, target, value as text, met)]"""
    yield "| | target | came out |"
    yield "|---|---|--:|"
    for what, target, value, met in rows:
        yield f"| {what} | {target} | **{value}{'' if met else ', missed'}** |"


def main(doc, program, section, measure, rounds, **more):
    """Arguments, the run, the page. measure(given) gives lines of Markdown; more: settings with their defaults."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--quick", action="store_true", help="one short round of everything: does it work at all?")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")
    for name, value in more.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = parser.parse_args()
    given.build = given.build.resolve()
    os.environ["XMPPWALL_BUILD"] = str(given.build)
    sys.path.insert(0, str(ROOT / "tests/wire"))
    lines = []
    for line in measure(given):
        print(line, flush=True)
        lines.append(line)
    if given.write:
        page = ROOT / "docs/BENCHMARKS.md"
        begin, end = f"<!-- {section}:begin -->\n", f"<!-- {section}:end -->"
        before, _, rest = page.read_text().partition(begin)
        head = f"Measured {datetime.date.today()} with `sudo tests/bench/{program} --rounds {given.rounds}`.\n\n"
        page.write_text(before + begin + head + "\n".join(lines) + "\n" + end + rest.partition(end)[2])
