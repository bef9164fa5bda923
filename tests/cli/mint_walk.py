#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The daemon and the local authority: a stand-in for the child asks for leaves, in good faith and not. mint_walk.py FOLDER-OF-PROGRAMS"""
import json
import os
import pathlib
import shutil
import signal
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "wire")]
from authority import Errand, new_key, public  # noqa: E402
from daemon_walk import BIN, POLICY, Base, wait  # noqa: E402
from lab import run  # noqa: E402

SERVERS = "service servers { role s2s; listen tcp { 1 }; listen on 127.0.0.1; mode proxy; tls none; upstream 127.0.0.1:9 plain; }\n"
WAITS = """#!/bin/sh
echo $$ > "$(dirname "$0")/out"
while [ ! -e "$(dirname "$0")/go" ]; do sleep 0.02; done
exec "$(dirname "$0")/xmppwall-ca.real"
"""


class Sent(Base):
    def setUp(self):
        super().setUp()
        self.libexec = self.folder / "libexec"
        self.program = self.libexec / "xmppwall-ca"
        shutil.copy(BIN / "xmppwall-ca", self.program)
        shutil.copy(BIN / "xmppwall-ca", self.libexec / "xmppwall-ca.real")
        self.public = public(new_key())
        self.seq = 0

    def authority(self):
        return Errand(BIN, self.folder / "state")

    def replace(self, text):
        """Another program in its place."""
        fresh = self.libexec / "fresh"
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.rename(self.program)

    def restore(self):
        shutil.copy(self.libexec / "xmppwall-ca.real", self.libexec / "fresh")
        (self.libexec / "fresh").rename(self.program)

    def message(self, domain="a.example", **more):
        self.seq += 1
        return {"m": "mint", "seq": self.seq, "domain": domain, "verified": "pkix", "key": self.public, "not_after": 0, **more}

    def mint(self, *arguments, **more):
        self.order(self.message(*arguments, **more))
        return self.seq

    def minted(self, seq):
        return wait(lambda: [m for m in self.heard("minted") if m["seq"] == seq])[0]

    def events(self):
        events = map(json.loads, self.ctl("--json", "events", "-n", "2000").stdout.splitlines())
        return [e["leaf"] for e in events if e["event_type"] == "leaf"]

    def born(self):
        return len(self.heard("born"))

    def test_a_leaf(self):
        authority = self.authority()
        self.start()
        answer = self.minted(self.mint("b\u00fccher.example", verified="dane"))
        self.assertEqual((answer["ok"], answer["chain"]), (True, []))
        self.assertIn("DNS:xn--bcher-kva.example,", run("openssl", "x509", "-noout", "-text", text=answer["leaf"]).stdout)
        self.assertEqual(answer["authority"], json.loads(authority.ctl("show", "--json").stdout)["authority"]["fingerprint"])
        event = self.events()[0]
        self.assertEqual((event["domain"], event["verified"]), ("b\u00fccher.example", "dane"))
        self.assertEqual(f"serial={event['serial']}", run("openssl", "x509", "-noout", "-serial", text=answer["leaf"]).stdout.strip())
        self.assertEqual(self.status()["authority"], {"present": True, "minted": 1, "refused": 0, "waiting": 0, "trouble": ""})
        self.assertIn("event=leaf", self.stop())

    def test_none(self):
        self.write_policy(SERVERS)
        self.start()
        answer = self.minted(self.mint())
        self.assertEqual((answer["ok"], answer["error"]), (False, "no authority"))
        self.assertTrue([line for line in self.status()["attention"] if "service servers has no local authority" in line])
        self.authority()
        wait(lambda: not [line for line in self.status()["attention"] if "authority" in line])
        self.assertTrue(self.minted(self.mint())["ok"])
        self.assertEqual(self.stop().count("event=authority state=none service=servers"), 1)

    def test_off(self):
        self.authority()
        self.write_policy(SERVERS + "federation { authority off; }\n")
        self.start()
        self.assertEqual(self.minted(self.mint())["error"], "no authority")
        self.assertFalse([line for line in self.status()["attention"] if "authority" in line])

    def test_nobody_asks_for_one(self):
        self.start()
        self.assertNotIn("authority", self.status())
        self.assertFalse([line for line in self.status()["attention"] if "authority" in line])

    def test_refused_one_by_one(self):
        self.authority()
        self.start()
        bad = [self.mint("*.example"), self.mint("192.0.2.1"), self.mint(key="rubbish"), self.mint(not_after=1)]
        good = self.mint()
        self.assertTrue(self.minted(good)["ok"])
        for seq in bad:
            self.assertFalse(self.minted(seq)["ok"])
            self.assertTrue(self.minted(seq)["error"])
        self.assertEqual(len(self.events()), 1)

    def test_hundreds_at_once(self):
        """All are answered; what is too much, at once; what waits goes out together."""
        self.authority()
        self.replace(WAITS)
        self.start()
        first = self.mint()
        wait((self.libexec / "out").exists)
        wait(lambda: self.status()["authority"]["waiting"] == 0)
        many = [self.mint(f"d{n}.example") for n in range(256)]
        wait(lambda: self.status()["authority"]["waiting"] == 256)
        late = [self.mint(f"e{n}.example") for n in range(300)]
        for seq in late:
            self.assertEqual(self.minted(seq)["error"], "too many are being minted")
        (self.libexec / "go").touch()
        for seq in [first, *many]:
            self.assertTrue(self.minted(seq)["ok"])
        self.assertEqual(len(self.events()), 257)
        self.assertEqual(self.status()["authority"]["waiting"], 0)

    def test_nonsense_ends_the_child(self):
        self.authority()
        for wrong in ({"domain": ""}, {"domain": 5}, {"domain": "x" * 1024}, {"key": ""}, {"key": "k" * 5000}, {"key": None},
                      {"verified": "none"}, {"verified": "by me"}, {"verified": 1}, {"seq": "1"}, {"not_after": None}, {"not_after": 1.5}):
            self.start()
            born = self.born()
            self.order(self.message(**wrong))
            wait(lambda was=born: self.born() > was, str(wrong))
            self.stop()
        self.assertEqual(self.heard("minted"), [])

    def test_the_child_dies_meanwhile(self):
        """What the one before asked, the next one, whose numbers begin anew, does not hear."""
        self.authority()
        self.replace(WAITS)
        self.start()
        self.mint("old.example")
        wait((self.libexec / "out").exists)
        self.mint("older.example")  # waits, and is dropped
        wait(lambda: self.status()["authority"]["waiting"] == 1)
        self.order("die")
        wait(lambda: self.born() == 2 and self.status()["workers"][0]["state"] == "ready")
        self.seq = 0
        seq = self.mint("new.example")
        (self.libexec / "go").touch()
        answer = self.minted(seq)
        self.assertIn("DNS:new.example", run("openssl", "x509", "-noout", "-text", text=answer["leaf"]).stdout)
        self.assertEqual(len(self.heard("minted")), 1)
        self.assertEqual([e["domain"] for e in self.events()], ["new.example", "old.example"][::-1])

    def test_the_errand_is_killed(self):
        self.authority()
        self.replace(WAITS)
        self.start()
        seq = self.mint()
        pid = int(wait(lambda: (self.libexec / "out").exists() and (self.libexec / "out").read_text()))
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.minted(seq)["error"], "xmppwall-ca ended without a word")
        self.assertTrue([line for line in self.status()["attention"] if "signs nothing" in line])
        self.restore()
        self.assertTrue(self.minted(self.mint())["ok"])
        self.assertFalse([line for line in self.status()["attention"] if "signs nothing" in line])

    def test_a_program_that_lies(self):
        self.authority()
        self.start()
        leaf = json.dumps({"leaf": "x", "serial": 5, "until": "never"})
        for text in ("{}", "[]", "5", "no", json.dumps({"leaves": []}), json.dumps({"leaves": [{}, {}], "chain": [], "authority": "A"}),
                     json.dumps({"leaves": [{}], "chain": 1, "authority": "A"}), json.dumps({"leaves": [{}], "chain": []}),
                     json.dumps({"error": "e" * 5000}), "x" * (3 << 20), f'{{"leaves":[{leaf}],"chain":[],"authority":""}}'):
            (self.libexec / "answer").write_text(text)
            self.replace('#!/bin/sh\nexec cat "$(dirname "$0")/answer"\n')
            answer = self.minted(self.mint())
            self.assertFalse(answer["ok"], text[:60])
            self.assertLess(len(answer["error"]), 256)
        self.assertEqual(self.events(), [])
        self.restore()
        self.assertTrue(self.minted(self.mint())["ok"])

    def test_a_program_that_is_not_there_or_hangs(self):
        self.authority()
        self.start()
        self.program.unlink()
        self.assertIn("cannot start", self.minted(self.mint())["error"])
        self.replace("#!/bin/sh\nexec sleep 100\n")
        self.assertEqual(self.minted(self.mint())["error"], "it took longer than its timeout")
        self.restore()
        self.assertTrue(self.minted(self.mint())["ok"])

    def test_another_authority_is_told(self):
        """Also while one is being asked: behind its answers."""
        authority = self.authority()
        self.start()
        self.assertTrue(self.minted(self.mint())["ok"])
        before = len(self.heard())
        authority.ctl("rotate")
        wait(lambda: self.heard("authority"))
        self.assertEqual([m["m"] for m in self.heard()[before:]], ["authority"])
        self.replace(WAITS)
        seq = self.mint()
        wait((self.libexec / "out").exists)
        before = len(self.heard())
        authority.ctl("rotate")
        (self.libexec / "go").touch()
        self.minted(seq)
        wait(lambda: [m["m"] for m in self.heard()[before:]][-1] == "authority")

    def test_a_folder_that_others_write_to(self):
        self.authority()
        (self.folder / "state/ca").chmod(0o777)
        self.start()
        self.assertIn("others may write", self.minted(self.mint())["error"])

    def test_it_ends_while_one_is_out(self):
        self.authority()
        self.replace(WAITS)
        self.start()
        self.mint()
        wait((self.libexec / "out").exists)
        self.mint()
        self.stop()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
