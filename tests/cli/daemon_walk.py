#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The real daemon, without the kernel and with a stand-in for its child, walked through all commands.
daemon_walk.py FOLDER-OF-PROGRAMS"""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BIN = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
HERE = pathlib.Path(__file__).resolve().parent
DEADLINE = 20
POLICY = """
service c2s {
    listen tcp { PORT };
    listen on 127.0.0.1;
    mode proxy; tls none;
    upstream 127.0.0.1:9 plain;
}
daemon { threads 2; }
set hosts { type domain; flags suffix; file "lists/hosts.txt"; }
set words { type keyword; flags fold; file "lists/words.txt"; }
set nets { type address; elements = { 192.0.2.0/24 }; }
limit chatter { rate 20/second; burst 60; key from.bare; }
chain inbound {
    hook c2s; policy accept;
    rule links { message url.host in @hosts reject policy-violation "link", strike 3 }
    rule spam { message text contains @words drop }
    rule flood { limit chatter exceeded reject resource-constraint }
}
punish peer { 5 strikes within 10m; ban 1h; escalate x2 to 7d; spare shared; }
expect "bad link" {
    from "a@evil.example/x" to "b@a.example"
    stanza "<message type='chat'><body>see http://login.bad.example/</body></message>"
    verdict reject policy-violation by links
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(what, message="it did not happen in time"):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        result = what()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(message)


class Base(unittest.TestCase):
    policy = POLICY

    def setUp(self):
        self.temp = tempfile.TemporaryDirectory(prefix="xmppwall-walk-")
        self.folder = pathlib.Path(self.temp.name)
        (self.folder / "lists").mkdir()
        (self.folder / "libexec").mkdir()
        self.hosts = self.folder / "lists/hosts.txt"
        self.hosts.write_text("bad.example\nold.example until 2030-01-01T00:00:00Z # a feed\n# a remark\n")
        (self.folder / "lists/words.txt").write_text("casino bonus\n")
        shutil.copy(HERE / "fake_worker.py", self.folder / "libexec/xmppwall-proxy")
        os.chmod(self.folder / "libexec/xmppwall-proxy", 0o755)
        os.mkfifo(self.folder / "libexec/orders")
        self.orders = os.open(self.folder / "libexec/orders", os.O_RDWR)
        self.port = free_port()
        self.config = self.folder / "wall.conf"
        self.write_policy()
        self.daemon = None
        self.environment = None

    def tearDown(self):
        if self.daemon and self.daemon.poll() is None:
            self.stop()
        os.close(self.orders)
        self.temp.cleanup()

    def write_policy(self, more="", policy=None):
        self.config.write_text((policy or self.policy).replace("PORT", str(self.port)) + more)

    def paths(self):
        return ["--config", self.config, "--state-dir", self.folder / "state", "--run-dir", self.folder / "run",
                "--log-dir", self.folder / "log"]

    def popen(self, *more, firewall=False):
        return subprocess.Popen([BIN / "xmppwalld", *self.paths(), "--libexec-dir", self.folder / "libexec",
                                 *([] if firewall else ["--no-firewall"]), *more], env=self.environment, stderr=subprocess.PIPE, text=True)

    def start(self, ready=True):
        self.daemon = self.popen()
        wait(lambda: self.ctl("status").returncode == 0 or self.daemon.poll() is not None)
        self.assertIsNone(self.daemon.poll())
        if ready:
            wait(lambda: self.status()["workers"][0]["state"] == "ready", "the worker did not get ready")

    def stop(self):
        self.daemon.terminate()
        _, text = self.daemon.communicate(timeout=DEADLINE)
        self.assertEqual(self.daemon.returncode, 0, text)
        return text

    def kill(self):
        self.daemon.kill()
        self.daemon.communicate(timeout=DEADLINE)

    def ctl(self, *words, text=""):
        return subprocess.run([BIN / "xmppwallctl", "--run-dir", self.folder / "run", *map(str, words)], input=text,
                              capture_output=True, text=True, timeout=DEADLINE)

    def answer(self, *words, text=""):
        done = self.ctl("--json", *words, text=text)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return json.loads(done.stdout)

    def refusal(self, *words, status=1):
        done = self.ctl(*words)
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout} {done.stderr}")
        return done.stderr

    def status(self):
        return self.answer("status")

    def order(self, line):
        os.write(self.orders, (line if isinstance(line, str) else json.dumps(line)).encode() + b"\n")

    def heard(self, kind=None):
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "libexec/heard.json").read_text().splitlines()
            return [m for m in map(json.loads, lines) if kind in (None, m["m"])]
        return []

    def request(self, line):
        """One raw line to the control socket, one line back."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(str(self.folder / "run/control.sock"))
            s.sendall(line + b"\n")
            with s.makefile() as lines:
                return json.loads(lines.readline())

    def entries(self, name="hosts"):
        return [e["entry"] for e in self.answer("list", "show", name)["entries"]]

    def event(self, identity="k7f3-9q2m-04", address="192.0.2.7", **act):
        event = {"timestamp": "2026-11-21T06:30:00.123456+0000", "event_type": "alert", "src_ip": address,
                 "xmpp": {"id": identity, "verdict": "reject", "rule": "links"}}
        message = {"m": "event", "event": event}
        if act:
            message["act"] = {"address": address, "rule": "links", "chain": "inbound", "id": identity, **act}
        return message

    def run_daemon(self, *words):
        return subprocess.run([BIN / "xmppwalld", *map(str, words)], capture_output=True, text=True, timeout=DEADLINE)


class Walk(Base):
    # ---- the daemon's own command line ----

    def test_usage_help_version_check(self):
        self.assertEqual(self.run_daemon("--frobnicate").returncode, 2)
        self.assertEqual(self.run_daemon("--config").returncode, 2)
        self.assertEqual(self.run_daemon("word").returncode, 2)
        self.assertEqual(self.run_daemon("--help").returncode, 0)
        self.assertEqual(self.run_daemon("--version").returncode, 0)
        self.assertEqual(self.run_daemon("--check", "--config", self.config).returncode, 0)
        self.assertFalse((self.folder / "state").exists())

    def test_bad_configuration_is_one_and_nothing_changes(self):
        self.write_policy("chain x { frobnicate }")
        for more in (["--check"], ["--no-firewall"]):
            done = self.run_daemon(*self.paths(), *more)
            self.assertEqual(done.returncode, 1)
            self.assertIn("wall.conf:", done.stderr)
            self.assertIn("^", done.stderr)
        self.assertFalse((self.folder / "state").exists())
        self.assertFalse((self.folder / "run").exists())

    def test_missing_configuration(self):
        self.config.unlink()
        done = self.run_daemon(*self.paths(), "--no-firewall")
        self.assertEqual(done.returncode, 1)
        self.assertIn("wall.conf", done.stderr)

    def test_failed_expectation_does_not_start(self):
        self.hosts.write_text("other.example\n")
        done = self.run_daemon(*self.paths(), "--no-firewall")
        self.assertEqual(done.returncode, 1)
        self.assertIn("expected reject policy-violation by links", done.stderr)

    def test_port_in_use_is_named(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", self.port))
            s.listen()
            done = self.run_daemon(*self.paths(), "--no-firewall", "--libexec-dir", self.folder / "libexec")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"127.0.0.1:{self.port}", done.stderr)
        self.assertIn("ss -ltnp", done.stderr)

    def test_two_daemons_do_not_share(self):
        self.start()
        other = self.popen()
        _, text = other.communicate(timeout=DEADLINE)
        self.assertEqual(other.returncode, 1)
        self.assertIn(f"pid {self.daemon.pid}", text)
        self.assertEqual(self.ctl("status").returncode, 0)

    # ---- status and children ----

    def test_status_says_what_runs(self):
        self.start()
        status = self.status()
        for key in ("version", "policy", "since", "uptime_ms", "services", "workers", "firewall", "counters", "bans",
                    "attention"):
            self.assertIn(key, status)
        self.assertEqual(status["services"][0]["ports"], [self.port])
        self.assertEqual(status["workers"][0]["sandbox"], "none, a test")
        self.assertFalse(status["firewall"]["loaded"])
        self.assertTrue(any("--no-firewall" in line for line in status["attention"]))
        listens = self.heard("listen")
        self.assertEqual([(m["service"], m["address"], m["port"], m["thread"]) for m in listens],
                         [("c2s", "127.0.0.1", self.port, 0), ("c2s", "127.0.0.1", self.port, 1)])
        self.assertEqual([m["m"] for m in self.heard()][:6], ["born", "policy", "limits", "listen", "listen", "streams"])
        self.assertEqual(self.heard("policy")[0]["path"], str(self.config))

    def test_missing_child_is_a_line_of_attention(self):
        (self.folder / "libexec/xmppwall-proxy").unlink()
        self.start(ready=False)
        wait(lambda: any("xmppwall-proxy" in line for line in self.status()["attention"]))
        shutil.copy(HERE / "fake_worker.py", self.folder / "libexec/xmppwall-proxy")
        os.chmod(self.folder / "libexec/xmppwall-proxy", 0o755)
        wait(lambda: self.status()["workers"][0]["state"] == "ready")

    def test_dead_child_is_started_with_the_present_policy_while_the_port_stays_open(self):
        self.start()
        self.answer("list", "add", "hosts", "late.example")
        self.order("die")
        wait(lambda: len(self.heard("born")) == 2 and self.status()["workers"][0]["state"] == "ready")
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE):
            pass
        self.assertEqual(self.status()["workers"][0]["restarts"], 1)

    def test_child_that_speaks_nonsense_is_replaced(self):
        self.start()
        self.order({"m": "frobnicate"})
        wait(lambda: len(self.heard("born")) == 2)
        wait(lambda: self.status()["workers"][0]["state"] == "ready")
        self.order("this is no JSON")
        wait(lambda: len(self.heard("born")) == 3)

    def test_killed_daemon_takes_its_child_along(self):
        self.start()
        pid = self.heard("born")[0]["pid"]
        self.kill()
        wait(lambda: not pathlib.Path(f"/proc/{pid}").exists() or
             "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0])

    def test_sessions_of_several_messages(self):
        self.start()
        self.assertEqual([r["jid"] for r in self.answer("sessions")["sessions"]], ["a@a.example/x"] * 2)

    def test_top_of_an_older_child(self):
        """One that knows no "top" tells all its sessions, as plain rows: they are added up here. Rows that make no sense count for nothing."""
        self.start()
        top = self.answer("top")
        self.assertEqual(top["totals"]["sessions"], 2)
        self.assertEqual([(p["address"], p["sessions"], p["in"], p["out"]) for p in top["peers"]], [("192.0.2.9", 2, 2, 4)])
        self.assertEqual([s["jid"] for s in top["sessions"]], ["a@a.example/x"] * 2)
        self.assertNotIn("rank", str(top))
        (self.folder / "libexec/rows.json").write_text(json.dumps([
            7, None, {}, {"session": 5}, {"peer": []}, {"all": {"sessions": -4, "peers": "x"}}, {"peer": {"rate": "x"}, "rank": []},
            {"session": {"id": "x"}, "rank": 1}, {"peer": {"address": "\u202e", "sessions": -7, "jid": 5}, "rank": 2},
            {"peer": {"address": "192.0.2.1", "sessions": 3, "rate": 2.5}, "rank": 9}, {"peer": {"address": "192.0.2.1", "sessions": 4}, "rank": 9}]))
        top = self.answer("top")
        self.assertEqual((top["peers"][0]["address"], top["peers"][0]["sessions"], top["peers"][0]["rate"]), ("192.0.2.1", 7, 2.5))
        self.assertEqual(len(top["sessions"]), 1)
        self.assertEqual(self.request(b'{"cmd":"top","args":{"peers":-1}}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"top","args":{"rules":"all"}}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"top","args":{"rules":0,"sessions":0,"peers_by":5}}')["result"]["rules"], [])

    def test_systemd_is_told(self):
        where = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(where)
            s.settimeout(DEADLINE)
            self.environment = {**os.environ, "NOTIFY_SOCKET": where}
            self.start()
            self.assertIn(b"READY=1", s.recv(1000))
            self.answer("reload")
            self.assertIn(b"RELOADING=1", s.recv(1000))
            self.assertIn(b"READY=1", s.recv(1000))
            self.stop()
            self.assertIn(b"STOPPING=1", s.recv(1000))

    def test_stop_command_ends_it_well(self):
        self.start()
        self.assertEqual(self.ctl("stop").returncode, 0)
        _, text = self.daemon.communicate(timeout=DEADLINE)
        self.assertEqual(self.daemon.returncode, 0, text)
        self.assertEqual(self.heard("stop")[-1]["m"], "stop")
        self.assertFalse((self.folder / "run/control.sock").exists())
        self.assertEqual(self.ctl("status").returncode, 3)

    # ---- lists ----

    def test_list_edits_and_history(self):
        self.start()
        self.assertEqual(self.answer("list", "add", "hosts", "Evil.Test", "bad.example", "--comment", "seen today"),
                         {"added": 1, "present": 1})
        self.assertEqual(self.entries(), ["bad.example", "old.example", "Evil.Test"])
        sent = self.heard("list")[-1]
        self.assertEqual((sent["set"], sent["add"], sent["del"]), ("hosts", ["Evil.Test", "bad.example"], []))
        self.assertEqual(self.answer("list", "del", "hosts", "EVIL.test"), {"removed": 1})
        self.assertEqual(self.heard("list")[-1]["del"], ["EVIL.test"])
        self.assertIn("# a remark", self.hosts.read_text())
        history = self.answer("list", "history", "hosts")["history"]
        self.assertEqual([(h["what"], h["entry"]) for h in history][0], ("del", "EVIL.test"))
        self.assertIn("uid", history[0]["who"])
        lists = {row["name"]: row for row in self.answer("list")["lists"]}
        self.assertEqual((lists["hosts"]["type"], lists["hosts"]["flags"], lists["hosts"]["entries"]), ("domain", "suffix", 2))

    def test_list_edit_with_an_end(self):
        self.start()
        self.answer("list", "add", "hosts", "short.example", "--for", "1h")
        entry = [e for e in self.answer("list", "show", "hosts")["entries"] if e["entry"] == "short.example"][0]
        self.assertAlmostEqual(entry["until"] / 1000, time.time() + 3600, delta=30)
        self.assertIn("short.example until 20", self.hosts.read_text())

    def test_list_export_is_what_import_reads(self):
        self.start()
        self.answer("list", "add", "hosts", "short.example", "--for", "1d", "--comment", "seen today")
        text = self.ctl("list", "export", "hosts").stdout
        lines = text.splitlines()
        self.assertEqual(lines[:2], ["bad.example", "old.example until 2030-01-01T00:00:00Z # a feed"])
        self.assertRegex(lines[2], r"^short\.example until 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ # seen today$")
        self.answer("list", "del", "hosts", "bad.example", "old.example", "short.example")
        self.assertEqual(self.ctl("list", "export", "hosts").stdout, "")
        self.assertEqual(self.answer("list", "import", "hosts", text=text), {"added": 3, "present": 0})
        self.assertEqual(self.ctl("list", "export", "hosts", self.folder / "out.txt").returncode, 0)
        self.assertEqual((self.folder / "out.txt").read_text(), text)
        shown = {e["entry"]: e for e in self.answer("list", "show", "hosts")["entries"]}
        self.assertEqual(shown["short.example"]["comment"], "seen today")
        self.assertIn("no list 'nonesuch'", self.refusal("list", "export", "nonesuch"))
        self.refusal("list", "export", "hosts", self.folder / "no/such/folder")
        self.refusal("list", "export", "hosts", "a", "b", status=2)

    def quarantine(self, number, **more):
        stanza = {"id": f"k-{number}", "from": "a@a.example/x", "to": "b@a.example", "jid": "a@a.example/x", "service": "c2s",
                  "direction": "in", "rule": "r", "chain": "inbound", "xml": f"<message><body>\x1b[31mword {number}</body></message>"}
        self.order({"m": "quarantine", "stanza": {**stanza, **more}})
        wait(lambda: any(row["id"] == f"k-{number}" for row in self.answer("quarantine", "list")["quarantine"]))

    def test_quarantine_keeps_and_releases_once(self):
        self.start()
        self.assertIn("nothing is in quarantine", self.ctl("quarantine", "list").stdout)
        for number in (1, 2, 3):
            self.quarantine(number)
        rows = self.answer("quarantine", "list")["quarantine"]
        self.assertEqual([(row["id"], row["state"]) for row in rows], [("k-3", "kept"), ("k-2", "kept"), ("k-1", "kept")])
        self.assertNotIn("xml", rows[0])
        self.assertAlmostEqual((rows[0]["until"] - rows[0]["time"]) / 86400000, 30)
        shown = self.answer("quarantine", "show", "k-2")
        self.assertIn("word 2", shown["xml"])
        self.assertNotIn("\x1b", self.ctl("quarantine", "show", "k-2").stdout)
        # Nobody is there: kept, and may be tried again.
        absent = self.folder / "libexec/absent"
        absent.touch()
        self.assertIn("connected here: kept", self.refusal("quarantine", "release", "k-2"))
        self.assertEqual(self.answer("quarantine", "show", "k-2")["state"], "kept")
        absent.unlink()
        self.assertEqual(self.answer("quarantine", "release", "k-2"), {"id": "k-2", "where": "server"})
        sent = self.heard("deliver")[-1]
        self.assertEqual((sent["jid"], sent["to"], sent["direction"]), ("a@a.example/x", "b@a.example", "in"))
        self.assertIn("released before", self.refusal("quarantine", "release", "k-2"))
        self.assertEqual(len(self.heard("deliver")), 2)
        self.assertEqual(self.answer("quarantine", "delete", "k-3"), {"removed": 1})
        self.assertIn("k-3", self.refusal("quarantine", "delete", "k-3"))
        self.refusal("quarantine", "show", "nonesuch")
        self.refusal("quarantine", "show", status=2)
        told = [e["xmppwall"] for e in map(json.loads, self.ctl("--json", "events").stdout.splitlines())
                if e["event_type"] == "quarantine"]
        self.assertEqual([(t["what"], t["id"]) for t in told], [("release", "k-2"), ("delete", "k-3")])
        self.assertIn("uid", told[0]["who"])
        self.kill()
        self.start()
        self.assertEqual([(row["id"], row["state"]) for row in self.answer("quarantine", "list")["quarantine"]],
                         [("k-2", "released"), ("k-1", "kept")])

    def test_quarantine_release_cut_short_is_not_repeated(self):
        self.start()
        (self.folder / "libexec/silent").touch()
        for number in (1, 2):
            self.quarantine(number)
        asking = subprocess.Popen([BIN / "xmppwallctl", "--run-dir", self.folder / "run", "quarantine", "release", "k-1"],
                                  stderr=subprocess.PIPE, text=True)
        wait(lambda: self.heard("deliver"))
        self.assertIn("being released", self.refusal("quarantine", "release", "k-1"))
        self.order("die")  # the worker, with the message in its hands
        self.assertIn("will not be delivered again", asking.communicate(timeout=DEADLINE)[1])
        wait(lambda: self.status()["workers"][0]["state"] == "ready")
        asking = subprocess.Popen([BIN / "xmppwallctl", "--run-dir", self.folder / "run", "quarantine", "release", "k-2"],
                                  stderr=subprocess.PIPE, text=True)
        wait(lambda: len(self.heard("deliver")) == 2)
        self.kill()
        asking.communicate(timeout=DEADLINE)
        (self.folder / "libexec/silent").unlink()
        self.start()
        for number in (1, 2):
            self.assertEqual(self.answer("quarantine", "show", f"k-{number}")["state"], "unsure")
            self.assertIn("may have been delivered", self.refusal("quarantine", "release", f"k-{number}"))
            self.answer("quarantine", "delete", f"k-{number}")

    def test_quarantine_has_ceilings(self):
        self.write_policy(policy=self.policy.replace("daemon {", "daemon { quarantine-entries 3;"))
        self.start()
        for number in range(5):
            self.quarantine(number)
        answer = self.answer("quarantine", "list")
        self.assertEqual([row["id"] for row in answer["quarantine"]], ["k-4", "k-3", "k-2"])
        self.assertEqual(answer["evicted"], 2)
        self.write_policy(policy=self.policy.replace("daemon {", "daemon { quarantine-entries 1;"))
        self.answer("reload")
        self.assertEqual([row["id"] for row in self.answer("quarantine", "list")["quarantine"]], ["k-4"])
        self.order({"m": "quarantine", "stanza": {"id": "no stanza"}})  # a broken sibling is presumed hostile
        wait(lambda: len(self.heard("born")) == 2)

    def test_what_a_worker_says_does_not_steer_the_terminal(self):
        self.start()
        event = self.event("\x1b]0;id\x07", "\x1b[2J1.2.3.4")
        event["event"]["timestamp"] = "x\x1bT\x1b[31m9"
        event["event"]["event_type"] = "\x1b[5mtype"
        self.order(event)
        alert = self.event("\x1b[7mid", "\x1b[8m192.0.2.1")
        alert["event"]["alert"] = {"signature": "\x1b[9mrule"}
        alert["event"]["xmpp"].update(verdict="\x1b[6mv", kind="\x1b[4mk", condition="\x1b[3mc",
                                      matches=[{"field": "\x1b[1mf", "set": "\x1b[1ms", "entry": "e", "text": "t"}])
        self.order(alert)
        text = wait(lambda: "rule" in (shown := self.ctl("events").stdout) and shown)
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\x07", text)
        self.assertIn("\\u{1b}[5mtype", text)
        self.assertNotIn("\x1b", self.ctl("explain", "\x1b[7mid").stdout)

    def test_list_refusals_change_nothing(self):
        self.start()
        before = self.hosts.read_text()
        self.assertIn("no list 'nonesuch'", self.refusal("list", "add", "nonesuch", "x.example"))
        self.assertIn("written in the policy", self.refusal("list", "add", "nets", "192.0.2.1"))
        self.assertIn("entry 2", self.refusal("list", "add", "hosts", "good.example", "not a domain"))
        self.assertIn("no such entry", self.refusal("list", "del", "hosts", "absent.example"))
        self.refusal("list", "add", "hosts", "two\nlines.example")
        self.refusal("list", "show", "nonesuch")
        self.refusal("list", "history", "nonesuch")
        self.assertEqual(self.hosts.read_text(), before)
        self.assertEqual(self.heard("list"), [])

    def test_list_import(self):
        self.start()
        text = "# a feed\nbad.example\n" + "".join(f"feed{i}.example\n" for i in range(1500)) + "end.example until 2031-01-01 # x\n"
        done = self.ctl("--json", "list", "import", "hosts", text=text)
        self.assertEqual(json.loads(done.stdout), {"added": 1501, "present": 1})
        self.assertEqual(len(self.entries()), 1503)
        self.assertEqual(self.answer("list", "history", "hosts")["history"][0]["entry"], "1502 entries")
        self.assertEqual(self.ctl("list", "import", "hosts", text="fine.example\nnot fine\n").returncode, 1)
        self.assertNotIn("fine.example", self.entries())

    def test_large_import_of_keywords_makes_a_new_policy(self):
        self.start()
        text = "".join(f"word{i} here\n" for i in range(1500))
        self.assertEqual(self.answer("list", "import", "words", text=text), {"added": 1500, "present": 0})
        self.assertEqual({row["name"]: row["entries"] for row in self.answer("list")["lists"]}["words"], 1501)
        self.assertEqual(len(self.heard("policy")), 2)
        self.assertEqual(self.heard("list"), [])
        self.assertEqual(self.answer("list", "del", "words", "word7 here"), {"removed": 1})
        self.assertEqual(len(self.heard("list")), 1)

    def test_list_edits_survive_kill_nine(self):
        self.start()
        self.answer("list", "add", "hosts", "kept.example")
        self.answer("list", "del", "hosts", "old.example")
        self.kill()
        self.start()
        self.assertEqual(self.entries(), ["bad.example", "kept.example"])
        self.assertEqual(len(self.answer("list", "history", "hosts")["history"]), 2)

    def test_hand_edits_are_kept(self):
        self.start()
        self.entries()
        with open(self.hosts, "a") as f:
            f.write("byhand.example\n")
        self.answer("list", "add", "hosts", "bycommand.example")
        self.assertEqual(self.entries()[-2:], ["byhand.example", "bycommand.example"])

    def test_list_file_is_replaced_whole_and_keeps_mode(self):
        self.hosts.chmod(0o664)
        inode = self.hosts.stat().st_ino
        self.start()
        self.answer("list", "add", "hosts", "x.example")
        self.assertNotEqual(self.hosts.stat().st_ino, inode)
        self.assertEqual(self.hosts.stat().st_mode & 0o777, 0o664)
        self.assertEqual([p.name for p in (self.folder / "lists").iterdir() if "tmp" in p.name], [])

    def test_an_edit_that_breaks_an_expectation_is_told(self):
        self.start()
        self.answer("list", "del", "hosts", "bad.example")
        wait(lambda: any("would be refused" in line for line in self.status()["attention"]))
        self.answer("list", "add", "hosts", "bad.example")
        self.answer("reload")
        self.assertFalse(any("would be refused" in line for line in self.status()["attention"]))

    def test_list_hits(self):
        self.start()
        entries = self.answer("list", "show", "hosts", "--hits")["entries"]
        self.assertEqual([(x["entry"], x["hits"]) for x in entries], [("old.example", 7), ("feed.example", 3), ("bad.example", 0)])
        self.assertEqual(entries[0]["comment"], "a feed")
        self.assertGreater(entries[0]["until"], 0)
        self.assertEqual(self.heard("hits")[-1]["set"], "hosts")
        self.assertNotIn("hits", self.answer("list", "show", "hosts")["entries"][0])
        self.assertRegex(self.ctl("list", "show", "hosts", "--hits").stdout, r"(?m)^ +7  old\.example")
        # A set that stands in the policy shows its own entries and counts, too.
        self.assertEqual([x["hits"] for x in self.answer("list", "show", "nets", "--hits")["entries"]], [7, 3, 0])
        self.assertIn("no list", self.refusal("list", "show", "nothing", "--hits"))

    # ---- reload ----

    def test_reload(self):
        self.start()
        before = self.status()["policy"]
        self.assertFalse(self.answer("reload")["changed"])
        self.write_policy("chain extra { hook c2s; policy accept; rule more { message drop } }")
        self.assertTrue(self.answer("reload")["changed"])
        self.assertNotEqual(self.status()["policy"], before)
        self.assertIn("more", [r["name"] for r in self.answer("rules")["rules"]])
        self.assertEqual([m["generation"] for m in self.heard("policy")], [1, 2, 3])
        self.assertEqual(len(self.heard("listen")), 2)

    def test_broken_reload_is_refused_with_diagnostics(self):
        self.start()
        before = self.status()["policy"]
        self.write_policy("chain inbound2 { hook c2s; policy accept; rule x { message boddy contains \"a\" drop } }")
        text = self.refusal("reload")
        self.assertIn("wall.conf:", text)
        self.assertIn("^^", text)
        self.assertEqual(self.status()["policy"], before)
        self.assertTrue(any("reload was refused" in line for line in self.status()["attention"]))
        self.assertEqual(len(self.heard("policy")), 1)
        self.write_policy()
        self.answer("reload")
        self.assertFalse(any("reload was refused" in line for line in self.status()["attention"]))

    def test_reload_that_the_child_refuses_keeps_the_old(self):
        self.start()
        before = self.status()["policy"]
        (self.folder / "libexec/refuse").touch()
        self.write_policy("chain extra { hook c2s; policy accept; rule more { message drop } }")
        self.assertIn("fake says no", self.refusal("reload"))
        self.assertEqual(self.status()["policy"], before)
        self.assertNotIn("more", [r["name"] for r in self.answer("rules")["rules"]])

    def other_policy(self):
        """Rule flood is gone, links says more, late is new, spam stands last, the limit is another, nets has one more."""
        changed = self.policy.replace("    rule flood { limit chatter exceeded reject resource-constraint }\n", "")
        changed = changed.replace("strike 3", "strike 4").replace("rate 20/second", "rate 30/second")
        changed = changed.replace("    rule spam { message text contains @words drop }\n", "    rule late { iq type is get log }\n"
                                  "    rule more { message text contains \"x\" count }\n"
                                  "    rule spam { message text contains @words drop }\n")
        self.write_policy(policy=changed.replace("192.0.2.0/24", "192.0.2.0/24, 198.51.100.7"))

    def test_reload_shows_what_changes(self):
        self.start()
        before = self.status()["policy"]
        self.other_policy()
        said = self.answer("reload", "--check")
        self.assertTrue(said["changed"])
        self.assertEqual(said["version"], before)
        self.assertEqual(self.status()["policy"], before)
        done = self.answer("reload")
        self.assertEqual(done["diff"], said["diff"])
        diff = done["diff"]
        self.assertEqual([(x["kind"], x["name"]) for x in diff["removed"]], [("rule", "inbound/flood")])
        self.assertIn("limit chatter exceeded", diff["removed"][0]["text"])
        self.assertEqual([x["name"] for x in diff["added"]], ["inbound/late", "inbound/more"])
        self.assertEqual([(x["kind"], x["name"]) for x in diff["altered"]], [("set", "nets"), ("limit", "chatter"), ("rule", "inbound/links")])
        self.assertIn("strike 3", diff["altered"][2]["before"])
        self.assertIn("strike 4", diff["altered"][2]["after"])
        self.assertEqual(diff["moved"], [])
        self.assertEqual(diff["entries"], [{"name": "nets", "before": 1, "after": 2}])
        self.write_policy()
        text = self.ctl("reload", "--check").stdout
        for line in ("added:   rule inbound/flood", "removed: rule inbound/late", "altered: limit chatter", "  - "):
            self.assertIn(line, text)
        self.write_policy(more="chain inbound2 { nonsense }")
        self.assertIn("nonsense", self.refusal("reload", "--check"))
        self.assertFalse(any("reload was refused" in line for line in self.status()["attention"]))

    def test_moved_rules_are_told(self):
        self.start()
        spam, flood = "    rule spam { message text contains @words drop }\n", "    rule flood { limit chatter exceeded reject resource-constraint }\n"
        self.write_policy(policy=self.policy.replace(flood, "").replace(spam, flood + spam))
        diff = self.answer("reload")["diff"]
        self.assertEqual((diff["moved"], diff["added"], diff["removed"], diff["altered"]), (["inbound/spam"], [], [], []))
        self.assertFalse(self.answer("reload")["changed"])

    def test_confirmed_reload_stays(self):
        self.start()
        self.other_policy()
        done = self.answer("reload", "--confirm", "5m")
        self.assertGreater(done["until"], time.time() * 1000)
        self.assertEqual(self.status()["probation"]["until"], done["until"])
        self.assertTrue(any("xmppwallctl confirm" in line for line in self.status()["attention"]))
        self.assertIn("waits to be confirmed", self.refusal("reload"))
        self.assertIsNotNone(self.status()["probation"])
        self.assertEqual(self.answer("confirm")["version"], done["version"])
        self.assertIsNone(self.status()["probation"])
        self.assertEqual(self.status()["policy"], done["version"])
        self.assertIn("no policy waits", self.refusal("confirm"))
        self.assertIn("no policy waits", self.refusal("rollback"))
        self.assertFalse(self.answer("reload")["changed"])

    def test_unconfirmed_reload_is_rolled_back(self):
        self.start()
        before = self.status()["policy"]
        self.other_policy()
        after = self.answer("reload", "--confirm", "1s")["version"]
        self.assertNotEqual(before, after)
        wait(lambda: self.status()["policy"] == before, "it was not rolled back")
        self.assertIsNone(self.status()["probation"])
        self.assertIn("flood", [rule["name"] for rule in self.answer("rules")["rules"]])
        wait(lambda: self.heard("policy")[-1]["generation"] >= 3)
        # What is on disk counts for the next reload, and for the next start.
        self.assertEqual(self.answer("reload")["version"], after)

    def test_rollback_at_once_keeps_list_edits(self):
        self.start()
        self.other_policy()
        self.answer("reload", "--confirm", "5m")
        self.answer("list", "add", "words", "edited meanwhile")
        done = self.answer("rollback")
        self.assertIn("inbound/flood", [x["name"] for x in done["diff"]["added"]])
        self.assertNotIn("until", done)
        self.assertIn("flood", [rule["name"] for rule in self.answer("rules")["rules"]])
        self.assertIn("edited meanwhile", [x["entry"] for x in self.answer("list", "show", "words")["entries"]])

    def test_rollback_that_fails_is_told_and_may_be_tried_again(self):
        self.start()
        before = self.status()["policy"]
        self.other_policy()
        self.answer("reload", "--confirm", "5m")
        (self.folder / "libexec/refuse").touch()
        self.assertIn("fake says no", self.refusal("rollback"))
        self.assertTrue(any("could not be put back" in line for line in self.status()["attention"]))
        (self.folder / "libexec/refuse").unlink()
        self.answer("rollback")
        self.assertEqual(self.status()["policy"], before)
        self.assertIsNone(self.status()["probation"])

    def test_restart_on_probation_takes_what_is_on_disk(self):
        self.start()
        self.other_policy()
        after = self.answer("reload", "--confirm", "5m")["version"]
        self.assertIn("ended before it was confirmed", self.stop())
        self.start()
        self.assertEqual(self.status()["policy"], after)
        self.assertIsNone(self.status()["probation"])

    def test_refused_reload_begins_no_probation(self):
        self.start()
        (self.folder / "libexec/refuse").touch()
        self.other_policy()
        self.assertIn("fake says no", self.refusal("reload", "--confirm", "1m"))
        self.assertIsNone(self.status()["probation"])
        for words in (("--confirm", "0"), ("--confirm", "2d"), ("--confirm", "x"), ("--check", "--confirm", "1m"), ("--confirm",)):
            self.refusal("reload", *words, status=2)

    def test_reload_shadow(self):
        self.start()
        before = self.status()["policy"]
        self.other_policy()
        answer = self.answer("reload", "--shadow", "--for", "5s")
        self.assertEqual((answer["shadow"]["differ"], answer["version"]), (2, before))
        self.assertIn("inbound/late", [x["name"] for x in answer["diff"]["added"]])
        asked = self.heard("shadow")[-1]
        self.assertEqual((asked["ms"], asked["fds"]), (5000, 1))
        self.assertEqual(self.status()["policy"], before)
        text = self.ctl("reload", "--shadow").stdout
        self.assertIn("2 of 9 verdicts differ", text)
        self.assertNotIn("\x1b", text)
        # The child refuses, is slow, dies; whoever asked hangs up; the policy is broken.
        (self.folder / "libexec/refuse").touch()
        self.assertIn("fake says no", self.refusal("reload", "--shadow"))
        (self.folder / "libexec/refuse").unlink()
        (self.folder / "libexec/slow").touch()
        n = len(self.heard("shadow"))
        waits = self.follow("reload", "--shadow")
        wait(lambda: len(self.heard("shadow")) == n + 1)
        self.assertIn("judges already", self.refusal("reload", "--shadow"))
        self.order("die")
        self.assertIn("ended meanwhile", waits.communicate(timeout=DEADLINE)[1])
        wait(lambda: self.status()["workers"][0]["state"] == "ready")
        waits = self.follow("reload", "--shadow")
        wait(lambda: len(self.heard("shadow")) == n + 2)
        waits.kill()
        waits.communicate()
        wait(lambda: self.heard("unshadow"))
        self.write_policy(more="chain inbound2 { nonsense }")
        self.assertIn("nonsense", self.refusal("reload", "--shadow"))
        for words in (("--shadow", "--check"), ("--shadow", "--confirm", "1m"), ("--for", "1m"), ("--shadow", "--for", "2h")):
            self.refusal("reload", *words, status=2)

    def test_sighup_reloads(self):
        self.start()
        self.write_policy("chain extra { hook c2s; policy accept; rule more { message drop } }")
        self.daemon.send_signal(signal.SIGHUP)
        wait(lambda: "more" in [r["name"] for r in self.answer("rules")["rules"]])

    def test_reload_moves_ports(self):
        self.start()
        old, self.port = self.port, free_port()
        self.write_policy()
        self.answer("reload")
        wait(lambda: self.heard("unlisten"))
        self.assertEqual(self.heard("unlisten")[-1]["port"], old)
        self.assertEqual(self.heard("listen")[-1]["port"], self.port)
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE):
            pass

        def closed():
            try:
                socket.create_connection(("127.0.0.1", old), 1).close()
            except ConnectionRefusedError:
                return True
            return False
        # The stand-in keeps no listener: refused as soon as the daemon let go.
        wait(closed)

    def test_reload_with_a_taken_port_is_refused(self):
        self.start()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            old, self.port = self.port, s.getsockname()[1]
            self.write_policy()
            self.assertIn(f"127.0.0.1:{self.port}", self.refusal("reload"))
        self.assertEqual(self.status()["services"][0]["ports"], [old])

    # ---- bans, events ----

    def test_bans(self):
        self.start()
        self.assertEqual(self.answer("ban", "192.0.2.7", "--for", "1h", "--why", "too loud")["address"], "192.0.2.7")
        self.answer("ban", "2001:db8::/48")
        bans = {b["address"]: b for b in self.answer("bans")["bans"]}
        self.assertEqual(bans["192.0.2.7"]["why"], "too loud")
        self.assertAlmostEqual(bans["192.0.2.7"]["until"] / 1000, time.time() + 3600, delta=30)
        wait(lambda: {m["address"] for m in self.heard("kill")} == {"192.0.2.7/32", "2001:db8::/48"})
        self.refusal("ban", "nonsense")
        self.refusal("unban", "192.0.2.8")
        self.assertIn("2001:db8::/48 is", self.refusal("unban", "2001:db8::1"))
        self.kill()
        self.start()
        self.assertEqual(len(self.answer("bans")["bans"]), 2)
        self.assertEqual(self.answer("unban", "192.0.2.7"), {"removed": 1})
        self.assertEqual(self.status()["bans"], 1)
        types = [json.loads(line)["event_type"] for line in (self.folder / "log/events.json").read_text().splitlines()]
        self.assertEqual(types, ["ban", "ban", "unban"])

    def test_strikes_become_a_ban(self):
        self.start()
        self.order(self.event("aaaa-0000-01", strikes=3, shared=False))
        wait(lambda: self.ctl("explain", "aaaa-0000-01").returncode == 0)
        self.assertEqual(self.answer("bans")["bans"], [])
        self.order(self.event("aaaa-0000-02", strikes=3, shared=False))
        ban = wait(lambda: self.answer("bans")["bans"])[0]
        self.assertEqual((ban["address"], ban["rule"], ban["id"], ban["strikes"], ban["count"]),
                         ("192.0.2.7", "inbound/links", "aaaa-0000-02", 6, 1))
        wait(lambda: self.heard("kill"))
        self.assertEqual(self.heard("kill")[0]["address"], "192.0.2.7/32")

    def test_shared_addresses_are_spared(self):
        self.start()
        self.order(self.event(strikes=9, shared=True, jid="loud@a.example/x"))
        kill = wait(lambda: self.heard("kill"))[0]
        self.assertEqual(kill["jid"], "loud@a.example")
        self.assertEqual(self.answer("bans")["bans"], [])

    def test_a_rule_bans_at_once_and_ipv6_as_a_network(self):
        self.start()
        self.order(self.event(address="2001:db8:1:2:3:4:5:6", ban=60000, shared=False))
        ban = wait(lambda: self.answer("bans")["bans"])[0]
        self.assertEqual(ban["address"], "2001:db8:1:2::/64")

    def test_a_worker_cannot_ban_this_host_or_nonsense(self):
        self.start()
        for address in ("127.0.0.1", "::1", "0.0.0.0/0", "rubbish"):
            self.order(self.event("last-one", address=address, ban=60000))
        self.order(self.event("last-two"))
        wait(lambda: self.ctl("explain", "last-two").returncode == 0)
        self.assertEqual(self.answer("bans")["bans"], [])

    def test_events_follow_and_explain_after_restart(self):
        self.start()
        follow = subprocess.Popen([BIN / "xmppwallctl", "--run-dir", self.folder / "run", "--json", "events", "-f", "-n", "0"],
                                  stdout=subprocess.PIPE, text=True)
        # A follower is one once its answer came; there is nothing to see of that, so events come until one is seen.
        first = None
        for i in range(200):
            self.order(self.event(f"evnt-0000-{i:02}"))
            if select.select([follow.stdout], [], [], 0.1)[0]:
                first = json.loads(follow.stdout.readline())
                break
        follow.kill()
        follow.communicate()
        self.assertEqual(first["event_type"], "alert")
        self.assertEqual(self.answer("explain", "evnt-0000-00")["event"]["xmpp"]["rule"], "links")
        self.assertIn("nonesuch", self.refusal("explain", "nonesuch"))
        self.kill()
        self.start()
        self.assertEqual(self.answer("explain", "evnt-0000-00")["event"]["xmpp"]["id"], "evnt-0000-00")
        self.assertTrue(self.ctl("events", "-n", "1").stdout)

    def test_explain_gathers_all_there_is(self):
        self.start()
        self.answer("list", "add", "hosts", "mine.example", "--for", "1h", "--comment", "seen in a phish")
        event = self.event("expl-0000-01")
        event["event"].update({"src_ip": "192.0.2.9", "src_port": 1})
        event["event"]["xmpp"].update({
            "chain": "inbound", "rule": "links", "ruleset": self.status()["policy"], "session": 1, "jid": "a@a.example/x",
            "matches": [{"field": "url.host", "set": "hosts", "entry": "mine.example", "text": "mine.example", "start": 0, "end": 12},
                        {"field": "text", "entry": "/x/", "text": "b\x1b[31m", "before": "a\x1b", "after": "c", "start": 2, "end": 3},
                        {"field": "y", "set": 7, "entry": []}, "nonsense"],
            "fields": [{"field": "url.host", "value": "mine.example"}, {"field": "text", "bytes": 77}]})
        self.order(event)
        wait(lambda: self.ctl("explain", "expl-0000-01").returncode == 0)
        answer = self.answer("explain", "expl-0000-01")
        self.assertIn("message url.host in @hosts reject", answer["rule"]["text"])
        self.assertEqual(answer["rule"]["hits"], 0)
        self.assertTrue(answer["ruleset"]["same"])
        self.assertEqual(len(answer["entries"]), 1)
        entry = answer["entries"][0]
        self.assertEqual((entry["set"], entry["entry"], entry["comment"]), ("hosts", "mine.example", "seen in a phish"))
        self.assertGreater(entry["until"], 0)
        self.assertTrue(entry["file"].endswith("lists/hosts.txt"))
        self.assertEqual([x["what"] for x in entry["history"]], ["add"])
        self.assertIn("uid 0", entry["history"][0]["who"])
        self.assertEqual(answer["session"]["id"], 1)
        text = self.ctl("explain", "expl-0000-01").stdout
        for part in ("rule links { message", "mine.example of @hosts", "# seen in a phish", "add by uid 0", "77 bytes (not logged)"):
            self.assertIn(part, text)
        self.assertNotIn("\x1b", text)
        # Later: the entry is gone, the rule too.
        self.answer("list", "del", "hosts", "mine.example")
        self.write_policy(policy=self.policy.replace("rule links", "rule other").replace("by links", "by other"))
        self.answer("reload")
        answer = self.answer("explain", "expl-0000-01")
        self.assertNotIn("rule", answer)
        self.assertFalse(answer["ruleset"]["same"])
        self.assertNotIn("file", answer["entries"][0])
        self.assertEqual([x["what"] for x in answer["entries"][0]["history"]], ["del", "add"])
        self.assertIn("no such rule", self.ctl("explain", "expl-0000-01").stdout)
        # An event of nonsense is shown for what it is.
        self.order({"m": "event", "event": {"xmpp": {"id": "expl-0000-02", "matches": {"a": 1}, "fields": 7, "rule": {}}}})
        wait(lambda: self.ctl("explain", "expl-0000-02").returncode == 0)

    def follow(self, *words):
        return subprocess.Popen([BIN / "xmppwallctl", "--run-dir", self.folder / "run", *words], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def test_trace(self):
        self.start()
        follow = self.follow("--json", "trace", "--jid", "a@a.example", "--for", "20s")
        asked = wait(lambda: self.heard("trace"))[0]
        self.assertEqual((asked["jid"], asked["bodies"], asked["ms"]), ("a@a.example", False, 20000))
        steps = [{"chain": "inbound", "rule": "links", "held": False, "tests": []}]
        event = {"timestamp": "x", "session": 1, "kind": "message\x1b[7m", "steps": steps, "verdict": {"verdict": "accept"}}
        self.order({"m": "trace", "trace": asked["trace"], "event": event})
        self.order({"m": "trace", "trace": asked["trace"] + 9, "event": {"other": 1}})
        self.order({"m": "trace", "trace": asked["trace"], "event": {**event, "lost": 3}})
        self.assertEqual(json.loads(follow.stdout.readline()), event)
        follow.stdout.readline()
        # The worker's end is the trace's, too.
        self.order("die")
        end = json.loads(follow.communicate(timeout=DEADLINE)[0])
        self.assertEqual((end["done"], end["stanzas"], end["lost"]), (True, 2, 3))
        wait(lambda: self.status()["workers"][0]["state"] == "ready")
        # Whoever hangs up is not followed for.
        follow = self.follow("trace", "--address", "192.0.2.0/24", "--bodies", "--for", "10m")
        asked = wait(lambda: [m for m in self.heard("trace") if "address" in m])[0]
        self.assertTrue(asked["bodies"])
        self.order({"m": "trace", "trace": asked["trace"], "event": event})
        lines = [follow.stdout.readline() for _ in range(3)]
        self.assertIn("inbound/links: does not hold", lines[1])
        self.assertNotIn("\x1b", "".join(lines))
        follow.kill()
        follow.communicate()
        wait(lambda: [m for m in self.heard("untrace") if m["trace"] == asked["trace"]])
        # Time ends it.
        done = self.ctl("trace", "--session", "7", "--for", "1s")
        self.assertEqual((done.returncode, done.stdout), (0, "0 stanzas\n"))

    def test_trace_has_bounds(self):
        self.start()
        follows = [self.follow("trace", "--session", str(n + 1)) for n in range(4)]
        wait(lambda: len(self.heard("trace")) == 4)
        self.assertIn("4 traces run", self.refusal("trace", "--session", "9"))
        for words in ((), ("--jid", "a", "--session", "1"), ("--session", "x"), ("--session", "0"), ("--jid", "a", "--for", "2h"),
                      ("--jid", "a", "more")):
            self.refusal("trace", *words, status=2)
        self.stop()  # must not wait for them
        for follow in follows:
            self.assertIn("0 stanzas", follow.communicate(timeout=DEADLINE)[0])

    # ---- the socket ----

    def test_wrong_requests(self):
        self.start()
        self.assertEqual(self.request(b'{"cmd":"frobnicate"}')["exit"], 2)
        self.assertEqual(self.request(b'{"nocmd":1}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"ban","args":{}}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"list-add","args":{"name":"hosts","entries":[1]}}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"list-add","args":{"name":"hosts","entries":[]}}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"events","args":{"last":-1}}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"firewall","args":{"action":"burn"}}')["exit"], 2)
        self.assertTrue(self.request(b'{"cmd":"status"}')["ok"])
        self.assertEqual((self.folder / "run/control.sock").stat().st_mode & 0o777, 0o660)

    def test_firewall_without_a_kernel(self):
        self.start()
        self.assertIn("table inet xmppwall", self.answer("firewall", "print")["text"])
        self.assertIn("--no-firewall", self.refusal("firewall", "load"))

    def limit(self):
        return self.answer("limit", "show")["limits"][0]

    def test_limits_and_rules(self):
        self.start()
        self.assertEqual(self.answer("limit", "show")["limits"],
                         [{"name": "chatter", "rate": "20/second", "burst": 60, "key": "from.bare", "count": "stanzas",
                           "distinct": "", "exceeded": 0, "evicted": 0,
                           "set": False, "entries": 65536}])
        self.assertEqual(self.answer("limit", "show", "chatter"), self.answer("limit", "show"))
        self.assertIn("no limit 'chitter'", self.refusal("limit", "show", "chitter"))
        self.assertEqual([r["name"] for r in self.answer("rules")["rules"]], ["links", "spam", "flood"])

    def told(self):
        """What the worker was last told about limits."""
        lines = [json.loads(line) for line in (self.folder / "libexec/heard.json").read_text().splitlines()]
        return [m["set"] for m in lines if m["m"] == "limits"][-1]

    def test_limits_set_live(self):
        self.start()
        self.assertEqual(self.told(), [])
        one = self.answer("limit", "set", "chatter", "rate", "5/10m", "burst", "7")
        self.assertEqual((one["rate"], one["burst"], one["set"]), ("5/10m", 7, True))
        self.assertEqual(one["configured"], {"rate": "20/second", "burst": 60})
        self.assertEqual(self.told(), [{"name": "chatter", "period_ns": 120 * 10**9, "tolerance_ns": 840 * 10**9,
                                        "events": 5, "window_ns": 600 * 10**9}])
        self.assertEqual(self.limit(), one)
        self.assertIn("limit chatter is set to 5/10m burst 7, the configuration says 20/second burst 60",
                      "\n".join(self.status()["attention"]))
        self.assertIn("5/10m", self.ctl("limit", "show").stdout)
        self.assertIn("no limit 'chitter'", self.refusal("limit", "set", "chitter", "rate", "1/s"))
        self.assertEqual(self.request(b'{"cmd":"limit-set","args":{"name":"chatter","rate":"often"}}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"limit-set","args":{"name":"chatter"}}')["exit"], 2)
        self.assertEqual(self.request(b'{"cmd":"limit-set","args":{"name":"chatter","rate":"1/s","burst":-5}}')["exit"], 2)
        # a reload keeps it, and so does a worker that starts anew
        self.write_policy("limit more { rate 1/s; }")
        self.answer("reload")
        self.assertEqual(self.limit()["rate"], "5/10m")
        self.order("die")
        wait(lambda: self.status()["workers"][0]["state"] == "ready" and len(self.told()) == 1)
        # a restart, too, also one without a moment to say good-bye
        self.kill()
        self.start()
        self.assertEqual(self.limit()["rate"], "5/10m")
        self.assertEqual(len(self.told()), 1)
        # the limit goes from the policy: told of, kept, and forgotten only when asked
        self.write_policy(policy=POLICY.replace("chatter", "chitter"))
        self.answer("reload")
        self.assertIn("a rate is set for the limit chatter", "\n".join(self.status()["attention"]))
        self.answer("limit", "set", "chatter", "default")
        self.assertNotIn("chatter", "\n".join(self.status()["attention"]))
        self.assertIn("no limit 'chatter'", self.refusal("limit", "set", "chatter", "default"))
        self.answer("limit", "set", "chitter", "9/second")
        self.assertEqual((self.limit()["rate"], self.limit()["burst"]), ("9/second", 9))
        self.assertEqual(self.answer("limit", "set", "chitter", "default")["set"], False)
        self.assertEqual(self.told(), [])

    def observe(self, ended, running):
        """The worker will say so: pairs of bucket and peers, the same at all rates."""
        def counts(pairs):
            return {"peers": sum(pairs[1::2]), "rates": [pairs] * 16}
        row = {"name": "chatter", "key": "from.bare", "ended": counts(ended), "running": counts(running)}
        (self.folder / "libexec/observed.json").write_text(json.dumps([row, {"name": "chatter"}, {}, 5]))

    def test_limits_suggested(self):
        self.start()
        self.assertIn("nobody was counted", self.refusal("limit", "suggest", "chatter"))
        self.assertIn("no limit", self.refusal("limit", "suggest", "chitter"))
        self.assertEqual(self.request(b'{"cmd":"limit-suggest","args":{"name":"chatter","for":2}}')["exit"], 2)
        self.observe([0, 90, 4, 6], [10, 4])
        found = self.answer("limit", "suggest", "chatter", "--for", "90%")
        self.assertEqual((found["peers"], found["rates"]),
                         (100, [{"rate": "1/hour", "burst": 1, "hit": 0.1, "recommended": True}]))
        self.assertEqual(found["current"], {"rate": "20/second", "burst": 60, "hit_least": 0.0, "hit_most": 0.0})
        self.answer("limit", "set", "chatter", "20/second", "burst", "5")
        found = self.answer("limit", "suggest", "chatter", "--for", "99%")
        # ended hours are added up, the running one is what it is
        self.assertEqual((found["peers"], found["current"]["hit_least"], found["histogram"]),
                         (196, 4 / 196, [{"from": 1, "to": 1, "peers": 180}, {"from": 5, "to": 5, "peers": 12},
                                         {"from": 11, "to": 11, "peers": 4}]))
        text = self.ctl("limit", "suggest", "chatter").stdout
        self.assertIn("#####", text)
        self.assertIn("limit set chatter rate", text)
        # the last word before a stop is kept over it
        self.stop()
        self.observe([], [])
        self.start()
        self.assertEqual(self.answer("limit", "suggest", "chatter")["peers"], 4 * 96 + 4)
        # a limit with another key is another limit
        self.write_policy(policy=POLICY.replace("key from.bare", "key to.bare"))
        self.answer("reload")
        (self.folder / "libexec/observed.json").unlink()
        # nonsense from a worker, or in the file, is not believed
        self.stop()
        (self.folder / "state/observed.json").write_text('{"limits":[{"name":"chatter"},5,{"name":"chatter","key":"to.bare","seen":{}}]}')
        self.start()
        self.assertIn("nobody was counted", self.refusal("limit", "suggest", "chatter"))

    def test_limits_file_that_is_none(self):
        (self.folder / "state").mkdir(mode=0o700)
        (self.folder / "state/limits.json").write_text("{")
        self.start()
        self.assertIn("limits.json cannot be used", "\n".join(self.status()["attention"]))
        self.assertEqual(self.limit()["set"], False)
        self.answer("limit", "set", "chatter", "1/s")
        self.assertNotIn("cannot be used", "\n".join(self.status()["attention"]))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
    def test_strangers_are_refused(self):
        self.start()
        (self.folder / "run/control.sock").chmod(0o666)
        self.folder.chmod(0o755)
        code = ("import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);"
                "s.sendall(b'{\"cmd\":\"status\"}\\n');print(s.makefile().readline())")
        done = subprocess.run(["/usr/bin/python3", "-c", code, self.folder / "run/control.sock"], user=65534, group=65534,
                              extra_groups=[], capture_output=True, text=True, timeout=DEADLINE)
        answer = json.loads(done.stdout)
        self.assertEqual((answer["ok"], answer["exit"]), (False, 1))
        self.assertIn("only root", answer["error"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
