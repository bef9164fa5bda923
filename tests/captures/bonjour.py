# SPDX-License-Identifier: BSD-2-Clause
"""Two people on one cable who talk without a server (XEP-0174): finch as Debian ships it, with libpurple's Bonjour, on avahi.

Each host has a message bus of its own, an avahi-daemon on it, and finch in a pseudo terminal, driven by its bus interface."""
import os
import pathlib
import pty
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

from lab import Namespace, run, wait_for  # noqa: E402

BUS = """<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
<allow send_type="method_call"/><allow eavesdrop="true"/></policy></busconfig>
"""
AVAHI = """[server]
host-name={name}-laptop
use-ipv4={four}
use-ipv6={six}
allow-interfaces=eth0
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[publish]
publish-workstation=no
publish-hinfo=no
"""
ACCOUNT = """<?xml version='1.0' encoding='UTF-8' ?>
<account version='1.0'><account><protocol>prpl-bonjour</protocol><name>{name}</name>
<statuses><status type='available' name='Available' active='true'><attributes/></status></statuses>
<settings><setting name='port' type='int'>5298</setting><setting name='first' type='string'>{first}</setting>
<setting name='last' type='string'>of Verona</setting><setting name='email' type='string'>{name}@verona.example</setting></settings>
<settings ui='gnt-purple'><setting name='auto-login' type='bool'>1</setting></settings></account></account>
"""


class Person:
    """A host with a name, its bus, its avahi-daemon and its finch."""

    def __init__(self, tag, name, folder, version):
        self.name, self.folder = name, pathlib.Path(folder) / name
        self.address = f"{name}@{name}-laptop"
        self.version = version
        self.host = Namespace(f"{tag}-{name}")
        (self.folder / "purple").mkdir(parents=True)
        self.processes = []
        self.environment = dict(os.environ, HOME=str(self.folder), TERM="xterm", LANG="C.UTF-8",
                                DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={self.folder}/bus", DBUS_SESSION_BUS_ADDRESS=f"unix:path={self.folder}/bus")

    def begin(self):
        (self.folder / "bus.conf").write_text(BUS.format(folder=self.folder))
        (self.folder / "avahi.conf").write_text(AVAHI.format(name=self.name, four="yes" if self.version == 4 else "no", six="yes" if self.version == 6 else "no"))
        (self.folder / "purple/accounts.xml").write_text(ACCOUNT.format(name=self.name, first=self.name.title()))
        self._start("dbus-daemon", "--nofork", "--nopidfile", "--config-file", self.folder / "bus.conf")
        wait_for((self.folder / "bus").exists, 10, "the bus")
        # Its pid file is one for all hosts: here it has a place of its own.
        self._start("sh", "-c", "mkdir -p /run/avahi-daemon && mount -t tmpfs avahi /run/avahi-daemon && "
                    f"exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f {self.folder}/avahi.conf")
        wait_for(lambda: "org.freedesktop.Avahi" in self._bus("org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"), 10, "avahi")
        self.terminal, inner = pty.openpty()
        self._start("finch", "-c", self.folder / "purple", stdin=inner, stdout=inner)
        os.close(inner)
        wait_for(lambda: self.purple("PurpleAccountsGetAllActive") and self._connected(), 30, "finch to be there")

    def _start(self, *command, **kwargs):
        log = open(self.folder / f"{pathlib.Path(command[0]).name}.log", "wb")
        self.processes.append(self.host.start(*command, env=self.environment, stderr=log, **{"stdin": subprocess.DEVNULL, "stdout": log, **kwargs}))

    def _bus(self, name, path, method, *arguments):
        done = subprocess.run(self.host.command("gdbus", "call", "--session", "-d", name, "-o", path, "-m", method, "--", *arguments),
                              env=self.environment, capture_output=True, text=True, timeout=20)
        return done.stdout

    def drain(self):
        """What finch draws is for nobody."""
        os.set_blocking(self.terminal, False)
        try:
            while os.read(self.terminal, 65536):
                pass
        except OSError:
            pass

    def purple(self, method, *arguments):
        """A number, a text, or the whole answer."""
        if hasattr(self, "terminal"):
            self.drain()
        text = self._bus("im.pidgin.purple.PurpleService", "/im/pidgin/purple/PurpleObject", f"im.pidgin.purple.PurpleInterface.{method}", *map(str, arguments))
        found = re.match(r"\((?:\[)?(?:int32 |uint32 )?(-?\d+)|\('(.*)',\)", text)
        return int(found[1]) if found and found[1] else found[2] if found else text

    def _connected(self):
        account = self.purple("PurpleAccountsGetAllActive")
        return isinstance(account, int) and self.purple("PurpleAccountIsConnected", account) == 1

    def sees(self, other):
        return self.purple("PurpleFindBuddy", self.purple("PurpleAccountsGetAllActive"), other) > 0

    def say(self, other, text):
        conversation = self.purple("PurpleConversationNew", 1, self.purple("PurpleAccountsGetAllActive"), other)
        self.purple("PurpleConvImSend", self.purple("PurpleConvIm", conversation), text)

    def heard(self, other, text):
        conversation = self.purple("PurpleFindConversationWithAccount", 1, other, self.purple("PurpleAccountsGetAllActive"))
        if not conversation:
            return False
        history = self._bus("im.pidgin.purple.PurpleService", "/im/pidgin/purple/PurpleObject", "im.pidgin.purple.PurpleInterface.PurpleConversationGetMessageHistory", str(conversation))
        first = [int(n) for n in re.findall(r"\d+", history.replace("int32", ""))]
        return any(text in str(self.purple("PurpleConversationMessageGetMessage", n)) for n in first)

    def hang_up(self, other):
        self.purple("PurpleConversationDestroy", self.purple("PurpleFindConversationWithAccount", 1, other, self.purple("PurpleAccountsGetAllActive")))

    def leave(self):
        account = self.purple("PurpleAccountsGetAllActive")
        self.purple("PurpleAccountDisconnect", account)
        wait_for(lambda: self.purple("PurpleAccountIsConnected", account) == 0, 10, f"{self.name} to leave")

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if hasattr(self, "terminal"):
            os.close(self.terminal)
        self.host.remove()


class Cable:
    """Two persons and a cable between them."""

    def __init__(self, tag, folder, version, names=("juliet", "romeo")):
        self.people = []
        try:
            for name in names:
                self.people.append(Person(tag, name, folder, version))
            a, b = (p.host.name for p in self.people)
            run("ip", "-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b)
            for number, p in enumerate(self.people, 1):
                p.host.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.eth0.accept_dad=0")
                p.host.run("ethtool", "-K", "eth0", "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
                run("ip", "-n", p.host.name, "addr", "add", f"192.0.2.{number}/24", "dev", "eth0")
                run("ip", "-n", p.host.name, "link", "set", "lo", "up")
                run("ip", "-n", p.host.name, "link", "set", "eth0", "up")
        except BaseException:
            self.end()
            raise

    def end(self):
        for p in self.people:
            p.end()


def talk(cable):
    """Both find each other, and each opens a stream."""
    juliet, romeo = cable.people
    for p in cable.people:
        p.begin()
    for p, other in ((juliet, romeo), (romeo, juliet)):
        wait_for(lambda p=p, other=other: p.sees(other.address), 30, f"{p.name} to see {other.name}")
    for speaker, hearer, text in ((juliet, romeo, "wherefore art thou?"), (romeo, juliet, "Free crypto at the apothecary's"),
                                  (juliet, romeo, "parting is such sweet sorrow")):
        speaker.say(hearer.address, text)
        wait_for(lambda h=hearer, s=speaker, t=text: h.heard(s.address, t.split("'")[0]), 20, f"{hearer.name} to hear")

    # The last words: the stream is closed, and then both take their leave of everybody.
    juliet.hang_up(romeo.address)
    for p in cable.people:
        p.leave()
