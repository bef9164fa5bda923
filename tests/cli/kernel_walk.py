#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The daemon and the kernel's table, in a network namespace of its own: loaded, restored, left, removed. Needs root.
kernel_walk.py FOLDER-OF-PROGRAMS"""
import ctypes
import os
import re
import subprocess
import sys
import time
import unittest

import daemon_walk
from daemon_walk import DEADLINE, wait

CLONE_NEWNET = 0x40000000
POLICY = daemon_walk.POLICY.replace("listen on 127.0.0.1;", "intercept tproxy; source client;").replace(
    "upstream 127.0.0.1:9 plain;", "upstream original plain;") + """
set out { type address; file "lists/out.txt"; }
set friends { type address; file "lists/friends.txt"; }
firewall { block @out; allow @friends; }
"""


def nft(*words):
    return subprocess.run(["nft", *words], capture_output=True, text=True, timeout=DEADLINE)


def elements(*names):
    """What these pairs hold of a family ("block4"): single addresses, networks of 64 bits, others."""
    all_of = []
    for name in names:
        for part in (name, name + "_64", name + "_nets"):
            text = nft("list", "set", "inet", "xmppwall", part).stdout
            found = re.search(r"elements = \{(.*?)\}", text, re.S)
            of = [e.split()[0] for e in found.group(1).split(",")] if found else []
            all_of += [e + "/64" for e in of] if part.endswith("_64") else of
    return sorted(all_of)


def left_seconds(name, element):
    text = "".join(nft("list", "set", "inet", "xmppwall", part).stdout for part in (name, name + "_nets"))
    found = re.search(re.escape(element) + r" timeout \S+ expires (\S+)", text).group(1)
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(n) * units[u] for n, u in re.findall(r"(\d+)(ms|d|h|m|s)", found))


class KernelWalk(daemon_walk.Base):
    policy = POLICY

    def setUp(self):
        super().setUp()
        (self.folder / "lists/out.txt").write_text("203.0.113.0/24\n")
        (self.folder / "lists/friends.txt").write_text("198.51.100.5\n")
        self.port = 25222  # nobody else is in this namespace, and +10000 is to be a port, too
        self.write_policy()

    def tearDown(self):
        if self.daemon and self.daemon.poll() is None:
            self.stop()
        self.unload()
        super().tearDown()

    def unload(self):
        done = self.run_daemon(*self.paths(), "--unload")
        self.assertEqual(done.returncode, 0, done.stderr)

    def popen(self, *more):
        return super().popen(*more, firewall=True)

    def rules(self):
        return subprocess.run(["ip", "rule"], capture_output=True, text=True, timeout=DEADLINE).stdout

    def test_loaded_left_and_removed(self):
        self.start()
        self.assertEqual(elements("block4", "blocklist4"), ["203.0.113.0/24"])
        self.assertEqual(elements("allow4"), ["198.51.100.5"])
        self.assertIn("0x584d0002", self.rules())
        status = self.status()
        self.assertTrue(status["firewall"]["loaded"])
        self.assertEqual(status["firewall"]["sets"]["blocklist4"], 1)
        text = self.stop()
        self.assertIn("--unload", text)
        self.assertEqual(nft("list", "table", "inet", "xmppwall").returncode, 0)
        self.unload()
        self.assertNotEqual(nft("list", "table", "inet", "xmppwall").returncode, 0)
        self.assertNotIn("0x584d0002", self.rules())

    def test_bans_reach_the_kernel_and_survive_kill_nine(self):
        self.start()
        self.answer("ban", "192.0.2.7", "--for", "1h")
        self.answer("ban", "2001:db8::/48", "--for", "10m")
        self.assertIn("192.0.2.7", elements("block4"))
        self.assertEqual(elements("block6"), ["2001:db8::/48"])
        self.kill()
        self.assertIn("192.0.2.7", elements("block4"))
        nft("flush", "ruleset")
        self.start()
        self.assertAlmostEqual(left_seconds("block4", "192.0.2.7"), 3600, delta=60)
        self.assertAlmostEqual(left_seconds("block6", "2001:db8::/48"), 600, delta=60)
        self.answer("unban", "192.0.2.7")
        self.assertEqual(elements("block4", "blocklist4"), ["203.0.113.0/24"])

    def test_a_strike_from_a_worker_blocks_in_the_kernel(self):
        self.start()
        self.order(self.event(address="198.51.100.9", ban=60000))
        wait(lambda: "198.51.100.9" in elements("block4"))
        self.order(self.event("friend", address="198.51.100.5", ban=60000))
        wait(lambda: self.ctl("explain", "friend").returncode == 0)
        self.assertNotIn("198.51.100.5", elements("block4"))

    def test_other_hands_are_undone_within_a_second(self):
        self.start()
        self.answer("ban", "192.0.2.7", "--for", "1h")
        for damage in (["flush", "ruleset"], ["delete", "table", "inet", "xmppwall"],
                       ["delete", "element", "inet", "xmppwall", "block4", "{ 192.0.2.7 }"],
                       ["flush", "chain", "inet", "xmppwall", "early"],
                       ["add", "element", "inet", "xmppwall", "block4", "{ 192.0.2.99 }"]):
            before = nft("list", "chain", "inet", "xmppwall", "early").stdout
            restored = self.status()["firewall"]["restored"]
            self.assertEqual(nft(*damage).returncode, 0, damage)
            start = time.monotonic()
            wait(lambda: self.status()["firewall"]["restored"] > restored, f"not restored after {damage}")
            self.assertLess(time.monotonic() - start, 2)
            self.assertEqual(elements("block4", "blocklist4"), ["192.0.2.7", "203.0.113.0/24"], damage)
            self.assertEqual(nft("list", "chain", "inet", "xmppwall", "early").stdout.count("drop"), before.count("drop"))

    def test_lockdown_is_a_switch_that_stays(self):
        self.start()

        def shut():
            return elements("lockdown") == ["tcp"]

        self.assertFalse(shut())
        self.assertTrue(self.answer("lockdown", "on", "--for", "1h", "--why", "why not")["kept"])
        self.assertTrue(shut())
        self.assertIn("LOCKDOWN: only who is in @friends", self.status()["attention"][0])
        self.assertIn("elements = { tcp }", self.answer("firewall", "print")["text"])
        nft("flush", "ruleset")
        wait(shut)
        self.kill()
        self.start()
        self.assertTrue(shut())
        shown = self.answer("lockdown", "show")
        self.assertEqual((shown["on"], shown["why"]), (True, "why not"))
        self.answer("list", "del", "friends", "198.51.100.5")
        self.answer("lockdown", "off")
        self.assertFalse(shut())
        self.assertFalse((self.folder / "state/lockdown.json").exists())
        self.assertIn("--force", self.refusal("lockdown", "on"))
        self.refusal("lockdown", "off", "--for", "1h", status=2)
        self.refusal("lockdown", "perhaps", status=2)
        self.answer("firewall", "unload")
        self.assertIn("unloaded", self.refusal("lockdown", "on", "--force"))

    def test_a_lockdown_that_cannot_be_read_is_one(self):
        self.start()
        self.stop()
        (self.folder / "state/lockdown.json").write_text("{")
        self.start()
        self.assertEqual(elements("lockdown"), ["tcp"])
        self.assertIn("cannot be read", " ".join(self.status()["attention"]))
        self.answer("lockdown", "off")
        self.assertEqual(elements("lockdown"), [])

    def test_routes_come_back(self):
        self.start()
        subprocess.run(["ip", "rule", "del", "fwmark", "0x584d0002"], check=True, timeout=DEADLINE)
        wait(lambda: "0x584d0002" in self.rules())

    def test_lists_are_mirrored(self):
        self.start()
        self.answer("list", "add", "out", "192.0.2.200")
        self.assertIn("192.0.2.200", elements("blocklist4"))
        self.answer("list", "del", "friends", "198.51.100.5")
        self.assertEqual(elements("allow4"), [])

    def test_a_ban_and_a_list_of_the_same_address(self):
        self.start()
        self.answer("list", "add", "out", "192.0.2.7")
        self.answer("ban", "192.0.2.7", "--for", "1h")
        self.answer("unban", "192.0.2.7")
        self.assertIn("192.0.2.7", elements("blocklist4"))
        self.answer("ban", "192.0.2.7", "--for", "1h")
        self.answer("list", "del", "out", "192.0.2.7")
        self.assertAlmostEqual(left_seconds("block4", "192.0.2.7"), 3600, delta=60)
        self.answer("unban", "192.0.2.7")
        self.assertNotIn("192.0.2.7", elements("block4", "blocklist4"))
        self.answer("list", "add", "out", "203.0.113.77")
        self.answer("list", "del", "out", "203.0.113.77")
        self.assertEqual(elements("block4", "blocklist4"), ["203.0.113.0/24"])
        self.answer("list", "add", "out", "203.0.113.77")
        self.answer("list", "del", "out", "203.0.113.0/24")
        self.assertEqual(elements("blocklist4"), ["203.0.113.77"])
        self.answer("list", "add", "out", "192.0.2.40-192.0.2.43")
        self.assertEqual(elements("blocklist4"), ["192.0.2.40/30", "203.0.113.77"])

    def test_unload_and_load_by_command(self):
        self.start()
        self.answer("ban", "192.0.2.7")
        self.answer("firewall", "unload")
        self.assertNotEqual(nft("list", "table", "inet", "xmppwall").returncode, 0)
        self.assertTrue(any("unloaded" in line for line in self.status()["attention"]))
        self.answer("ban", "192.0.2.8")
        self.answer("reload")
        self.assertNotEqual(nft("list", "table", "inet", "xmppwall").returncode, 0)
        self.answer("firewall", "load")
        self.assertEqual(elements("block4", "blocklist4"), ["192.0.2.7", "192.0.2.8", "203.0.113.0/24"])

    def test_reload_changes_the_table(self):
        self.start()
        self.write_policy(policy=POLICY.replace("intercept tproxy; source client;", "listen on 127.0.0.1;").replace(
            "upstream original plain;", "upstream 127.0.0.1:9 plain;"))
        self.answer("reload")
        self.assertNotIn("tproxy", nft("list", "table", "inet", "xmppwall").stdout)
        self.assertNotIn("0x584d0002", self.rules())
        self.assertEqual(elements("block4", "blocklist4"), ["203.0.113.0/24"])


if __name__ == "__main__":
    if os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        print("needs root and network namespaces")
        sys.exit(77)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if nft("list", "tables").returncode != 0:
        print("needs nftables")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
