# Definitions: names for values and lists.
:in % chain test { hook c2s; rule r { to.domain in $home drop } }
define home = example.org; ; ok ; define home = example.org;
define home = { example.org, b.example }; ; ok ; to.domain in $home drop
define a = b.example; define home = { example.org, $a }; ; ok ; define home = { example.org, $a };
define a = b.example; define home = $a; ; ok ; define home = $a;
define a = { b.example, c.example }; define home = { $a, $a, d.example, $a }; ; ok ; define home = { $a, $a, d.example, $a };
define home = @s; set s { type domain; } ; ok ; in $home
define home = { }; ; fail ; a definition needs a value
define a = x.example; ; fail ; '$home' is not defined above
define hom = x.example; ; fail ; '$home' is not defined above ; did you mean 'hom'?
define home = a.example; define home = b.example; ; fail ; 'home' is already defined
define home = $home; ; fail ; '$home' is not defined above
define home = { $other }; define other = a.example; ; fail ; '$other' is not defined above
define home a.example; ; fail ; expected '=', got 'a.example'
define home = a.example ; fail ; expected ';', got 'chain'
define home = a.example, b.example; ; fail ; expected ';', got ','
define = a.example; ; fail ; expected a name for the definition, got '='
define 1home = a.example; ; fail ; not a number, time, size, rate or address
define $home = a.example; ; fail ; expected a name for the definition, got '$home'
define home = } ; fail ; expected a value, got '}'
define home = $; ; fail ; '$' needs the name of a definition
define home = 5; ; fail ; 'to.domain in' wants a domain name
defin home = 5; ; fail ; expected a block such as service, set, limit or chain, got 'defin' ; did you mean 'define'?
:in define n = 64k; define t = "a"; define re = /b+/; define kinds = { chat, normal }; define net = { 192.0.2.0/24 }; % 
chain c { hook any; rule r { size > $n and body contains $t drop } } ; ok ; size > $n and body contains $t drop
chain c { hook any; rule r { body matches $re or type in $kinds drop } } ; ok ; body matches $re or type in $kinds
chain c { hook any; rule r { type is $kinds drop } } ; fail ; 'type is' wants a word, or a string in double quotes
chain c { hook any; rule r { peer.address in $net drop } } ; ok
chain c { hook any; rule r { $n drop } } ; fail ; expected a condition, got '$n'
set s { type keyword; elements = { x, $t }; } ; ok ; elements = { x, $t };
set s { type keyword; elements = $kinds; } ; ok ; elements = $kinds;
set s { type address; elements = { $net, 2001:db8::/32 }; } ; ok ; elements = { $net, 2001:db8::/32 };
set s { type address; elements = { $kinds }; } ; fail ; 'chat' is no entry for a set of address
set s { type keyword; elements = { x, $ }; } ; fail ; '$' needs the name of a definition
define rate = 5/minute; limit l { rate $rate; key from.bare; } ; ok ; rate $rate;
define hooks = c2s; chain c { hook $hooks, s2s; } ; ok ; hook $hooks, s2s;
define ports = { 5222, 5223 }; service c2s { listen tcp $ports; tls none; upstream 192.0.2.7 plain; } ; ok ; listen tcp $ports;
define a = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }; define b = { $a, $a, $a, $a, $a, $a, $a, $a, $a, $a }; define c = { $b, $b, $b, $b, $b, $b, $b, $b, $b, $b }; define d = { $c, $c, $c, $c, $c, $c, $c, $c, $c, $c }; define e = { $d, $d, $d, $d, $d, $d, $d, $d, $d, $d }; define f = { $e, $e, $e, $e }; ; fail ; definitions come to more than 100000 values ; long lists belong into a set with a file
:in define t = "no"; define d = 10m; define n = 3; define e = "{urn:x}y"; define j = abuse@example.org; define l = { "a" }; chain c { hook c2s; rule r { body contains "x" % } } 
reject $t ; ok ; reject $t
reject not-allowed $t, strike $n ; ok ; reject not-allowed $t, strike $n
close $t ; ok ; close $t
quarantine $t ; ok ; quarantine $t
redirect $j ; ok ; redirect $j
redirect $t ; ok ; redirect $t
ban $d, tarpit 1s ; ok ; ban $d, tarpit 1s
tarpit $d ; fail ; a tarpit holds between 1ms and 5m
strip $e, replace $t ; ok ; strip $e, replace $t
report spam $t, log ; ok ; report spam $t, log
strip $t ; ok ; strip $t
ban $n ; fail ; '$n' is no time ; times are written 250ms 90s 10m 1h 7d
ban $t ; fail ; '$t' is no time
strike $d ; fail ; '$d' is no number
reject $d ; fail ; '$d' is no string
reject $l ; fail ; '$l' is no string
replace $n ; fail ; '$n' is no string
redirect $d ; fail ; '$d' is no string
reject $no ; fail ; '$no' is not defined above ; did you mean 'n'?
reject $t $t ; fail ; expected ',' or '}', got '$t'
strike $n 3 ; fail ; expected ',' or '}', got '3'
mark $t ; fail ; expected a name for the mark, got '$t'
reject $ ; fail ; '$' needs the name of a definition
