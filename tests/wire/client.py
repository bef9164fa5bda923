# SPDX-License-Identifier: BSD-2-Clause
"""The tests' end of wireclient.py: a user in the client namespace, and waiting for what that user sees."""
import itertools
import json
import pathlib
import subprocess
import threading
import time
import xml.etree.ElementTree as ET

from lab import LabError, client_address

_numbers = itertools.count(1)


class Client:
    def __init__(self, lab, name="user"):
        self.lab, self.name, self.events, self.answers = lab, name, [], {}
        self.changed, self.marker = threading.Condition(), 0
        self.errors = lab.folder / f"client-{name}-{next(_numbers)}.log"
        self.process = lab.client.start(
            "/usr/bin/python3", pathlib.Path(__file__).with_name("wireclient.py"), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=open(self.errors, "w"), text=True, encoding="utf-8")
        threading.Thread(target=self._read, daemon=True).start()
        self.wait(lambda e: e["event"] == "ready", 30)

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            with self.changed:
                if "done" in said:
                    self.answers[said["done"]] = said
                else:
                    self.events.append(said)
                self.changed.notify_all()

    def order(self, do, **arguments):
        number = next(_numbers)
        self.process.stdin.write(json.dumps(dict(arguments, do=do, n=number)) + "\n")
        self.process.stdin.flush()
        return number

    def ask(self, do, seconds=20, **arguments):
        """The result of an order, or a LabError with what the client raised."""
        number, end = self.order(do, **arguments), time.monotonic() + seconds
        with self.changed:
            while number not in self.answers:
                if not self.changed.wait(max(0.0, end - time.monotonic())) and time.monotonic() > end:
                    raise LabError(f"{self.name}: no answer to {do} in {seconds} s; saw {self.tail()}")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise LabError(f"{self.name}: {do}: {answer['error']} {answer.get('xml', '')}")
        return answer["result"]

    def tail(self, count=6):
        return [f"{e['event']} {e.get('xml') or e.get('text', '')}"[:300] for e in self.events[-count:]]

    def mark(self):
        """From here on wait() looks only at what comes later."""
        with self.changed:
            self.marker = len(self.events)

    def wait(self, predicate, seconds=15, what="an event"):
        end = time.monotonic() + seconds
        with self.changed:
            seen = self.marker
            while True:
                while seen < len(self.events):
                    seen += 1
                    if predicate(self.events[seen - 1]):
                        return self.events[seen - 1]
                left = end - time.monotonic()
                if left <= 0:
                    raise LabError(f"{self.name} waited {seconds} s in vain for {what}; saw {self.tail()}")
                self.changed.wait(left)

    def event(self, *names, seconds=15):
        return self.wait(lambda e: e["event"] in names, seconds, " or ".join(names))

    def stanza(self, *texts, kind=None, seconds=15, without=()):
        """The first stanza whose XML holds all of texts."""
        return self.wait(lambda e: "xml" in e and (kind is None or e["event"] == kind) and all(t in e["xml"] for t in texts)
                         and not any(t in e["xml"] for t in without), seconds, f"{kind or 'a stanza'} with {texts}")["xml"]

    def body(self, text, seconds=15):
        """A message with exactly this body, as an element."""
        def is_it(event):
            if event["event"] != "message":
                return False
            body = ET.fromstring(event["xml"]).find("{*}body")
            return body is not None and body.text == text
        return ET.fromstring(self.wait(is_it, seconds, f"a message saying {text!r}")["xml"])

    def saw(self, text):
        with self.changed:
            return any(text in e.get("xml", "") for e in self.events[self.marker:])

    def alive(self):
        """Nothing ended this client's stream since mark()."""
        with self.changed:
            return not any(e["event"] in ("disconnected", "stream_error", "killed") for e in self.events[self.marker:])

    def dial(self, server, user, number=11, version=4, port=None, direct=False, resource=None, **more):
        """Starts logging in; login() waits for the end of it."""
        address = more.pop("address", None) or server.addresses[version]
        self.server, self.user = server, user
        self.jid = server.jid(user) + (f"/{resource}" if resource else "")
        self.source = client_address(number, version)
        self.mark()
        self.ask("connect", jid=self.jid, password=more.pop("password", server.users.get(user, "wrong")), address=address,
                 port=port or (5223 if direct else 5222), direct=direct, source=self.source, ca=str(server.lab.authority.file), **more)

    def login(self, *arguments, seconds=30, **keywords):
        self.dial(*arguments, **keywords)
        ended = self.event("session_start", "failed_all_auth", "ssl_invalid_chain", "stream_error", "connection_failed",
                           "disconnected", seconds=seconds)
        if ended["event"] != "session_start":
            raise LabError(f"{self.name} could not log in: {ended['event']} {ended.get('text', '')} {self.tail(3)}")
        self.ask("presence")
        self.stanza("<presence", f'from="{self.server.jid(self.user)}', kind="presence")
        return self

    def say(self, to, body, **keywords):
        return self.ask("message", to=to, body=body, **keywords)

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
                self.process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
