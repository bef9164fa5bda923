#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Feeds from files and from a web server of our own on loopback, good and hostile. feeds_walk.py FOLDER-OF-PROGRAMS"""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from daemon_walk import BIN, POLICY, Base, wait  # noqa: E402


class Server(http.server.ThreadingHTTPServer):
    """Answers what `replies` says for a path: a function of the handler, or (text, etag)."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies, self.seen, self.gate = {}, [], threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        reply = self.server.replies.get(self.path)
        with contextlib.suppress(OSError):
            if callable(reply):
                reply(self)
            elif reply is None:
                self.say(404, "<html>\nnot here\n</html>\n")
            elif reply[1] and self.headers.get("If-None-Match") == reply[1]:
                self.say(304, "")
            else:
                self.say(200, reply[0], **({"ETag": reply[1]} if reply[1] else {}))

    def say(self, status, text, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 304:
            self.send_header("Content-Length", str(len(text.encode()) if length is None else length))
        self.end_headers()
        if status != 304:
            self.wfile.write(text.encode())


class Feeds(Base):
    def setUp(self):
        super().setUp()
        self.server = Server()
        self.source = self.folder / "feed.txt"
        self.source.write_text("one.example\ntwo.example\n")
        shutil.copy(BIN / "xmppwall-fetch", self.folder / "libexec/xmppwall-fetch")
        self.folder.chmod(0o755)
        (self.folder / "libexec").chmod(0o755)
        self.environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}

    def tearDown(self):
        self.server.gate.set()
        super().tearDown()
        self.server.shutdown()
        self.server.server_close()

    def with_feeds(self, feeds):
        line = 'set hosts { type domain; flags suffix; file "lists/hosts.txt"; '
        self.assertIn(line, POLICY)
        self.write_policy(policy=POLICY.replace(line, line + feeds + " "))

    def feed(self, name="a"):
        return {f["name"]: f for f in self.answer("list", "feeds")["feeds"]}[name]

    def now(self):
        """Looks at all feeds and waits until that is over."""
        before = len(self.server.seen)
        self.answer("list", "feeds", "--now")
        return before

    def in_force(self, name="hosts"):
        return {row["name"]: row["entries"] for row in self.answer("list")["lists"]}[name]

    def trouble(self):
        return [line for line in self.status()["attention"] if "feed" in line]

    def events(self):
        events = map(json.loads, self.ctl("--json", "events", "-n", "1000").stdout.splitlines())
        return [e["xmppwall"] for e in events if e["event_type"] == "list"]

    # ---- files ----

    def test_a_feed_that_is_a_file(self):
        self.with_feeds('feed a { file "feed.txt"; every 1s; }')
        self.start()
        wait(lambda: self.in_force() == 4)
        self.assertEqual((self.feed()["entries"], self.feed()["error"]), (2, ""))
        self.assertEqual(self.answer("list", "history", "hosts")["history"][0]["who"], "feed a")
        # One that is not named any more has aged out; the set's own stay.
        self.source.write_text("two.example\nthree.example\n")
        wait(lambda: "three.example" in self.shown())
        self.assertEqual(self.shown(), {"bad.example": "file", "old.example": "file", "two.example": "feed a",
                                        "three.example": "feed a"})
        self.assertFalse(self.trouble())
        self.assertIn("feed-changed", [e["action"] for e in self.events()])

    def shown(self, name="hosts"):
        return {e["entry"]: e["from"] for e in self.answer("list", "show", name)["entries"]}

    def test_shrinking_keeps_the_last_good_copy(self):
        self.source.write_text("".join(f"n{i}.example\n" for i in range(100)))
        self.with_feeds('feed a { file "feed.txt"; every 1s; }')
        self.start()
        wait(lambda: self.in_force() == 102)
        self.source.write_text("n1.example\n")
        self.assertIn("shrank from 100 entries to 1", wait(self.trouble)[0])
        self.assertIn("100 entries stays in force", self.trouble()[0])
        self.assertEqual(self.in_force(), 102)
        self.assertIn("feed-failed", [e["action"] for e in self.events()])
        self.source.write_text("".join(f"n{i}.example\n" for i in range(50)))
        self.answer("list", "feeds", "--now")
        wait(lambda: self.in_force() == 52)
        self.assertFalse(self.trouble())

    def test_a_feed_that_is_gone_keeps_its_copy_over_a_restart(self):
        self.with_feeds('feed a { file "feed.txt"; every 1s; }')
        self.start()
        wait(lambda: self.in_force() == 4)
        self.stop()
        self.source.unlink()
        self.start()
        self.assertEqual(self.in_force(), 4)
        self.assertIn("No such file", wait(self.trouble)[0])
        self.assertEqual(self.in_force(), 4)
        # Once the policy has it no longer, nothing is left of it.
        self.write_policy()
        self.answer("reload")
        self.assertEqual(self.in_force(), 2)
        self.assertEqual(os.listdir(self.folder / "state/feeds"), [])

    def test_hostile_files(self):
        self.with_feeds('feed a { file "feed.txt"; every 1s; size 64k; }')
        self.start()
        wait(lambda: self.in_force() == 4)
        cases = {
            "no list for this set": "<html>\n<body>\n<p>gone fishing</p>\n",
            "larger than its ceiling": "x.example\n" * 10000,
            "shrank": "\n\n\n",
            "is no list": "\x00\x01\x02\n" * 100,
        }
        for said, text in cases.items():
            self.source.write_text(text)
            self.answer("list", "feeds", "--now")
            wait(lambda: any(said in line for line in self.trouble()), f"{said}: {self.trouble()}")
            self.assertEqual(self.in_force(), 4)
        self.source.unlink()
        os.mkfifo(self.source)
        self.answer("list", "feeds", "--now")
        wait(lambda: any("no file" in line for line in self.trouble()))
        self.assertEqual(self.in_force(), 4)

    # ---- votes, exceptions, edits ----

    def test_votes_and_exceptions(self):
        (self.folder / "b.txt").write_text("two.example\nthree.example\ngood.example\n")
        self.source.write_text("one.example\ntwo.example\ngood.example\n")
        (self.folder / "except.txt").write_text("# ours\ngood.example\n")
        self.with_feeds('feed a { file "feed.txt"; every 1s; } feed b { file "b.txt"; every 1s; weight 2; } '
                        'votes 3; except-file "except.txt";')
        self.start()
        wait(lambda: self.shown().get("two.example") == "feed a, feed b")
        self.assertEqual(self.in_force(), 3)
        (self.folder / "except.txt").write_text("two.example\n")
        wait(lambda: self.shown().get("good.example") == "feed a, feed b")
        self.assertNotIn("two.example", self.shown())
        (self.folder / "except.txt").write_text("not a domain\n")
        self.assertIn("except.txt:1:1", wait(self.trouble)[0])
        self.assertEqual(self.in_force(), 3)
        (self.folder / "except.txt").write_text("")
        wait(lambda: self.in_force() == 4)
        self.assertFalse(self.trouble())

    def test_commands_beside_feeds(self):
        self.with_feeds('feed a { file "feed.txt"; every 1s; }')
        self.start()
        wait(lambda: self.in_force() == 4)
        self.answer("list", "add", "hosts", "one.example", "--for", "1h")
        self.assertEqual(self.shown()["one.example"], "file, feed a")
        self.assertIn("except", self.refusal("list", "del", "hosts", "two.example"))
        self.answer("list", "del", "hosts", "one.example")
        self.assertEqual(self.shown()["one.example"], "feed a")
        self.assertEqual(self.in_force(), 4)
        self.assertEqual(self.ctl("list", "export", "hosts").stdout.splitlines(),
                         ["bad.example", "old.example until 2030-01-01T00:00:00Z # a feed"])
        self.refusal("list", "feeds", "words")
        self.assertIn("feed.txt", self.ctl("list", "feeds").stdout)

    def test_feeds_that_would_break_an_expectation_are_left_out(self):
        self.with_feeds('feed a { file "feed.txt"; every 1s; }')
        with self.config.open("a") as out:
            out.write('''
expect "a friend" { from "a@evil.example/x" to "b@a.example"
    stanza "<message type='chat'><body>see http://friend.example/</body></message>" verdict accept }
''')
        self.start()
        wait(lambda: self.in_force() == 4)
        self.source.write_text("one.example\nfriend.example\n")
        wait(lambda: any("without its feeds" in line for line in self.trouble()))
        self.assertEqual(self.in_force(), 2)
        self.stop()
        self.start()
        self.assertEqual(self.in_force(), 2)

    # ---- the web ----

    def test_http_with_etag(self):
        self.server.replies["/l"] = ("one.example\n", '"v1"')
        self.with_feeds(f'feed a {{ url "{self.server.url("/l")}"; every 1s; }}')
        self.start()
        wait(lambda: self.in_force() == 3)
        wait(lambda: any(h.get("If-None-Match") == '"v1"' for _, h in self.server.seen))
        fetched = self.feed()["fetched"]
        wait(lambda: self.feed()["fetched"] > fetched)
        self.assertEqual(self.feed()["error"], "")
        policies = len(self.heard("policy"))
        self.server.replies["/l"] = ("one.example\nmore.example\n", '"v2"')
        wait(lambda: self.in_force() == 4)
        self.assertEqual(len(self.heard("policy")), policies + 1)
        self.stop()
        self.server.replies.clear()
        before = len(self.server.seen)
        self.start()
        self.assertEqual(self.in_force(), 4)
        wait(lambda: len(self.server.seen) > before)
        self.assertEqual(self.server.seen[before][1].get("If-None-Match"), '"v2"')
        self.assertIn("status 404", wait(self.trouble)[0])
        self.assertEqual(self.in_force(), 4)

    def test_http_last_modified(self):
        date = "Sat, 21 Nov 2026 06:00:00 GMT"
        self.server.replies["/l"] = lambda h: h.say(304, "") if h.headers.get("If-Modified-Since") == date \
            else h.say(200, "one.example\n", Last_Modified=date)
        self.with_feeds(f'feed a {{ url "{self.server.url("/l")}"; every 1s; }}')
        self.start()
        wait(lambda: any(h.get("If-Modified-Since") == date for _, h in self.server.seen))
        self.assertEqual(self.in_force(), 3)

    def test_hostile_servers(self):
        other = f"http://127.0.0.1:{self.server.server_port}/good"
        server = self.server
        server.replies["/good"] = ("one.example\n", None)

        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            while not server.gate.is_set():
                handler.wfile.write(b"x.example\n" * 1000)

        def slow(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"x.example\n")
            server.gate.wait(30)

        def headers(handler):
            handler.send_response(200)
            for i in range(3000):
                handler.send_header(f"X-{i}", "y" * 100)
            handler.end_headers()

        cases = {
            "/missing": (None, "status 404"),
            "/cut": (lambda h: h.say(200, "x.example\n", length=1000), "transfer closed|bytes remaining"),
            "/large": (lambda h: h.say(200, "x.example\n" * 1000, length=10000), "larger than its ceiling"),
            "/endless": (endless, "larger than its ceiling"),
            "/slow": (slow, "timed out|timeout"),
            "/headers": (headers, "header|Failed writing"),
            "/html": (lambda h: h.say(200, "<html>\n<b>moved</b>\n"), "no list for this set"),
            "/not-modified": (lambda h: h.say(304, ""), "status 304"),
            "/file": (lambda h: h.say(302, "", Location="file:///etc/passwd"), "rotocol"),
            "/ftp": (lambda h: h.say(302, "", Location="ftp://127.0.0.1/x"), "rotocol"),
            "/https": (lambda h: h.say(302, "", Location="https://127.0.0.1/x"), "rotocol"),
            "/loop": (lambda h: h.say(302, "", Location="/loop"), "redirect"),
            "/garbage": (lambda h: h.wfile.write(b"\x00\x01\x02 nonsense\r\n\r\n"), "HTTP/0.9|Weird|Unsupported|nsupported"),
            "/moved": (lambda h: h.say(301, "", Location=other), ""),
        }
        feeds = ""
        for path, (reply, _) in cases.items():
            if reply:
                server.replies[path] = reply
            feeds += f' feed {path[1:]} {{ url "{server.url(path)}"; every 1h; size 2k; timeout 1s; }}'
        self.with_feeds(feeds)
        self.start()
        wait(lambda: all(f["error"] or f["entries"] for f in self.answer("list", "feeds")["feeds"]),
             f"{self.answer('list', 'feeds')}")
        for path, (_, said) in cases.items():
            error = self.feed(path[1:])["error"]
            if said:
                self.assertRegex(error, said, path)
            else:
                self.assertEqual(error, "", path)
        wait(lambda: self.in_force() == 3)
        self.assertLess(self.answer("status")["uptime_ms"], 60000)

    def test_a_slow_server_holds_up_nobody(self):
        self.server.replies["/slow"] = lambda h: self.server.gate.wait(30)
        self.with_feeds(f'feed slow {{ url "{self.server.url("/slow")}"; every 1h; timeout 60s; }} '
                        'feed a { file "feed.txt"; every 1s; }')
        self.start()
        wait(lambda: self.in_force() == 4)
        self.assertTrue(self.feed("slow")["busy"])
        start = time.monotonic()
        self.answer("list", "add", "hosts", "quick.example")
        self.assertLess(time.monotonic() - start, 2)
        self.assertTrue(self.feed("slow")["busy"])

    def test_no_program_to_fetch_with(self):
        (self.folder / "libexec/xmppwall-fetch").unlink()
        self.with_feeds(f'feed a {{ url "{self.server.url("/l")}"; every 1s; }}')
        self.start()
        self.assertIn("xmppwall-fetch", wait(self.trouble)[0])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
