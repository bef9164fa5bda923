# SPDX-License-Identifier: BSD-2-Clause
"""BOSH (XEP-0124) by hand: the honest session of a client, the requests a case asks for, and a server that takes anything."""
import re

SPACE = "http://jabber.org/protocol/httpbind"
LINE = "POST /http-bind HTTP/1.1\r\nHost: verona.example\r\nContent-Type: text/xml; charset=utf-8\r\n"
FIRST_RID = 1_573_741_820
HEAD_END = re.compile(rb"\r?\n\r?\n")


class Web:
    """The client's side: rid and sid, and requests made of templates."""

    def __init__(self):
        self.rid, self.sid = FIRST_RID, "s1"

    def body(self, inner, attributes=""):
        self.rid += 1
        return f"<body rid='{self.rid}' sid='{self.sid}' xmlns='{SPACE}' xmlns:xmpp='urn:xmpp:xbosh'{attributes}>{inner}</body>"

    def post(self, inner, attributes=""):
        made = self.body(inner, attributes).encode()
        return f"{LINE}Content-Length: {len(made)}\r\n\r\n".encode() + made

    def begin(self):
        made = (f"<body rid='{FIRST_RID}' to='verona.example' wait='5' hold='1' ver='1.6' xml:lang='en' xmpp:version='1.0' xmlns='{SPACE}' "
                "xmlns:xmpp='urn:xmpp:xbosh'/>").encode()
        return f"{LINE}Content-Length: {len(made)}\r\n\r\n".encode() + made

    def request(self, text):
        """HEAD||BODY: {H} is an honest head's beginning, {n} and {x} the body's length, [[STANZAS]] an honest body around them."""
        head, _, body = text.partition("||")
        body = re.sub(r"\[\[(.*?)\]\]", lambda m: self.body(m[1]), body, flags=re.S)
        body = body.replace("{rid}", str(self.rid)).replace("{sid}", self.sid).encode()
        head = head.replace("{H}", LINE).replace("{n}", str(len(body))).replace("{x}", f"{len(body):x}")
        return head.encode() + body

    def chunked(self, size, inner, extension=""):
        body = self.body(inner).encode()
        pieces = [body[n:n + size] for n in range(0, len(body), size)]
        return (LINE + "Transfer-Encoding: chunked\r\n\r\n").encode() + b"".join(
            f"{len(p):x}{extension}\r\n".encode() + p + b"\r\n" for p in pieces) + b"0\r\n\r\n"


def requests(data):
    """(body, end) of each request as a trusting server reads it: chunked before Content-Length, LF as good as CR LF."""
    at = 0
    while found := HEAD_END.search(data, at):
        head, start = data[at:found.start()].decode("latin-1"), found.end()
        if re.search(r"^transfer-encoding:.*chunked", head, re.I | re.M):
            body, end = _chunks(data, start)
        else:
            length = re.search(r"^content-length:\s*\+?(\d+)", head, re.I | re.M)
            end = start + (int(length[1]) if length else 0)
            body = data[start:end] if end <= len(data) else None
        if body is None:
            return
        yield bytes(body), end
        at = end


def _chunks(data, at):
    body = b""
    while found := re.compile(rb"\s*([0-9a-fA-F]+)[^\n]*\r?\n").match(data, at):
        size, at = int(found[1], 16), found.end()
        if size == 0:
            end = data.find(b"\n", at)
            return (body, end + 1) if end >= 0 else (None, at)
        body += data[at:at + size]
        at += size
    return None, at


def answer(body):
    """What the server says to a body, and its HTTP around it."""
    text = body.decode(errors="replace")
    if " sid=" not in text:
        inner, more = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>", \
            " sid='s1' wait='5' hold='1' requests='2' inactivity='30' from='verona.example' ver='1.6'"
    elif "<auth" in text:
        inner, more = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ""
    elif "restart=" in text:
        inner, more = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>", ""
    elif "<bind" in text:
        inner, more = ("<iq type='result' id='b' xmlns='jabber:client'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>mercutio@verona.example/raw"
                       "</jid></bind></iq>"), ""
    else:
        inner, more = "".join(f"<message xmlns='jabber:client' to='mercutio@verona.example/raw' id='echo-{n}'><body>echo</body></message>"
                              for n in re.findall(r"id='(live-\d+)'", text)), ""
    made = f"<body xmlns='{SPACE}' xmlns:stream='http://etherx.jabber.org/streams'{more}>{inner}</body>".encode()
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {len(made)}\r\n\r\n".encode() + made
