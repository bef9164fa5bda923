# Settings of all blocks but chains.
:in service c2s { listen tcp 5222; tls none; upstream 192.0.2.7 plain; % }
role s2s; ; ok ; role s2s;
role serverless; ; fail ; service 'c2s' is for serverless messaging, which only the inspector sees ; mode inspect;
role s2x; ; fail ; 'role' cannot be 's2x' ; did you mean 's2s'?
mode proxy; ; ok
mode inspect; ; ok
mode; ; fail ; 'mode' wants proxy|inspect
mode "proxy"; ; fail ; 'mode' cannot be 'proxy' ; did you mean 'proxy'?
mode proxy extra; ; fail ; 'extra' is one value too many for 'mode' ; a setting ends with ';'
intercept tproxy; ; ok
intercept redirect; ; ok
intercept none; ; ok
listen tcp { 5223, 5269 }; ; ok ; listen tcp { 5223, 5269 };
listen on 127.0.0.1, ::1; ; ok ; listen on 127.0.0.1, ::1;
listen on localhost; ; fail ; 'localhost' is not an address
listen on 192.0.2.0/24; ; fail ; '192.0.2.0/24' is not an address
listen udp 5222; ; fail ; 'listen' wants tcp PORT | tcp { PORT, ... } | on ADDRESS, ..., not 'udp'
listen 5222; ; fail ; 'listen' wants tcp PORT | tcp { PORT, ... } | on ADDRESS, ..., not '5222' ; write 'tcp' before the port
listen tcp 0; ; fail ; '0' is not a port (1 to 65535)
listen tcp 65536; ; fail ; '65536' is not a port (1 to 65535)
listen tcp { }; ; fail ; no port to listen on
listen tcp 5222; ; fail ; port 5222 is already listened on
listen tcp { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }; ; fail ; a service has at most 16 ports ; make it two services
intercept tproxy; listen tcp 60000; ; fail ; intercepted ports are served at the port + 10000; 60000 is too high
certificates "/nowhere"; ; ok
certificates nowhere; ; fail ; 'certificates' wants "FOLDER", not 'nowhere' ; write it in double quotes
certificates ""; ; fail ; 'certificates' is empty
verify off; ; ok
verify system; ; ok
verify file "/nowhere.pem"; ; ok
verify file "/nowhere.pem" name "x.example"; ; ok ; verify file "/nowhere.pem" name "x.example";
verify name "x.example"; ; ok
verify system name "x.example"; ; ok
verify file; ; fail ; 'verify' wants [default|system|off|file "PEM"] [name "NAME"] ; the file's name in double quotes
verify on; ; fail ; 'verify' wants [default|system|off|file "PEM"] [name "NAME"], not 'on'
verify name x; ; fail ; 'verify' wants [default|system|off|file "PEM"] [name "NAME"], not 'name' ; behind 'name' stands a string
source client; ; ok
source own; ; ok
source clinet; ; fail ; 'source' cannot be 'clinet' ; did you mean 'client'?
proxy-protocol v2; ; ok
proxy-protocol v1; ; fail ; 'proxy-protocol' cannot be 'v1' ; did you mean 'v2'?
forward verbatim; ; ok
forward canonical; ; ok
fail open; ; ok
fail closed; ; ok
sessions 100; ; ok
sessions 0; ; fail ; 'sessions' must be between 1 and 10000000
sessions many; ; fail ; 'sessions' wants N, not 'many'
sessions-per-address 0; ; ok
session-per-address 5; ; fail ; unknown setting 'session-per-address' in service ; did you mean 'sessions-per-address'?
buffer 64k; ; ok
buffer 1k; ; fail ; 'buffer' must be between 16k and 64M
buffer 10m; ; fail ; 'buffer' wants SIZE, not '10m' ; sizes are written 4096, 64k, 10M or 1G
stream-limits { depth 32; stanza 128k; } ; ok ; stream-limits { depth 32; stanza 128k; }
stream-limits { stanza 9999; } ; fail ; 'stanza' must be between 10000 and 16M
stream-limits { dept 9; } ; fail ; unknown setting 'dept' in stream-limits ; did you mean 'depth'?
stream-limits 5; ; fail ; 'stream-limits' wants { ... }, not '5'
timeouts { handshake 5s; login 30s; idle 10m; connect 3s; close 1s; stanza 20s; } ; ok
timeouts { idle 0; } ; ok
timeouts { idle 5; } ; ok
timeouts { login 10M; } ; fail ; 'login' wants TIME, not '10M' ; times are written 250ms, 90s, 10m, 1h or 7d
timeouts { login 1ms; } ; fail ; 'login' must be between 1s and 1h
mode { proxy; } ; fail ; 'mode' wants proxy|inspect

:in service c2s { listen tcp 5222; % }
upstream original starttls; certificates "x"; ; ok
certificates "x"; ; ok
intercept none; certificates "x"; ; fail ; with 'intercept none' nobody knows where a peer wanted to go ; intercept tproxy; or upstream ADDRESS:PORT;
upstream original; ; fail ; service 'c2s' offers TLS but has no certificates ; certificates "FOLDER"; or tls none;
tls none; upstream 192.0.2.7:5222 tls; ; ok ; upstream 192.0.2.7:5222 tls;
tls none; upstream [2001:db8::7]:5222 plain; ; ok ; upstream [2001:db8::7]:5222 plain;
tls none; upstream 2001:db8::7; ; ok ; upstream 2001:db8::7;
tls none; upstream 192.0.2.7:0; ; fail ; 'upstream' wants original|ADDRESS[:PORT] [plain|starttls|tls] | backend NAME, ..., not '192.0.2.7:0' ; an address is 192.0.2.7, 192.0.2.7:5222 or [2001:db8::7]:5222
tls none; upstream 192.0.2.7:65536; ; fail ; 'upstream' wants original|ADDRESS[:PORT] [plain|starttls|tls] | backend NAME, ..., not '192.0.2.7:65536'
tls none; upstream xmpp.example; ; fail ; 'upstream' wants original|ADDRESS[:PORT] [plain|starttls|tls] | backend NAME, ..., not 'xmpp.example'
tls none; upstream xmpp.example:5222; ; fail ; a word with ':' must be a string ; write it in double quotes
tls none; upstream original ssl; ; fail ; 'ssl' is no way to speak to the server ; one of plain, starttls, tls
tls optional; certificates "x"; ; ok
tls maybe; ; fail ; 'tls' cannot be 'maybe' ; one of required, optional, none

:in %
service c2s { tls none; } ; fail ; service 'c2s' has no 'listen'
service c2s { listen on ::1; tls none; } ; fail ; service 'c2s' listens on no port
service c2s { } service c2s { } ; fail ; there is already a service 'c2s'
service c2s { listen tcp 5222; tls none; } chain a { hook c2z; } ; fail ; no such service 'c2z' ; did you mean 'c2s'?
service x { listen tcp 5222; tls none; } chain a { hook x, c2s; rule r { service is x drop } } ; ok
daemon { threads 2; user xmppwall; log debug; events-max 10M; } ; ok ; threads 2; user xmppwall; log debug; events-max 10M;
daemon { user "x y"; } ; ok
daemon { log loud; } ; fail ; 'log' cannot be 'loud' ; one of debug, info, warn, error
daemon { } daemon { } ; fail ; there is already a block 'daemon'
daemon x { } ; fail ; expected '{', got 'x'
firewall { mark 0x12340000; table 100; } ; ok ; mark 0x12340000; table 100;
firewall { mark 0x12345678; } ; fail ; the lower 16 bits of the mark are not ours ; such as 0x584d0000
firewall { mark 1; } ; fail ; 'mark' must be between 65536 and 4294901760
firewall { allow @a; block @b; } set a { type address; } set b { type address; } ; ok ; allow @a; block @b;
firewall { allow @a; } ; fail ; no such set 'a'
firewall { allow @a; } set a { type domain; } ; fail ; 'allow' wants a set of address
firewall { allow a; } ; fail ; 'allow' wants @SET, not 'a'
stream-limits { depth 10; attributes 20; } ; ok
timeouts { login 10s; } ; ok
set a { type keyword; } ; ok
set a { elements = { "x" }; } ; fail ; set 'a' has no 'type'
set a { type keywords; } ; fail ; 'type' cannot be 'keywords' ; did you mean 'keyword'?
set a { type keyword; flags fold, substring; elements = { "x", y }; } ; ok ; flags fold, substring; elements = { "x", y };
set a { type keyword; flags fold substring; } ; ok ; flags fold, substring;
set a { type keyword; flags { fold, nocase }; } ; ok
set a { type keyword; flags suffix; } ; fail ; flag 'suffix' is for sets of domain, this one holds keyword
set a { type domain; flags fold; } ; fail ; flag 'fold' is for sets of keyword, this one holds domain
set a { type regex; flags nocase; } ; fail ; flag 'nocase' is for sets of keyword, this one holds regex ; write the flags behind each expression: /.../if
set a { type regex; elements = { /a+/, /b/i, "c" }; } ; ok
set a { type regex; elements = { /a(/ }; } ; fail ; bad regex in set 'a': missing closing parenthesis
set a { type regex; elements = { abc }; } ; fail ; 'abc' is no entry for a set of regex ; /a regular expression/ with flags
set a { type address; elements = { 192.0.2.0/24, 2001:db8::/32, 192.0.2.5-192.0.2.9 }; } ; ok
set a { type address; elements = { example.org }; } ; fail ; 'example.org' is no entry for a set of address ; 192.0.2.1, 192.0.2.0/24, 192.0.2.5-192.0.2.9 or IPv6
set a { type address; elements = { 192.0.2.0/33 }; } ; fail ; bad address in set 'a': not an address, network or range
set a { type domain; elements = { example.org, "münchen.example", 1und1.de, 192.0.2.1 }; } ; ok
set a { type domain; elements = { 5 }; } ; fail ; '5' is no entry for a set of domain ; a domain name
set a { type jid; elements = { a@b.example, room@muc.example/nick, b.example, "x y@b" }; } ; fail ; bad jid in set 'a': not a JID
set a { type namespace; elements = { "urn:xmpp:receipts" }; } ; ok
set a { type keyword; elements { "x", "y" }; } ; ok ; elements = { "x", "y" };
set a { type keyword; elements = "x"; } ; fail ; 'elements' wants { ENTRY, ... }, not 'x'
set a { type keyword; file "/nowhere"; } ; fail ; cannot read '/nowhere': No such file or directory
set a { type keyword; elements = { "x" "y" }; } ; fail ; expected ',' or '}', got a string
limit a { rate 20/second; } ; ok
limit a { rate 5/10m; burst 60; key peer.address; entries 100000; } ; ok ; rate 5/10m; burst 60; key peer.address; entries 100000;
limit a { rate 20; } ; fail ; 'rate' wants N/second|minute|hour|day, not '20' ; such as 20/second, 5/10m or 64k/second
limit a { rate 20/fortnight; } ; fail ; not a number, time, size, rate or address
limit a { rate 0/second; } ; fail ; 'rate' wants N/second|minute|hour|day, not '0/second'
limit a { burst 5; } ; fail ; limit 'a' has no 'rate'
limit a { rate 1/s; key form; } ; fail ; unknown field 'form' ; did you mean 'from'?
limit a { rate 1/s; key message.from; } ; fail ; a limit counts what its rules ask about; write 'key from'
limit a { rate 1/s; key xml "{*}x"; } ; ok ; key xml "{*}x";
limit a { rate 1/s; key from.bare, to.domain; } ; ok ; key from.bare, to.domain;
limit a { rate 1/s; key xml "{*}x", peer.address; } ; ok ; key xml "{*}x", peer.address;
limit a { rate 1/s; key from.bare to.domain; } ; fail ; 'to.domain' is one value too many for 'key' ; a setting ends with ';'
limit a { rate 1/s; key from, to, type, id, kind; } ; fail ; a key has at most 4 fields
limit a { rate 1/s; key xml; } ; fail ; 'xml' needs a path in double quotes
limit a { rate 64k/second; burst 256k; count size; key session.jid; } ; ok ; rate 64k/second; burst 256k; count size; key session.jid;
limit a { rate 10M/day; burst 1M; count file.size; } ; ok ; rate 10M/day; burst 1M; count file.size;
limit a { rate 5/s; count stanzas; } ; ok ; count stanzas;
limit a { rate 5/s; count from; } ; fail ; 'from' is a jid, not a number ; such as size or recipients
limit a { rate 5/s; count sizes; } ; fail ; unknown field 'sizes' ; did you mean 'size'?
limit a { rate 5/s; count message.size; } ; fail ; a limit counts what its rules ask about; write 'count size'
limit a { rate 5/s; count stanzas, size; } ; fail ; 'size' is one value too many for 'count'
limit a { rate 5/s; count size, depth; } ; fail ; 'depth' is one value too many for 'count'
limit a { rate 5/s; count "size"; } ; fail ; 'count' wants stanzas|FIELD, not 'size'
limit a { rate 5/s; count; } ; fail ; 'count' wants stanzas|FIELD
limit a { rate 5k; } ; fail ; 'rate' wants N/second|minute|hour|day, not '5k'
limit a { rate 5q/second; } ; fail ; not a number, time, size, rate or address
limit a { rate 5kk/second; } ; fail ; not a number, time, size, rate or address
limit a { rate 18014398509481984k/second; } ; fail ; not a number, time, size, rate or address
limit a { rate 5/s; burst 2G; } ; fail ; 'burst' must be between 1 and 1000000000
limit a { rate 30/10m; distinct to.bare; key session.jid; } ; ok ; rate 30/10m; distinct to.bare; key session.jid;
limit a { rate 30/10m; distinct xml "{*}x@y"; } ; ok ; distinct xml "{*}x@y";
limit a { rate 30/10m; distinct url.host; } ; ok
limit a { rate 30/10m; distinct too; } ; fail ; unknown field 'too' ; did you mean 'to'?
limit a { rate 30/10m; distinct to, from; } ; fail ; 'from' is one value too many for 'distinct'
limit a { rate 30/10m; distinct stanzas; } ; fail ; unknown field 'stanzas'
limit a { rate 30/10m; distinct to.bare; count size; } ; fail ; a limit counts a number or tells values apart, not both ; make two limits of it
limit a { rate 30/10m; distinct to.bare; count stanzas; } ; ok
limit a { rate 1/s; entries 1; } ; fail ; 'entries' must be between 16 and 16000000
punish peer { 5 strikes within 10m; ban 1h; escalate x2 to 7d; spare shared; } ; ok ; 5 strikes within 10m; ban 1h; escalate x2 to 7d; spare shared;
punish peer { strikes 5 within 10m; ban 1h; } ; ok ; 5 strikes within 10m;
punish peer { 5 strikes; ban 1h; } ; fail ; expected 'N strikes within TIME'
punish peer { ban 1h; } ; fail ; punish 'peer' has no 'strikes'
punish peer { 5 strikes within 10m; } ; fail ; punish 'peer' has no 'ban'
punish p { 5 strikes within 10m; of session; } ; ok ; of session;
punish p { 5 strikes within 10m; of jid; ban 1h; forgive 1d; escalate x2 to 7d; } ; ok ; of jid; ban 1h; forgive 1d; escalate x2 to 7d;
punish p { 20 strikes within 10m; of prefix /24 /56 from 8 addresses; ban 1h; spare shared; } ; ok ; of prefix /24 /56 from 8 addresses; ban 1h; spare shared;
punish p { 20 strikes within 10m; of prefix /24 /56; ban 1h; } ; ok ; of prefix /24 /56;
punish p { 20 strikes within 10m; ban 1h; spare shared, none; } ; fail ; 'none' stands alone
set fr { type address; elements = { 192.0.2.0/24 }; } punish p { 20 strikes within 10m; ban 1h; spare shared @fr; } ; ok ; spare shared, @fr;
punish peer { 5 strikes within 10m; ban 1h; escalate 2; } ; fail ; 'escalate' wants xN to TIME, not '2' ; such as x2 to 7d
punish peer { 5 strikes within 10m; ban 1h; escalate x2 to 1m; } ; fail ; 'escalate' ends before the first ban of punish 'peer' does
punish peer { 5 strikes within 10m; ban 10; } ; ok
expect "x" { stanza "<message/>" verdict accept } ; ok ; expect "x" { stanza "<message/>" verdict accept }
expect "x" { stanza "<message>" "</message>" verdict accept } ; ok ; stanza "<message></message>"
expect "x" { stanza "<message/>"; verdict accept; } ; ok
expect "x" { from "a@b/c"; to "d@e"; service c2s; direction out; peer 192.0.2.1; jid "d@e/f"; stanza "<message/>"; verdict accept } ; ok
expect "x" { stanza "<message/>" verdict drop } ; fail ; expected drop, got accept (no chain hooks c2s in)
chain a { hook c2s; rule r { message reject forbidden } } expect "x" { stanza "<message/>" verdict reject forbidden by r } ; ok
chain a { hook c2s; rule r { message reject forbidden } } expect "x" { stanza "<message/>" verdict reject policy-violation } ; fail ; expected reject policy-violation, got reject forbidden by r
chain a { hook c2s; rule r { message quarantine "later" } } expect "x" { stanza "<message/>" verdict quarantine by r } expect "y" { stanza "<iq type='get' id='1'><q xmlns='q'/></iq>" verdict accept } ; ok
chain a { hook c2s; rule r { message redirect "a@b" } } expect "x" { to "c@d" stanza "<message/>" verdict redirect by r } expect "y" { to "a@b/c" stanza "<message/>" verdict accept by r } ; ok
chain a { hook c2s; policy quarantine; } expect "x" { stanza "<message/>" verdict drop } ; fail ; expected drop, got quarantine (policy of chain a)
chain a { hook c2s; policy drop; } expect "x" { stanza "<message/>" verdict accept } ; fail ; expected accept, got drop (policy of chain a)
expect "x" { stanza "<message/>" verdict refuse } ; fail ; unknown verdict 'refuse' ; one of accept, drop, reject, close, redirect, quarantine
expect "x" { stanza "<message/>" verdict reject frobidden } ; fail ; unknown stanza error 'frobidden' ; did you mean 'forbidden'?
expect "x" { stanza "<message/>" verdict accept by nobody } ; fail ; no such rule 'nobody'
expect "x" { verdict accept } ; fail ; expect has no 'stanza'
expect "x" { stanza "<message/>" } ; fail ; expect has no 'verdict'
expect "x" { stanza "<message>" verdict accept } ; fail ; the stanza of this expectation does not end
expect "x" { stanza "<message></iq>" verdict accept } ; fail ; the stanza of this expectation is not acceptable XML (xml.not-well-formed)
expect "x" { peer nowhere; } ; fail ; expected an address, got 'nowhere'
expect "x" { form "a@b" } ; fail ; expected from, to, service, direction, peer, jid, remote, at, stanza, verdict or crosses, got 'form' ; did you mean 'from'?
expect "x" { remote "A.example" verified dane seen 3d stanza "<message/>" verdict accept } ; ok ; remote "A.example" verified dane seen 3d
expect "x" { remote "a.example"; stanza "<message/>" verdict accept } ; ok ; remote "a.example" stanza
chain a { hook s2s; rule r { remote.verified is dane and remote.domain is a.example and remote.first_seen >= 3d drop } } expect "x" { service s2s remote "A.example" verified dane seen 3d stanza "<message/>" verdict drop by r } expect "y" { service s2s remote "a.example" verified dane seen 71h stanza "<message/>" verdict accept } expect "z" { service s2s remote "b.example" verified dane seen 3d stanza "<message/>" verdict accept } expect "w" { service s2s remote "a.example" seen 3d stanza "<message/>" verdict accept } ; ok
chain a { hook s2s; rule r { remote.verified is none and remote.first_seen < 1m drop } } expect "x" { service s2s remote "a.example" stanza "<message/>" verdict drop by r } expect "y" { service s2s stanza "<message/>" verdict drop by r } ; ok
expect "x" { remote a.example; stanza "<message/>" verdict accept } ; fail ; expected a string, got 'a.example'
expect "x" { remote "a@b"; stanza "<message/>" verdict accept } ; fail ; 'a@b' is not a domain
expect "x" { remote "*.a.example"; stanza "<message/>" verdict accept } ; fail ; '*.a.example' is not a domain
expect "x" { remote "a.example" verified pxix; stanza "<message/>" verdict accept } ; fail ; nobody is verified by 'pxix' ; did you mean 'pkix'?
expect "x" { remote "a.example" seen 3; stanza "<message/>" verdict accept } ; fail ; expected a time such as 3d, got '3'
expect x { } ; fail ; expected a title in double quotes, got 'x'
include "none/*.rules" ; ok ; include "none/*.rules"
include "none.rules" ; fail ; cannot read 'none.rules': No such file or directory
include none ; fail ; expected a file name in double quotes, got 'none'
set s { type domain; feed a { url "http://h/x"; every 2h; weight 2; } } ; ok ; set s { type domain; feed a { url "http://h/x"; every 2h; weight 2; } }
set s { type domain; feed a { file "x.txt" } feed b-2 { url "https://h"; shrink 100; size 1M; timeout 5s; } votes 2; except { a.example, b.example } } ; ok ; set s { type domain; feed a { file "x.txt"; } feed b-2 { url "https://h"; shrink 100; size 1M; timeout 5s; } votes 2; except = { a.example, b.example }; }
set s { type domain; feed { url "http://h/x"; } } ; fail ; 'feed' wants NAME { ... }
set s { type domain; feed a b; } ; fail ; 'feed' wants NAME { ... }, not 'a'
set s { type domain; feed "a" { url "http://h/x"; } } ; fail ; expected ',' or '}', got a string
set s { type domain; feed a.b { url "http://h/x"; } } ; fail ; 'a.b' is no name for a feed
set s { type domain; feed a { every 1h; } } ; fail ; feed 'a' has neither 'url' nor 'file'
set s { type domain; feed a { url "http://h/"; file "x"; } } ; fail ; feed 'a' has both 'url' and 'file'
set s { type domain; feed a { url "ftp://h/"; } } ; fail ; 'url' wants http:// or https:// ; for a file on this machine, write file "PATH"
set s { type domain; feed a { url "http://h/ x"; } } ; fail ; 'url' is not a URL
set s { type domain; feed a { url "http://h/"; } feed a { url "http://h/2"; } } ; fail ; feed 'a' is already in set 's'
set s { type domain; feed a { url "http://h/"; weight 2; } votes 3; } ; fail ; no entry can ever get 3 votes: the weights of all feeds of 's' add up to 2
set s { type domain; votes 2; } ; fail ; set 's' has 'votes', but no feed ; it concerns feeds alone
set s { type domain; feed a { url "http://h/"; every 10ms; } } ; fail ; 'every' must be between 1s and 30d
set s { type domain; feed a { url "http://h/"; shrink 0; } } ; fail ; 'shrink' must be between 1 and 100
set s { type domain; feed a { url "http://h/"; user x; } } ; fail ; unknown setting 'user' in feed
feed a { url "http://h/"; } ; fail ; expected a block such as service, set, limit or chain, got 'feed' ; it stands inside another block
similar a { senders 5; } ; ok ; similar a {
similar a { text body; window 30m; senders 5; recipients 10; words 6; entries 100000; } ; ok ; text body; window 30m; senders 5; recipients 10; words 6; entries 100000;
similar a { text xml "{*}x"; senders 5; } ; ok ; text xml "{*}x";
similar a { window 10m; } ; fail ; similar 'a' says of nothing how much is too much ; write 'senders 5;' or 'recipients 10;', or both
similar a { text from; senders 5; } ; fail ; 'from' is a jid, not a text ; such as text or body
similar a { text body, subject; senders 5; } ; fail ; 'subject' is one value too many for 'text' ; a setting ends with ';'
similar a { text message.body; senders 5; } ; fail ; a similar counts what its rules ask about; write 'text body'
similar a { text bodi; senders 5; } ; fail ; unknown field 'bodi' ; did you mean 'body'?
similar a { senders 0; } ; fail ; 'senders' must be between 1 and 200
similar a { recipients 201; } ; fail ; 'recipients' must be between 1 and 200
similar a { window 1s; senders 5; } ; fail ; 'window' must be between 10s and 7d
similar { senders 5; } ; fail ; expected a name for what is similar, got '{'
similar a { senders 5; } similar a { senders 5; } ; fail ; there is already a similar 'a'
