# SPDX-License-Identifier: BSD-2-Clause
"""Other programs: what they say becomes bans here, and what happened here they read. fail2ban and CrowdSec are the real ones."""
import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

import policy
from lab import LabError, client_address, wait_for
from others import PACKAGING, CrowdSec, Fail2ban, unpack
from raw import RawClient
from test_sasl import guess

POLICY = policy.STANDARD + """
chain logins { hook login; rule failed { login.failure exists  log, accept } }
chain outbound { hook c2s direction out; policy accept; rule secret { message body contains "top secret"  drop, log body } }
set friends { type address; elements = { 192.0.2.30, 203.0.113.0/28, 2001:db8:1:30::/64 }; }
firewall { allow @friends; }
"""
# Who does what, by the last number of the address.
GUESSER, SPAMMER, VICTIM, FRIEND = 27, 24, 11, 30
JAIL = """
[DEFAULT]
backend = polling
banaction = xmppwall
[xmppwall]
enabled = true
filter = xmppwall[mode=login]
logpath = {log}
maxretry = 4
findtime = 10m
bantime = 20m
[forever]
enabled = true
filter = xmppwall[mode=verdict]
logpath = {none}
maxretry = 100
bantime = -1
"""
_folders = itertools.count(1)


@pytest.fixture(scope="module")
def tools():
    """The packages' files, or why there are none here."""
    def find(*names):
        try:
            return unpack(*names)
        except LabError as error:
            pytest.skip(str(error))
    return find


@pytest.fixture
def folder(lab):
    made = lab.folder / f"others-{next(_folders)}"
    made.mkdir()
    return made


@pytest.fixture
def fresh(new_wall):
    return new_wall(POLICY).start()


@pytest.fixture
def hold():
    """Ends what a test has started, whatever came of it."""
    with contextlib.ExitStack() as stack:
        yield lambda thing: stack.enter_context(contextlib.closing(thing))


def guess_often(lab, server, number, count):
    """Failed logins, two a stream; each for another account."""
    for first in range(0, count, 2):
        with RawClient(lab, server, source=client_address(number)) as raw:
            raw.starttls().open()
            for n in range(first, min(first + 2, count)):
                assert "not-authorized" in guess(raw, f"guess{n}")


def abuse(user, server):
    """A link that is blocked on its way in, by its sender, and a word that is blocked on its way out, to its reader."""
    tybalt, juliet = user("tybalt", server, SPAMMER), user("juliet", server, VICTIM)
    for n in range(3):
        tybalt.order("message", to=juliet.jid, body=f"see http://login.bad.example/{n}")
    tybalt.order("message", to=juliet.jid, body='top secret "direction":"in","kind":"login","failure":"not-authorized"')


def exec_start(unit, wall, **places):
    """The shell's text in a unit's ExecStart, with this wall's xmppwallctl."""
    text = (PACKAGING / unit).read_text().replace("\\\n", "")
    script = re.search(r"^ExecStart=/bin/sh -c '(.*)'$", text, re.M)[1].replace("$$", "$").replace("%%", "%")
    return script.replace("xmppwallctl", " ".join(map(str, wall.ctl_command())))


# ---- the command itself, against the daemon ----

def batch(wall, text, *options):
    done = wall.run("--json", "ban", "--batch", *options, text=text, check=False)
    return done, json.loads(done.stdout.splitlines()[-1]) if done.stdout else None


def test_who_is_never_banned_by_a_batch(fresh):
    refused = {"192.0.2.1": "this host", "192.0.2.0/29": "this host", "198.51.100.0/24": "this host", "2001:db8:1::/48": "this host",
               "192.0.2.30": "allowed", "192.0.2.28/30": "allowed", "203.0.113.7": "allowed", "2001:db8:1:30::9": "allowed",
               "127.0.0.1": "loopback", "0.0.0.0/0": "wider", "::/3": "wider", "ff02::1": "multicast"}
    done, said = batch(fresh, "".join(f"{a}\n" for a in refused) + "192.0.2.26 for 5m why of the list\n")
    assert done.returncode == 1 and said["refused"] == len(refused) and said["banned"] == 1
    for number, (address, why) in enumerate(refused.items(), 1):
        line = next(line for line in done.stderr.splitlines() if f" line {number}:" in line)
        assert address in line and why in line
    assert fresh.bans() == ["192.0.2.26"] and set(fresh.blocked()) == {"192.0.2.26"}
    assert fresh.ctl("bans")["bans"][0]["why"] == "of the list"
    # An operator's hand may.
    assert fresh.run("ban", "203.0.113.7").returncode == 0


def test_what_stands_stays(fresh):
    """A batch shortens no ban, and the same list again changes nothing and is not told again."""
    fresh.run("ban", "192.0.2.26", "--for", "3h", "--why", "by the operator")
    done, said = batch(fresh, "192.0.2.26\n192.0.2.25 for 1h\n")
    assert done.returncode == 0 and said["banned"] == 1 and said["standing"] == 1
    done, said = batch(fresh, "192.0.2.26\n192.0.2.25 for 1h\nunban 192.0.2.9\n")
    assert done.returncode == 0 and said["banned"] == 0 and said["standing"] == 2 and said["absent"] == 1
    bans = {b["address"]: b for b in fresh.ctl("bans")["bans"]}
    assert bans["192.0.2.26"]["why"] == "by the operator" and bans["192.0.2.26"]["count"] == 1
    assert len([e for e in fresh.ctl("events") if e["event_type"] == "ban"]) == 2
    fresh.run("unban", "--batch", text="192.0.2.26\n192.0.2.25\n")
    assert fresh.bans() == [] and not fresh.blocked()


def test_thousands(fresh, folder):
    """More than one request, IPv4 and IPv6, and a bad line in the middle."""
    four, six = [f"10.7.{n // 256}.{n % 256}" for n in range(10200)], [f"2001:db8:7:{n:x}::/64" for n in range(100)]
    (folder / "list").write_text("\n".join(four + ["nonsense"] + six))
    done = fresh.run("--json", "ban", "--batch", folder / "list", check=False)
    said = json.loads(done.stdout)
    assert done.returncode == 1 and said["banned"] == 10300 and said["refused"] == 1 and said["lines"] == 10301
    assert "line 10201: 'nonsense'" in done.stderr
    assert len(fresh.bans()) == 10300 and fresh.blocked() and fresh.blocked(6)
    done, said = batch(fresh, "".join(f"unban {a}\n" for a in six))
    assert said["unbanned"] == 100 and len(fresh.bans()) == 10200 and fresh.blocked() and not fresh.blocked(6)
    done = fresh.run("--json", "unban", "--batch", folder / "list", check=False)
    said = json.loads(done.stdout)
    assert said["unbanned"] == 10200 and said["absent"] == 100 and fresh.bans() == [] and not fresh.blocked()


def ask(wall, args):
    """The control socket's own answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(wall.folder / "run/control.sock"))
        s.sendall(json.dumps({"cmd": "ban-batch", "args": args}).encode() + b"\n")
        return json.loads(s.makefile().readline())


def test_the_request_trusts_nobody(fresh):
    """What no client of ours would say: refused whole, or entry by entry, and the daemon goes on."""
    for args in ({}, {"entries": {}}, {"entries": "192.0.2.26"}, {"entries": [{}] * 50001}):
        answer = ask(fresh, args)
        assert answer["ok"] is False and answer["exit"] == 2 and "entries" in answer["error"]
    wrong = [{}, 7, None, [], "192.0.2.26", {"op": "ban"}, {"op": "kill", "address": "192.0.2.26"}, {"op": "ban", "address": 7, "for": 1000},
             {"op": "ban", "address": "192.0.2.26"}, {"op": "ban", "address": "192.0.2.26", "for": 0}, {"op": "ban", "address": "192.0.2.26", "for": -1},
             {"op": "ban", "address": "192.0.2.26", "for": "1h"}, {"op": "ban", "address": "ü" * 100, "for": 1000},
             {"op": "ban", "address": "0.0.0.0/0", "for": 1000}, {"op": "ban", "address": "127.0.0.1", "for": 1000}]
    good = {"op": "ban", "address": "192.0.2.25", "for": 2**62, "why": "ü" * 500}
    result = ask(fresh, {"entries": wrong + [good, {"op": "unban", "address": "192.0.2.99"}]})["result"]
    assert [r["at"] for r in result["refused"]] == list(range(len(wrong))) and all(r["error"] for r in result["refused"])
    assert result["banned"] == 1 and result["absent"] == 1 and fresh.bans() == ["192.0.2.25"]
    assert fresh.ctl("bans")["bans"][0]["why"] == "ü" * 79


def test_exit_statuses(fresh, folder):
    assert batch(fresh, "192.0.2.26\n")[0].returncode == 0
    assert batch(fresh, "")[0].returncode == 0
    assert batch(fresh, "x\n")[0].returncode == 1
    for wrong in (["--format", "snort"], ["--for", "ever"], ["--severity", "0"], ["--spare", "me"], ["--prefix6", "7"],
                  [folder / "none"], ["a", "b"], ["--no-such"]):
        assert batch(fresh, "", *wrong)[0].returncode == 2, wrong
    fresh.process.close()
    assert batch(fresh, "192.0.2.26\n")[0].returncode == 3
    assert batch(fresh, "192.0.2.26\n", "--dry-run")[0].returncode == 0


EVE = {"flow_id": 1, "in_iface": "eth0", "event_type": "alert", "src_port": 4444, "dest_ip": "198.51.100.10", "dest_port": 5222, "proto": "TCP",
       "alert": {"action": "allowed", "gid": 1, "signature_id": 1000001, "rev": 1, "signature": "knock", "category": "", "severity": 2}}


def test_alerts_as_they_come(lab, prosody, fresh, folder):
    """tail -F of a log that goes on: each alert is in the kernel a moment later, though the pipe never ends."""
    log = folder / "eve.json"
    log.write_text('{"event_type":"stats"}\n')
    pipe = exec_start("suricata/xmppwall-suricata.service", fresh).replace("/var/log/suricata/eve.json", str(log)).replace("-n 0", "-n +1")
    feeder = lab.firewall.start("sh", "-c", pipe, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, SPARE="198.51.100.0/24"))
    try:
        for source, banned, version in (("192.0.2.26", "192.0.2.26", 4), ("2001:db8:1:25::25", "2001:db8:1:25::/64", 6), ("192.0.2.25", "192.0.2.25", 4)):
            with open(log, "a") as file:
                for line in (dict(EVE, src_ip=source), {"event_type": "flow", "src_ip": "192.0.2.12"}, dict(EVE, src_ip="198.51.100.10")):
                    file.write(json.dumps(dict(timestamp="2026-11-21T17:00:00.000000+0000", **line)) + "\n")
            wait_for(lambda: banned in fresh.blocked(version), 5, f"{banned} in the kernel", lambda: feeder.poll() is None)
        assert sorted(fresh.bans()) == ["192.0.2.25", "192.0.2.26", "2001:db8:1:25::/64"]
        assert {b["why"] for b in fresh.ctl("bans")["bans"]} == {"suricata: knock [1:1000001:1]"}
        # A word of the pipe's own end: what is refused was told at once.
        for pid in lab.firewall.run("pgrep", "-f", f"tail -n [+]1 -F {log}").stdout.split():
            lab.firewall.run("kill", pid, check=False)
        out, errors = feeder.communicate(timeout=10)
        assert "3 banned" in out and errors.count("spared by --spare") == 3
    finally:
        feeder.kill()
        feeder.wait()


# ---- fail2ban ----

def test_fail2ban_reads_our_events(lab, prosody, tools, hold, fresh, folder, user):
    root = tools("fail2ban")
    guess_often(lab, prosody, GUESSER, 3)
    abuse(user, prosody)
    fresh.event(rule="secret")
    log = fresh.folder / "log/events.json"
    reader = hold(Fail2ban(lab.firewall, root, folder, fresh, JAIL.format(log=log, none=log)))
    assert len(fresh.events(rule="phishing")) == 3
    for mode, wanted in (("login", {GUESSER: 3}), ("verdict", {SPAMMER: 3}), ("all", {GUESSER: 3, SPAMMER: 3})):
        said = reader.regex(log, f"[mode={mode}]")
        assert f"{sum(wanted.values())} matched" in said, said
        for number in (GUESSER, SPAMMER, VICTIM):
            matched = [line for line in said.splitlines() if f'"src_ip":"{client_address(number)}"' in line]
            assert len(matched) == wanted.get(number, 0), (mode, number, said)


def test_fail2ban_bans_through_us(lab, prosody, tools, hold, fresh, folder):
    root = tools("fail2ban")
    log = fresh.folder / "log/events.json"
    log.touch()
    none = folder / "none.json"
    none.touch()
    fail2ban = hold(Fail2ban(lab.firewall, root, folder, fresh, JAIL.format(log=log, none=none))).ready("xmppwall")
    guess_often(lab, prosody, GUESSER, 4)
    address = client_address(GUESSER)
    wait_for(lambda: address in fresh.blocked(), 20, "fail2ban's ban in the kernel", fail2ban.process.alive)
    ban = next(b for b in fresh.ctl("bans")["bans"] if b["address"] == address)
    assert ban["why"] == "fail2ban xmppwall" and 1190 < fresh.blocked()[address] <= 1200
    assert address in fail2ban.client("status", "xmppwall")
    fail2ban.client("set", "xmppwall", "unbanip", address)
    wait_for(lambda: address not in fresh.blocked(), 10, "the unban", fail2ban.process.alive)
    assert address not in fresh.bans()
    fail2ban.client("set", "forever", "banip", "192.0.2.25")
    wait_for(lambda: "192.0.2.25" in fresh.bans(), 10, "a ban without an end", fail2ban.process.alive)
    assert fresh.ctl("bans")["bans"][0]["until"] - fresh.ctl("bans")["bans"][0]["since"] > 9 * 365 * 86400 * 1000
    # No word of a log or of an operator becomes one of the shell.
    trap = folder / "trap"
    for hostile in (f"192.0.2.9; touch {trap}", f'192.0.2.9"; touch {trap}; "', f"$(touch {trap})", f"`touch {trap}`", client_address(FRIEND)):
        fail2ban.client("set", "xmppwall", "banip", hostile, check=False)
    wait_for(lambda: "allowed by the policy" in fail2ban.process.text(), 20, "the last of them to be refused", fail2ban.process.alive)
    assert not trap.exists() and fresh.bans() == ["192.0.2.25"]
    fail2ban.close()
    # fail2ban takes its own bans back when it ends.
    assert fresh.bans() == []


# ---- CrowdSec ----

def test_crowdsec_both_ways(lab, prosody, tools, hold, fresh, folder, user):
    """Our events make its alerts; its decisions, as a list and as a stream, make our bans and unbans."""
    root = tools("crowdsec")
    log = fresh.folder / "log/events.json"
    log.touch()
    crowdsec = hold(CrowdSec(lab.firewall, root, folder, log))
    guess_often(lab, prosody, GUESSER, 7)
    abuse(user, prosody)
    fresh.event(rule="secret")
    address = client_address(GUESSER)
    wait_for(lambda: crowdsec.alerts().get("xmppwall/xmpp-bf"), 30, "CrowdSec's alert", crowdsec.process.alive)
    alerts = crowdsec.alerts()
    assert alerts["xmppwall/xmpp-bf"] == {address} and not any(client_address(n) in a for n in (VICTIM, SPAMMER) for a in alerts.values())
    wait_for(lambda: address in crowdsec.decisions(), 10, "its decision", crowdsec.process.alive)
    # What else may be decided.
    for words in (["--range", "203.0.113.128/25", "--duration", "1h30m", "--reason", "a range"], ["--ip", "2001:db8:1:26::26", "--duration", "90s"],
                  ["--ip", "192.0.2.25", "--type", "captcha"], ["--ip", client_address(FRIEND)], ["--scope", "Country", "--value", "AQ"]):
        crowdsec.cscli("decisions", "add", *words)
    once = exec_start("crowdsec/xmppwall-crowdsec.service", fresh).replace("cscli", f"cscli -c {crowdsec.config}")
    once = once.replace("ban --batch", "--json ban --batch")
    done = lab.firewall.run("sh", "-c", once, check=False, environment=crowdsec.environment)
    said = json.loads(done.stdout)
    assert done.returncode == 1 and "192.0.2.30: allowed by the policy" in done.stderr, done.stderr
    assert said["banned"] == 3 and said["refused"] == 1 and said["skipped"] == 2
    bans = {b["address"]: b for b in fresh.ctl("bans")["bans"]}
    assert set(bans) == {address, "203.0.113.128/25", "2001:db8:1:26::26"}
    assert bans[address]["why"].startswith("crowdsec: xmppwall/xmpp-bf") and bans["203.0.113.128/25"]["why"].startswith("crowdsec: a range")
    assert 5300 < (bans["203.0.113.128/25"]["until"] - bans["203.0.113.128/25"]["since"]) / 1000 <= 5400
    # The list again, as the timer has it read: nothing new.
    said = json.loads(lab.firewall.run("sh", "-c", once, check=False, environment=crowdsec.environment).stdout)
    assert said["banned"] == 0 and said["standing"] == 3


def test_crowdsec_streams(lab, tools, hold, fresh, folder):
    """As a bouncer: decisions come and go within a moment."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    crowdsec = hold(CrowdSec(lab.firewall, tools("crowdsec"), folder, folder / "none.json"))
    crowdsec.cscli("decisions", "add", "--ip", "192.0.2.24", "--duration", "10m")
    crowdsec.cscli("decisions", "add", "--range", "203.0.113.128/25", "--duration", "10m")
    pipe = exec_start("crowdsec/xmppwall-crowdsec-stream.service", fresh).replace("sleep 10", "sleep 0.2")
    key = crowdsec.cscli("bouncers", "add", "xmppwall", "-o", "raw").strip()
    bouncer = lab.firewall.start("sh", "-c", pipe, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env=dict(os.environ, KEY=key, API="http://127.0.0.1:8080"))
    try:
        wait_for(lambda: set(fresh.bans()) == {"192.0.2.24", "203.0.113.128/25"}, 10, "what was decided before", lambda: bouncer.poll() is None)
        crowdsec.cscli("decisions", "add", "--ip", "2001:db8:1:26::26", "--duration", "90s")
        wait_for(lambda: "2001:db8:1:26::26" in fresh.blocked(6), 10, "a new decision", lambda: bouncer.poll() is None)
        crowdsec.cscli("decisions", "delete", "--ip", "192.0.2.24")
        wait_for(lambda: "192.0.2.24" not in fresh.blocked(), 10, "a decision taken back", lambda: bouncer.poll() is None)
        # Without the API both ends end, and the service begins anew.
        crowdsec.close()
        out, errors = bouncer.communicate(timeout=20)
        assert "curl" in errors and "1 unbanned" in out and "3 banned" in out, (out, errors)
    finally:
        bouncer.kill()
        bouncer.wait()


def test_crowdsec_explains_our_events(lab, prosody, tools, hold, fresh, folder, user):
    """The parser says of each line what it is: a failed login, a verdict, or nothing of its own."""
    root = tools("crowdsec")
    guess_often(lab, prosody, GUESSER, 2)
    abuse(user, prosody)
    fresh.event(rule="secret")
    log = fresh.folder / "log/events.json"
    crowdsec = hold(CrowdSec(lab.firewall, root, folder, folder / "none.json"))
    said = crowdsec.explain(log).split("line: ")[1:]
    assert len(said) == 6, said
    for block in said:
        event = json.loads(block[:block.index("\n")])
        scenarios = {line.split()[-1] for line in block[block.find("Scenarios"):].splitlines() if "xmppwall/xmpp-" in line}
        if event["xmpp"].get("kind") == "login":
            assert "create evt.Meta.log_type : xmpp_failed-auth" in block and f"create evt.Meta.source_ip : {client_address(GUESSER)}" in block
            assert scenarios == {"xmppwall/xmpp-bf", "xmppwall/xmpp-bf_user-enum"} and "target_user : guess" in block
        elif event["xmpp"]["rule"] == "phishing":
            assert "create evt.Meta.log_type : xmpp_blocked" in block and f"create evt.Meta.source_ip : {client_address(SPAMMER)}" in block
            assert scenarios == {"xmppwall/xmpp-abuse"}
        else:  # of what was stopped on its way to a reader, the reader is the victim
            assert event["src_ip"] == client_address(VICTIM) and not scenarios and "source_ip" not in block
