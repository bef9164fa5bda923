#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What ./quickstart shows once xmppwall is built: the main job from end to end, with what each side really saw. Every
step is an observation that must hold; the first that does not ends the demonstration with its evidence."""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import demo_keep
from client import Client
from lab import ROOT, Authority, Lab, LabError, wait_for
from servers import Prosody
from wall import Wall, missing_programs

USERS = {"juliet": "balcony", "romeo": "orchard", "nurse": "aqua-vitae", "tybalt": "rapier"}
DOMAIN = "verona.example"
SOURCES = {"juliet": 11, "romeo": 12, "nurse": 13, "tybalt": 23}
DISGUISES = {
    "fullwidth letters": "ｃａｓｉｎｏ ｂｏｎｕｓ",
    "a zero-width joiner": "cas\u200dino bonus",
    "a Cyrillic look-alike": "c\u0430sino bonus",
}


def say(text=""):
    print(text, flush=True)


def expect(condition, otherwise):
    if not condition:
        raise LabError(otherwise)


class Demo:
    def __init__(self, lab):
        self.lab, self.users, self.summary, self.started = lab, {}, [], time.monotonic()

    def saw(self, text):
        say(f"    {text}")

    def note(self, text):
        self.summary.append(text)

    # -- the ground

    def lay_out(self):
        """Prosody, the firewall, the users"""
        lab = self.lab
        lab.authority = Authority(lab.folder / "ca")
        leaf = lab.authority.issue(DOMAIN, lab.folder / "leaves")
        self.prosody = lab.add(Prosody(lab, lab.server, DOMAIN, ["198.51.100.10", "2001:db8:2::10"], leaf, USERS))
        self.saw(f"Prosody runs on {', '.join(self.prosody.addresses.values())} and requires TLS")
        self.wall = lab.add(Wall(lab))
        shutil.copytree(ROOT / "docs/examples/quickstart", self.wall.folder / "etc", dirs_exist_ok=True)
        self.wall.certificate(leaf)
        self.wall.start()
        self.saw(f"xmppwalld runs on the router with {self.wall.config}")

    # -- (a)

    def log_in(self):
        """Users log in and chat"""
        for name, direct in (("juliet", False), ("romeo", False), ("nurse", True)):
            user = self.users[name] = self.lab.add(Client(self.lab, name))
            user.login(self.prosody, name, SOURCES[name], direct=direct, port=5223 if direct else 5222)
            mechanism = user.ask("mechanism")
            expect(mechanism.startswith("SCRAM-"), f"{name} logged in with {mechanism}")
            self.saw(f"{name} logged in from {user.source}: {'direct TLS' if direct else 'STARTTLS'}, {mechanism}")
        juliet, romeo = self.users["juliet"], self.users["romeo"]
        self.presence(juliet, romeo)
        self.chat(juliet, romeo)
        self.room()
        rows = {s["jid"].split("/")[0] for s in self.wall.sessions()}
        expect(rows >= {self.prosody.jid(n) for n in ("juliet", "romeo", "nurse")}, f"xmppwallctl sessions knows only {rows}")
        self.note("3 users logged in with SCRAM, 2 over STARTTLS and 1 over direct TLS; chat, presence, room, receipts")

    def presence(self, juliet, romeo):
        juliet.ask("presence", pto=self.prosody.jid("romeo"), ptype="subscribe")
        juliet.stanza("<presence", f'from="{self.prosody.jid("romeo")}/', kind="presence", without=('type="',))
        self.saw("juliet sees romeo's presence")

    def chat(self, juliet, romeo):
        for sender, receiver, text in ((juliet, romeo, "O Romeo, Romeo, wherefore art thou Romeo?"),
                                       (romeo, juliet, "Shall I hear more, or shall I speak at this?")):
            number = sender.say(receiver.jid, text, receipt=True)
            receiver.body(text)
            sender.stanza("urn:xmpp:receipts", f'id="{number}"', kind="message")
            self.saw(f'{receiver.user} read "{text}", {sender.user} got the receipt')

    def room(self):
        room = f"balcony@{self.prosody.rooms}"
        for name in ("juliet", "romeo", "nurse"):
            self.users[name].ask("join", room=room, nick=name)
        self.users["nurse"].say(room, "Anon, anon!", kind="groupchat")
        for name in ("juliet", "romeo"):
            self.users[name].body("Anon, anon!")
        self.saw(f'juliet and romeo read the nurse\'s "Anon, anon!" in {room}')

    # -- (b)

    def addresses(self):
        """Prosody's log names the clients' own addresses"""
        for name in ("juliet", "romeo", "nurse"):
            line = f"{self.prosody.jid(name)} from IP: {self.users[name].source}"
            wait_for(lambda line=line: line in self.prosody.log_text(), 5, f'"{line}" in {self.prosody.log}')
            self.saw(f"prosody: Successful authentication as {line}")
        self.note("Prosody's log names 192.0.2.11, .12 and .13: the clients' own addresses")

    # -- (c)

    def judge(self):
        """Keywords are dropped, links bounced, the rest passes unchanged"""
        tybalt = self.users["tybalt"] = self.lab.add(Client(self.lab, "tybalt"))
        tybalt.login(self.prosody, "tybalt", SOURCES["tybalt"])
        juliet = self.users["juliet"]
        self.dropped(tybalt, juliet, "get your casino bonus today", "a blacklisted keyword")
        for how, words in DISGUISES.items():
            self.dropped(tybalt, juliet, f"get your {words} today", f"the keyword with {how}")
        self.bounced(tybalt, juliet)
        tybalt.ask("send", xml=f"<message to='{juliet.jid}' type='chat' id='plain'><body>1 &lt; 2 &amp; peace? "
                   "I hate the word</body><x xmlns='urn:example:kept' a='b'/></message>")
        message = juliet.body("1 < 2 & peace? I hate the word")
        kept = message.find("{urn:example:kept}x")
        expect(kept is not None and kept.get("a") == "b" and message.get("id") == "plain", "the allowed message was changed")
        self.saw("an allowed message passed: same id, same text, its extension untouched")
        self.note("1 keyword and its 3 disguises dropped; 1 link bounced with policy-violation; the rest unchanged")

    def dropped(self, sender, receiver, text, what, rule="spam"):
        """What is stopped never arrives: a later message on the same stream does, and the verdict is on record."""
        before = len(self.wall.events(rule=rule))
        receiver.mark()
        sender.mark()
        sender.say(receiver.jid, text)
        marker = f"after {what}"
        sender.say(receiver.jid, marker)
        receiver.body(marker)
        expect(not receiver.saw(text), f"{what} reached {receiver.user}")
        wait_for(lambda: len(self.wall.events(rule=rule)) > before, 5, f"an event of rule {rule} for {what}")
        expect(receiver.alive() and sender.alive(), f"{what} ended a stream")
        self.saw(f"{what}: dropped by rule {rule}; the next message arrived")

    def bounced(self, sender, receiver):
        receiver.mark()
        sender.mark()
        text = "see http://login.bad.example/now"
        number = sender.say(receiver.jid, text)
        error = sender.stanza('type="error"', "policy-violation", number, kind="message")
        sender.say(receiver.jid, "after the link")
        receiver.body("after the link")
        expect(not receiver.saw(text), f"the link reached {receiver.user}")
        event = self.wall.event(rule="phishing")
        expect(event["xmpp"]["id"] in error, "the stanza error does not carry the verdict's id")
        self.saw(f"a blacklisted link: {sender.user} got the stanza error policy-violation, verdict {event['xmpp']['id']}")

    # -- (d)

    def edit(self):
        """A keyword added while they chat"""
        romeo, juliet = self.users["romeo"], self.users["juliet"]
        romeo.say(juliet.jid, "poison for sale")
        juliet.body("poison for sale")
        self.wall.run("list", "add", "spam_words", "poison for sale")
        self.dropped(romeo, juliet, "poison for sale", 'after "list add", the word that passed a moment ago')
        expect("poison for sale" in [e["entry"] for e in self.wall.ctl("list", "show", "spam_words")["entries"]],
               "list show does not show the new entry")
        self.note('"list add" took effect on the next message; nobody was disconnected')

    # -- (e)

    def flood(self):
        """A flood ends in the kernel"""
        tybalt = self.users["tybalt"]
        second = self.users["tybalt2"] = self.lab.add(Client(self.lab, "tybalt2"))
        second.login(self.prosody, "tybalt", SOURCES["tybalt"], resource="second")
        for user in self.users.values():
            user.mark()
        for number in range(60):
            with contextlib.suppress(LabError):
                tybalt.order("message", to=self.users["juliet"].jid, body=f"coward {number}")
        address = tybalt.source
        left = wait_for(lambda: self.wall.blocked().get(address), 15, f"{address} in nft set inet xmppwall block4")
        self.saw(f"nft list set inet xmppwall block4: {address} expires in {left} s")
        for user in (tybalt, second):
            user.event("disconnected", seconds=15)
        self.saw("both standing connections of tybalt are dead")
        try:
            self.lab.client.connect(self.prosody.addresses[4], 5222, source=address, timeout=2).close()
            raise LabError(f"a new connection from {address} got through")
        except OSError as refused:
            self.saw(f"a new connection from {address}: {refused}")
        juliet, romeo = self.users["juliet"], self.users["romeo"]
        romeo.say(juliet.jid, "he is gone")
        juliet.body("he is gone")
        expect(juliet.alive() and romeo.alive() and self.users["nurse"].alive(), "an innocent user was disconnected")
        self.saw("juliet, romeo and the nurse chat on")
        self.note(f"the flooder {address} landed in the nft block set (timeout {left} s); the others chatted on")

    # -- (f)

    def unban(self):
        """unban lets it back in"""
        address = self.users["tybalt"].source
        expect(address in self.wall.bans(), f"xmppwallctl bans does not name {address}")
        self.wall.run("unban", address)
        expect(address not in self.wall.blocked(), "unban left the address in the kernel's set")
        back = self.users["tybalt"] = self.lab.add(Client(self.lab, "tybalt-again"))
        back.login(self.prosody, "tybalt", SOURCES["tybalt"])
        self.saw("tybalt logged in again")
        self.note("unban let it back in at once")

    # -- (g)

    def explain(self):
        """Every verdict explains itself"""
        verdicts = [e for e in self.wall.events() if e["event_type"] not in ("ban", "unban")]
        ids = [e["xmpp"]["id"] for e in verdicts]
        expect(len(ids) == len(set(ids)) and all(ids), "verdict ids are missing or not unique")
        expect({"spam", "phishing", "flood"} <= {e["xmpp"]["rule"] for e in verdicts}, "a rule's verdicts are missing")
        event = next(e for e in verdicts if e["xmpp"]["rule"] == "phishing")
        answer = self.wall.ctl("explain", event["xmpp"]["id"])["event"]["xmpp"]
        match = answer["matches"][0]
        expect(answer["rule"] == "phishing" and match["entry"] == "bad.example" and "login.bad.example" in match["text"],
               f"explain says {answer}")
        for line in self.wall.run("explain", event["xmpp"]["id"]).stdout.strip().split("\n"):
            self.saw(line)
        self.note(f"{len(ids)} verdicts on record, each with an id; explain {event['xmpp']['id']}: {answer['rule']}, "
                  f"{match['entry']}, {match['text']}")

    def play(self):
        steps = [self.lay_out, self.log_in, self.addresses, self.judge, self.edit, self.flood, self.unban, self.explain]
        for number, step in enumerate(steps):
            say(f"\n({'-abcdefg'[number]}) {step.__doc__}" if number else f"\n{step.__doc__}")
            step()

    def tell(self):
        say("\n" + "─" * 100)
        say("xmppwall stood between real clients and a real Prosody. What was seen to happen:")
        for line in self.summary:
            say(f"  ✓ {line}")
        say(f"All of it in {time.monotonic() - self.started:.0f} seconds, in namespaces that nothing else could see.")


def evidence(demo):
    """The last words of everyone, when a step did not hold."""
    for title, path in (("xmppwalld", next(iter(sorted(demo.lab.folder.glob("wall/xmppwalld-*.log"), reverse=True)), None)),
                        ("Prosody", demo.lab.folder / DOMAIN / "server.log")):
        if path and path.exists():
            say(f"\n--- last lines of {title}")
            say("\n".join(path.read_text(errors="replace").split("\n")[-25:]))


def perform(keep):
    """0 if every step held. The lab is gone afterwards, or handed to demo_keep."""
    with Lab() as lab:
        demo = Demo(lab)
        try:
            demo.play()
        except (LabError, OSError, subprocess.SubprocessError, KeyError, IndexError, StopIteration) as error:
            say(f"\nThis did not hold: {type(error).__name__ if not isinstance(error, LabError) else ''} {error}")
            evidence(demo)
            return 1
        demo.tell()
        if keep:
            demo_keep.hold(demo)
    return 0


def main():
    parser = argparse.ArgumentParser(prog="quickstart", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything up and print what to try")
    parser.add_argument("--clean", action="store_true", help="remove what --keep left")
    parser.add_argument("--held", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if arguments.clean:
        return demo_keep.clean()
    if os.geteuid() != 0:
        say("quickstart makes network namespaces: run it as root")
        return 2
    if missing_programs():
        say(f"not built: {', '.join(missing_programs())}")
        return 1
    if arguments.keep and not arguments.held:
        return demo_keep.start(pathlib.Path(sys.argv[0]).resolve())
    try:
        return perform(arguments.keep)
    except LabError as error:
        say(f"the namespaces could not be made: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
