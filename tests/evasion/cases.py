# SPDX-License-Identifier: BSD-2-Clause
"""The catalogue as it stands in *.toml and cases.txt: read, checked, and made into bytes. How it is written: README.md."""
import dataclasses
import pathlib
import random
import re
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
WORD, GARDEN = "casino", "garden"  # forbidden, and as long and harmless
GROUPS = ("tcp", "tls", "xml", "xmpp", "content", "http")
DOORS = ("proxy", "inspect")
NAMESPACES = (69,)  # lines about namespaces a stream of clients may not use: that ends it
VERDICTS = ("BLOCK", "PASS", "NORM", "KILL", "NEVER", "STUCK")
STANZA = "<message to='romeo@verona.example' type='chat' id='case'><body>come to the {word} now</body></message>"
LIVE = "<message to='romeo@verona.example' type='chat' id='live-{n}'><body>still here</body></message>"


@dataclasses.dataclass
class Case:
    """One attempt. Either tcp (segments, as told) or send (texts) says how it goes to the server."""
    id: str
    line: int                    # of the catalogue
    expect: dict                 # door: the verdicts that are right
    group: str = ""
    title: str = ""
    service: str = "c2s"         # or component
    stage: str = "online"        # how far the honest beginning goes: connect, open (features seen) or online
    send: list = dataclasses.field(default_factory=list)
    tcp: list = dataclasses.field(default_factory=list)
    stanza: str = STANZA
    primary: str = "bad"         # what the sender stands to, and sends again when it is not acknowledged
    open: str = "plain"          # the handshake, see Peer.open
    pipelined: bool = False      # the whole stream in one breath, with the handshake
    encoding: str = "utf-8"
    arrives: str = ""            # PASS: the text that must come through
    version: int = 4             # of IP
    isn: int = -1
    stamps: bool = False
    lport: int = 40000           # ours
    options: str = ""            # of the SYN, in hex
    raw: bool = False            # by our own TCP although it says send
    ending: bool = False         # its sender ends the stream
    deaf: float = 0              # the server reads nothing so long
    seconds: float = 10          # until the verdict must show
    features: str = ""           # the server's, instead of its own
    starttls: str = ""           # the server's answer to <starttls/>
    answer: str = ""             # what the client must be told
    far: str = ""                # the server is ours, too, and shakes hands so: split, both, simultaneous
    restart: bool = False        # who judges is killed when the stream stands, and another comes
    before: str = ""             # sent just before that
    compare: str = ""            # of the 29 compared: disguised or honest
    event: bool = True           # BLOCK: it stands in the log

    @property
    def own_tcp(self):
        return bool(self.tcp) or self.raw or self.open != "plain" or bool(self.far) or self.lport != 40000


def expand(text, encoding="utf-8"):
    """A text of the files as bytes: "hex:…" as said, {word} and {1000*x} filled in."""
    if text.startswith("hex:"):
        return bytes.fromhex(text[4:])
    text = re.sub(r"\{(\d+)\*([^{}]*)\}", lambda m: m[2] * int(m[1]), text.replace("{word}", WORD))
    return text.encode(encoding)


def _expect(value, name):
    table = {door: value for door in DOORS} if isinstance(value, str) else value
    made = {door: tuple(verdicts.split()) for door, verdicts in table.items()}
    for door, verdicts in made.items():
        if door not in DOORS or not verdicts or set(verdicts) - set(VERDICTS):
            raise ValueError(f"{name}: expect {door} = {verdicts}")
    return made


def _group(name):
    path = HERE / f"{name}.toml"
    if not path.exists():
        return
    for row in tomllib.loads(path.read_text())["case"]:
        row["id"] = f"{name}-{row['id']}"
        row["expect"] = _expect(row["expect"], row["id"])
        for listed in ("send", "tcp"):
            if isinstance(row.get(listed), str):
                row[listed] = [row[listed]]
        yield Case(group=name, **row)


def disguises():
    """cases.txt: the same that run_evasion.py judges without a wire, each on a stream of its own."""
    line = 0
    for text in (HERE / "cases.txt").read_text().split("\n"):
        if found := re.match(r"#: (\d+)", text):
            line = int(found[1])
        if not text or text.startswith("#"):
            continue
        name, stanza, verdict = text.split(" ; ")
        name, stanza = re.sub(r"\W+", "-", name).strip("-").lower(), stanza.replace("\\n", "\n")
        good = verdict == "accept"
        if not re.match(r"<\w+:?\w*[^>]* id=", stanza):
            stanza = re.sub(r"^(<[\w:]+)", rf"\1 id='{'good' if good else 'bad'}'", stanza)
        wanted = "PASS" if good else "BLOCK KILL" if line in NAMESPACES else "BLOCK"
        yield Case(f"text-{name}", line, _expect(wanted, name), "content", send=[stanza])


def all_cases():
    found = [case for group in GROUPS for case in _group(group)]
    names, made = {}, []
    for case in found + list(disguises()):
        names[case.id] = names.get(case.id, 0) + 1
        if names[case.id] > 1:
            case.id += f"-{names[case.id]}"
        made.append(case)
    return made


WRONG = ("", "", "", "", "ttl=3", "ttl=3", "badsum", "old", "md5", "flags=no-ack ack=none", "ack=behind", "ack=ahead", "urgent=3", "frag=24",
         "frag=24,reverse", "frag=64,overlap", "flags=fin ttl=3", "flags=fin", "ipoption=01010100", "window=0")
BARE = ("flags=rst ttl=3", "flags=rst shift=500", "flags=rst badsum", "flags=fin ttl=3", "flags=fin ttl=3 shift=30", "flags=syn ack=none ttl=3 shift=1000000",
        "flags=syn ack=none ttl=3 shift=-40", "flags=syn ack=none shift=60", "flags=syn-ack ttl=3", "shift=-1", "window=0", "flags=null ack=none")
OPENINGS = ("plain",) * 8 + ("syn-again", "syn-ack-back", "syn-decoy", "five")


def _step(dice):
    kind = dice.random()
    if kind < 0.15:
        return "bare " + dice.choice(BARE)
    if kind < 0.25:
        return f"wait {dice.choice(('0.01', '0.05', '0.3', '1.3'))}"
    if kind < 0.3:
        return "acked"
    how = dice.choice(WRONG)
    text = dice.choice(("bad", "bad", "good", "junk", "spaces"))
    if kind < 0.5:
        order = dice.choice(("", "reverse", "shuffle", "odd"))
        return f"split {dice.choice((1, 3, 8, 17, 40))} {order} {text} {how}"
    a, b = sorted(dice.sample(("0", "4", "m", "w-5", "w", "w+1", "w+3", "W-1", "W", "W+4", "end-8", "end-1", "end"), 2), key=PLACES.index)
    return f"seg {a}:{b} {text} {how}"


PLACES = ("0", "4", "w-5", "m", "w", "w+1", "w+3", "W-1", "W", "W+4", "end-8", "end-1", "end")


def random_cases(count, seed):
    """Anything in any order. What becomes of the connection is nobody's promise, but the word never arrives."""
    dice, made = random.Random(seed), []
    for number in range(count):
        steps = [_step(dice) for _ in range(dice.randint(1, 9))]
        steps.append(f"split {dice.choice((1, 7, 30, 1000))} {dice.choice(('', 'reverse', 'shuffle'))}")
        expect = {door: ("BLOCK", "PASS", "NORM", "KILL", "NEVER", "STUCK") for door in DOORS}
        made.append(Case(f"random-{seed}-{number}", 0, expect, "random", tcp=steps, primary=dice.choice(("bad", "bad", "good")),
                         open=dice.choice(OPENINGS), isn=dice.choice((-1, -1, 0xfffffff0 - dice.randrange(2000))),
                         stamps=(stamped := dice.random() < 0.3), options="080a000f424000000000" if stamped else "", event=False, seconds=1.5))
    return made


HONEST = ("", "", "", "", "frag=24", "frag=48,reverse", "ipoption=01010100")


def honest_cases(count, seed):
    """What networks do to honest segments: cut, late, in another order, more than once, in fragments. It passes unharmed."""
    dice, made = random.Random(seed), []
    for number in range(count):
        steps = []
        for _ in range(dice.randint(0, 4)):
            a, b = sorted(dice.sample(PLACES, 2), key=PLACES.index)
            steps.append(f"seg {a}:{b} {dice.choice(HONEST)}")
            if dice.random() < 0.3:
                steps.append(f"wait {dice.choice(('0.01', '0.05', '0.15', '1.3'))}")
        order = dice.choice(("", "reverse", "shuffle", "odd"))
        steps.append(f"split {dice.choice((1, 7, 30, 1000))} {order} times={dice.choice((1, 1, 2))} {dice.choice(HONEST)}")
        made.append(Case(f"honest-{seed}-{number}", 0, {door: ("PASS",) for door in DOORS}, "random", tcp=steps, primary="good",
                         version=dice.choice((4, 4, 6)), isn=dice.choice((-1, 0xfffffff0 - dice.randrange(2000)))))
    return made


def catalogue():
    """{line: (what it is about, where it is tried if not here)}."""
    made = {}
    for text in (HERE / "catalogue.txt").read_text().splitlines():
        if found := re.match(r"(\d+) (.+)", text):
            what, _, elsewhere = found[2].partition(" | ")
            made[int(found[1])] = what, elsewhere
    return made
