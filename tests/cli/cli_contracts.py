#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The contracts of xmppwallctl that need no daemon: exit statuses, JSON keys, messages. cli_contracts.py PROGRAM"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
POLICY = """
set bad_hosts { type domain; flags suffix; elements = { "bad.example" }; }
set words { type keyword; flags fold; elements = { "casino bonus" }; }
chain inbound {
    hook c2s direction in; policy accept;
    rule phishing { message url.host in @bad_hosts reject policy-violation "link blocked", strike 3 }
    rule spam { message text contains @words drop, strike 1, log }
}
expect "known phishing host" {
    from "a@evil.example/x" to "b@local.example"
    stanza "<message type='chat'><body>see http://login.bad.example/</body></message>"
    verdict reject policy-violation by phishing
}
"""


def run(*arguments, text=""):
    return subprocess.run([PROGRAM, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=30)


class Contracts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.policy = pathlib.Path(self.folder.name, "edge.rules")
        self.policy.write_text(POLICY)

    def tearDown(self):
        self.folder.cleanup()

    def judge(self, stanzas, *more):
        return run("judge", "--rules", self.policy, *more, text=stanzas)

    def test_judge_failed_logins(self):
        """--service login: each <failure/> is one more attempt; the database's own trouble does not count."""
        self.policy.write_text("chain l { hook login; rule who { login.account is juliet@x.example login.failures.peer > 1 close } }\n")
        done = self.judge("<failure><temporary-auth-failure/></failure><failure/><failure/>", "--service", "login",
                          "--jid", "Juliet@x.example/r")
        lines = done.stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["accept", "accept", "close"])
        self.assertIn("by l/who", lines[2])

    def test_judge_remote_server(self):
        self.policy.write_text("chain s { hook s2s; rule new { remote.domain is a.example remote.verified is dialback remote.first_seen < 1d drop } }\n")
        server = ("--service", "s2s", "--remote", "A.example", "--verified", "dialback")
        for more, verdict in (((), "drop"), (("--seen", "23h"), "drop"), (("--seen", "25h"), "accept"),
                              (("--seen", "25h", "--at", "2026-11-21T08:30:00Z"), "accept")):
            with self.subTest(more):
                self.assertEqual(self.judge("<message/>", *server, *more).stdout.split()[0], verdict)
        for wrong in (("--seen", "3d"), ("--verified", "pkix"), ("--remote", "a@b"), (*server[2:4], "--verified", "trust"),
                      (*server[2:4], "--seen", "soon"), (*server[2:4], "--seen", "99999d")):
            with self.subTest(wrong):
                self.assertEqual(self.judge("<message/>", *wrong).returncode, 2)

    def strict_policy(self, profile):
        """A service that forwards by this profile, beside the policy."""
        pathlib.Path(self.folder.name, "t.profile").write_text(profile)
        self.policy.write_text('service c2s { listen tcp 5222; tls none; intercept none; upstream 127.0.0.1:1 plain;'
                               ' forward strict "t.profile" direction in; }\n' + POLICY)

    def test_judge_shows_what_crosses(self):
        self.strict_policy("profile t { message chat { element body { text max 9; } } }")
        done = self.judge("<message type='chat' a='1'><body>x</body><y xmlns='urn:\u202e\u009b'/></message><message/>")
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0].split()[0], "accept")
        self.assertIn("  removed attribute message@a", lines)
        self.assertIn('  crosses <message type="chat"><body>x</body></message>', lines)
        self.assertTrue(any(line.startswith("reject policy-violation by profile/strict") for line in lines), lines)
        self.assertIn("  refused type message", lines)
        self.assertNotIn("\u202e", done.stdout)
        self.assertNotIn("\u009b", done.stdout)
        out = self.judge("<message a='1'/>", "--direction", "out")
        self.assertEqual(len(out.stdout.splitlines()), 1)

    def test_judge_json_of_what_crosses(self):
        self.strict_policy("profile t { message chat { element body { text max 9; } } }")
        first, second = (json.loads(line) for line in self.judge(
            "<message type='chat'><body>x</body><y/></message><message type='chat'><body>x</body></message>", "--json").stdout.splitlines())
        self.assertEqual(first["strict"], {"result": "changed", "profile": "t", "removed": [{"reason": "element", "path": "message/y"}]})
        self.assertEqual(first["crosses"], '<message type="chat"><body>x</body></message>')
        self.assertEqual(second["strict"], {"result": "same", "profile": "t"})

    def test_profiles_are_checked_and_printed(self):
        path = pathlib.Path(self.folder.name, "t.profile")
        path.write_text("profile t{message chat{}}")
        done = run("check", path)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, f"{path}: ok, profiles: t"))
        self.assertEqual(run("print", path).stdout, "profile t {\n    message chat { }\n}\n")
        path.write_text("profile t { mesage chat { } }")
        done = run("check", "--json", path)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["diagnostics"][0]["hint"], "did you mean 'message'?")
        self.strict_policy("profile t {")
        self.assertEqual(run("check", self.policy).returncode, 1)

    def test_no_command_is_wrong_usage(self):
        self.assertEqual(run().returncode, 2)

    def test_help_and_version_are_done(self):
        self.assertEqual(run("--help").returncode, 0)
        self.assertIn("judge", run("--help").stdout)
        self.assertEqual(run("--version").returncode, 0)
        self.assertIn("NAME ENTRY", run("list", "add", "--help").stdout)

    def test_unknown_command_and_option(self):
        self.assertEqual(run("frobnicate").returncode, 2)
        self.assertEqual(run("status", "--frobnicate").returncode, 2)
        self.assertEqual(run("ban").returncode, 2)
        self.assertEqual(run("ban", "192.0.2.1", "--for", "soon").returncode, 2)
        self.assertEqual(run("list", "frobnicate").returncode, 2)

    def test_limit_words(self):
        for words in ([], ["x"], ["x", "rate"], ["x", "rate", "20"], ["x", "rate", "0/second"], ["x", "rate", "2/second", "burst"],
                      ["x", "rate", "2/second", "burst", "0"], ["x", "rate", "2/second", "burst", "-1"],
                      ["x", "rate", "2/fortnight"], ["x", "rate", "2/0s"], ["x", "rate", "99999999999/s"],
                      ["x", "default", "now"], ["x", "rate", "2/s", "rate", "3/s"], ["x", "--frobnicate"]):
            with self.subTest(words):
                self.assertEqual(run("limit", "set", *words).returncode, 2)
        for words in ([], ["x", "y"], ["x", "--for", "95"], ["x", "--for", "0%"], ["x", "--for", "101%"], ["x", "--for", "most"]):
            with self.subTest(words):
                self.assertEqual(run("limit", "suggest", *words).returncode, 2)
        for words in (["x", "rate", "20/second"], ["x", "5/10m", "burst", "9"], ["x", "default"], ["x", "rate", "7/m"]):
            with self.subTest(words):
                self.assertEqual(run("--run-dir", self.folder.name, "limit", "set", *words).returncode, 3)

    def simulate(self, text, *words):
        done = run("limit", "simulate", "chatter", *words, "--from", "-", "--json", text=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_simulate_lines(self):
        lines = "# time and key\n" + "".join(f"{100 + i / 10:.1f} loud\n{100 + i:d} calm one\n" for i in range(50)) + "\nnonsense\nx y\n"
        found = self.simulate(lines, "rate", "2/second", "burst", "10")
        # 50 in 5 s: 10 at once, two more each second (the first comes at once, too)
        self.assertEqual((found["events"], found["peers"], found["hit"], found["skipped"]), (100, 2, 1, 2))
        self.assertEqual(found["top"], [{"key": "loud", "events": 50, "limited": 50 - 19}])
        self.assertEqual((found["rate"], found["burst"], found["share"], found["name"]), ("2/second", 10, 0.5, "chatter"))
        self.assertEqual((found["from"], found["until"]), (100000, 149000))
        self.assertEqual(sum(row["peers"] for row in found["histogram"]), 2)
        self.assertEqual(self.simulate(lines, "20/second")["hit"], 0)
        self.assertEqual(self.simulate("", "20/second")["peers"], 0)
        stamps = "2026-11-21T06:30:00.5Z a\n2026-11-21T07:30:00.75+01:00 a\n2026-11-21T06:30:00.999999+0000 a\n2026-11-21T06:30:01 a\n"
        found = self.simulate(stamps, "4/second", "burst", "1")
        self.assertEqual((found["events"], found["limited"], found["until"] - found["from"]), (4, 1, 500))
        text = run("limit", "simulate", "x", "2/second", "burst", "10", "--from", "-", text=lines).stdout
        self.assertIn("would have hit 1 peers (50%) and limited 31 events", text)
        self.assertIn("####", text)

    def test_simulate_bytes_and_values(self):
        """A limit that counts bytes or distinct values is tried as it counts."""
        self.policy.write_text(POLICY + "limit chatter { rate 1k/s; count size; key from.bare; }")
        rules = ("--rules", str(self.policy))
        events = "".join(json.dumps({"timestamp": f"2026-11-21T06:30:{i:02d}.000000+0000", "event_type": "alert",
                                     "xmpp": {"from": "a@b.example/x", "to": f"v{i % 3}@c.example", "size": 2000}}) + "\n" for i in range(5))
        found = self.simulate(events, "1k/second", "burst", "4k", *rules)
        self.assertEqual((found["rate"], found["burst"], found["events"], found["limited"]), ("1k/second", 4096, 10000, 2000))
        found = self.simulate("1790000000*5000 a\n1790000001*100 a\n1790000002*0 b\n1790000003 c\n", "1k/second", "burst", "4k")
        self.assertEqual((found["events"], found["limited"], found["peers"], found["skipped"]), (5101, 5000, 2, 1))
        self.policy.write_text(POLICY + "limit chatter { rate 2/hour; distinct to.bare; key from.bare; }")
        found = self.simulate(events, "2/hour", *rules)
        self.assertEqual((found["events"], found["limited"]), (3, 1))
        self.policy.write_text(POLICY + "limit chatter { rate 2/hour; distinct url.host; key from.bare; }")
        done = run("limit", "simulate", "chatter", "2/hour", "--from", "-", *rules, text=events)
        self.assertEqual((done.returncode, "events do not tell 'url.host'" in done.stderr), (1, True), done.stderr)

    def test_simulate_events(self):
        def event(second, ip="192.0.2.1", jid="a@b.example/x", more=None, **xmpp):
            return json.dumps({"timestamp": f"2026-11-21T06:30:{second:02d}.000000+0000", "event_type": "alert", "src_ip": ip,
                               "xmpp": {"direction": "in", "jid": jid, **xmpp}, **(more or {})}) + "\n"
        events = "".join(event(i, **{"from": "A@B.example/other"}, to=f"v{i % 2}@c.example") for i in range(10))
        events += "".join(event(i, ip=f"2001:db8::{i}", jid="z@b.example/y", to="v@c.example") for i in range(10))
        events += event(1, more={"event_type": "ban"}) + "{broken\n" + json.dumps({"event_type": "alert"}) + "\n"
        self.policy.write_text(POLICY + "limit chatter { rate 1/s; key from.bare, to.domain; }")
        found = self.simulate(events, "rate", "1/minute", "burst", "3", "--rules", str(self.policy))
        self.assertEqual((found["events"], found["peers"], found["hit"], found["skipped"]), (20, 2, 2, 3))
        self.assertEqual(found["top"], [{"key": "a@b.example, c.example", "events": 10, "limited": 7},
                                        {"key": "z@b.example, c.example", "events": 10, "limited": 7}])
        # addresses as limits count them: a /64 is one
        found = self.simulate(events, "1/minute", "burst", "3", "--key", "peer.address")
        self.assertEqual([row["key"] for row in found["top"]], ["192.0.2.1", "2001:db8::/64"])
        self.assertEqual(self.simulate(events, "1/minute", "--key", "to.bare")["peers"], 3)
        for words, status in ((["chatter", "1/s"], 2), (["chatter", "--from", "-"], 2), (["--from", "-"], 2),
                              (["chatter", "1/s", "--from", "-", "--key", "body"], 2),
                              (["nosuch", "1/s", "--from", "-", "--rules", str(self.policy)], 1),
                              (["chatter", "1/s", "--from", "/nowhere/x"], 1),
                              (["chatter", "1/s", "--from", "-", "--rules", "/nowhere/x"], 1)):
            with self.subTest(words):
                self.assertEqual(run("limit", "simulate", *words, text=events).returncode, status)
        self.policy.write_text(POLICY + "limit chatter { rate 1/s; key body; }")
        done = run("limit", "simulate", "chatter", "1/s", "--from", "-", "--rules", str(self.policy), text=events)
        self.assertEqual(done.returncode, 1)
        self.assertIn("events do not tell 'body'", done.stderr)

    def test_no_daemon_is_three(self):
        for command in (["status"], ["sessions"], ["rules"], ["events"], ["list"], ["list", "show", "x"], ["bans"],
                        ["ban", "192.0.2.1"], ["unban", "192.0.2.1"], ["lockdown", "show"], ["reload"], ["reload", "--shadow"], ["confirm"], ["rollback"], ["trace", "--jid", "x"], ["list", "show", "x", "--hits"],
                        ["explain", "x"], ["events", "-f"]):
            with self.subTest(command):
                done = run("--run-dir", self.folder.name, *command)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("control.sock", done.stderr)

    def test_check(self):
        done = run("check", self.policy)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("2 rules, 1 expectations held", done.stdout)

    def test_check_shows_line_column_caret_and_hint(self):
        self.policy.write_text(POLICY.replace("message text contains", "message.boddy contains"))
        done = run("check", self.policy)
        self.assertEqual(done.returncode, 1)
        self.assertIn("unknown field 'message.boddy'", done.stderr)
        self.assertIn("^^^^^^^^^^^^^ did you mean 'message.body'?", done.stderr)
        keys = json.loads(run("check", "--json", self.policy).stdout)
        self.assertEqual((keys["ok"], keys["errors"]), (False, 1))
        self.assertEqual(keys["diagnostics"][0]["line"], 7)

    def test_a_failing_expectation_fails_the_check(self):
        self.policy.write_text(POLICY.replace("verdict reject policy-violation by phishing", "verdict accept"))
        done = run("check", self.policy)
        self.assertEqual(done.returncode, 1)
        self.assertIn("phishing", done.stderr)

    def test_check_names_a_missing_file(self):
        done = run("check", self.policy.with_name("none.rules"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("none.rules", done.stderr)

    def test_print_is_a_fixed_point(self):
        once = run("print", self.policy)
        self.assertEqual(once.returncode, 0, once.stderr)
        self.policy.write_text(once.stdout)
        self.assertEqual(run("print", self.policy).stdout, once.stdout)

    def test_judge_json_keys(self):
        done = self.judge("<message><body>http://login.bad.example/</body></message>", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        verdict = json.loads(done.stdout)
        for key, value in (("verdict", "reject"), ("condition", "policy-violation"), ("rule", "phishing"),
                           ("chain", "inbound")):
            self.assertEqual(verdict[key], value)
        self.assertEqual(verdict["matches"][0]["field"], "url.host")
        self.assertEqual(verdict["matches"][0]["entry"], "bad.example")
        self.assertEqual(verdict["matches"][0]["text"], "login.bad.example")
        self.assertTrue(verdict["id"])

    def test_judge_sees_through_disguise(self):
        for body in ("casino bonus", "CASINO BONUS", "ｃａｓｉｎｏ bonus", "cas\u200dino bonus", "c\u0430sino bonus",
                     "&#99;asino bonus", "<![CDATA[cas]]>ino bonus"):
            with self.subTest(body):
                done = self.judge(f"<message><body>a {body} b</body></message>", "--json")
                self.assertEqual(json.loads(done.stdout)["verdict"], "drop")
        done = self.judge("<message><body>occasino bonuses</body></message>", "--json")
        self.assertEqual(json.loads(done.stdout)["verdict"], "accept")

    def test_judge_one_line_a_stanza(self):
        done = self.judge("<presence/><iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq><message/>")
        self.assertEqual(len(done.stdout.splitlines()), 3)

    def test_judge_says_what_is_wrong_with_the_input(self):
        for bad, reason in (("<message><!-- x --></message>", "restricted-xml"), ("<message>", "inside stanza"),
                            ("<message></presence>", "not-well-formed"), ("<message>&x;</message>", "")):
            with self.subTest(bad):
                done = self.judge(bad)
                self.assertEqual(done.returncode, 1)
                self.assertIn(reason, done.stderr)

    def test_judge_trace(self):
        stanza = "<message><body>http://login.bad.example/ &#x9b;31m</body></message>"
        verdict = json.loads(self.judge(stanza, "--json", "--trace").stdout)
        last = verdict["trace"][-1]
        self.assertEqual((last["chain"], last["rule"], last["held"]), ("inbound", "phishing", True))
        test = last["tests"][-1]
        self.assertEqual((test["values"], test["entry"]), (["login.bad.example"], "bad.example"))
        self.assertEqual(verdict["rule"], "phishing")
        self.assertNotIn("trace", json.loads(self.judge(stanza, "--json").stdout))
        # What a person wrote is shown to whoever asks for it, and never steers the terminal.
        plain = self.judge("<message><body>private &#x9b;31m words</body></message>", "--trace")
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertNotIn("private", plain.stdout)
        self.assertIn("inbound: policy accept", plain.stdout)
        shown = self.judge("<message><body>private &#x9b;31m words</body></message>", "--trace", "--bodies")
        self.assertIn("private", shown.stdout)
        self.assertNotIn("\x9b", shown.stdout)
        # A stanza of many links makes a line with an end.
        many = " ".join(f"http://h{n}.example/" for n in range(200))
        verdict = json.loads(self.judge(f"<message><body>{many}</body></message>", "--json", "--trace").stdout)
        for step in verdict["trace"]:
            for test in step.get("tests", []):
                self.assertLessEqual(len(test["values"]), 4)

    def test_judge_trace_counts_what_is_similar(self):
        self.policy.write_text("similar same { senders 2; words 3; text body; }\n"
                               "chain c { hook c2s; rule bulk { similar same exceeded drop } }\n")
        lines = "".join(f"<message from='{who}@x.example' to='b@y.example'><body>{text}</body></message>"
                        for who, text in (("a", "buy these wonderful things now"),
                                          ("c", "buy these wonderful things now"), ("c", "hi")))
        # Senders are told apart by one of 64 places, under a key of each process's own: two may share one.
        tries = [[json.loads(line)["trace"][0]["tests"][0]["values"]
                  for line in self.judge(lines, "--json", "--trace").stdout.splitlines()] for _ in range(6)]
        self.assertIn([["1", "1"], ["2", "1"], []], tries)
        self.assertTrue(all(t in ([["1", "1"], ["2", "1"], []], [["1", "1"], ["1", "1"], []]) for t in tries), tries)

    def test_first_words(self):
        asked, alone, nonsense = run("ca", "--help"), run("ca"), run("caa", "--help")
        self.assertEqual((asked.returncode, alone.returncode, nonsense.returncode), (0, 2, 2))
        for text in (asked.stdout, alone.stderr):
            self.assertIn("xmppwallctl ca init\n", text)
            self.assertIn("xmppwallctl ca export", text)
            self.assertNotIn("capture", text)
        self.assertIn("unknown command 'caa'", nonsense.stderr)

    def test_judge_usage(self):
        self.assertEqual(run("judge").returncode, 2)
        self.assertEqual(self.judge("", "--peer", "nonsense").returncode, 2)
        self.assertEqual(self.judge("", "--direction", "up").returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=1)
