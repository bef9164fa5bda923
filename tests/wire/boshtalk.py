#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A conversation over BOSH in clear text (XEP-0124, XEP-0206), with nothing but Python's own HTTP: two users.

    boshtalk.py DOMAIN ADDRESS ADDRESS6 [tolerant]

Each user has two connections, one held open for what comes and one for what is said. Prints one JSON line a message body that was
sent, with who sent it in which way; ends when everything has arrived. tolerant: what a firewall takes out need not arrive, and a
connection it ends is dialled anew."""
import base64
import http.client
import json
import sys
import threading
import time
import xml.etree.ElementTree as tree

BIND, CLIENT, SASL, STANZAS = ("http://jabber.org/protocol/httpbind", "jabber:client", "urn:ietf:params:xml:ns:xmpp-sasl",
                               "urn:ietf:params:xml:ns:xmpp-stanzas")
USERS = {"juliet": "balcony", "romeo": "orchard"}
SPAM = "Free crypto at the apothecary's"
LINK = "look at http://login.bad.example/tomb"
WAIT = 5


class Bosh:
    """One session of one user."""

    def __init__(self, user, domain, address, port=5280, tolerant=False):
        self.user, self.domain, self.address, self.port, self.tolerant = user, domain, address, port, tolerant
        self.rid, self.sid, self.lock = 1000, None, threading.Lock()
        self.heard, self.lost, self.over = [], 0, False
        self.speaking, self.listening = self.dial(), self.dial()

    def dial(self):
        return http.client.HTTPConnection(self.address, self.port, timeout=WAIT + 15)

    def request(self, connection, children="", pieces=0, **attributes):
        """One request and its answer; pieces: the body in segments so large."""
        headers = {"Content-Type": "text/xml; charset=utf-8", "Accept-Encoding": "gzip, deflate"}
        with self.lock:  # a request leaves before the next number is given: servers count the order they arrive in
            self.rid += 1
            attributes["rid"] = str(self.rid)
            if self.sid:
                attributes["sid"] = self.sid
            text = "".join(f" {k}='{v}'" for k, v in attributes.items())
            body = f"<body xmlns='{BIND}'{text}>{children}</body>".encode()
            if pieces:
                headers["Content-Length"] = str(len(body))
            connection.request(
                "POST", "/http-bind", (body[at:at + pieces] for at in range(0, len(body), pieces)) if pieces else body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or answer.getheader("Content-Encoding"):
            raise RuntimeError(f"{answer.status} {answer.getheader('Content-Encoding')}: {text!r}")
        root = tree.fromstring(text) if text else tree.Element("nothing")
        if root.get("type") == "terminate" and not self.over:
            raise RuntimeError(f"terminated: {text!r}")
        self.heard += root.iter(f"{{{CLIENT}}}message")
        return root

    def login(self, password):
        opened = self.request(self.speaking, to=self.domain, wait=WAIT, hold=1, ver="1.6", **{
            "xmlns:xmpp": "urn:xmpp:xbosh", "xmpp:version": "1.0", "content": "text/xml; charset=utf-8"})
        self.sid = opened.get("sid")
        secret = base64.b64encode(f"\0{self.user}\0{password}".encode()).decode()
        answer = self.request(self.speaking, f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>")
        if answer.find(f"{{{SASL}}}success") is None:
            raise RuntimeError(f"no login: {tree.tostring(answer)!r}")
        self.request(self.speaking, to=self.domain, **{"xmlns:xmpp": "urn:xmpp:xbosh", "xmpp:restart": "true"})
        self.request(self.speaking, f"<iq xmlns='{CLIENT}' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                                    f"<resource>{self.user}</resource></bind></iq>")
        self.request(self.speaking, f"<presence xmlns='{CLIENT}'/>")
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self):
        """Holds a request open all the time, as clients do."""
        while not self.over:
            try:
                self.request(self.listening)
            except (OSError, http.client.HTTPException):
                if self.over or not self.tolerant:
                    break
                self.listening = self.dial()

    def say(self, to, body, way="plain", namespace=True, **more):
        xmlns = f" xmlns='{CLIENT}'" if namespace else ""
        print(json.dumps({"who": self.user, "body": body, "way": way}), flush=True)
        try:
            return self.request(self.speaking, f"<message{xmlns} to='{to}' type='chat'><body>{body}</body></message>", **more)
        except (OSError, http.client.HTTPException):
            if not self.tolerant:
                raise
            self.lost += 1
            self.speaking = self.dial()
            return None

    def wait_for(self, body, seconds=20):
        end = time.monotonic() + seconds
        while body not in self.bodies():
            if time.monotonic() > end:
                raise RuntimeError(f"{self.user} waits in vain for {body!r}")
            time.sleep(0.02)

    def bodies(self):
        """Of a message that had no namespace Prosody passes the children on in that of BOSH."""
        return [m.findtext("{*}body") for m in list(self.heard)]

    def leave(self):
        self.over = True
        self.request(self.speaking, f"<presence xmlns='{CLIENT}' type='unavailable'/>", type="terminate")
        self.listener.join(WAIT + 10)
        self.speaking.close()
        self.listening.close()


def main():
    domain, address, address6, tolerant = *sys.argv[1:4], "tolerant" in sys.argv[4:]
    juliet, romeo = (Bosh(user, domain, where, tolerant=tolerant) for user, where in zip(USERS, (address, address6)))
    for user in (juliet, romeo):
        user.login(USERS[user.user])
    to_juliet, to_romeo = f"juliet@{domain}/juliet", f"romeo@{domain}/romeo"
    juliet.say(to_romeo, "good evening")
    romeo.wait_for("good evening")
    romeo.say(to_juliet, SPAM)
    romeo.say(to_juliet, LINK)
    romeo.say(to_juliet, "in pieces", "pieces", pieces=100)
    romeo.say(to_juliet, SPAM + ", in pieces", "pieces", pieces=100)
    juliet.say(to_romeo, "without a namespace", "bare", namespace=False)
    juliet.say(to_romeo, SPAM + ", without a namespace", "bare", namespace=False)
    romeo.say(to_juliet, "in small pieces", "pieces", pieces=9)
    romeo.say(to_juliet, SPAM + ", in small pieces", "pieces", pieces=9)
    for number in range(4):
        juliet.say(to_romeo, f"good night {number}")
        romeo.say(to_juliet, f"good night {number}")
    for body in ("in pieces", "in small pieces", "good night 3"):
        juliet.wait_for(body)
    for body in ("without a namespace", "good night 3"):
        romeo.wait_for(body)
    if not tolerant:
        juliet.wait_for(SPAM)
    spam = sum("Free crypto" in (body or "") for u in (juliet, romeo) for body in u.bodies())
    juliet.leave()
    romeo.leave()
    print(json.dumps({"spam": spam, "lost": juliet.lost + romeo.lost}), flush=True)


if __name__ == "__main__":
    main()
