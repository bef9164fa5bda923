# SPDX-License-Identifier: BSD-2-Clause
"""The programs change while sessions talk: nobody is cut, nobody is refused, and whatever is wrong with the new ones changes nothing."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import threading
import time

import pytest

import policy
import wall as walls
from lab import LabError, wait_for
from raw import RawClient
from wall import Wall, missing_programs

RULES = """
set bad_words { type keyword; flags fold; file "lists/spam-words.txt"; }
set bad_hosts { type domain; flags suffix; file "lists/bad-hosts.txt"; }  # large: compiled once, and shared

chain inbound {
    hook c2s direction in; policy accept;
    rule spam { message text contains @bad_words reject policy-violation "no", log }
    rule hold { message body contains "hold me"  quarantine }
    rule link { message url.host in @bad_hosts   reject not-allowed }
}
"""
SESSIONS = 16
HOSTS = "".join(f"host-number-{n}.example\n" for n in range(10000))
PATTERNS = 1500  # some seconds of compiling


class Programs(Wall):
    """A wall whose programs can be replaced."""

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for program in (*walls.PROGRAMS, "xmppwall-fetch", "xmppwall-report", "xmppwall-ca"):
            if (walls.BUILD / "bin" / program).exists():
                self.install(program)

    def install(self, program, text=None):
        """As a package does it: the new file takes the name, the old one stays with those who run it."""
        fresh = self.bin / f".{program}.new"
        if text is None:
            shutil.copy(walls.BUILD / "bin" / program, fresh)
        else:
            fresh.write_text(text)
            fresh.chmod(0o755)
        os.replace(fresh, self.bin / program)

    def command(self, *more):
        given = super().command(*more)
        at = given.index("--libexec-dir")
        return [self.bin / "xmppwalld", *given[1:at + 1], self.bin, *given[at + 2:]]

    def upgrade(self, *more, **keywords):
        return self.run("--json", "upgrade", *more, **keywords)

    def workers(self, state=None):
        return [w for w in self.ctl("status")["workers"] if state in (None, w["state"])]


class Talker(threading.Thread):
    """A session that says numbers to itself until told to stop, each once the one before came back."""

    def __init__(self, lab, server, user, number):
        super().__init__(daemon=True)
        self.raw = RawClient(lab, server, source=f"192.0.2.{11 + number % 20}")
        self.raw.starttls().open()
        self.jid = self._login(user, server)
        self.heard, self.error, self.stop = 0, None, threading.Event()
        self.start()

    def _login(self, user, server):
        import base64
        token = base64.b64encode(f"\0{user}\0{server.users[user]}".encode()).decode()
        self.raw.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        self.raw.read_until("<success[^>]*/?>")
        self.raw.open()
        self.raw.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        return re.search(r"<jid>([^<]+)</jid>", self.raw.read_until("</iq>"))[1]

    def run(self):
        try:
            while not self.stop.wait(0.02):
                self.say(f"line {self.heard}")
                self.heard += 1
        except Exception as error:
            self.error = error

    def say(self, text):
        self.raw.socket.sendall(f"<message to='{self.jid}' type='chat'><body>{text}</body></message>".encode())
        return self.raw.read_until(f"<body>{text}</body>.*?</message>|type=.error.*?</message>", 15)

    def more(self, lines=10, seconds=20):
        """It goes on."""
        target = self.heard + lines
        wait_for(lambda: self.heard >= target or self.error, seconds, f"{lines} lines more")
        assert not self.error, self.error

    def finish(self):
        self.stop.set()
        self.join(20)
        assert not self.is_alive() and not self.error, self.error
        self.raw.send("</stream:stream>")
        self.raw.close()


class Knocker(threading.Thread):
    """Connects again and again and waits for the door's own words; whoever is refused or left waiting is counted."""

    def __init__(self, lab, server):
        super().__init__(daemon=True)
        self.lab, self.server, self.knocks, self.failed, self.stop = lab, server, 0, [], threading.Event()
        self.start()

    def run(self):
        while not self.stop.is_set():
            try:
                with RawClient(self.lab, self.server, source="192.0.2.30") as raw:
                    raw.open()
                self.knocks += 1
            except (OSError, LabError) as error:
                self.failed.append(str(error))

    def finish(self):
        self.stop.set()
        self.join(20)
        assert self.knocks > 5 and not self.failed, (self.knocks, self.failed[:3])


@pytest.fixture
def made(lab, leaves, prosody):
    """A wall of its own programs; ends with the test."""
    if os.environ.get("XMPPWALL_LAB_ONLY"):
        pytest.skip("these are orders to xmppwall")
    if missing_programs():
        pytest.skip("not built: " + ", ".join(missing_programs()))
    number = len(list(lab.folder.glob("wall-upgrade-*")))
    one = Programs(lab, f"wall-upgrade-{number}")
    one.write(**dict(policy.LISTS, **{"lists/bad-hosts.txt": HOSTS}), **{"xmppwall.conf": policy.service() + RULES})
    for leaf in leaves:
        one.certificate(leaf)
    one.start()
    yield one
    one.close()


@pytest.fixture
def talk(lab, prosody):
    all_of_them = []

    def make(number=1):
        users = list(prosody.users)
        started = [Talker(lab, prosody, users[i % len(users)], i) for i in range(number)]
        all_of_them.extend(started)
        return started
    yield make
    for one in all_of_them:
        one.stop.set()
        one.raw.close()


def go_on(talkers, lines=10):
    for one in talkers:
        one.more(lines)


def test_upgrade_keeps_every_session(made, talk, lab, prosody):
    talkers, knocker = talk(SESSIONS), Knocker(lab, prosody)
    go_on(talkers)
    made.ctl("ban", "192.0.2.250", "--for", "1h")
    before, daemon, proxy = made.ctl("status"), made.process.pid, made.proxies()
    follower = made.namespace.start(*made.ctl_command("--json", "events", "-f", "-n", "0"), stdout=-1, text=True)
    answer = made.ctl("upgrade")
    assert answer["policy"] == before["policy"] and answer["retiring"] == 1 and answer["drain"] == 3600000
    go_on(talkers)
    after = made.ctl("status")
    assert made.process.pid == daemon and made.process.alive()
    assert after["since"] == before["since"] and after["policy"] == before["policy"] and not after["attention"]
    assert [w["state"] for w in after["workers"]] == ["ready", "retiring"]
    assert after["workers"][1]["pid"] == proxy[0] and after["workers"][1]["sessions"] >= SESSIONS
    assert after["workers"][1]["until"] > time.time() * 1000 + 3500000 and after["workers"][0]["version"]
    assert made.bans() == ["192.0.2.250"] and "192.0.2.250" in made.blocked()
    ids = [s["id"] for s in made.sessions()]
    assert len(ids) == len(set(ids)) and len(ids) >= SESSIONS
    fresh = talk(2)
    go_on(fresh)
    wait_for(lambda: made.workers("ready")[0]["sessions"] >= 2, 5, "sessions of the new child")
    # Who followed events still does.
    made.ctl("ban", "192.0.2.251", "--for", "1h")
    assert "192.0.2.251" in follower.stdout.readline()
    follower.terminate()
    follower.wait(10)
    for one in talkers:
        one.finish()
    wait_for(lambda: len(made.workers()) == 1, 15, "the old child to leave")
    knocker.finish()
    go_on(fresh)
    for one in fresh:
        one.finish()
    wait_for(lambda: made.ctl("status")["counters"]["session.active"] == 0, 10, "no session")


def test_lists_and_limits_go_over(made, talk):
    old, = talk(1)
    made.ctl("list", "add", "bad_hosts", "added.example")
    made.ctl("list", "del", "bad_hosts", "host-number-7.example")
    for _ in range(2):
        made.ctl("upgrade")
    new, = talk(1)
    for one in (old, new):
        one.stop.set()
        one.join(20)
        assert "not-allowed" in one.say("https://host-number-8.example/")
        assert "not-allowed" in one.say("https://added.example/")
        assert "not-allowed" not in one.say("https://host-number-7.example/")
    made.ctl("list", "add", "bad_hosts", "late.example")
    for one in (old, new):
        assert "not-allowed" in one.say("https://late.example/")
    made.ctl("reload")
    for one in (old, new):
        assert "not-allowed" in one.say("https://late.example/ again")


def test_signal_upgrades_too(made, talk):
    talkers, old = talk(2), made.proxies()
    made.process.kill(signal.SIGUSR2)
    wait_for(lambda: made.proxies() != old and len(made.workers()) == 2, 20, "a new child")
    wait_for(lambda: "event=upgrade result=done" in made.process.text(), 10, "the end of the upgrade")
    go_on(talkers)


def test_operators_notice_nothing(made, talk):
    """Whatever is asked while the programs change is answered, by one program or the other, and done once."""
    talkers, stop, asked, failed = talk(2), threading.Event(), [], []

    def ask(commands):
        while not stop.is_set():
            for command in commands(len(asked)):
                done = made.run("--json", *command, check=False)
                asked.append(command)
                if done.returncode != 0:
                    failed.append((command, done.stderr))
    threads = [threading.Thread(target=ask, args=(commands,)) for commands in (
        lambda n: [("list", "add", "bad_hosts", f"asked-{n}.example"), ("list", "del", "bad_hosts", f"asked-{n}.example")],
        lambda n: [("ban", f"198.18.{n // 250 % 250}.{n % 250}", "--for", "1h")],
        lambda n: [("status",), ("sessions",), ("list",)],
        lambda n: [("reload",)])]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            made.ctl("upgrade")
            go_on(talkers, 3)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failed and len(asked) > 20, (len(asked), failed[:3])
    assert sorted(made.bans()) == sorted({c[1] for c in asked if c[0] == "ban"})
    shown = made.ctl("list", "show", "bad_hosts")["entries"]
    assert len(shown) == 10000 and not [e for e in shown if e["entry"].startswith("asked-")]
    go_on(talkers)


def test_stop_in_the_middle_of_an_upgrade(made, talk):
    talkers = talk(1)
    upgrade = made.namespace.start(*made.ctl_command("--json", "upgrade"), stdout=-1, stderr=-1, text=True)
    wait_for(lambda: "event=upgrade-asked" in made.process.text(), 10, "the upgrade to begin")
    made.process.kill(signal.SIGTERM)
    wait_for(lambda: not made.process.alive(), 30, "the end of the daemon")
    upgrade.communicate(timeout=20)
    wait_for(lambda: talkers[0].error, 10, "the end of the session")
    assert "event=stopped" in made.process.text()
    made.start()


def refused(made, talkers, *texts):
    """Nothing has changed, and the answer says why."""
    pid, proxies = made.process.pid, made.proxies()
    done = made.upgrade(check=False)
    assert done.returncode == 1 and all(t in done.stderr for t in texts), done.stderr
    assert made.process.pid == pid and made.proxies() == proxies
    assert any("the last upgrade failed" in line for line in made.ctl("status")["attention"])
    go_on(talkers)


def test_what_is_broken_changes_nothing(made, talk, lab, prosody):
    talkers, knocker = talk(4), Knocker(lab, prosody)
    made.install("xmppwalld", "not a program\n")
    refused(made, talkers, "not upgraded")
    made.install("xmppwalld", "#!/bin/sh\necho 'I do not like this policy' >&2\nexit 1\n")
    refused(made, talkers, "does not take over", "I do not like this policy")
    (made.bin / "xmppwalld").unlink()
    refused(made, talkers, "not upgraded")
    made.install("xmppwalld")
    made.install("xmppwall-proxy", "#!/bin/sh\nexit 1\n")
    refused(made, talkers, "the new xmppwall-proxy does not serve")
    made.install("xmppwall-proxy")
    made.upgrade()
    go_on(talkers)
    knocker.finish()
    assert not made.ctl("status")["attention"]


def test_a_daemon_that_cannot_take_over_gives_back(made, talk, lab, prosody):
    """It said yes when it was asked, and fails when it is to be it: the old program goes on in the same process."""
    talkers, knocker = talk(4), Knocker(lab, prosody)
    real = made.bin / "real"
    shutil.copy(walls.BUILD / "bin/xmppwalld", real)
    made.install("xmppwalld", f"""#!/bin/sh
case "$*" in *--check*) exec {real} "$@";; esac
exec {real} "$@" --log-dir /dev/null/none
""")
    done = made.upgrade(check=False)
    assert done.returncode == 1 and "/dev/null/none" in done.stderr and "serves" in done.stderr, done.stderr
    assert made.process.alive()
    assert pathlib.Path(f"/proc/{made.process.pid}/exe").resolve().name.startswith("xmppwalld")
    go_on(talkers)
    status = made.ctl("status")
    assert any("the last upgrade failed" in line for line in status["attention"])
    assert [w["state"] for w in status["workers"]] == ["ready", "retiring"]
    # The old one is whole: it can do it all again.
    made.install("xmppwalld")
    made.upgrade()
    go_on(talkers)
    knocker.finish()
    assert not made.ctl("status")["attention"]


def test_retiring_sessions_are_judged_and_obeyed_for(made, talk, lab, prosody, user):
    victim, other = talk(2)
    go_on([victim, other])
    made.ctl("upgrade")
    # Lists.
    other.stop.set()
    other.join(20)
    assert "error" not in other.say("fine words")
    made.ctl("list", "add", "bad_words", "fine words")
    assert "policy-violation" in other.say("fine words")
    # Quarantine: kept by the old child, released through it.
    other.raw.send(f"<message to='{other.jid}' type='chat'><body>hold me now</body></message>")
    row = wait_for(lambda: made.ctl("quarantine", "list")["quarantine"], 5, "it in quarantine")[0]
    assert made.ctl("quarantine", "release", row["id"])["where"] in ("server", "client")
    other.raw.read_until("hold me now")
    # Rules.
    made.write(**{"xmppwall.conf": policy.service() + RULES.replace('"hold me"  quarantine', '"hold me"  reject not-acceptable "never"')})
    made.ctl("reload")
    assert "not-acceptable" in other.say("hold me again")
    # Bans.
    go_on([victim])
    address = victim.raw.socket.getsockname()[0]
    made.ctl("ban", address, "--for", "1m")
    wait_for(lambda: victim.error, 10, "the end of the banned session")
    wait_for(lambda: address not in [s["address"] for s in made.sessions()], 15, "the banned session to be gone")
    made.ctl("unban", address)


def test_kill_nine_takes_only_its_own(made, talk, lab, prosody):
    old = talk(3)
    go_on(old)
    made.ctl("upgrade")
    new = talk(2)
    go_on(old + new)
    serving = made.workers("ready")[0]["pid"]
    os.kill(serving, signal.SIGKILL)
    for one in new:
        wait_for(lambda: one.error, 10, "the end of its sessions")
    with RawClient(lab, prosody) as raw:  # waits in the queue until the next child is there
        raw.open()
    go_on(old)
    assert made.workers("ready")[0]["pid"] != serving
    # And the other way round.
    again = talk(2)
    go_on(again)
    os.kill(made.workers("retiring")[0]["pid"], signal.SIGKILL)
    for one in old:
        wait_for(lambda: one.error, 10, "the end of its sessions")
    go_on(again)
    wait_for(lambda: [w["state"] for w in made.workers()] == ["ready"], 5, "one child")
    wait_for(lambda: made.ctl("status")["counters"]["session.active"] == 2, 5, "a true count")


def test_many_upgrades_are_bounded(made, talk):
    talkers = []
    for n in range(6):
        talkers += talk(1)
        go_on(talkers[-1:])
        made.ctl("upgrade")
        wait_for(lambda: len(made.workers()) <= 5, 15, "at most four to retire")
    # The first ones had to give way, the others never noticed.
    ended = [bool(t.error) for t in talkers]
    assert ended == [True, True, False, False, False, False]
    go_on(talkers[2:])


def test_drain_comes_to_its_end(made, talk, user, prosody):
    plain, = talk(1)
    plain.stop.set()
    plain.join(20)
    resumable = user("juliet", prosody, 11, plugins=["xep_0198"])
    resumable.mark()
    made.ctl("upgrade", "--drain", "1s")
    assert "system-shutdown" in plain.raw.read_all(15)
    resumable.event("disconnected")
    assert not any(e["event"] == "stream_error" for e in resumable.events)
    resumable.mark()
    resumable.ask("resume")
    assert resumable.event("session_resumed", "session_start")["event"] == "session_resumed"
    wait_for(lambda: len(made.workers()) == 1, 15, "the old child to leave")


def test_kill_and_edits_do_not_wait_for_a_large_policy(made, talk):
    victim, other = talk(2)
    go_on([victim, other])
    other.stop.set()
    other.join(20)
    patterns = "".join(f"rule r{n} {{ message body matches /w{n}[a-z]{{1,40}}x(foo|bar){{1,9}}[0-9]+{n}/ drop }}\n" for n in range(PATTERNS))
    made.write(**{"xmppwall.conf": policy.service() + RULES.replace("rule spam", patterns + "rule spam")})
    reload = made.namespace.start(*made.ctl_command("--json", "reload"), stdout=-1, stderr=-1, text=True)
    # The daemon compiles first, then the child: it is told of the new policy then.
    wait_for(lambda: reload.poll() is not None or child_is_busy(made), 120, "the child to compile")
    early = reload.poll() is None
    began = time.monotonic()
    made.ctl("ban", victim.raw.socket.getsockname()[0], "--for", "1m")
    wait_for(lambda: victim.error, 30, "the end of the banned session")
    told = time.monotonic() - began
    done_before = reload.poll() is not None
    _, why = reload.communicate(timeout=180)
    made.write(**{"xmppwall.conf": policy.service() + RULES})  # what comes after need not compile it
    assert reload.returncode == 0, why
    made.ctl("unban", victim.raw.socket.getsockname()[0] if victim.raw.socket.fileno() >= 0 else "192.0.2.11", check=False)
    if not early or done_before:
        pytest.skip("this machine compiled it too fast to come in between")
    assert told < 3


def child_is_busy(made):
    """Some thread of the child has run for a while."""
    for pid in made.proxies():
        with contextlib.suppress(OSError, IndexError):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                if (task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "R":
                    made.busy = getattr(made, "busy", 0) + 1
    return getattr(made, "busy", 0) > 20


def test_certificates_change_with_no_session_touched(made, talk, lab, prosody):
    talkers = talk(3)
    go_on(talkers)

    def shown():
        with RawClient(lab, prosody) as raw:
            return raw.starttls().socket.getpeercert(binary_form=True)
    before = shown()
    fresh = lab.authority.issue("verona.example", lab.folder / "leaves-fresh")
    made.certificate(fresh)
    made.ctl("reload")
    assert shown() != before
    go_on(talkers)
    for one in talkers:
        one.finish()
