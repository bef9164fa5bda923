# What may stand before the actions of a rule.
:with set words { type keyword; flags fold; elements = { "casino" }; } set exprs { type regex; elements = { /ca.ino/ }; } set hosts { type domain; flags suffix; elements = { bad.example }; } set people { type jid; elements = { mallory@evil.example }; } set nets { type address; elements = { 192.0.2.0/24 }; } set spaces { type namespace; elements = { "urn:example:x" }; } limit chatter { rate 20/second; key from.bare; } similar bulk { senders 5; }
:in chain test { hook c2s; rule r { % drop } }

message ; ok ; rule r { message drop }
message url.host in @hosts ; ok ; message url.host in @hosts drop
message and url.host in @hosts ; ok ; message url.host in @hosts drop
presence status contains "casino" ; ok ; presence status contains "casino" drop
iq not forwarded ; ok ; iq not forwarded drop
stream ; ok
stranger forwarded ; ok ; stranger and forwarded drop
(stranger) ; ok ; rule r { stranger drop }
((((stranger)))) ; ok ; rule r { stranger drop }
stranger or forwarded and encrypted ; ok ; stranger or forwarded and encrypted drop
(stranger or forwarded) and encrypted ; ok ; (stranger or forwarded) and encrypted drop
stranger and (forwarded and encrypted) ; ok ; stranger and forwarded and encrypted drop
not (stranger or forwarded) ; ok ; not (stranger or forwarded) drop
not (stranger and forwarded) ; ok ; not (stranger and forwarded) drop
not stranger and forwarded ; ok ; not stranger and forwarded drop
not not stranger ; ok ; not not stranger drop
message (stranger or forwarded) ; ok ; message (stranger or forwarded) drop
message not stranger ; ok ; message not stranger drop
stranger is true ; ok
stranger is not yes ; ok
stranger exists ; fail ; 'exists' does not suit 'stranger' (boolean); what does: nothing (it stands alone), or is

text contains "casino" ; ok
text contains { "casino", "poker" } ; ok ; text contains { "casino", "poker" } drop
text contains @words ; ok
text contains @exprs ; fail ; 'text contains' wants a set of keyword, '@exprs' is a set of regex ; write 'matches' before a set of regex
text contains @hosts ; fail ; 'text contains' wants a set of keyword, '@hosts' is a set of domain
text contains casino ; fail ; 'text contains' wants a string in double quotes, or a set of keyword ; write it in double quotes
text contains /casino/ ; fail ; 'text contains' wants a string in double quotes, or a set of keyword ; write 'matches' before a regular expression
text contains 5 ; fail ; 'text contains' wants a string in double quotes, or a set of keyword
text contains "\u{200b}" ; fail ; nothing is left of "​" after folding
text matches /ca.ino/ ; ok
text matches /a\/b/ix ; ok ; text matches /a\/b/ix drop
text matches /CASINO/f ; ok
text matches @exprs ; ok
text matches @words ; fail ; 'text matches' wants a set of regex, '@words' is a set of keyword ; write 'contains' before a set of keyword
text matches "casino" ; fail ; 'text matches' wants a /regular expression/, or a set of regex ; write 'contains' before a string
text matches /(/ ; fail ; bad regular expression: missing closing parenthesis
text matches /a/q ; fail ; unknown flag of regular expression ; flags are i m s x u and f (look at folded text)
text matches // ; fail ; empty regular expression
text matches /a ; fail ; unterminated regular expression
text is "exactly" ; ok ; text is "exactly" drop
text == "exactly" ; ok ; text is "exactly" drop
text != "exactly" ; ok ; text is not "exactly" drop
text = "exactly" ; fail ; '=' compares nothing ; compare with 'is' or '=='
text in @words ; ok
text in @exprs ; ok
text in { "a", "b" } ; ok
text in @nets ; fail ; 'text in' wants a set of keyword or regex, '@nets' is a set of address
text < 5 ; fail ; '<' does not suit 'text' (text); what does: contains, matches, is, in, exists
text exists ; ok
text not exists ; ok ; not text exists drop
text ; fail ; 'text' (text) says neither yes nor no; ask with contains, matches, is, in, exists
text not contains "a" ; ok ; not text contains "a" drop
text not matches /a/ ; ok ; not text matches /a/ drop
text not in @words ; ok ; not text in @words drop
text is @words ; fail ; 'text' cannot be compared with a set ; write 'in' before a set
text is { "a" } ; fail ; 'text is' wants a string in double quotes ; write 'in' before a list
text in { } ; fail ; an empty list holds nothing

from in @people ; ok
from in @hosts ; ok
from in @words ; fail ; 'from in' wants a set of jid, domain, regex or hash, '@words' is a set of keyword
from is mallory@evil.example ; ok
from is "mallory@evil.example/home" ; ok
from is "a b@c" ; fail ; 'a b@c' is not a JID
from.domain in @hosts ; ok
from.domain is evil.example ; ok
from.domain matches /^evil/ ; ok
from.domain contains "evil" ; fail ; 'contains' does not suit 'from.domain' (domain); what does: is, in, matches, exists
from.bare in { a@b.example, c@d.example/e } ; ok
peer.address in @nets ; ok
peer.address in { 192.0.2.1, 198.51.100.0/24, 203.0.113.5-203.0.113.9, 2001:db8::/32 } ; ok
peer.address is 192.0.2.1 ; ok
peer.address is not ::1 ; ok
peer.address is 192.0.2.300 ; fail ; '192.0.2.300' is not an address, network or range
peer.address is localhost ; fail ; 'peer.address is' wants an address, network or range
peer.address in @hosts ; fail ; 'peer.address in' wants a set of address, '@hosts' is a set of domain
peer.address matches /1/ ; fail ; 'matches' does not suit 'peer.address' (address); what does: is, in, exists
peer.port < 1024 ; ok
peer.port in { 80, 443 } ; ok
size > 64k ; ok ; size > 64k drop
size >= 10M ; ok
size <= 100 ; ok
size == 100 ; ok ; size is 100 drop
size > 10m ; fail ; 'size >' wants a number, or a size such as 64k or 10M ; 'm' is minutes; sizes are written 64k, 10M or 1G
size > "10" ; fail ; 'size >' wants a number, or a size such as 64k or 10M
size contains "1" ; fail ; 'contains' does not suit 'size' (number); what does: <, <=, >, >=, is, in, exists
size in @nets ; fail ; 'size' (number) cannot be looked up in a set
size > 99999999999999999999 ; fail ; not a number, time, size, rate or address
session.age < 10m ; ok
session.age > 30 ; ok
session.age > 64k ; fail ; 'session.age >' wants a time such as 90s or 10m
depth > 0x10 ; ok
type is groupchat ; ok
type is 5 ; ok
type in { chat, "normal" } ; ok ; type in { chat, "normal" } drop
id matches /^x/ ; ok
kind is message ; ok
kind in { message, presence } ; ok
kind is mesage ; fail ; 'kind' is never 'mesage' ; did you mean 'message'?
direction is in ; ok
direction is inn ; fail ; 'direction' is never 'inn' ; did you mean 'in'?
chatstate is composing ; ok
chatstate is typing ; fail ; 'chatstate' is never 'typing' ; one of active, composing, paused, inactive, gone
payload in @spaces ; ok
payload.ns is "jabber:iq:roster" ; ok
payload is "{urn:example:x}y" ; ok
tls.version is TLSv1.3 ; ok
sasl.mechanism in { SCRAM-SHA-1, PLAIN } ; ok
xml "{*}x@y" is "1" ; ok ; xml "{*}x@y" is "1" drop
xml "{*}x" contains "1" ; ok
xml contains "1" ; fail ; 'xml' needs a path in double quotes ; such as xml "{ns}name@attribute"
text "x" ; fail ; 'text' cannot be followed by a string ; 'contains', 'is' or 'in' stands between them

message.body contains "a" ; ok ; message.body contains "a" drop
presence.status contains "a" ; ok
message.boddy contains "a" ; fail ; unknown field 'message.boddy' ; did you mean 'message.body'?
boddy contains "a" ; fail ; unknown field 'boddy' ; did you mean 'body'?
url.hots in @hosts ; fail ; unknown field 'url.hots' ; did you mean 'url.host'?
zzzzzzzz ; fail ; unknown field 'zzzzzzzz'
mesage ; fail ; unknown field 'mesage' ; did you mean 'message'?
url.host in @host ; fail ; no such set 'host' ; did you mean 'hosts'?
url.host in @ ; fail ; '@' needs the name of a set

limit chatter exceeded ; ok ; limit chatter exceeded drop
message limit chatter exceeded ; ok ; message limit chatter exceeded drop
not limit chatter exceeded ; ok
limit chater exceeded ; fail ; no such limit 'chater' ; did you mean 'chatter'?
limit chatter ; fail ; expected 'exceeded', got 'drop'

! stranger ; fail ; unexpected character ; write 'not'
stranger && forwarded ; fail ; unexpected character ; write 'and'
stranger || forwarded ; fail ; unexpected character ; write 'or'
text contains 'a' ; fail ; unexpected character ; strings stand in double quotes
(stranger ; fail ; expected ')', got 'drop'
stranger) ; fail ; expected an action such as accept, drop, reject or log, got ')'
stranger or ; fail ; expected a condition, got 'drop'
text contains ; fail ; expected a value, got 'drop'
text contains "a\q" ; fail ; unknown escape in string ; escapes are \" \\ \n \r \t \u{200d}
text contains "a\"b\\c" ; ok ; text contains "a\"b\\c" drop
text contains "\u{e9}\u{1f600}" ; ok ; text contains "é😀" drop
text contains "caf\u{0065}\u{301}" ; ok
text contains "\u{d800}" ; fail ; unknown escape in string
text contains "unterminated ; fail ; unterminated string
similar bulk exceeded ; ok ; similar bulk exceeded
not similar bulk exceeded and limit chatter exceeded ; ok ; not similar bulk exceeded and limit chatter exceeded
similar bulk ; fail ; expected 'exceeded', got 'drop'
similar chatter exceeded ; fail ; no such similar 'chatter'
similar bulg exceeded ; fail ; no such similar 'bulg' ; did you mean 'bulk'?
limit bulk exceeded ; fail ; no such limit 'bulk'
similar exceeded ; fail ; expected 'exceeded', got 'drop'

# Remote servers.
remote.first_seen < 1d ; ok
remote.first_seen > 64k ; fail ; 'remote.first_seen >' wants a time such as 90s or 10m
remote.first_sen < 1d ; fail ; unknown field 'remote.first_sen' ; did you mean 'remote.first_seen'?
remote.verified is pkix ; ok
remote.verified in { pin, dane } ; ok
remote.verified is certificate ; fail ; 'remote.verified' is never 'certificate' ; one of none, dialback, pkix, dane, pin
remote.verified is pkxi ; fail ; 'remote.verified' is never 'pkxi' ; did you mean 'pkix'?
remote.domain is "partner.example" ; ok
remote.domain in { "a.example", "b.example" } ; ok
