# SPDX-License-Identifier: BSD-2-Clause
"""The truth of the endpoint: a server that plays XMPP with whoever comes and keeps every byte its application read.

It is as trusting as a server can be. What counts afterwards is what a parser behind it would have understood."""
import asyncio
import contextlib
import re
import socket
import unicodedata
import xml.parsers.expat

import web

FEATURES = {
    "open": "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>",
    "bound": "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>",
}
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
TOKEN = re.compile(rb"<(?:\w+:)?stream\s[^>]*>|<auth\b[^>]*>[^<]*</auth>|<handshake>[^<]*</handshake>|<db:result[^>]*>[^<]*</db:result>|<bind\b[^>]*/>|<bind\b[^>]*>.*?</bind>"
                   rb"|<starttls\b[^>]*>|<enable\b[^>]*>|<r\b[^>]*/>|<message[^>]*\bid=['\"]live[^>]*>|</(?:\w+:)?stream>", re.S)
WEB_PORT = 5280
LOOK_BACK = 8192  # no token is longer
# What folds away for a reader; enough to recognise the words our cases hide.
ALIKE = str.maketrans("асіоıοѕ", "acioios")
INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]")


def fold(text):
    """As a reader sees it."""
    text = unicodedata.normalize("NFKC", INVISIBLE.sub("", text)).casefold().translate(ALIKE)
    return " ".join(text.split())


class Stanza:
    """A first-level element as the endpoint's parser understands it."""

    def __init__(self, name, attributes):
        self.name, self.attributes, self.text, self.values, self.children = name, attributes, [], [], []

    @property
    def id(self):
        return self.attributes.get("id", "")

    def everything(self):
        return "".join(self.text) + " " + " ".join(self.values)

    def body(self):
        return "".join(self.text)


def understood(data, http=False):
    """The stanzas in what was read: every stream header begins a new document, whatever follows a fault is lost."""
    found = []
    if http:
        return [stanza for body, _ in web.requests(data) for stanza in _document(body)]
    starts = [m.start() for m in re.finditer(rb"(?:<\?xml[^>]*>\s*)?<(?:\w+:)?stream\s", data)]
    for start, end in zip(starts, starts[1:] + [len(data)]):
        found += _document(data[start:end])
    return found


def _document(data):
    found, depth = [], 0
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")

    def begin(name, attributes):
        nonlocal depth
        depth += 1
        if depth == 2:
            found.append(Stanza(name, attributes))
        elif depth > 2:
            found[-1].children.append(name)
            found[-1].values += attributes.values()

    def end(_):
        nonlocal depth
        if depth == 2:
            found[-1].complete = True
        depth -= 1

    def text(chunk):
        if depth > 1:
            found[-1].text.append(chunk)

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    with contextlib.suppress(xml.parsers.expat.ExpatError, ValueError):  # a fault, or an encoding Python does not know
        parser.Parse(data, True)
    return [s for s in found if hasattr(s, "complete")]


class Visit:
    """One connection as the application saw it."""

    def __init__(self):
        self.server = False
        self.data, self.ended, self.stage, self.done, self.enabled = bytearray(), None, "open", 0, 0


class Recorder:
    def __init__(self, namespace, addresses, ports):
        self.visits, self.behave, self.tasks, self.listeners = {}, {}, set(), []
        for address in addresses:
            for port in ports:
                self._listen(namespace, address, port)

    def _listen(self, namespace, address, port):
        listener = namespace.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.IPPROTO_TCP, 23, 64)  # TCP_FASTOPEN
        listener.bind((address, port))
        listener.listen(512)
        listener.setblocking(False)
        self.listeners.append(listener)
        self._spawn(self._accept(listener))

    def _spawn(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _accept(self, listener):
        while True:
            connection, where = await asyncio.get_running_loop().sock_accept(listener)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._serve(connection, where[0]))

    def of(self, address):
        """What came from an address: its visits, oldest first."""
        return self.visits.get(address, [])

    async def _serve(self, connection, address):
        visit = Visit()
        self.visits.setdefault(address, []).append(visit)
        behave = self.behave.get(address, {})
        loop = asyncio.get_running_loop()
        try:
            if behave.get("deaf"):  # a receiver's window that stays shut for a while
                await asyncio.sleep(behave["deaf"])
            while chunk := await loop.sock_recv(connection, 1 << 16):
                visit.data += chunk
                answer = self._web_answer(visit) if connection.getsockname()[1] == WEB_PORT else self._answer(visit, behave)
                if answer:
                    await loop.sock_sendall(connection, answer.encode() if isinstance(answer, str) else answer)
            visit.ended = "fin"
        except OSError:
            visit.ended = "rst"
        connection.close()

    def play(self, address):
        """heard(seen, ended) for a server that is not the kernel's."""
        visit = Visit()
        self.visits.setdefault(address, []).append(visit)

        def heard(seen, ended):
            visit.data, visit.ended = seen, ended
            return self._answer(visit, {}).encode()
        return heard

    @staticmethod
    def _web_answer(visit):
        answer = b""
        for body, end in web.requests(visit.data[visit.done:]):
            answer += web.answer(body)
            last = end
        visit.done += last if answer else 0
        return answer

    def _answer(self, visit, behave):
        answer = ""
        while token := TOKEN.search(visit.data, visit.done):
            visit.done = token.end()
            answer += self._reply(visit, token[0].decode(errors="replace"), behave)
        visit.done = max(visit.done, len(visit.data) - LOOK_BACK)
        return answer

    @staticmethod
    def _reply(visit, said, behave):
        if re.match(r"<(?:\w+:)?stream\s", said):
            visit.server = "jabber:server" in said
            component, server = "jabber:component:accept" in said, "jabber:server" in said
            space = "jabber:component:accept" if component else "jabber:server' xmlns:db='jabber:server:dialback" if server else "jabber:client"
            features = "" if component else f"<stream:features>{behave.get('features', '' if server else FEATURES[visit.stage])}</stream:features>"
            version = "" if component else " version='1.0'"
            return (f"<?xml version='1.0'?><stream:stream xmlns='{space}' xmlns:stream='http://etherx.jabber.org/streams' id='r1' "
                    f"from='verona.example'{version}>{features}")
        if said.startswith("<auth"):
            visit.stage = "bound"
            return "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
        if said.startswith("<db:result"):
            source = re.search(r"from='([^']*)'", said)
            return f"<db:result from='verona.example' to='{source[1] if source else ''}' type='valid'/>"
        if said.startswith("<handshake"):
            return "<handshake/>"
        if said.startswith("<bind"):
            number = re.findall(rb"<iq\b[^>]*\bid=['\"]([^'\"]*)", bytes(visit.data[:visit.done]))
            return (f"<iq type='result' id='{number[-1].decode() if number else ''}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                    "<jid>mercutio@verona.example/raw</jid></bind></iq>")
        if said.startswith("<starttls"):
            return behave.get("starttls", "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")
        if said.startswith("<enable"):
            visit.enabled = len(understood(bytes(visit.data[:visit.done])))
            return "<enabled xmlns='urn:xmpp:sm:3'/>"
        if said.startswith("<r"):
            counted = [s for s in understood(bytes(visit.data[:visit.done]))[visit.enabled:] if s.name.split(" ")[-1] in ("message", "presence", "iq")]
            return f"<a xmlns='urn:xmpp:sm:3' h='{len(counted)}'/>"
        if said.startswith("<message"):
            number = re.search(r"\bid=['\"]([^'\"]*)", said)[1]
            return f"<message to='{'a@mantua.example' if visit.server else 'mercutio@verona.example/raw'}' from='verona.example' id='echo-{number}'><body>echo</body></message>"
        if said.startswith("</"):
            return "</stream:stream>"
        return ""

    async def close(self):
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in self.listeners:
            listener.close()
