# SPDX-License-Identifier: BSD-2-Clause
"""Faults of the machine, and of people on it, while bans are made by rules and by hand. After each: no ban lost, none invented, no
honest peer blocked (shield.py); and before, during as far as the fault allows, and after it two honest users chat."""
import contextlib
import os
import pathlib
import random
import signal
import socket
import time

import pytest

import policy
from lab import LabError, client_address, run, wait_for
from shield import MUCH, Honest, Load, Truth
from test_clock import DAY, Clock

POLICY = policy.STANDARD.replace("    rule flood ", f'    rule pest     {{ message body contains "pest"    drop, ban {MUCH}s }}\n    rule flood ')
INSPECTED = POLICY + "\nservice component { listen tcp { 5276 }; mode inspect; tls none; }\n"
SEED = int(os.environ.get("XMPPWALL_FAULT_SEED", "0")) or random.randrange(1, 1 << 30)


@pytest.fixture
def dice():
    print(f"XMPPWALL_FAULT_SEED={SEED}")
    return random.Random(SEED)


@pytest.fixture
def shielded(prosody, user, new_wall):
    """shielded(configuration, prepare=…): a wall that runs, its truth and the honest."""
    made = []

    def make(configuration=POLICY, prepare=None):
        wall = new_wall(configuration)
        if prepare:
            prepare(wall)
        wall.start()
        truth = Truth(wall)
        made.append(truth)
        honest = Honest(user, prosody)
        honest.chat()
        return wall, truth, honest

    yield make
    for truth in made:
        truth.close()


def offend(truth, user, server, number):
    """A rule's ban: whoever says it is out."""
    address = client_address(number)
    tybalt = user("tybalt", server, number)
    truth.may[address] = time.monotonic() + MUCH
    tybalt.order("message", to=server.jid("juliet"), body="a pest on you")
    return address


def offended(truth, address):
    wait_for(lambda: address in truth.wall.blocked(), 10, f"{address} in the block set")
    truth.must[address] = truth.may.pop(address)


def killed(process):
    process.kill(signal.SIGKILL)
    process.popen.wait(10)


def children(wall, name):
    text = pathlib.Path(f"/proc/{wall.process.pid}/task/{wall.process.pid}/children").read_text()
    return [int(p) for p in text.split() if pathlib.Path(f"/proc/{p}/comm").read_text().startswith(name)]


def attention(wall, word):
    return any(word in line for line in wall.ctl("status")["attention"])


# ---- other tools, other hands ----

def test_flushed_over_and_over(prosody, user, shielded):
    wall, truth, honest = shielded()
    offended(truth, offend(truth, user, prosody, 24))
    with Load(truth) as load:
        for number in range(12):
            wall.namespace.run("nft", "flush", "ruleset")
            wait_for(wall.blocked, 3, "the table to come back")
            if number % 4 == 3:
                offended(truth, offend(truth, user, prosody, 14 + number))
    assert load.count > 20
    truth.hold()
    assert wall.ctl("status")["firewall"]["restored"] >= 5
    honest.come_again()  # a packet that came while there was no table went to the server itself


def test_edits_under_our_name(shielded):
    """Elements put in and taken out by another tool while bans come; a foreign table stays as it is."""
    wall, truth, honest = shielded()
    wall.namespace.run("nft", "add table inet other; add set inet other keep { type ipv4_addr; }; add element inet other keep { 192.0.2.11 }")
    with Load(truth) as load:
        for number in range(8):
            wall.namespace.run("nft", "add", "element", "inet", "xmppwall", "block4", f"{{ 203.0.113.{2 * number} }}", check=False)
            if load.count and (victim := next(iter(dict(truth.must)), None)):
                wall.namespace.run("nft", "delete", "element", "inet", "xmppwall", "block4", f"{{ {victim} }}", check=False)
            honest.chat()
    truth.hold()
    assert "192.0.2.11" in wall.namespace.run("nft", "list", "set", "inet", "other", "keep").stdout
    wall.namespace.run("nft", "delete", "table", "inet", "other")
    honest.chat()


def test_netlink_overflows(shielded):
    """Foreign transactions while the daemon does not read: events are lost (ENOBUFS), what they told is found all the same."""
    wall, truth, honest = shielded()
    for _ in range(20):
        truth.ban()
    wall.namespace.run("nft", "add table inet other; add set inet other many { type ipv4_addr; }")
    os.kill(wall.process.pid, signal.SIGSTOP)
    try:
        for block in range(4):
            elements = ", ".join(f"10.{block}.{n >> 8}.{n & 255}" for n in range(8000))
            wall.namespace.run("nft", "-f", "-", text=f"add element inet other many {{ {elements} }}\n")
        for victim in list(truth.must)[:5]:
            wall.namespace.run("nft", "delete", "element", "inet", "xmppwall", "block4", f"{{ {victim} }}")
        wall.namespace.run("nft", "add", "element", "inet", "xmppwall", "block4", "{ 203.0.113.9 }")
    finally:
        os.kill(wall.process.pid, signal.SIGCONT)
    truth.hold(5)
    with Load(truth):
        for block in range(4):
            elements = ", ".join(f"10.{block}.{n >> 8}.{n & 255}" for n in range(8000))
            wall.namespace.run("nft", "-f", "-", text=f"delete element inet other many {{ {elements} }}\n")
            honest.chat()
    truth.hold()
    wall.namespace.run("nft", "delete", "table", "inet", "other")


# ---- processes ----

def test_killed_at_random(prosody, user, shielded, dice):
    """kill -9 of daemon, proxy and inspector while bans come by hand and by rules."""
    wall, truth, honest = shielded(INSPECTED)
    wait_for(lambda: children(wall, "xmppwall-nfq"), 10, "the inspector")
    offenders = iter(range(13, 31))
    with Load(truth) as load:
        for turn, whom in enumerate(["xmppwall-proxy", "daemon", "xmppwall-nfq", "daemon", *dice.choices(
                ["daemon", "xmppwall-proxy", "xmppwall-nfq"], [3, 1, 1], k=4)]):
            before = load.count
            wait_for(lambda b=before: load.count > b + dice.randrange(1, 12), 15, "more bans")
            if turn % 3 == 0:
                offend(truth, user, prosody, next(offenders))
            if whom == "daemon":
                killed(wall.process)
                wall.start()
            else:
                with contextlib.suppress(ProcessLookupError, IndexError):
                    os.kill(children(wall, whom)[0], signal.SIGKILL)
                wait_for(lambda w=whom: children(wall, w), 15, f"another {whom}")
    truth.hold()
    honest.come_again()


# ---- the clock ----

def test_clock_a_day_either_way(prosody, user, shielded, dice):
    """Set while bans come, and while the daemon is down (more of it in test_clock.py)."""
    def prepare(wall):
        wall.clock = Clock(wall)

    wall, truth, honest = shielded(prepare=prepare)
    with Load(truth) as load:
        for turn, seconds in enumerate([DAY, -DAY, 2 * DAY, 0]):
            before = load.count
            wait_for(lambda b=before: load.count > b + dice.randrange(5, 15), 15, "more bans")
            if turn == 2:
                killed(wall.process)
            wall.clock.set(seconds)
            if turn == 2:
                wall.start()
                honest.come_again()
            honest.chat()
        offended(truth, offend(truth, user, prosody, 24))
    assert wall.process.text().count("event=clock-step") >= 1
    truth.hold()
    honest.chat()


# ---- disks ----

class Disk:
    """A small disk of the wall's own for what it keeps."""

    def __init__(self, wall, size="4m", folders=("state", "log")):
        self.wall, self.folders = wall, folders
        for name in folders:
            run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", wall.folder / name)

    def fill(self):
        for name in self.folders:
            with open(self.wall.folder / name / "filler", "ab", buffering=0) as filler:
                size = 65536
                while size:
                    try:
                        filler.write(b"\0" * size)
                    except OSError:
                        size //= 2

    def free(self):
        for name in self.folders:
            (self.wall.folder / name / "filler").unlink(missing_ok=True)

    def close(self):
        for name in self.folders:
            run("umount", "-l", self.wall.folder / name, check=False)


@pytest.fixture
def disk_of():
    made = []

    def make(wall, **more):
        made.append(Disk(wall, **more))
        return made[-1]

    yield make
    for disk in made:
        disk.close()


def test_disk_full(prosody, user, shielded, disk_of):
    """Filled while bans come: each is in force, waits in memory, and is entered when there is room; kill -9 in between loses none;
    a lockdown works, too."""
    disks = []
    wall, truth, honest = shielded(prepare=lambda w: disks.append(disk_of(w)))
    disk = disks[0]
    with Load(truth, pause=0.005) as load:
        wait_for(lambda: load.count > 20, 20, "some bans")
        disk.fill()
        wait_for(lambda: attention(wall, "the ledger cannot be written"), 20, "the ledger to be full")
        offended(truth, offend(truth, user, prosody, 24))
        honest.chat()
        before = load.count
        wait_for(lambda: load.count > before + 20, 20, "more bans")
    truth.hold()
    killed(wall.process)
    wall.start()
    truth.hold()
    assert attention(wall, "the ledger cannot be written")
    with Load(truth, pause=0.005) as load:
        wait_for(lambda: load.count > 10, 20, "some bans")
        disk.free()
        wait_for(lambda: not attention(wall, "the ledger cannot be written"), 10, "the ledger to take them")
    truth.hold()
    assert not (wall.folder / "run/bans.waiting").exists()
    killed(wall.process)
    wall.start()
    truth.hold()
    honest.come_again()


def test_lockdown_on_a_full_disk(shielded, disk_of):
    disks = []
    wall, truth, honest = shielded(POLICY + "set friends { type address; elements = { 192.0.2.11, 192.0.2.12 }; }\nfirewall { allow @friends; }\n",
                                   lambda w: disks.append(disk_of(w)))
    disks[0].fill()
    answer = wall.ctl("lockdown", "on")
    assert answer["on"] and not answer["kept"] and attention(wall, "lockdown.json cannot be written")
    assert "tcp" in wall.namespace.run("nft", "list", "set", "inet", "xmppwall", "lockdown").stdout.split("elements")[1]
    honest.chat()
    disks[0].free()
    wait_for(lambda: wall.ctl("lockdown", "show")["kept"], 5, "it to be written")
    killed(wall.process)
    wall.start()
    assert wall.ctl("lockdown", "show")["on"]
    truth.hold()


def test_disk_turns_read_only(prosody, user, shielded, tmp_path):
    """As a file system does that has found an error: nothing is written any more, and only a new mount helps."""
    image, other, folder = tmp_path / "disk", tmp_path / "other", []
    run("truncate", "-s", "16M", image)
    run("mkfs.ext4", "-q", "-F", image)

    def mount(wall):
        folder.append(wall.folder / "state")
        done = run("mount", "-o", "loop", image, folder[0], check=False)
        if done.returncode != 0:
            pytest.skip(f"no loop device: {done.stderr.strip()}")

    try:
        wall, truth, honest = shielded(prepare=mount)
        for _ in range(10):
            truth.ban()
        run("sync", "-f", folder[0])  # what is only in memory is lost as with the power
        run("mount", "-o", "remount,abort", folder[0])
        with Load(truth) as load:
            offended(truth, offend(truth, user, prosody, 24))
            wait_for(lambda: load.count > 20, 20, "more bans")
            honest.chat()
        assert attention(wall, "the ledger cannot be written")
        truth.hold()
        killed(wall.process)
        run("umount", folder[0])
        run("cp", image, other)  # other namespaces still hold the first one
        run("fsck.ext4", "-p", other, check=False)
        run("mount", "-o", "loop", other, folder[0])
        wall.start()
        truth.hold()
        assert not attention(wall, "the ledger cannot be written")
        honest.come_again()
    finally:
        for process in [wall.process] if "wall" in locals() else []:
            process.close(10)
        if folder:
            run("umount", "-l", folder[0], check=False)


# ---- ceilings of the machine ----

def limited(number):
    def prepare(wall):
        wall.wrap = ["prlimit", f"--nofile={number}:{number}"]
    return prepare


def test_daemon_out_of_descriptors(prosody, user, shielded):
    """Held open by programs on the control socket. One that was there before goes on banning."""
    wall, truth, honest = shielded(prepare=limited(72))
    truth.ban()
    held = []
    try:
        for _ in range(120):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(2)
            held.append(s)
            with contextlib.suppress(OSError):
                s.connect(str(wall.folder / "run/control.sock"))
        wait_for(lambda: len(os.listdir(f"/proc/{wall.process.pid}/fd")) >= 71, 10, "the descriptors to be used up")
        for _ in range(30):
            truth.ban()
        address = offend(truth, user, prosody, 24)
        wall.namespace.run("nft", "flush", "ruleset")
        wait_for(lambda: address in wall.blocked(), 10, "the rule's ban, in a table that is back")
        truth.must[address] = truth.may.pop(address)
    finally:
        for s in held:
            s.close()
    truth.hold()
    honest.come_again()


def test_proxy_out_of_descriptors(lab, prosody, user, shielded):
    """Connections up to the limit and beyond: who is in stays in, strangers wait, nobody is banned for it."""
    wall, truth, honest = shielded(prepare=limited(160))
    held = []
    try:
        for number in range(220):
            s = lab.client.socket()
            s.bind((client_address(13 + number % 10), 0))
            s.setblocking(False)
            held.append(s)
            with contextlib.suppress(BlockingIOError):
                s.connect((prosody.addresses[4], 5222))
        honest.chat()
        truth.ban()
        truth.hold()
        assert wall.proxies()
    finally:
        for s in held:
            s.close()
    honest.chat()
    wait_for(lambda: logs_in(user, prosody), 30, "a login when they are gone")
    offended(truth, offend(truth, user, prosody, 24))
    truth.hold()


def logs_in(user, server):
    with contextlib.suppress(LabError):
        return user("nurse", server, 14)


class Memory:
    """A cgroup (v1) with a ceiling, in which the wall runs."""

    def __init__(self):
        self.folder = pathlib.Path(f"/sys/fs/cgroup/memory/xmppwall-{os.getpid()}")
        try:
            self.folder.mkdir()
        except OSError as error:
            pytest.skip(f"no memory cgroup of v1 that can be written: {error}")

    def take(self, wall):
        """What they have is not counted, what they ask for from now on is."""
        for pid in [wall.process.pid, *children(wall, "xmppwall-proxy")]:
            with contextlib.suppress(OSError):
                (self.folder / "cgroup.procs").write_text(str(pid))

    def limit(self, bytes_more):
        (self.folder / "memory.limit_in_bytes").write_text(str(bytes_more))

    def unlimit(self):
        (self.folder / "memory.limit_in_bytes").write_text("-1")

    def ended(self):
        return int((self.folder / "memory.oom_control").read_text().split("oom_kill ")[1])

    def reached(self):
        return int((self.folder / "memory.failcnt").read_text())

    def close(self):
        with contextlib.suppress(OSError):
            self.folder.rmdir()


@pytest.fixture
def memory():
    made = Memory()
    yield made
    made.close()


def test_memory_runs_out(lab, prosody, user, shielded, memory):
    """Bans and connections against a ceiling two megabytes away: whoever the kernel ends comes back, and with it all bans."""
    wall, truth, honest = shielded()
    for _ in range(20):
        truth.ban()
    held = []
    memory.take(wall)
    memory.limit(2 << 20)
    try:
        with Load(truth, pause=0.001) as load:
            for number in range(1500):
                s = lab.client.socket()
                s.bind((client_address(13 + number % 10), 0))
                s.setblocking(False)
                held.append(s)
                with contextlib.suppress(OSError):
                    s.connect((prosody.addresses[4], 5222))
                if number % 10 == 9:
                    for t in held[-10:]:
                        with contextlib.suppress(OSError):
                            t.send(b"<stream:stream to='verona.example' version='1.0' xmlns='jabber:client' "
                                   b"xmlns:stream='http://etherx.jabber.org/streams'>" + b" " * 512)
                if not wall.process.alive():
                    memory.unlimit()
                    wall.start()
            before = load.count
            memory.unlimit()
            if wall.process.alive():
                wait_for(lambda: load.count > before + 5 or not wall.process.alive(), 20, "more bans")
    finally:
        memory.unlimit()
        for s in held:
            s.close()
    assert memory.reached() > 0
    print("ended by the kernel:", memory.ended())
    if not wall.process.alive():
        wall.start()
    wait_for(wall.ready, 20, "the daemon to answer")
    truth.hold(30)
    honest.come_again()
