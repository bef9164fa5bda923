# Maps: sets whose entries give marks.
map m { type jid; elements = { "a@b" : vip, c@d : staff }; } ; ok ; elements = { "a@b" : vip, c@d : staff };
map m { type address; elements = { 192.0.2.0/24 : office, 2001:db8::/32 : office, ::1 : here }; } ; ok ; ::1 : here };
map m { type domain; flags suffix; elements = { example.org : own }; } ; ok ; map m {
map m { type namespace; elements = { "urn:x" : x }; } ; ok
map m { type hash; of jid; salt "s"; elements = { "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" : bad }; } ; ok
map m { type jid; } ; ok
map m { type keyword; } ; fail ; 'type' cannot be 'keyword' ; one of jid, domain, address, namespace, hash
map m { type regex; } ; fail ; 'type' cannot be 'regex' ; one of jid, domain, address, namespace, hash
map m { elements = { a@b : vip }; } ; fail ; map 'm' has no 'type'
map m { type jid; elements = { a@b }; } ; fail ; an entry of a map needs a mark ; ENTRY : MARK
set m { type jid; elements = { a@b : vip }; } ; fail ; a set's entry has no mark ; write 'map' instead of 'set'
map m { type jid; elements = { a@b : "vip" }; } ; fail ; expected a mark, got a string
map m { type jid; elements = { a@b : 5 }; } ; fail ; expected a mark, got '5'
map m { type jid; elements = { a@b : vip : x }; } ; fail ; expected ',' or '}', got ':'
map m { type jid; elements = { : vip }; } ; fail ; expected a value, got ':'
map m { type jid; elements = { a@b: vip }; } ; fail ; a word with ':' must be a string ; write it in double quotes
map m { type jid; elements = { "a@b": vip }; } ; ok ; "a@b" : vip
map m { type jid; elements = { "a@b : vip" : x }; } ; fail ; bad jid in set 'm': not a JID
map m { type jid; elements = { "@" : x }; } ; fail ; bad jid in set 'm': not a JID
map m { type address; elements = { 192.0.2.256 : x }; } ; fail ; bad address in set 'm': not an address, network or range
map m { type jid; flags suffix; elements = { a@b : x }; } ; fail ; flag 'suffix' is for sets of domain, this one holds jid
map m { type jid; } set m { type jid; } ; fail ; there is already a set 'm'
map { type jid; } ; fail ; expected a name for the map, got '{'
define own = { a.example, b.example }; map m { type domain; elements = { $own : own, c.example : other }; } ; ok ; elements = { $own : own, c.example : other };
define own = { a.example : x, b.example : y }; map m { type domain; elements = { $own, c.example : z }; } ; ok ; elements = { $own, c.example : z };
define own = a.example; map m { type domain; elements = { $own : own }; } ; ok ; elements = { $own : own };
define own = { a.example : x }; set m { type domain; elements = { $own }; } ; fail ; a set's entry has no mark ; write 'map' instead of 'set'
define own = { a.example : x }; map m { type domain; elements = $own; } ; ok ; elements = $own;
service c2s { listen tcp { 5222 : x }; tls none; upstream 192.0.2.7 plain; } ; fail ; a list's entry has no mark ; marks stand in a map
:in map m { type jid; elements = { a@b : vip }; } map n { type address; } map d { type domain; } set s { type jid; } chain c { hook any; rule r { % } }
mark from in @m ; ok ; rule r { mark from in @m }
mark from.bare in @m, mark peer.address in @n, mark x, log ; ok ; mark from.bare in @m, mark peer.address in @n, mark x, log
from in @m mark from in @d, drop ; ok ; from in @m mark from in @d, drop
mark message.from in @m ; ok
from in @m and to not in @m drop ; ok
marked is vip drop ; ok
marked in { vip, staff } and not marked exists drop ; ok
mark from in @s ; fail ; '@s' is a set and gives no marks
mark from in @x ; fail ; no such set 'x' ; did you mean 'm'?
mark from in { a@b } ; fail ; 'mark' wants a name, or a field and a map ; such as 'mark from.bare in @people'
mark from in @m or to in @m ; fail ; 'mark' wants a name, or a field and a map ; such as 'mark from.bare in @people'
mark body in @m ; fail ; 'body in' wants a set of keyword or regex, '@m' is a set of jid
mark from in ; fail ; expected a value, got '}'
mark xml "x@y" in @m ; fail ; 'xml in' wants a set of keyword or regex, '@m' is a set of jid
from in { a@b : x } drop ; fail ; a list's entry has no mark ; marks stand in a map
