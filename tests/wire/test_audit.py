# SPDX-License-Identifier: BSD-2-Clause
"""The audit trail with real clients: a line for each crossing and refusal, none lost when the proxy or the daemon is killed,
nothing crosses while the disk takes no line."""
import hashlib
import json
import os
import signal
import subprocess

import pytest

import policy
from lab import run, wait_for

AUDITED = policy.service(more="audit on;") + policy.RULES.replace("rate 5/second; burst 30", "rate 1000/second; burst 9000")


@pytest.fixture
def audited(new_wall):
    return new_wall(AUDITED)


def trail(wall):
    """All lines, whole ones."""
    lines = []
    for path in sorted((wall.folder / "log").glob("audit.log*")):
        lines += [line for line in path.read_bytes().split(b"\n") if line.startswith(b"{") and line.endswith(b"}")]
    return [json.loads(line) for line in lines]


def crossings(wall, **wanted):
    return [t for t in trail(wall) if t["event"] == "crossing" and all(t.get(k) == v for k, v in wanted.items())]


def verify(wall, *arguments):
    done = wall.run("--json", "--log-dir", wall.folder / "log", "audit", "verify", *arguments, check=False)
    return done.returncode, json.loads(done.stdout)


def assert_whole(wall):
    status, answer = verify(wall)
    assert status == 0 and answer["ok"], answer


def test_lines(audited, server, user):
    wall = audited.start()
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    juliet.ask("send", xml=f"<message to='{romeo.jid}' type='chat' id='m-1'><body>hello</body><securitylabel "
               "xmlns='urn:xmpp:sec-label:0'><displaymarking>OPEN</displaymarking><label/></securitylabel></message>")
    romeo.body("hello")
    juliet.ask("send", xml=f"<message to='{romeo.jid}' type='chat' id='m-2'><body>http://bad.example/</body></message>")
    juliet.stanza("policy-violation", kind="message")
    juliet.ask("send", xml=f"<message to='{romeo.jid}' type='chat' id='m-3'><body>casino bonus</body></message>")
    refused = wait_for(lambda: [t for t in trail(wall) if t["event"] == "refusal" and t.get("id") in ("m-2", "m-3")][1:], 5,
                       "two refusals")
    assert refused[0]["verdict"] == "drop" and refused[0]["rule"] == "spam"
    into, out = crossings(wall, id="m-1")
    assert into["direction"] == "in" and into["from"].startswith(juliet.jid) and into["to"] == romeo.jid
    assert into["verdict"] == "accept" and into["label"] == ["OPEN"] and out["direction"] == "out"
    assert into["kind"] == "message" and into["type"] == "chat" and len(into["digest"]) == 64
    first = [t for t in trail(wall) if t.get("id") == "m-2"][0]
    assert first["condition"] == "policy-violation" and first["chain"] == "inbound"
    assert wall.event(rule="phishing")["xmpp"]["id"] == first["verdict_id"]
    assert_whole(wall)
    head = wait_for(lambda: (lambda a: a if a["seq"] == trail(wall)[-1]["seq"] else None)(wall.ctl("status")["audit"]), 5, "its head")
    last = (wall.folder / "log/audit.log").read_bytes().rstrip(b"\n").split(b"\n")[-1]
    assert head["head"] == hashlib.sha256(last).hexdigest() and not head["stopped"]
    assert verify(wall, "--head", head["head"])[1]["found"] == head["seq"]
    assert verify(wall, "--head", "0" * 64)[0] == 1


def test_not_audited_has_no_line(new_wall, prosody, user):
    wall = new_wall(policy.STANDARD).start()
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    juliet.say(romeo.jid, "hello")
    romeo.body("hello")
    assert not (wall.folder / "log/audit.log").exists() and "audit" not in wall.ctl("status")
    # Turned on, for sessions that are there as well.
    wall.write(**{"xmppwall.conf": AUDITED})
    wall.ctl("reload")
    juliet.ask("send", xml=f"<message to='{romeo.jid}' type='chat' id='on'><body>on</body></message>")
    romeo.body("on")
    wait_for(lambda: crossings(wall, id="on"), 5, "a line")
    assert_whole(wall)


def received(client, prefix):
    with client.changed:
        found = [e["xml"] for e in client.events if e["event"] == "message" and f'id="{prefix}' in e.get("xml", "")]
    return {text.split('id="', 1)[1].split('"', 1)[0] for text in found}


def send_many(sender, receiver, prefix, count):
    for n in range(count):
        sender.order("send", xml=f"<message to='{receiver.jid}' type='chat' id='{prefix}-{n}'><body>{prefix} {n}</body></message>")


@pytest.mark.parametrize("who", ["proxy", "daemon"])
def test_killed(audited, prosody, user, who):
    """Whoever is killed in the middle of it: what reached its recipient has its lines."""
    wall = audited.start()
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    send_many(juliet, romeo, "k", 400)
    wait_for(lambda: len(received(romeo, "k-")) > 60, 20, "some messages")
    os.kill(wall.process.pid if who == "daemon" else wall.proxies()[0], signal.SIGKILL)
    romeo.event("disconnected", "killed", "stream_error", seconds=30)
    there = received(romeo, "k-")
    if who == "daemon":
        wall.process.close()
        wall.start()
    assert len(there) > 60
    wait_for(lambda: there <= {t["id"] for t in crossings(wall) if t["direction"] == "out" and "id" in t}, 20,
             "a line for each message that arrived")
    assert_whole(wall)
    assert not list((wall.folder / "run").glob("audit-*.ring")) or who == "proxy" or wall.proxies()


def test_disk_full(audited, prosody, user):
    """Nothing crosses; a service that is not audited is none the wiser; room comes, and it goes on."""
    log = audited.folder / "log"
    run("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", log)
    try:
        wall = audited.start()
        juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
        subprocess.run(["dd", "if=/dev/zero", f"of={log}/filler", "bs=4k"], capture_output=True, check=False)
        juliet.mark()
        romeo.mark()
        send_many(juliet, romeo, "full", 40)
        wait_for(lambda: wall.ctl("status")["audit"]["stopped"], 10, "the trail to stop")
        assert any("audit trail cannot be written" in line for line in wall.ctl("status")["attention"])
        before = received(romeo, "full-")
        juliet.order("send", xml=f"<message to='{romeo.jid}' type='chat' id='after'><body>after</body></message>")
        assert received(romeo, "after") == set()
        (log / "filler").unlink()
        romeo.body("after")
        wait_for(lambda: len(received(romeo, "full-")) == 40, 10, "all messages")
        assert len(before) <= 40 and juliet.alive() and romeo.alive()
        wait_for(lambda: received(romeo, "full-") <= {t["id"] for t in crossings(wall, direction="out") if "id" in t}, 10, "their lines")
        assert_whole(wall)
        assert not wall.ctl("status")["audit"]["stopped"]
    finally:
        audited.close()
        run("umount", log)


def test_release_is_a_crossing(new_wall, prosody, user):
    configuration = policy.service(more="audit on;") + """
chain inbound { hook c2s direction in; rule look { message body contains "look at me" quarantine } }"""
    wall = new_wall(configuration).start()
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    juliet.say(romeo.jid, "look at me")
    kept = wait_for(lambda: wall.ctl("quarantine", "list")["quarantine"], 10, "a message in quarantine")
    assert wait_for(lambda: [t for t in trail(wall) if t.get("verdict") == "quarantine"], 5, "its line")[0]["event"] == "refusal"
    wall.ctl("quarantine", "release", kept[0]["id"])
    romeo.body("look at me")
    wait_for(lambda: crossings(wall, verdict="released"), 5, "the line of its release")
    assert_whole(wall)


def test_upgrade_goes_on(audited, prosody, user):
    wall = audited.start()
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    juliet.say(romeo.jid, "before")
    romeo.body("before")
    wall.ctl("upgrade")
    juliet.ask("send", xml=f"<message to='{romeo.jid}' type='chat' id='later'><body>later</body></message>")
    romeo.body("later")
    wait_for(lambda: crossings(wall, id="later", direction="out"), 10, "a line of a session that goes on")
    assert_whole(wall)
