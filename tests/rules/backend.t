# Servers by domain: the block, and who names it.
:in backend b { servers 192.0.2.1; % }
domains "a.example"; ; ok ; domains "a.example";
domains "A.Example", "*.b.example.", "bücher.example"; ; ok ; domains "A.Example", "*.b.example.", "bücher.example";
domains "a.example"; domains "b.example"; ; ok
domains a.example; ; fail ; 'domains' wants "NAME", "*.NAME", ..., not 'a.example' ; write it in double quotes
domains "a.example" "b.example"; ; fail ; a comma belongs between two domains
domains "a@b"; ; fail ; 'a@b' is not a domain ; such as "example.org" or "*.example.org"
domains "*"; ; fail ; '*' is not a domain
domains "a.*.example"; ; fail ; 'a.*.example' is not a domain
domains "a b"; ; fail ; 'a b' is not a domain
domains; ; fail ; 'domains' wants "NAME", "*.NAME", ...
balance roundrobin; ; ok ; balance roundrobin;
balance last; ; fail ; 'balance' cannot be 'last' ; one of first, roundrobin, source
check off; ; ok ; check off;
check tcp every 500ms timeout 200ms rise 1 fall 100; ; ok ; check tcp every 500ms timeout 200ms rise 1 fall 100;
check stream to "a.example"; ; ok ; check stream to "a.example";
check strem; ; fail ; 'strem' is no check ; did you mean 'stream'?
check; ; fail ; 'check' wants off|tcp|stream [every TIME] [timeout TIME] [rise N] [fall N] [to "DOMAIN"]
check tcp every 5; ; fail ; behind 'every' stands a time between 100ms and 1h ; such as 5s
check tcp every 99ms; ; fail ; behind 'every' stands a time between 100ms and 1h
check tcp timeout; ; fail ; behind 'timeout' stands a time between 100ms and 1h
check tcp rise 0; ; fail ; behind 'rise' stands a number between 1 and 100
check tcp fall 101; ; fail ; behind 'fall' stands a number between 1 and 100
check tcp evry 5s; ; fail ; 'evry' is nothing a check knows ; did you mean 'every'?
check stream to "*.a.example"; ; fail ; behind 'to' stands a domain in double quotes
check stream; ; fail ; backend 'b' names no domain a check could ask for ; check stream to "example.org"
domains "*.a.example"; check stream; ; fail ; backend 'b' names no domain a check could ask for
domains "*.a.example", "a.example"; check stream; ; ok
resolve 30s; ; ok ; resolve 30s;
resolve 0s; ; fail ; 'resolve' must be between 1s and 1d

:in backend b { servers % }
192.0.2.1:5222 starttls, [2001:db8::7]:5223 tls, "xmpp.example:5222" plain, "x2.example"; ; ok ; servers 192.0.2.1:5222 starttls, [2001:db8::7]:5223 tls, "xmpp.example:5222" plain, "x2.example";
192.0.2.1; servers 192.0.2.2; ; ok
; ; fail ; 'servers' wants ADDRESS[:PORT] | "NAME[:PORT]" [plain|starttls|tls], ...
xmpp.example; ; fail ; 'servers' wants ADDRESS[:PORT] | "NAME[:PORT]" [plain|starttls|tls], ..., not 'xmpp.example' ; a host name is written in double quotes
192.0.2.1 192.0.2.2; ; fail ; '192.0.2.2' is no way to speak to the server; a comma stands before the next one
192.0.2.1 ssl; ; fail ; 'ssl' is no way to speak to the server; a comma stands before the next one
192.0.2.1 starttls tls; ; fail ; 'servers' wants ADDRESS[:PORT] | "NAME[:PORT]" [plain|starttls|tls], ..., not 'tls' ; a comma stands before the next server
192.0.2.0/24; ; fail ; 'servers' wants ADDRESS[:PORT] | "NAME[:PORT]" [plain|starttls|tls], ..., not '192.0.2.0/24'
192.0.2.1:0; ; fail ; 'servers' wants ADDRESS[:PORT] | "NAME[:PORT]" [plain|starttls|tls], ..., not '192.0.2.1:0'
"*.xmpp.example"; ; fail ; 'servers' wants ADDRESS[:PORT] | "NAME[:PORT]" [plain|starttls|tls], ..., not '*.xmpp.example'
"xmpp.example:70000"; ; fail ; 'servers' wants ADDRESS[:PORT] | "NAME[:PORT]" [plain|starttls|tls], ..., not 'xmpp.example:70000'
192.0.2.1, 192.0.2.1:5222; ; fail ; '192.0.2.1:5222' stands here twice
192.0.2.1 tls, 192.0.2.1; ; ok

:in backend a { domains "a.example"; servers 192.0.2.1; } backend b { domains "A.example."; servers 192.0.2.2; } backend r { servers 127.0.0.2; } backend q { servers [::1]:5222; } service c2s { listen tcp 5222; tls none; % }
upstream backend a; ; ok ; upstream backend a;
upstream backend a, r; ; ok ; upstream backend a, r;
upstream backend a, b; ; fail ; backends 'a' and 'b' both want a.example
upstream backend r, q; ; fail ; backends 'r' and 'q' both want the domains no other has
upstream backend; ; fail ; no backend is named ; such as upstream backend north, south
upstream backend c; ; fail ; no such backend 'c'
upstream backend a b; ; fail ; 'b' is not the name of a backend
upstream backend a tls; ; fail ; 'tls' is not the name of a backend ; each backend says for its servers how to speak to them; a comma stands between two
upstream backend "a"; ; fail ; 'a' is not the name of a backend
upstream backend a; source client; ; ok
upstream backend a, r; source client; ; fail ; 'source client' cannot work with the server on 127.0.0.2:5222: what it answers to a client's address never leaves the loopback
upstream backend q; source client; ; ok
upstream 127.0.0.1; source client; ; fail ; 'source client' cannot work with the server on 127.0.0.1: what it answers to a client's address never leaves the loopback
upstream [::1]:5222; source client; ; ok
upstream 127.0.0.1; source own; ; ok
upstream backend r; proxy-protocol v2; ; ok
