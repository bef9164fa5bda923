# What a rule does, and how rules and chains fit together.
:in chain test { hook c2s; rule r { message % } }

accept ; ok
drop ; ok
drop; ; ok ; rule r { message drop }
reject ; ok ; rule r { message reject }
reject policy-violation ; ok ; reject policy-violation }
reject policy-violation "no" ; ok ; reject policy-violation "no" }
reject "no" ; ok ; reject "no" }
reject policy-violatoin ; fail ; unknown stanza error 'policy-violatoin' ; did you mean 'policy-violation'?
reject host-unknown ; fail ; unknown stanza error 'host-unknown'
close ; ok
close host-unknown ; ok
close policy-violation "bye" ; ok
close item-not-found ; fail ; unknown stream error 'item-not-found'
log ; ok
log body ; ok ; log body }
log bodies ; fail ; cannot log 'bodies' ; write 'log' or 'log body'
count ; ok
mark seen ; ok ; mark seen }
mark ; fail ; expected a name for the mark, got '}'
mark "x" ; fail ; expected a name for the mark, got a string
strike ; ok ; strike 1 }
strike 3 ; ok ; strike 3 }
strike 0 ; fail ; strikes must be between 1 and 1000
strike 1001 ; fail ; strikes must be between 1 and 1000
ban 1h ; ok ; ban 1h }
ban 90m ; ok ; ban 90m }
ban 60m ; ok ; ban 1h }
ban 7d ; ok ; ban 1w }
ban 3600 ; fail ; expected how long to ban, got '3600' ; a time such as 10m, 1h or 7d
ban 10ms ; fail ; a ban lasts between 1s and 3650d
ban ; fail ; expected how long to ban, got '}'
drop, strike 1, log ; ok ; drop, strike 1, log }
log, count, mark a, mark b, strike 2, ban 1h, reject forbidden "x" ; ok
log drop ; fail ; cannot log 'drop' ; write 'log' or 'log body'
drop log ; fail ; expected ',' or '}', got 'log'
drop, ; fail ; expected an action such as accept, drop, reject or log, got '}'
drop, accept ; fail ; rule 'r' has already decided ; make it a rule of its own
drop, jump x ; fail ; no such chain 'x'
dorp ; fail ; expected an action such as accept, drop, reject or log, got 'dorp' ; did you mean 'drop'?
tarpit 10s ; ok ; tarpit 10s }
tarpit 500ms, accept ; ok ; tarpit 500ms, accept }
tarpit ; fail ; expected how long to wait, got '}' ; a time such as 500ms, 10s or 1m
tarpit 6m ; fail ; a tarpit holds between 1ms and 5m
tarpit 0s ; fail ; a tarpit holds between 1ms and 5m
redirect "abuse@example.org" ; ok ; redirect "abuse@example.org" }
redirect abuse@example.org ; ok ; redirect "abuse@example.org" }
redirect ; fail ; expected where to redirect, got '}' ; a JID such as "abuse@example.org"
redirect "a@b@c" ; fail ; 'a@b@c' is not a JID
redirect "" ; fail ; '' is not a JID
redirect "a@b", drop ; fail ; rule 'r' has already decided ; make it a rule of its own
report ; ok ; report }
report abuse ; ok ; report abuse }
report spam "seen before", drop ; ok ; report spam "seen before", drop }
report "seen before" ; ok ; report "seen before" }
report crime ; fail ; a report is of spam or of abuse, not of 'crime'
quarantine ; ok ; quarantine }
quarantine "wait a bit", log ; ok ; quarantine "wait a bit", log }
quarantine, accept ; fail ; rule 'r' has already decided ; make it a rule of its own
quarantine forbidden ; fail ; expected ',' or '}', got 'forbidden'
strip "{urn:x}y" ; ok ; strip "{urn:x}y" }
strip "{urn:x}*", strip "{*}y", strip "subject", accept ; ok
strip ; fail ; expected what to strip, got '}' ; an element such as "{urn:x}name"
strip body ; fail ; expected what to strip, got 'body' ; an element such as "{urn:x}name"
strip "{urn:x" ; fail ; '{urn:x' names no elements ; such as "{urn:xmpp:bob}data", or "{urn:x}*"
strip "{*}*" ; fail ; '{*}*' names no elements ; such as "{urn:xmpp:bob}data", or "{urn:x}*"
strip "*" ; fail ; '*' names no elements ; such as "{urn:xmpp:bob}data", or "{urn:x}*"
strip "{urn:x}" ; fail ; '{urn:x}' names no elements ; such as "{urn:xmpp:bob}data", or "{urn:x}*"
strip "{urn:x}a/b" ; fail ; '{urn:x}a/b' names no elements ; such as "{urn:xmpp:bob}data", or "{urn:x}*"
replace "x" ; fail ; rule 'r' finds no text to replace ; ask for body, subject, status, thread, text or url in the same rule
and body contains "a" replace ; ok ; replace }
and body contains "a" replace "[x]", accept ; ok ; replace "[x]", accept }
and (subject exists or body matches /a/) replace "#" ; ok
and url.host is bad.example replace ; ok
and message.body contains "a" replace ; ok
and not (body contains "a") replace ; fail ; rule 'r' finds no text to replace ; ask for body, subject, status, thread, text or url in the same rule
and body is not "a" replace ; fail ; rule 'r' finds no text to replace ; ask for body, subject, status, thread, text or url in the same rule
and nick contains "a" replace ; fail ; rule 'r' finds no text to replace ; ask for body, subject, status, thread, text or url in the same rule
and body contains "a" replace "12345678901234567" ; fail ; a mask has at most 16 bytes and none of & < > "
and body contains "a" replace "<b>" ; fail ; a mask has at most 16 bytes and none of & < > "
and body contains "a" replace "\u{1}" ; fail ; a mask has at most 16 bytes and none of & < > "
jump nowhere ; fail ; no such chain 'nowhere'
jump test ; fail ; chain 'test' is hooked; rules lead only to chains that are not ; move its rules into a chain without 'hook'
return ; ok

:in chain test { hook c2s; % }
priority 5; ; ok ; hook c2s; priority 5;
priority 5; rule a { drop } ; ok ; priority 5; rule a { drop }
priority 0; ; ok
priority 1001; ; fail ; 'priority' must be between 0 and 1000
priority; ; fail ; 'priority' wants N
priority -1; ; fail ; unexpected character
priority early; ; fail ; 'priority' wants N, not 'early'
priority 1; priority 2; ; fail ; 'priority' is already set above
priority 1; } chain sub { priority 3; rule x { drop } ; fail ; chain 'sub' is asked by other chains; it has no priority ; give it a 'hook', or leave the number out
rule a { drop } ; ok ; rule a { drop }
rule a { } ; fail ; expected a condition or an action, got '}'
rule a { message } ; fail ; expected an action such as accept, drop, reject or log, got '}'
rule { drop } ; fail ; expected a name for the rule, got '{'
rule "a" { drop } ; fail ; expected a name for the rule, got a string
rule a.b { drop } ; fail ; 'a.b' cannot be a name ; letters, digits, '_' and '-', at most 63, a letter first
rule a { drop } rule a { accept } ; fail ; there is already a rule 'a'
rule a drop ; fail ; expected '{' or dry, got 'drop'
rule a dry { drop } ; ok ; rule a dry { drop }
rule a dry drop ; fail ; expected '{', got 'drop'
rule dry { drop } ; ok ; rule dry { drop }
rule dry dry { drop } rule b { drop } ; ok ; rule dry dry { drop }
rule a dry { } ; fail ; expected a condition or an action, got '}'
rule a dry dry { drop } ; fail ; expected '{', got 'dry'
rule a { dry } ; fail ; expected an action such as accept, drop, reject or log, got '}'
rule accept { drop } ; ok ; rule accept { drop }
rule a { drop }; rule b { accept }; ; ok
policy drop; ; ok ; policy drop;
policy reject forbidden "no"; ; ok ; policy reject forbidden "no";
policy close; ; ok
policy dorp; ; fail ; 'policy' wants accept|drop|reject [CONDITION] ["TEXT"]|close [CONDITION]|quarantine ["TEXT"], not 'dorp'
policy reject frobidden; ; fail ; unknown stanza error 'frobidden' ; did you mean 'forbidden'?
policy quarantine; ; ok ; policy quarantine;
policy quarantine "looked at first"; ; ok ; policy quarantine "looked at first";
policy quarantine forbidden; ; fail ; 'forbidden' is one value too many for 'policy' ; a setting ends with ';'
policy drop forbidden; ; fail ; 'forbidden' is one value too many for 'policy' ; a setting ends with ';'
policy drop; policy drop; ; fail ; 'policy' is already set above
polcy drop; ; fail ; unknown setting 'polcy' in chain ; did you mean 'policy'?

:in %
chain a { hook c2s; } ; ok ; hook c2s;
chain a { hook c2s direction in; } ; ok ; hook c2s direction in;
chain a { hook c2s, s2s direction both; } ; ok ; hook c2s, s2s direction both;
chain a { hook c2s s2s direction out; } ; ok ; hook c2s, s2s direction out;
chain a { hook c2s direction in; hook s2s direction out; policy drop; } ; ok
chain a { hook c2s direction up; } ; fail ; a direction is in, out or both
chain a { hook; } ; fail ; 'hook' wants SERVICE, ... [direction in|out|both] ; such as hook c2s direction in
chain a { hook c2s; rule x { jump b } } chain b { rule y { drop } } ; ok
chain a { hook c2s; rule x { goto b } } chain b { rule y { return } } ; ok
chain a { hook c2s; rule x { jump b } } chain b { rule y { jump b } } ; fail ; chain 'b' leads back to itself here
chain a { hook c2s; rule x { jump b } } chain b { rule y { jump c } } chain c { rule z { goto b } } ; fail ; chain 'b' leads back to itself here
chain b { rule y { jump c } } chain c { rule z { jump b } } ; fail ; chain 'b' leads back to itself here
chain a { hook c2s; rule x { jump c } rule y { jump b } } chain b { rule y { jump c } } chain c { rule z { log } } ; ok
chain a { hook c2s; rule x { jump bb } } chain b { } ; fail ; no such chain 'bb' ; did you mean 'b'?
chain a { hook c2s; } chain a { } ; fail ; there is already a chain 'a'
chain a { hook c2s; } set a { type keyword; } ; ok
chain a { hook c2s ; fail ; expected ';', got the end of the file
chain { } ; fail ; expected a name for the chain, got '{'
chain a } ; fail ; expected '{', got '}'
chan a { } ; fail ; expected a block such as service, set, limit or chain, got 'chan' ; did you mean 'chain'?
; ; ok
} ; fail ; expected a block such as service, set, limit or chain, got '}'
