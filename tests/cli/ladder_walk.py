#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The ladder in the daemon, with a stand-in for its child that says what no child should: whom it bans, whom it never does."""
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from daemon_walk import POLICY, Base, wait  # noqa: E402

LADDER = """
set friends { type address; elements = { 203.0.113.5, 203.0.114.0/25 }; }
set staff { type jid; elements = { admin@a.example }; }
set allies { type domain; flags suffix; elements = { ally.example }; }
set allowed { type address; elements = { 198.51.100.0/24 }; }
firewall { allow @allowed; }
set partners { type address; elements = { 203.0.115.0/24 }; }
defend { connections trusted { from @partners; concurrent 500; } connections { concurrent 50; } }
punish session { 2 strikes within 1m; of session; }
punish account { 3 strikes within 1m; of jid; ban 1h; escalate x2 to 1d; spare @staff; }
punish server { 4 strikes within 1m; of domain; ban 1h; spare @allies; }
punish peer { 5 strikes within 1m; ban 1h; spare shared, @friends; }
punish net { 12 strikes within 1m; of prefix /24 /56 from 3 addresses; ban 1h; spare shared, @friends; }
"""
HEAD, TAIL = POLICY.split("punish peer", 1)
LADDER_POLICY = HEAD + LADDER + TAIL.split("\n", 1)[1]


class Ladder(Base):
    policy = LADDER_POLICY
    serial = 0

    def act(self, wanted=True, **act):
        """One event; back once the daemon has it."""
        Ladder.serial += 1
        identity = f"lad-{Ladder.serial}"
        self.order(self.event(identity, **{"strikes": 1, "shared": False, **act}))
        if wanted:
            wait(lambda: self.ctl("explain", identity).returncode == 0)
        return identity

    def settle(self):
        """Back once a child is there and all that was said before is through: one that told nonsense may have been ended."""
        said = []

        def is_heard():
            said.append(self.act(wanted=False, strikes=0, address="127.0.0.1"))
            return any(self.ctl("explain", identity).returncode == 0 for identity in said[-5:])

        wait(is_heard)

    def bans(self):
        return [b["address"] for b in self.answer("bans")["bans"]]

    def barred(self):
        return [b.get("jid") or b.get("domain") for b in self.answer("bans")["barred"]]

    def spared(self):
        return [e["xmppwall"] for e in self.answer_lines("events", "-n", "500") if e["event_type"] == "spared"]

    def answer_lines(self, *words):
        done = self.ctl("--json", *words)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_rungs_one_after_the_other(self):
        self.start()
        for number in range(1, 6):
            self.act(session=77, jid="Loud@A.example", domain="Peer.Example")
            if number == 2:
                self.assertEqual(wait(lambda: [m for m in self.heard("kill") if "session" in m])[0]["session"], 77)
            self.assertEqual(sorted(self.barred()), sorted(["loud@a.example"][:number >= 3] + ["peer.example"][:number >= 4]))
            self.assertEqual(self.bans(), ["192.0.2.7"][:number >= 5])
        bars = [m for m in self.heard("bar")]
        self.assertEqual(bars[0]["add"], [[0, "loud@a.example", "account"]])
        self.assertEqual(bars[1]["add"], [[1, "peer.example", "server"]])
        self.assertEqual([m["jid"] for m in self.heard("kill") if "jid" in m], ["loud@a.example"])
        # What was on its way is paid for.
        self.act(session=78, jid="loud@a.example/x", strikes=9)
        self.assertEqual(len(self.heard("bar")), 2)
        why = self.answer("bans", "--why", "loud@A.example")["barred"][0]
        self.assertEqual((why["rule"], why["punish"], why["next_ms"], len(why["evidence"])), ("inbound/links", "account", 7200000, 3))
        self.assertIn("url.host in @hosts", why["rule_text"])
        self.assertIn("is banned for", self.ctl("ban", "more.example").stdout)
        self.assertIn("evidence", self.ctl("bans", "--why").stdout)
        self.assertIn("but peer.example is", self.refusal("bans", "--why", "x@peer.example"))
        self.assertIn("is not banned", self.refusal("bans", "--why", "198.18.0.1"))
        self.refusal("bans", "--why", "a", "b", status=2)

    def test_a_child_that_starts_is_told_all(self):
        self.start()
        for name in ("a@x.example", "b@x.example", "evil.example"):
            self.answer("ban", name, "--for", "1h")
        self.answer("ban", "short.example", "--for", "1s")
        self.kill()
        self.start()
        told = [m for m in self.heard("bar") if m.get("anew")][-1]
        self.assertLessEqual({(0, "a@x.example", "operator"), (0, "b@x.example", "operator"), (1, "evil.example", "operator")},
                             {tuple(row) for row in told["add"]})
        wait(lambda: "short.example" not in self.barred())
        self.order("die")
        wait(lambda: len([m for m in self.heard("bar") if m.get("anew")]) > 1 and self.status()["workers"][0]["state"] == "ready")
        kinds = [m["m"] for m in self.heard()]
        self.assertLess(len(kinds) - kinds[::-1].index("bar"), len(kinds) - kinds[::-1].index("start"))
        self.answer("unban", "A@X.example")
        wait(lambda: self.heard("unbar")[-1]["del"] == [[0, "a@x.example"]])

    def test_who_is_never_banned(self):
        self.start()
        addresses = {"127.0.0.9", "::1", "198.51.100.77", "203.0.113.5", "203.0.115.9"}
        for line in subprocess.run(["ip", "-j", "address"], capture_output=True, text=True, check=False).stdout.splitlines():
            for link in json.loads(line):
                addresses |= {a["local"] for a in link["addr_info"]}
        for address in addresses:
            self.act(address=address, strikes=50)
            self.act(address=address, strikes=50, ban=0, jid="admin@a.example", domain="sub.ally.example")
        self.assertEqual((self.bans(), self.barred()), ([], []))
        self.assertIn("203.0.113.5", [e.get("address") for e in self.spared()])
        self.assertIn("admin@a.example", [e.get("jid") for e in self.spared()])
        # A network in which one is spared, or is this host's.
        for last in range(10, 15):
            self.act(address=f"203.0.114.{last + 200}", strikes=4)
        self.assertEqual(self.bans(), [])
        self.assertIn("203.0.114.0/24", [e.get("address") for e in self.spared()])

    def test_shared_is_what_well_behaved_people_share(self):
        self.start()
        self.act(strikes=9, shared=True, others=["quiet@a.example"], jid="loud@a.example")
        self.assertEqual(self.bans(), [])
        self.act(address="192.0.2.8", jid="Second@a.example")
        self.act(address="192.0.2.9", strikes=9, shared=True, others=["second@A.example", "loud@a.example"], jid="third@a.example")
        self.assertEqual(self.bans(), ["192.0.2.9"])
        self.act(address="192.0.2.10", strikes=9, shared=True, more=True, others=["second@a.example"], jid="x@a.example")
        self.act(address="192.0.2.11", strikes=9, shared=True, jid="y@a.example")
        self.assertEqual(self.bans(), ["192.0.2.9"])

    def test_a_prefix_is_asked_about(self):
        self.start()
        (self.folder / "libexec/using.json").write_text(json.dumps(["quiet@a.example"]))
        for last in range(1, 5):
            self.act(address=f"198.18.7.{last}", strikes=4)
        wait(lambda: self.heard("using") or self.spared())
        self.assertEqual([m["address"] for m in self.heard("using")][:1], ["198.18.7.0/24"], self.spared())
        wait(lambda: "198.18.7.0/24" in [e.get("address") for e in self.spared()])
        (self.folder / "libexec/using.json").write_text(json.dumps([7, None, "", {"a": 1}]))
        for last in range(11, 15):
            self.act(address=f"198.18.7.{last}", strikes=4)
        wait(lambda: self.bans() == ["198.18.7.0/24"])

    def test_a_child_that_lies(self):
        """Whatever it says, the daemon lives, bans no more than a rung says, and keeps its promises about those who are spared."""
        self.start()
        junk = [None, True, -1, 2**62, 1e300, "", "\u202e", "x" * 5000, "a@b@c", "@", "/", [1], {"a": []}, "\ud7ff\uffff", "admin@a.example/\u0000"[:-1]]
        for key in ("strikes", "ban", "shared", "others", "more", "session", "jid", "domain", "rule", "chain", "id"):
            for value in junk:
                if key == "ban" and isinstance(value, (int, float)) and value not in (True, -1):
                    continue
                self.act(wanted=False, address="127.0.0.1", **{key: value})
        self.settle()
        self.act(others=["a@a.example"] * 1000, shared=True, jid="admin@a.example", address="203.0.113.5")
        self.assertEqual((self.bans(), self.barred()), ([], []))
        # Giant numbers are what one verdict may be worth, and no more.
        self.act(strikes=2**62, address="192.0.2.20")
        self.assertEqual(self.answer("bans")["bans"][0]["strikes"], 1000)
        # Spellings of one account are one account.
        for jid in ("Stra\u00dfe@a.example", "STRASSE@A.EXAMPLE", "\uff53trasse@a.example."):
            self.act(jid=jid, address="127.0.0.1")
        self.assertEqual(self.barred(), ["strasse@a.example"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
