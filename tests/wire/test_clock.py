# SPDX-License-Identifier: BSD-2-Clause
"""Somebody sets the wall clock by a day, either way, while the daemon runs, while it does not, over a reboot: bans neither end
nor grow, in the ledger as in the kernel, and honest users notice nothing. The machine's own clock stays as it is: the
daemon and its children are told another (wallclock.c)."""
import contextlib
import signal
import sqlite3
import struct
import time

import pytest

import policy
from lab import client_address, wait_for
from wall import BUILD

DAY = 86400


class Clock:
    """By how much the daemon's wall clock is wrong."""

    def __init__(self, wall):
        self.path, self.seconds = wall.folder / "clock", 0
        self.set(0)
        wall.wrap = ["env", f"LD_PRELOAD={BUILD / 'lib/libwallclock.so'}", f"WALLCLOCK={self.path}",
                     "ASAN_OPTIONS=verify_asan_link_order=0"]

    def set(self, seconds):
        self.seconds = seconds
        if self.path.exists():
            with open(self.path, "r+b") as file:
                file.write(struct.pack("q", seconds))
        else:
            self.path.write_bytes(struct.pack("q", seconds))

    def now(self):
        return time.time() + self.seconds


@pytest.fixture
def fresh(new_wall):
    wall = new_wall(policy.STANDARD)
    wall.clock = Clock(wall)
    return wall.start()


def left(wall):
    """{address: seconds left}, by the ledger in the words of the daemon's wall clock."""
    return {b["address"]: b["until"] / 1000 - wall.clock.now() if b["until"] else None for b in wall.ctl("bans")["bans"]}


def agree(wall, expected, slack=4):
    """Ledger and kernel hold just these: {address: seconds left, None for ever}."""
    def same():
        ledger, kernel = left(wall), wall.blocked()
        return set(ledger) == set(kernel) == set(expected) and all(
            (ledger[a] is None and kernel[a] is None) if end is None else
            abs(ledger[a] - end) < slack and abs(kernel[a] - end) < slack for a, end in expected.items())

    try:
        wait_for(same, 6, "ledger and kernel to hold what they should")
    except Exception as error:
        raise AssertionError(f"expected {expected}, ledger {left(wall)}, kernel {wall.blocked()}") from error


class Expected:
    """The bans there should be, kept by the monotonic clock."""

    def __init__(self, wall):
        self.wall, self.ends = wall, {}

    def ban(self, address, seconds):
        self.wall.ctl("ban", address, "--for", f"{seconds}s")
        self.ends[address] = time.monotonic() + seconds

    def skip(self, seconds):
        """So much time passed while the host was down."""
        self.ends = {a: end - seconds for a, end in self.ends.items()}

    def hold(self):
        now = time.monotonic()
        agree(self.wall, {a: end - now for a, end in self.ends.items() if end > now + 1})


def stepped(wall, times):
    wait_for(lambda: wall.process.text().count("event=clock-step") >= times, 5, "the daemon to notice")


def test_set_while_it_runs(prosody, user, fresh):
    """A day on, two days back, a day on: what stands goes on counting as if nothing had happened."""
    expected = Expected(fresh)
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    expected.ban(client_address(26), 300)
    expected.ban("198.18.0.0/24", 7200)
    expected.ban("203.0.113.1", 3)
    for times, seconds in enumerate((DAY, -DAY, 0), 1):
        fresh.clock.set(seconds)
        expected.ban(f"203.0.113.{10 + times}", 600)  # and looks at the clock
        stepped(fresh, times)
        expected.hold()
        juliet.say(romeo.jid, f"what o'clock is it, {times}")
        romeo.body(f"what o'clock is it, {times}")
    wait_for(lambda: "203.0.113.1" not in fresh.bans() and "203.0.113.1" not in fresh.blocked(), 6, "the short ban's end")
    expected.hold()
    event = next(e for e in fresh.ctl("events") if e["event_type"] == "ban" and e["xmppwall"]["address"] == "203.0.113.12")
    assert abs(event["xmppwall"]["until"] / 1000 - (time.time() - DAY + 600)) < 60, "an event tells the time of its day"
    assert juliet.alive() and romeo.alive()


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["on", "back"])
def test_set_while_it_is_down(prosody, user, fresh, seconds):
    """kill -9, the clock is set, and the next daemon of the same boot goes on."""
    expected = Expected(fresh)
    expected.ban(client_address(26), 300)
    expected.ban("203.0.113.1", 4)
    fresh.process.kill(signal.SIGKILL)
    fresh.process.popen.wait(5)
    fresh.clock.set(seconds)
    fresh.start()
    expected.hold()
    wait_for(lambda: "203.0.113.1" not in fresh.bans() and "203.0.113.1" not in fresh.blocked(), 8, "the short ban's end")
    assert not any(w["state"] == "failed" for w in fresh.ctl("status")["workers"])
    user("juliet", prosody, 11)


def reboot(wall, change):
    """What is left of the daemon after the host has gone: its files. change(row) is what the clocks say then."""
    wall.process.close()
    wall.unload()
    with contextlib.closing(sqlite3.connect(wall.folder / "state/ledger.sqlite")) as ledger, ledger:
        change(ledger)


def test_a_reboot_takes_its_time(fresh):
    """Three hours down: what had less has ended and does not come back, the rest has three hours less."""
    expected = Expected(fresh)
    expected.ban("203.0.113.1", 3600)
    expected.ban("203.0.113.2", 5 * 3600)
    reboot(fresh, lambda db: db.execute("UPDATE clock SET boot = 'another', boottime = 1, wall = wall - ?", (3 * 3600 * 1000,)))
    expected.skip(3 * 3600)
    fresh.start()
    expected.hold()
    assert set(fresh.bans()) == {"203.0.113.2"}


def test_a_reboot_into_the_past(fresh):
    """No battery: the clock stands at an earlier day until somebody sets it. Bans keep what they had left."""
    expected = Expected(fresh)
    expected.ban("203.0.113.1", 3600)
    reboot(fresh, lambda db: db.execute("UPDATE clock SET boot = 'another', boottime = 1"))
    fresh.clock.set(-30 * DAY)
    fresh.start()
    expected.hold()
    fresh.clock.set(0)
    expected.ban("203.0.113.2", 600)
    stepped(fresh, 1)
    expected.hold()


def test_a_ledger_without_a_clock(fresh):
    """As older programs left it: its times were the wall clock's."""
    expected = Expected(fresh)
    expected.ban("203.0.113.1", 3600)
    reboot(fresh, lambda db: db.execute("DELETE FROM clock"))
    fresh.start()
    expected.hold()


def test_entries_until_a_day_follow_the_wall_clock(new_wall):
    """They are the operator's words: ended by a clock set on, they come back when it is set back."""
    wall = new_wall(policy.STANDARD + 'set bad_hosts_4 { type address; file "lists/bad4.txt"; }\nfirewall { block @bad_hosts_4; }\n',
                    **{"lists/bad4.txt": "203.0.113.7\n"})
    wall.clock = Clock(wall)
    wall.start()
    wall.ctl("list", "add", "bad_hosts_4", "203.0.113.8", "--for", "12h")
    kept_out = lambda: set(wall.blocked()) | set(wall.blocked(base="blocklist"))
    assert kept_out() == {"203.0.113.7", "203.0.113.8"}
    wall.clock.set(DAY)
    wall.ctl("ban", "203.0.113.1", "--for", "10m")
    wait_for(lambda: kept_out() == {"203.0.113.7", "203.0.113.1"}, 5, "the entry's end")
    wall.clock.set(0)
    wall.ctl("ban", "203.0.113.2", "--for", "10m")
    wait_for(lambda: kept_out() == {"203.0.113.7", "203.0.113.8", "203.0.113.1", "203.0.113.2"}, 10, "the entry to be back")


def test_the_ladder_counts_on(prosody, user, fresh):
    """Strikes, their window and the ban they lead to are of no wall clock."""
    juliet = user("juliet", prosody, 11)
    fresh.clock.set(-DAY)
    tybalt = user("tybalt", prosody, 24)
    for number in range(80):
        tybalt.order("message", to=juliet.jid, body=f"flood {number}")
        if number == 40:
            fresh.clock.set(DAY)
    wait_for(lambda: client_address(24) in fresh.blocked(), 15, "the address in the block set")
    agree(fresh, {client_address(24): 600}, slack=20)
    assert juliet.alive()
