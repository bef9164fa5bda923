# Sets of hashes: what they are of, and where they may be asked for.
set h { type hash; of jid; } ; ok
set h { type hash; of jid; salt "x"; elements = { "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF" }; } ; ok ; salt "x";
set h { type hash; } ; fail ; set 'h' holds hashes but has no 'of' ; such as 'of jid;'
set h { type hash; of address; } ; fail ; 'of' cannot be 'address' ; one of jid, domain, url
set h { type url; } ; fail ; 'type' cannot be 'url' ; one of keyword, regex, domain, jid, address, namespace, hash, country
set h { type jid; of jid; } ; fail ; 'of' is for sets of hash, this one holds jid
set h { type jid; salt "x"; } ; fail ; 'salt' is for sets of hash, this one holds jid
set h { type hash; of jid; salt ""; } ; fail ; 'salt' is empty
set h { type hash; of domain; flags suffix; } ; ok
set h { type hash; of jid; flags suffix; } ; fail ; flag 'suffix' is for sets of domain, this one holds hash
set h { type hash; of jid; flags fold; } ; fail ; flag 'fold' is for sets of keyword, this one holds hash
set h { type hash; of jid; elements = { "0123" }; } ; fail ; bad hash in set 'h': not a SHA-256 of 64 hexadecimal digits
set h { type hash; of jid; elements = { "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg" }; } ; fail ; bad hash in set 'h': not a SHA-256 of 64 hexadecimal digits
set h { type hash; of jid; elements = { juliet@example.org }; } ; fail ; 'juliet@example.org' is no entry for a set of hash ; 64 hexadecimal digits in double quotes
:in set j { type hash; of jid; } set d { type hash; of domain; } set u { type hash; of url; } chain c { hook any; rule r { % drop } }
from in @j and from.bare not in @j and session.jid in @j ; ok
from in @d and to.domain in @d and url.host in @d and tls.sni in @d ; ok
url in @u ; ok
to.domain in @j ; fail ; 'to.domain' cannot be looked up in '@j', which holds hashes of jid
from in @u ; fail ; 'from' cannot be looked up in '@u', which holds hashes of url
body in @u ; fail ; 'body' cannot be looked up in '@u', which holds hashes of url
url in @d ; fail ; 'url' cannot be looked up in '@d', which holds hashes of domain
url.host in @u ; fail ; 'url.host' cannot be looked up in '@u', which holds hashes of url
url matches @u ; fail ; 'url matches' wants a set of regex, '@u' is a set of hash
type in @j ; fail ; 'type' cannot be looked up in '@j', which holds hashes of jid
peer.address in @j ; fail ; 'peer.address' cannot be looked up in '@j', which holds hashes of jid
size in @j ; fail ; 'size' (number) cannot be looked up in a set
