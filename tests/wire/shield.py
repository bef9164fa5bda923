# SPDX-License-Identifier: BSD-2-Clause
"""What the fault tests judge by: the bans there should be, kept by the test itself and compared with the ledger's list and with the
kernel's own set; and somebody honest, who is to notice nothing but what the fault does by itself."""
import contextlib
import itertools
import json
import socket
import threading
import time

from lab import LabError, wait_for

MUCH = 3600  # seconds: nothing ends by itself while a test runs


class Hand:
    """An operator's program on the control socket; OSError when the daemon is not there, or goes before it has answered."""

    def __init__(self, wall):
        self.path, self.socket, self.seen = str(wall.folder / "run/control.sock"), None, b""

    def ask(self, cmd, **args):
        try:
            if not self.socket:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.settimeout(20)
                self.socket.connect(self.path)
            self.socket.sendall(json.dumps({"cmd": cmd, "args": args}).encode() + b"\n")
            while b"\n" not in self.seen:
                chunk = self.socket.recv(65536)
                if not chunk:
                    raise ConnectionResetError("the daemon is gone")
                self.seen += chunk
        except OSError:
            self.close()
            raise
        line, _, self.seen = self.seen.partition(b"\n")
        return json.loads(line)

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.seen = None, b""


class Truth:
    """No ban lost, none invented. must: {address: when it ends}; may: those the daemon died over before it answered."""

    def __init__(self, wall):
        self.wall, self.hand = wall, Hand(wall)
        self.must, self.may = {}, {}
        self.numbers = itertools.count()

    def address(self):
        """One nobody uses, and none beside another."""
        number = next(self.numbers)
        return f"198.18.{number >> 7}.{2 * (number & 127)}"

    def ban(self, address=None, seconds=MUCH):
        address, end = address or self.address(), time.monotonic() + seconds
        try:
            answer = self.hand.ask("ban", address=address, **{"for": seconds * 1000, "why": "by the test"})
        except OSError:
            self.may[address] = end
            return None
        if not answer["ok"]:
            raise LabError(f"ban {address}: {answer}")
        self.must[address] = end
        return address

    def unban(self, address):
        end = self.must.pop(address)
        try:
            answer = self.hand.ask("unban", address=address)
        except OSError:
            self.may[address] = end
            return
        if not answer["ok"]:
            raise LabError(f"unban {address}: {answer}")

    def _wrong(self):
        """None when ledger, kernel and test agree; else how they do not."""
        try:
            ledger = {b["address"]: b["until"] for b in self.wall.ctl("bans")["bans"]}
            kernel = self.wall.blocked()
        except (LabError, TypeError, KeyError) as error:
            return f"no answer: {error}"
        now = time.monotonic()
        if set(ledger) != set(kernel):
            return f"ledger without kernel {sorted(set(ledger) - set(kernel))[:5]}, kernel without ledger {sorted(set(kernel) - set(ledger))[:5]}"
        if lost := set(self.must) - set(ledger):
            return f"{len(lost)} lost: {sorted(lost)[:5]}"
        if invented := set(ledger) - set(self.must) - set(self.may):
            return f"{len(invented)} invented: {sorted(invented)[:5]}"
        for address, end in self.must.items():
            if abs(kernel[address] - (end - now)) > 10:
                return f"{address} has {kernel[address]} s left in the kernel, not {end - now:.0f}"
        return None

    def hold(self, seconds=15):
        try:
            wait_for(lambda: self._wrong() is None, seconds, "ledger and kernel to hold what they should")
        except LabError:
            raise AssertionError(f"{self._wrong()}\n{self.wall.process.text()[-2000:]}") from None
        if self.may:  # what the daemon died over has been decided
            there = set(self.wall.bans())
            self.must.update({a: end for a, end in self.may.items() if a in there})
            self.may.clear()

    def close(self):
        self.hand.close()


class Load:
    """Bans by hand, one after the other, and some taken back, for as long as the with-block lasts."""

    def __init__(self, truth, pause=0.02):
        self.truth, self.pause, self.trouble = truth, pause, None
        self.over, self.count = threading.Event(), 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        mine = []
        try:
            while not self.over.wait(self.pause):
                if (address := self.truth.ban()) is not None:
                    mine.append(address)
                    self.count += 1
                    if self.count % 5 == 0 and mine[0] in self.truth.must:
                        self.truth.unban(mine.pop(0))
        except Exception as error:  # told by the test, not by the thread
            self.trouble = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(30)
        if self.trouble and not _[0]:
            raise self.trouble


class Honest:
    """Two who chat through the wall."""

    def __init__(self, user, server):
        self.user, self.server, self.number = user, server, 0
        self.log_in()

    def log_in(self):
        self.pair = self.user("juliet", self.server, 11), self.user("romeo", self.server, 12)

    def chat(self):
        juliet, romeo = self.pair
        self.number += 1
        juliet.say(romeo.jid, f"sonnet {self.number}")
        romeo.body(f"sonnet {self.number}")

    def come_again(self):
        """After a fault that took the sessions with it."""
        for client in self.pair:
            with contextlib.suppress(Exception):
                client.close()
        self.log_in()
        self.chat()
