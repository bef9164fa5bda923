# SPDX-License-Identifier: BSD-2-Clause
"""What is said in the captures that record.py does not make: stream management, BOSH, dialback; and the servers as they must be
configured to say it in clear text."""
import base64
import http.client
import pathlib
import re
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

import raw  # noqa: E402
import record  # noqa: E402
from lab import LabError, Process, client_address  # noqa: E402

USERS = record.USERS
SPAM = "Free crypto at the apothecary's"
BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


class PlainProsody(record.ClearProsody):
    CONFIG = record.ClearProsody.CONFIG.replace("allow_unencrypted_plain_auth = false", "allow_unencrypted_plain_auth = true")


def plain(user):
    return base64.b64encode(f"\0{user}\0{USERS[user]}".encode()).decode()


# ---- stream management ----

class Client(raw.RawClient):
    """Somebody in clear text, by hand: slixmpp resumes in its own time."""

    def enter(self, user):
        self.open()
        self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain(user)}</auth>")
        self.read_until("<success[^>]*/?>")
        self.open()
        return self

    def bind(self, resource):
        self.send(f"<iq type='set' id='bind-1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>")
        self.read_until("<jid>[^<]*</jid>.*?</iq>")
        return self

    def say(self, to, text):
        self.send(f"<message type='chat' to='{to}' id='m{abs(hash(text)) % 1000}'><body>{text}</body></message>")

    def cut(self):
        """The line is dead: no word of farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def leave(self):
        self.send("</stream:stream>")
        self.read_until("</stream:stream>")
        self.close()


def managed(lab, server):
    """Counted stanzas, a line that breaks, and a stream that goes on."""
    juliet = Client(lab, server, source=client_address(11)).enter("juliet").bind("balcony")
    romeo = Client(lab, server, source=client_address(12, 6), version=6).enter("romeo").bind("orchard")
    for one in (juliet, romeo):
        one.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        found = re.search(r"<enabled[^>]*\bid=['\"]([^'\"]*)", one.read_until("<enabled[^>]*>"))
        one.number = found[1]
        one.send("<presence/>")
    juliet.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
    juliet.read_until("id=['\"]roster['\"].*?>")
    for n in range(3):
        juliet.say(server.jid("romeo"), f"parting is such sweet sorrow {n}")
    juliet.send("<r xmlns='urn:xmpp:sm:3'/>")
    juliet.read_until("<a [^>]*h=['\"]5['\"][^>]*>")
    romeo.read_until("sorrow 2</body>")
    romeo.send("<a xmlns='urn:xmpp:sm:3' h='4'/>")
    romeo.say(server.jid("juliet"), SPAM)
    juliet.read_until("apothecary.*?</message>")
    juliet.cut()
    romeo.say(server.jid("juliet"), "a word while you are away")
    again = Client(lab, server, source=client_address(11)).enter("juliet")
    again.send(f"<resume xmlns='urn:xmpp:sm:3' h='2' previd='{juliet.number}'/>")
    again.read_until("<resumed[^>]*>")
    again.read_until("you are away</body>")
    again.say(server.jid("romeo"), "back again")
    romeo.read_until("back again</body>")
    for one in (again, romeo):
        one.leave()


# ---- BOSH ----

class BoshProsody(PlainProsody):
    CONFIG = (PlainProsody.CONFIG.replace('"blocklist", "log_auth"', '"blocklist", "log_auth", "bosh"').replace('modules_disabled = {{ "s2s", "http" }}', 'modules_disabled = {{ "s2s" }}')
              .replace("http_ports = {{ }}", "http_ports = {{ 5280 }}; http_interfaces = {{ {interfaces} }}; consider_bosh_secure = true; http_default_host = \"{domain}\""))
    bosh = 5280, "/http-bind"


class BoshEjabberd(record.ClearEjabberd):
    bosh = 5280, "/bosh"

    def _configuration(self):
        made = super()._configuration()
        made["modules"] = dict(made["modules"], mod_bosh={})
        made["listen"] += [{"ip": a, "port": 5280, "module": "ejabberd_http", "request_handlers": {"/bosh": "mod_bosh"}} for a in self.addresses.values()]
        return made


class Bosh:
    """A session of XEP-0124 and XEP-0206 over two connections, as a browser has it: one waits, the other speaks."""

    def __init__(self, lab, server, source, version=4):
        self.server, self.rid, self.sid = server, 1573741820, None
        self.lines = []
        for _ in range(2):
            line = http.client.HTTPConnection(server.domain, server.bosh[0], timeout=20)
            line.sock = lab.client.connect(server.addresses[version], server.bosh[0], source=source, timeout=20)
            self.lines.append(line)

    def ask(self, inside="", line=0, answer=True, **more):
        self.rid += 1
        sid = f" sid='{self.sid}'" if self.sid else ""
        words = "".join(f" {k.replace('_', ':')}='{v}'" for k, v in more.items())
        body = f"<body rid='{self.rid}'{sid} xmlns='http://jabber.org/protocol/httpbind'{words}>{inside}</body>"
        self.lines[line].request("POST", self.server.bosh[1], body.encode(), {"Content-Type": "text/xml; charset=utf-8", "User-Agent": "lab", "Origin": f"http://{self.server.domain}"})
        return self.answer(line) if answer else None

    def answer(self, line=0):
        text = self.lines[line].getresponse().read().decode()
        found = re.search(r"\bsid=['\"]([^'\"]*)", text)
        self.sid = self.sid or (found and found[1])
        return text

    def until(self, pattern, text):
        while not re.search(pattern, text, re.S):
            if "terminate" in text:
                raise LabError(f"no {pattern!r} but {text}")
            text = self.ask()
        return text

    def enter(self, user, resource):
        more = {"to": self.server.domain, "ver": "1.6", "wait": "1", "hold": "1", "xml_lang": "en", "xmpp_version": "1.0", "xmlns_xmpp": "urn:xmpp:xbosh", "content": "text/xml; charset=utf-8"}
        self.until("mechanisms", self.ask(**more))
        self.until("<success", self.ask(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain(user)}</auth>"))
        self.until("<bind", self.ask(to=self.server.domain, xmpp_restart="true", xmlns_xmpp="urn:xmpp:xbosh"))
        self.until("<jid>", self.ask(f"<iq type='set' id='bind-1' xmlns='jabber:client'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>"))
        self.ask("<presence xmlns='jabber:client'/>")
        return self

    def leave(self):
        self.ask("<presence type='unavailable' xmlns='jabber:client'/>", type="terminate")
        for line in self.lines:
            line.close()


def bosh(lab, server):
    juliet = Bosh(lab, server, client_address(13)).enter("juliet", "balcony")
    romeo = Bosh(lab, server, client_address(14, 6), 6).enter("romeo", "orchard")
    # Juliet waits on her first line and speaks on the second one. A server may read two lines in any order: romeo's turn lies between.
    juliet.ask(answer=False)
    romeo.ask()
    juliet.ask("".join(f"<message type='chat' to='{server.jid('romeo')}' xmlns='jabber:client'><body>{t}</body></message>"
                       for t in ("wherefore art thou?", "parting is such sweet sorrow")), line=1, answer=False)
    juliet.answer(0)
    romeo.until("sweet sorrow", romeo.ask())
    juliet.answer(1)
    romeo.ask(f"<message type='chat' to='{server.jid('juliet')}' xmlns='jabber:client'><body>{SPAM}</body></message>")
    juliet.until("apothecary", juliet.ask())
    juliet.leave()
    romeo.leave()


# ---- dialback ----

class S2sProsody(PlainProsody):
    """Speaks to other servers, and never by TLS."""
    CONFIG = (PlainProsody.CONFIG.replace('"tls", ', "").replace('"blocklist", "log_auth"', '"blocklist", "log_auth", "s2s", "dialback"').replace('modules_disabled = {{ "s2s", "http" }}', 'modules_disabled = {{ "http", "tls" }}')
              .replace("s2s_ports = {{ }}", "s2s_ports = {{ 5269 }}; s2s_require_encryption = false; s2s_secure_auth = false"))


class S2sEjabberd(record.ClearEjabberd):
    def _configuration(self):
        made = super()._configuration()
        made["modules"] = dict(made["modules"], mod_s2s_dialback={})
        made["s2s_use_starttls"] = False
        made["listen"] += [{"ip": a, "port": 5269, "module": "ejabberd_s2s_in"} for a in self.addresses.values()]
        (self.folder / "config/inetrc").write_text("{lookup,[file,dns]}. {nameserver,{127,0,0,1}}.\n")
        return made


def name_server(lab, host, hosts):
    """dnsmasq inside of a host, and the file that leads there; hosts: domain -> address."""
    folder = pathlib.Path("/etc/netns") / host.name
    folder.mkdir(parents=True)
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (folder / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    words = ["--no-daemon", "--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.1", "--user=root", "--pid-file=", "--conf-file=/dev/null"]
    for domain, address in hosts.items():
        words += [f"--host-record=xmpp.{domain},{address}", f"--srv-host=_xmpp-server._tcp.{domain},xmpp.{domain},5269", f"--local=/{domain}/"]
    lab.add(Removed(folder))
    return lab.add(Process(host, lab.folder / f"dnsmasq-{host.name}.log", "dnsmasq", *words))


class Removed:
    def __init__(self, folder):
        self.folder = folder

    def close(self):
        for name in ("resolv.conf", "hosts"):
            (self.folder / name).unlink(missing_ok=True)
        self.folder.rmdir()


def dialback(lab, server, other):
    """Users of both, who write to each other; each is a client of its own server, on that server's host."""
    def enter(home, user, host):
        one = Client.__new__(Client)
        one.lab, one.server, one.seen = lab, home, b""
        one.socket = host.connect(home.addresses[4], 5222)
        return one.enter(user).bind("home")

    juliet, romeo = enter(server, "juliet", lab.client), enter(other, "romeo", lab.server)
    for one in (juliet, romeo):
        one.send("<presence/>")
    juliet.send(f"<presence type='subscribe' to='{other.jid('romeo')}'/>")
    romeo.read_until("type=['\"]subscribe['\"].*?>")
    romeo.send(f"<presence type='subscribed' to='{server.jid('juliet')}'/>")
    juliet.read_until("<presence[^>]*from=['\"]romeo@.*?>")
    juliet.say(other.jid("romeo"), "wherefore art thou?")
    romeo.read_until("wherefore art thou.*?</message>")
    romeo.say(server.jid("juliet"), SPAM)
    juliet.read_until("apothecary.*?</message>")
    juliet.send(f"<iq type='get' id='disco' to='{other.domain}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
    juliet.read_until("id=['\"]disco['\"].*?</iq>")
    for one in (juliet, romeo):
        one.leave()
