#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmppwallctl import: scripts beside what becomes of them, and scripts that mean no good. import_walk.py PROGRAM [--write]"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
FOLDER = pathlib.Path(__file__).resolve().parent / "import"
WRITE = "--write" in sys.argv


def run(*arguments, text="", folder=FOLDER):
    return subprocess.run([PROGRAM, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=100, cwd=folder)


class Samples(unittest.TestCase):
    maxDiff = None

    def sample(self, name, status, *options):
        done = run("import", "mod_firewall", f"{name}.pfw", *options)
        for suffix, got in ((".rules", done.stdout), (".said", done.stderr)):
            path = FOLDER / (name + suffix)
            if WRITE:
                path.write_text(got)
            self.assertEqual(path.read_text(), got)
        self.assertEqual(done.returncode, status)
        checked = run("check", f"{name}.rules")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        printed = run("print", f"{name}.rules")
        self.assertEqual(printed.returncode, 0, printed.stderr)

    def test_all_turned(self):
        self.sample("club", 0)

    def test_left(self):
        self.sample("left", 1)

    def test_options(self):
        self.sample("roster", 0, "--stranger", "--local", "example.org,example.net")

    def test_no_text(self):
        self.sample("binary", 1)

    def test_verdicts(self):
        for stanza, direction, verdict, rule in (
                ("<message from='bot-07@x.club.example'/>", "out", "accept", "line_47"),
                ("<message from='bot-7@x.club.example'/>", "out", "accept", ""),
                ("<message from='bot-07@club.example'/>", "out", "accept", ""),
                ("<message from='a@evil.example'/>", "out", "reject", "line_35"),
                ("<message from='a@b.example'><body>so darn bad</body>"
                 "<x xmlns='jabber:x:oob'><url>http://b.example/x.exe</url></x></message>", "out", "reject", "line_62"),
                ("<message from='a@b.example'><body>darned</body></message>", "out", "accept", ""),
                ("<message type='chat'><body>" + "a\n" * 10 + "</body></message>", "in", "reject", "line_18"),
                ("<message type='chat'><body>" + "a\n" * 9 + "</body></message>", "in", "accept", ""),
                ("<message to='q@club.example'/>", "in", "drop", "line_22"),
                ("<message to='club.example'/>", "in", "accept", "")):
            with self.subTest(stanza):
                done = run("judge", "--json", "--rules", "club.rules", "--direction", direction, text=stanza)
                got = json.loads(done.stdout)
                self.assertEqual((got["verdict"], got["rule"]), (verdict, rule), done.stderr)


class Command(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def turn(self, script, *options):
        (self.path / "x.pfw").write_bytes(script if isinstance(script, bytes) else script.encode())
        return run("import", "mod_firewall", "x.pfw", *options, folder=self.path)

    def test_usage(self):
        for arguments in ((), ("mod_firewall",), ("iptables", "x"), ("mod_firewall", "x", "y"), ("mod_firewall", "--frob", "x"),
                          ("mod_firewall", "x", "-o")):
            self.assertEqual(run("import", *arguments).returncode, 2, arguments)
        done = run("import", "mod_firewall", "nowhere.pfw")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nowhere.pfw", done.stderr)

    def test_file(self):
        self.assertEqual(self.turn("::preroute\nDROP.\n", "-o", "y.rules").returncode, 0)
        self.assertIn("drop", (self.path / "y.rules").read_text())
        self.assertEqual(os.stat(self.path / "y.rules").st_mode & 0o777, 0o644)
        self.assertEqual(sorted(os.listdir(self.path)), ["x.pfw", "y.rules"])
        self.assertEqual(self.turn("DROP.\n", "-o", "no/where.rules").returncode, 1)

    def test_json(self):
        done = self.turn("SUBSCRIBED?\nPASS.\n", "--json")
        answer = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1)
        self.assertEqual((answer["ok"], answer["checked"], answer["left"], answer["rules"]), (False, True, 1, 0))
        self.assertEqual((answer["diagnostics"][0]["line"], answer["diagnostics"][0]["severity"]), (1, "error"))
        self.assertIn("SUBSCRIBED?", answer["text"])

    def test_circles_are_told(self):
        done = self.turn("::user/a\nJUMP CHAIN=user/b\n::user/b\nJUMP CHAIN=user/a\n\n::user/b\n\nJUMP CHAIN=user/a\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not pass check", done.stderr)

    def test_hostile(self):
        """Ends, says something, and makes nothing that does not parse."""
        for script in (b"", b"\n" * 100000, b"\xff" * 100000, b"\x00" * 5000, b"KIND: " + b"message," * 200000 + b"\nDROP.\n",
                       b"\\\n" * 50000, b"INSPECT: body#~=" + b"(" * 16000 + b"\nDROP.\n",
                       b"INSPECT: body#~=" + b"[a-" * 5000 + b"\nDROP.\n", b"FROM: <<" + b"%w*" * 500 + b">>@x\nDROP.\n",
                       b"%PATTERN p: .-\n%SEARCH s: body#\nCOUNT: p in s > 99999999999999999999\nDROP.\n",
                       b"%RATE r: 99999999999999999999\nLIMIT: r\nDROP.\n", b"%RATE r: .\nLIMIT: r\nDROP.\n",
                       b"::user/" + b"x" * 100000 + b"\nPASS.\n", b'::user/a"b\nPASS.\n', b"BOUNCE=gone (" + b'"' * 5000 + b")\n",
                       b"PAYLOAD: \"} drop; chain x {\nDROP.\n", b"# }\n# chain x { rule y { drop } }\nPASS.\n",
                       b"STRIP=x {}\n", b"SUBSCRIBED?\nDROP.\n\n" * 3000):
            with self.subTest(script[:40]):
                done = self.turn(script)
                self.assertIn(done.returncode, (0, 1), done.stderr[-500:])
                self.assertNotIn("syntax", done.stderr)
                (self.path / "y.rules").write_text(done.stdout)
                checked = run("check", "y.rules", folder=self.path)
                self.assertEqual(checked.returncode, 0, checked.stderr[:2000])

    def test_too_large(self):
        self.assertEqual(self.turn(b"#" * ((8 << 20) + 1)).returncode, 1)
        self.assertEqual(self.turn(b"".join(b"::user/c%d\nPASS.\n\n" % n for n in range(5000))).returncode, 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=1)
