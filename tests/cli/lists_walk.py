#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Lists that change without a command: files edited by hand. lists_walk.py FOLDER-OF-PROGRAMS"""
import hashlib
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import daemon_walk  # noqa: E402
from daemon_walk import Base, wait  # noqa: E402


class Files(Base):
    def in_force(self, name="hosts"):
        return {row["name"]: row["entries"] for row in self.answer("list")["lists"]}[name]

    def replace(self, text, path=None):
        """As careful editors do: a new file in the place of the old one."""
        path = path or self.hosts
        new = path.with_name(path.name + ".new")
        new.write_text(text)
        os.rename(new, path)

    def attention(self):
        return [line for line in self.status()["attention"] if "edited and is refused" in line]

    def history(self):
        return [(h["who"], h["what"], h["entry"]) for h in self.answer("list", "history", "hosts")["history"]]

    def test_an_edit_in_place_is_in_force(self):
        self.start()
        with self.hosts.open("a") as out:
            out.write("fresh.example # by hand\n")
        wait(lambda: self.in_force() == 3)
        wait(lambda: self.heard("list"))
        self.assertEqual((self.heard("list")[-1]["add"], self.heard("list")[-1]["del"]), (["fresh.example"], []))
        self.assertEqual(self.history(), [("file", "add", "fresh.example")])
        self.assertIn("fresh.example", self.entries())

    def test_a_new_file_in_its_place_is_in_force(self):
        self.start()
        self.replace("other.example\nbad.example\n")
        wait(lambda: self.heard("list"))
        sent = self.heard("list")[-1]
        self.assertEqual((sent["add"], sent["del"]), (["other.example"], ["old.example"]))
        self.assertEqual(self.in_force(), 2)
        self.replace("bad.example\nother.example until 2031-01-01T00:00:00Z\n")
        wait(lambda: len(self.heard("list")) == 2)
        self.assertEqual(self.heard("list")[-1]["add"], ["other.example until 2031-01-01T00:00:00Z"])

    def test_a_wrong_file_is_refused_whole(self):
        self.start()
        self.replace("bad.example\nnew.example\n  not a domain\n")
        line = wait(self.attention)[0]
        self.assertIn(f"{self.hosts}:3:3: error:", line)
        self.assertEqual(self.in_force(), 2)
        self.assertEqual(self.heard("list"), [])
        events = [e for e in map(json.loads, self.ctl("--json", "events").stdout.splitlines()) if e["event_type"] == "list"]
        self.assertEqual(events[-1]["xmppwall"]["action"], "refused")
        self.assertIn(":3:3:", events[-1]["xmppwall"]["why"])
        # A worker that starts now gets what is in force, not what is wrong; a command still works.
        self.order("die")
        wait(lambda: len(self.heard("born")) == 2 and self.status()["workers"][0]["state"] == "ready")
        self.answer("list", "add", "hosts", "command.example")
        self.assertEqual(self.in_force(), 3)
        self.assertEqual(len(self.attention()), 1)
        self.hosts.write_text(self.hosts.read_text().replace("not a domain", "right.example"))
        wait(lambda: not self.attention())
        wait(lambda: sorted(self.heard("list")[-1]["add"]) == ["new.example", "right.example"])
        self.assertEqual(self.heard("list")[-1]["del"], ["old.example"])

    def test_a_file_that_is_gone_keeps_its_entries(self):
        self.start()
        self.hosts.unlink()
        self.assertIn("No such file", wait(self.attention)[0])
        self.assertEqual(self.in_force(), 2)
        self.hosts.write_text("bad.example\nback.example\n")
        wait(lambda: not self.attention())
        wait(lambda: [m["add"] for m in self.heard("list")][-1:] == [["back.example"]])

    def test_what_a_command_writes_is_not_taken_for_a_hand_edit(self):
        self.start()
        self.answer("list", "add", "hosts", "one.example")
        with self.hosts.open("a") as out:
            out.write("two.example\n")
        wait(lambda: self.in_force() == 4)
        self.answer("list", "add", "hosts", "three.example")
        wait(lambda: self.in_force() == 5)
        self.assertEqual([(who.split()[0], what, entry) for who, what, entry in self.history()],
                         [("uid", "add", "three.example"), ("file", "add", "two.example"), ("uid", "add", "one.example")])

    def test_a_hand_edit_that_a_command_comes_upon(self):
        self.start()
        self.hosts.write_text("bad.example\nhand.example\n")
        self.answer("list", "add", "hosts", "command.example")
        wait(lambda: self.in_force() == 3)
        self.assertEqual(self.entries(), ["bad.example", "hand.example", "command.example"])
        self.assertIn("hand.example", wait(lambda: [m for m in self.heard("list") if "hand.example" in m["add"]])[0]["add"])

    def test_a_link_is_followed(self):
        real = self.folder / "elsewhere"
        real.mkdir()
        os.rename(self.hosts, real / "real.txt")
        self.hosts.symlink_to(real / "real.txt")
        self.start()
        self.replace("bad.example\nlinked.example\n", real / "real.txt")
        wait(lambda: self.heard("list"))
        self.assertEqual(self.heard("list")[-1]["add"], ["linked.example"])

    def test_a_large_edit_makes_a_new_policy(self):
        self.start()
        words = self.folder / "lists/words.txt"
        self.replace("".join(f"word{i}\n" for i in range(3000)), words)
        wait(lambda: self.in_force("words") == 3000)
        wait(lambda: len(self.heard("policy")) == 2)
        self.replace("word1\n", words)
        wait(lambda: self.in_force("words") == 1)
        self.assertEqual(self.answer("list", "history", "words")["history"][0]["entry"], "2999 entries")

    def test_a_large_edit_that_breaks_an_expectation_is_refused(self):
        self.start()
        self.replace("".join(f"host{i}.example\n" for i in range(60000)))
        self.assertIn("expected reject policy-violation by links", wait(self.attention)[0])
        self.assertEqual(self.in_force(), 2)

    def test_reload_after_a_hand_edit_forgets_the_trouble(self):
        self.start()
        self.replace("nonsense here\n")
        wait(self.attention)
        self.refusal("reload")
        self.assertEqual(len(self.attention()), 1)
        self.replace("bad.example\n")
        self.answer("reload")
        self.assertEqual(self.attention(), [])
        self.assertEqual(self.in_force(), 1)


class Hashes(Base):
    policy = daemon_walk.POLICY + """
set reported { type hash; of jid; salt "pepper/"; file "lists/reported.txt"; }
set hosts_hashed { type hash; of domain; file "lists/hosts-hashed.txt"; }
"""

    def setUp(self):
        super().setUp()
        (self.folder / "lists/reported.txt").write_text("")
        (self.folder / "lists/hosts-hashed.txt").write_text("")

    def test_a_plain_value_is_hashed_before_it_is_written(self):
        digest = hashlib.sha256(b"pepper/juliet@a.example").hexdigest()
        self.start()
        said = self.ctl("list", "add", "reported", "Juliet@A.example/balcony", "--comment", "case 7")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("1 given in plain: hashed", said.stdout)
        self.assertEqual((self.folder / "lists/reported.txt").read_text(), f"{digest} # case 7\n")
        self.assertEqual(self.heard("list")[-1]["add"], [digest])
        self.assertEqual(self.answer("list", "add", "reported", digest), {"added": 0, "present": 1})
        self.assertNotIn("uliet", json.dumps(self.answer("list", "history", "reported")))
        self.assertEqual(self.answer("list", "del", "reported", "juliet@a.example"), {"removed": 1, "hashed": 1})
        self.answer("list", "add", "hosts_hashed", "Bad.Example")
        self.assertEqual((self.folder / "lists/hosts-hashed.txt").read_text(),
                         hashlib.sha256(b"bad.example").hexdigest() + "\n")

    def test_half_a_digest_is_no_host(self):
        self.start()
        self.assertIn("SHA-256", self.refusal("list", "add", "reported", "ab" * 31))
        self.assertIn("SHA-256", self.refusal("list", "add", "reported", "@"))
        self.assertEqual((self.folder / "lists/reported.txt").read_text(), "")


class Compiled(Base):
    """A list of 12,000 lines is compiled once; what comes of it is kept for the next start."""

    def setUp(self):
        super().setUp()
        self.hosts.write_text("bad.example\n" + "".join(f"host{i}.listed.example\n" for i in range(12000)))

    def counters(self):
        return {name: n for name, n in self.status()["counters"].items() if name.startswith("cache.")}

    def expect(self, found=0, compiled=0, refused=0):
        self.assertEqual(self.counters(), {"cache.found": found, "cache.compiled": compiled, "cache.refused": refused})

    def files(self):
        return sorted((self.folder / "state/cache").iterdir())

    def in_force(self):
        return {row["name"]: row["entries"] for row in self.answer("list")["lists"]}["hosts"]

    def test_the_second_start_compiles_nothing(self):
        self.start()
        self.expect(compiled=1)
        self.assertEqual([f.stat().st_mode & 0o777 for f in self.files()], [0o600])
        self.assertEqual(len(self.heard("part")), 1)
        self.stop()
        self.start()
        self.expect(found=1)
        self.assertEqual(self.in_force(), 12001)
        self.stop()
        # An older list, an older file: nobody asks for it any more.
        self.hosts.write_text(self.hosts.read_text() + "one.more.example\n")
        old = self.files()
        self.start()
        self.expect(compiled=1)
        self.assertEqual(len(self.files()), 1)
        self.assertNotEqual(self.files(), old)

    def test_a_tampered_file_is_refused_and_told(self):
        self.start()
        self.stop()
        path = self.files()[0]
        bytes_ = bytearray(path.read_bytes())
        bytes_[-20] ^= 1
        path.write_bytes(bytes_)
        self.start()
        self.expect(compiled=1, refused=1)
        self.assertEqual(self.in_force(), 12001)
        said = self.stop()
        self.assertEqual(said.count("its sum is wrong"), 1)
        self.start()
        self.expect(found=1)

    def test_edits_stand_beside_what_is_compiled(self):
        self.start()
        self.answer("list", "add", "hosts", "fresh.example")
        self.answer("list", "del", "hosts", "host7.listed.example")
        self.assertEqual(self.in_force(), 12001)
        shown = [row["entry"] for row in self.answer("list", "show", "hosts")["entries"]]
        self.assertIn("fresh.example", shown)
        self.assertNotIn("host7.listed.example", shown)
        # A worker that starts now gets both.
        self.order("die")
        wait(lambda: len(self.heard("born")) == 2 and self.status()["workers"][0]["state"] == "ready")
        self.assertEqual(len(self.heard("part")), 2)
        # By hand, too: what is there already is no change.
        with self.hosts.open("a") as out:
            out.write("by.hand.example\nhost8.listed.example\n")
        wait(lambda: self.in_force() == 12002)
        wait(lambda: self.heard("list")[-1]["add"] == ["by.hand.example"])
        # A reload takes the file as it is.
        self.answer("reload")
        self.assertEqual(self.in_force(), 12002)
        # An edit too large to be made beside it makes it anew, and the next start finds that.
        imported = self.folder / "import.txt"
        imported.write_text("".join(f"import{i}.example\n" for i in range(60000)))
        self.answer("list", "import", "hosts", imported)
        self.assertEqual(self.in_force(), 72002)
        self.stop()
        self.start()
        self.expect(found=1)
        self.assertEqual(self.in_force(), 72002)

    def test_a_rollback_finds_what_was_compiled(self):
        self.start()
        before = self.status()["policy"]
        self.hosts.write_text(self.hosts.read_text() + "one.more.example\n")
        wait(lambda: self.in_force() == 12002)
        self.write_policy("define nothing = 1;\n")
        self.answer("reload", "--confirm", "1h")
        self.answer("list", "del", "hosts", "host9.listed.example")
        self.answer("rollback")
        self.assertEqual(self.in_force(), 12001)
        self.assertNotEqual(self.status()["policy"], before)
        self.assertEqual(self.counters()["cache.refused"], 0)
        shown = [row["entry"] for row in self.answer("list", "show", "hosts")["entries"]]
        self.assertIn("one.more.example", shown)
        self.assertNotIn("host9.listed.example", shown)

    def test_a_start_that_is_refused_writes_nothing(self):
        self.hosts.write_text(self.hosts.read_text() + "not a domain\n")
        done = self.popen()
        self.assertIn("not a domain", done.communicate(timeout=20)[1])
        self.assertFalse((self.folder / "state").exists())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
