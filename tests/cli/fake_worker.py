#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for xmppwall-proxy: speaks ctl/link.h on descriptor 3, writes what it hears to heard.json beside itself, and
does what the lines of the FIFO "orders" say: a JSON message is sent to the daemon, "die" ends it at once, "deaf" stops answering.
"""
import json
import os
import pathlib
import selectors
import socket
import sys

FOLDER = pathlib.Path(sys.argv[0]).resolve().parent
channel = socket.socket(fileno=3)
heard = open(FOLDER / "heard.json", "a")
orders = os.open(FOLDER / "orders", os.O_RDWR | os.O_NONBLOCK)


def say(message):
    channel.sendall(json.dumps(message).encode() + b"\n")


def answer(message):
    kind = message["m"]
    if kind == "policy":
        ok = not (FOLDER / "refuse").exists()
        say({"m": "policy", "generation": message["generation"], "ok": ok, "error": "" if ok else "fake says no"})
    elif kind == "start":
        say({"m": "ready", "sandbox": "none, a test"})
    elif kind in ("list", "limits"):
        say({"m": kind, "seq": message["seq"], "ok": True})
    elif kind == "observed":
        path = FOLDER / "observed.json"
        rows = json.loads(path.read_text()) if path.exists() else []
        say({"m": "observed", "seq": message["seq"], "rows": rows, "more": True})
        say({"m": "observed", "seq": message["seq"], "rows": [], "more": False})
    elif kind == "sessions":
        row = {"id": 1, "service": "c2s", "address": "192.0.2.9", "port": 1, "server": "", "jid": "a@a.example/x",
               "state": "open", "tls": "TLSv1.3", "age_ms": 5, "in": 1, "out": 2, "dropped": 0, "rejected": 0}
        path = FOLDER / "rows.json"
        rows = json.loads(path.read_text()) if path.exists() and "top" in message else [row]
        say({"m": "sessions", "seq": message["seq"], "rows": rows, "more": rows == [row]})
        if rows == [row]:
            say({"m": "sessions", "seq": message["seq"], "rows": [row], "more": False})
    elif kind == "using":
        path = FOLDER / "using.json"
        say({"m": "using", "seq": message["seq"], "rows": json.loads(path.read_text()) if path.exists() else []})
    elif kind == "shadow":
        report = {"judged": 9, "differ": 2, "failed": 0, "more": 0, "kinds": [{"before": "accept", "after": "drop\x1b", "count": 2}],
                  "examples": [{"from": "a\x1b[7m", "to": "b", "kind": "message", "jid": "", "before": "accept", "after": "drop"}]}
        if (FOLDER / "refuse").exists():
            say({"m": "shadow", "shadow": message["shadow"], "ok": False, "error": "fake says no"})
        elif not (FOLDER / "slow").exists():
            say({"m": "shadow", "shadow": message["shadow"], "ok": True, "report": report})
    elif kind == "hits":
        say({"m": "hits", "seq": message["seq"], "rows": [{"entry": "old.example", "hits": 7}], "more": True})
        say({"m": "hits", "seq": message["seq"], "rows": [{"entry": "feed.example", "hits": 3}, {"entry": 5}, "x"],
             "more": False})
    elif kind == "deliver" and not (FOLDER / "silent").exists():
        ok = not (FOLDER / "absent").exists()
        say({"m": "deliver", "seq": message["seq"], "ok": ok, "where": "server" if ok else ""})
    elif kind == "stop":
        sys.exit(0)


def hear(buffer):
    data, fds, _, _ = socket.recv_fds(channel, 1 << 20, 16)
    if not data:
        sys.exit(0)
    buffer += data
    *lines, rest = buffer.split(b"\n")
    for line in lines:
        message = json.loads(line)
        message["fds"] = len(fds)
        heard.write(json.dumps(message) + "\n")
        heard.flush()
        answer(message)
    for fd in fds:
        os.close(fd)
    return rest


def obey(text):
    for line in text.decode().splitlines():
        if line == "die":
            os._exit(7)
        channel.sendall(line.encode() + b"\n")


heard.write(json.dumps({"m": "born", "pid": os.getpid()}) + "\n")
heard.flush()
selector = selectors.DefaultSelector()
selector.register(channel, selectors.EVENT_READ)
selector.register(orders, selectors.EVENT_READ)
rest = b""
while True:
    for key, _ in selector.select():
        if key.fileobj is channel:
            rest = hear(rest)
        else:
            obey(os.read(orders, 1 << 16))
