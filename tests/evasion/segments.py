# SPDX-License-Identifier: BSD-2-Clause
"""The words of a case's tcp list, carried out on a Peer. README.md says what each means."""
import asyncio
import random

import packet
from cases import GARDEN, WORD
from packet import ACK, PSH, SYN

FILL = "x"


class Play:
    """A stanza about to be sent at the peer's next position, in good and in bad."""

    def __init__(self, peer, case):
        self.peer, self.base = peer, len(peer.out)
        bad = case.stanza.replace("{word}", WORD).encode()
        good = case.stanza.replace("{word}", GARDEN).encode()
        self.texts = {"bad": bad, "good": good, "junk": FILL.encode() * len(bad), "spaces": b" " * len(bad)}
        self.primary = self.texts[case.primary]
        at = bad.find(WORD.encode())
        if at < 0:
            at = bad.find(b"to the ") + 7
        self.places = {"w": at, "W": at + len(WORD), "end": len(bad), "m": len(bad) // 2}
        peer.reliable = False
        peer.out += self.primary
        peer.said = len(peer.out)

    async def run(self, steps):
        for step in steps:
            verb, *words = step.split()
            await getattr(self, "do_" + verb)(words)
        self.peer.reliable = True

    def place(self, text):
        return eval(text, {"__builtins__": {}}, self.places)  # our own files only

    def options(self, words):
        """What is wrong with a segment, as Peer.say wants it; and which bytes."""
        how, text = {}, None
        for word in words:
            key, _, value = word.partition("=")
            if word in self.texts:
                text = self.texts[word]
            elif word == "badsum":
                how["bad_sum"] = True
            elif word in ("old", "md5"):
                how[word] = True
            elif key == "ttl":
                how["ttl"] = int(value)
            elif key == "flags":
                how["flags"] = packet.FLAGS[value]
            elif key == "shift":
                how["shift"] = int(value)
            elif key == "ack":
                how["ack"] = {"none": 0, "ahead": (self.peer.rcv_nxt + 100_000_000) & 0xffffffff, "behind": (self.peer.rcv_nxt - 100_000_000) & 0xffffffff}[value]
            elif key == "urgent":
                how.update(urgent=self.place(value), flags=ACK | PSH | packet.URG)
            elif key == "window":
                how["window"] = int(value)
            elif key == "ipoption":
                how["ip_options"] = bytes.fromhex(value)
            elif key == "behind":
                how["extensions"] = [{"hop": packet.HOP_BY_HOP, "dest": packet.DESTINATION}[k] for k in value.split(",")]
            elif key == "option":
                how["options"] = bytes.fromhex(value)
            elif key == "frag":
                how["frags"] = fragmenter(*value.split(","))
            else:
                raise ValueError(f"what is {word!r}?")
        return text, how

    async def do_split(self, words):
        """split N [reverse|shuffle|odd] [times=K] [from=A] [to=B] …: the text in pieces of N bytes."""
        size, order, times, start, end, pause, rest = int(words[0]), "", 1, 0, self.places["end"], 0, []
        for word in words[1:]:
            key, _, value = word.partition("=")
            if word in ("reverse", "shuffle", "odd"):
                order = word
            elif key == "times":
                times = int(value)
            elif key == "pause":
                pause = float(value)
            elif key in ("from", "to"):
                start, end = (self.place(value), end) if key == "from" else (start, self.place(value))
            else:
                rest.append(word)
        text, how = self.options(rest)
        cuts = [(at, min(at + size, end)) for at in range(start, end, size)]
        if order == "reverse":
            cuts.reverse()
        elif order == "shuffle":
            random.Random(7).shuffle(cuts)
        elif order == "odd":
            cuts = cuts[1::2] + cuts[::2]
        for number, (a, b) in enumerate(cuts):
            for _ in range(times):
                self.peer.say(self.base + a, (text or self.primary)[a:b], **how)
            if pause:
                await asyncio.sleep(pause)
            elif number % 64 == 63:
                await asyncio.sleep(0)

    async def do_each(self, words):
        """each N decoy … then …: before every piece of N bytes, its decoy; with "after", behind it."""
        size, after = int(words[0]), "after" in words
        text, how = self.options([w for w in words[1:] if w != "after"])
        for a in range(0, self.places["end"], size):
            b = min(a + size, self.places["end"])
            decoy = lambda a=a, b=b: self.peer.say(self.base + a, (text or self.texts["good"])[a:b], **how)
            if not after:
                decoy()
            self.peer.say(self.base + a, self.primary[a:b])
            if after:
                decoy()

    async def do_seg(self, words):
        """seg A:B …: these bytes of the text, once."""
        a, b = (self.place(part) for part in words[0].split(":"))
        text, how = self.options(words[1:])
        self.peer.say(self.base + a, (text or self.primary)[a:b], **how)

    async def do_bare(self, words):
        """bare …: a segment without data."""
        _, how = self.options(words)
        self.peer.say(self.base, b"", **how)

    async def do_wait(self, words):
        await asyncio.sleep(float(words[0]))

    async def do_acked(self, _):
        """Until all of the text is acknowledged."""
        await self.peer.until(lambda: self.peer.acked >= self.base + self.places["end"] or self.peer.ended, 3)

    async def do_flood(self, words):
        """flood N: N bytes of honest stanzas behind the hole that is the text."""
        text = b"<message to='romeo@verona.example' type='chat' id='more'><body>" + b"flood " * 200 + b"</body></message>"
        total, at = int(words[0]), self.base + self.places["end"]
        for number in range(total // len(text)):
            self.peer.out += text
            self.peer.said = len(self.peer.out)
            self.peer.say(at + number * len(text), text)
            if number % 16 == 15:
                await asyncio.sleep(0.001)

    async def do_shut(self, words):
        """shut T: our window is zero for so long, while we send."""
        self.peer.window = 0
        self.peer.acknowledge()
        await asyncio.sleep(float(words[0]))
        self.peer.window = 0xfff0
        self.peer.acknowledge()

    async def do_syn(self, words):
        """syn …: a SYN in the middle of the stream."""
        text, how = self.options(words)
        how.pop("flags", None)
        self.peer.say(self.base, text[:40] if text else b"", flags=SYN, ack=0, **how)


def fragmenter(size, order="", decoy=""):
    """Cuts a segment into IP fragments: in order, reversed, doubled, or each with an overlapping one of other bytes."""
    size = int(size)

    def cut(source, target, payload, ident, ttl):
        pieces = packet.fragments(source, target, payload, size, ident, ttl)
        if order == "overlap":  # other bytes over the second half, before or after the true ones
            at = len(payload) // 2 // 8 * 8
            false = packet.fragment(source, target, payload[at:].replace(WORD.encode(), GARDEN.encode()), at, False, ident, ttl)
            made = [p for _, p in pieces]
            return made[:-1] + [false] + made[-1:] if decoy == "before" else made + [false]
        made = [p for _, p in pieces]
        if order == "reverse":
            made.reverse()
        elif order == "twice":
            made = [p for p in made for _ in range(2)]
        elif order == "sameid":
            made = [packet.fragment(source, target, payload[o:o + size], o, o + size < len(payload), 7, ttl) for o, _ in pieces]
        return made
    return cut
