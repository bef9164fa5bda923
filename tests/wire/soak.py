# SPDX-License-Identifier: BSD-2-Clause
"""Stream management under losses, for test_sm_soak.py and tests/bench/soak_sm.py: users who write numbered messages through a
wall that drops and bounces in both directions, while connections die on either side and the proxy child is killed."""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import policy
from lab import LabError, client_address, wait_for

HERE = pathlib.Path(__file__).parent
RULES = """
chain inbound {
    hook c2s direction in; policy accept;
    rule dropin   { message body contains "dropin"    drop }
    rule bouncein { message body contains "bouncein"  reject policy-violation "not this" }
}
chain outbound {
    hook c2s direction out; policy accept;
    rule dropout   { message body contains "dropout"    drop }
    rule bounceout { message body contains "bounceout"  reject policy-violation "nor that" }
}
"""
POLICY = policy.service(more="sessions 2000; sessions-per-address 0;") + RULES
PROGRAMS = {"slixmpp": "soak_slixmpp.py", "nbxmpp": "soak_nbxmpp.py"}


class Program:
    """One process of users in the client namespace."""

    def __init__(self, lab, library):
        self.errors = lab.folder / f"soak-{library}-{time.monotonic_ns()}.log"
        self.process = lab.client.start("/usr/bin/python3", HERE / PROGRAMS[library], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(self.errors, "w"), text=True)

    def ask(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise LabError(f"a soak program ended: {self.errors.read_text()[-3000:]}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Soak:
    def __init__(self, lab, wall, server, libraries=("slixmpp",), pairs=3, seed=1):
        self.lab, self.wall, self.server = lab, wall, server
        self.random, self.seed, self.kills, self.cuts, self.restarts = random.Random(seed), seed, 0, 0, 0
        self.programs = [Program(lab, library) for library in libraries]
        self.peers, lists = {}, [[] for _ in self.programs]
        names = list(server.users)
        for n in range(pairs):
            one, other = (f"{server.jid(names[(n + k) % len(names)])}/soak{n}{'ab'[k]}" for k in range(2))
            self.peers[one], self.peers[other] = other, one
            for k, jid in enumerate((one, other)):
                lists[(n + k) % len(lists)].append({
                    "jid": jid, "password": server.users[jid.split("@")[0]], "address": server.addresses[4],
                    "source": client_address(11 + n % 10), "peer": self.peers[jid]})
        for program, users in zip(self.programs, lists):
            program.ask(do="users", list=users, ca=str(lab.authority.file), seed=seed)

    def all(self, do):
        return [program.ask(do=do) for program in self.programs]

    def users(self):
        found = {}
        for answer in self.all("report"):
            found.update(answer["users"])
        return found

    def kill_child(self):
        for pid in self.wall.proxies() if self.wall else ():
            os.kill(pid, signal.SIGKILL)
            self.kills += 1

    def kill_socket(self):
        """One established connection, chosen by chance, dies in the kernel of one of the three hosts."""
        host = self.random.choice((self.lab.client, self.lab.firewall, self.lab.server))
        lines = [line.split() for line in host.run("ss", "-Htn", "state", "established").stdout.splitlines()]
        found = [f for f in lines if len(f) >= 4 and (f[2].endswith(":5222") or f[3].endswith(":5222"))]
        if not found:
            return
        one = self.random.choice(found)
        host.run("ss", "-K", "src", one[2], "dst", one[3], check=False)
        self.cuts += 1

    def restart(self):
        """The daemon ends in order and comes again; its table stays."""
        self.wall.process.close(15)
        self.wall.start()
        self.restarts += 1

    def run(self, seconds, cycles, kill_every, cut_every=0.5, restart_every=None):
        """Until so many resumptions and a killed child, at most so long; connections are cut meanwhile."""
        self.all("go")
        began = time.monotonic()
        kill, cut, look, done = began + kill_every, began + cut_every, began + 1, 0
        restart = began + (restart_every or 10 * seconds)
        while (done < cycles or not self.kills) and time.monotonic() - began < seconds:
            now = time.monotonic()
            if now >= kill:
                self.kill_child()
                kill = now + kill_every
            if now >= restart:
                self.restart()
                restart = now + restart_every
            if now >= cut:
                self.kill_socket()
                cut = now + cut_every
            if now >= look:
                done, look = sum(u["resumed"] for u in self.users().values()), now + 1
            time.sleep(0.05)
        self.all("stop")
        return time.monotonic() - began

    def wrong(self, users):
        """What is not as it must be, in words."""
        found = []
        for jid, user in users.items():
            peer = users[self.peers[jid]]
            found += [f"{jid}: {t}" for t in user["trouble"]]
            # By its own text, not by its number: the one thing that must never happen.
            found += [f"{jid}: PASSED THE RULES: {t}" for t in user["passed"] if self.wall]
            if user["failed"] or user["sessions"] != 1:
                found.append(f"{jid}: {user['failed']} refused, {user['sessions']} sessions")
            for number, kind in user["sent"].items():
                got, errors = peer["got"].get(number, 0), user["errors"].get(number, 0)
                wanted = (1, 0) if not self.wall else {"keep": (1, 0), "dropin": (0, 0), "dropout": (0, 0)}.get(kind, (0, 1))
                if (got, errors) != wanted:
                    found.append(f"{jid} {number} {kind}: {got} arrived, {errors} errors")
        return found

    def settle(self, seconds=40):
        """Quiet at last: what is wrong then is wrong."""
        end, wrong = time.monotonic() + seconds, []
        while True:
            users = self.users()
            wrong = self.wrong(users)
            quiet = all(u["up"] and u["queue"] == 0 for u in users.values())
            if (quiet and not wrong) or time.monotonic() > end:
                break
            time.sleep(0.5)
        counts = {key: sum(u[key] for u in users.values()) for key in ("cycles", "resumed", "failed", "queue")}
        counts["messages"] = sum(len(u["sent"]) for u in users.values())
        counts["up"] = sum(u["up"] for u in users.values())
        return wrong, dict(counts, kills=self.kills, cuts=self.cuts, restarts=self.restarts, users=len(users))

    def close(self):
        for program in self.programs:
            program.close()


def counters(wall):
    found = wall.ctl("status")["counters"]
    return {k: v for k, v in found.items() if k.startswith("sm.")}


__all__ = ["Soak", "POLICY", "counters", "wait_for"]
