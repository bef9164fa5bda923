# Marks looked up in maps, and asked for by rules below.
:with map m { type jid; elements = { "boss@a.example" : vip, "room@muc.a.example/nick" : bot, "whole.example" : partner }; } map d { type domain; flags suffix; elements = { example.org : own, evil.example : bad }; } map n { type address; elements = { 192.0.2.0/24 : office, 192.0.2.7 : kiosk, 2001:db8::/32 : six }; } map e { type jid; }
:subject role=s2s peer=192.0.2.7
rule a { mark from in @m } ; accept - mark vip ; <message from='boss@a.example/x'/>
rule a { mark from in @m } ; accept - ; <message from='other@a.example/x'/>
rule a { mark from in @m } ; accept - ; <message/>
rule a { mark from in @m } ; accept - mark partner ; <message from='whole.example'/>
rule a { mark from in @m } ; accept - mark bot ; <message from='room@muc.a.example/nick'/>
rule a { mark from in @m, mark to in @m } ; accept - mark vip mark partner ; <message from='boss@a.example' to='whole.example'/>
rule a { mark from in @m, mark from in @m } ; accept - mark vip ; <message from='boss@a.example'/>
rule a { mark from in @d } ; accept - mark own ; <message from='x@sub.example.org'/>
rule a { mark peer.address in @n } ; accept - mark kiosk ; <message/>
rule a { mark url.host in @d } ; accept - mark bad ; <message><body>a http://x.example http://y.evil.example</body></message>
rule a { mark from in @e } ; accept - ; <message from='boss@a.example'/>
rule a { mark from in @m } rule b { marked is vip drop } ; drop b mark vip ; <message from='boss@a.example'/>
rule a { mark from in @m } rule b { marked in { bot, partner } drop } ; accept - mark vip ; <message from='boss@a.example'/>
rule a { marked is vip drop } rule b { mark from in @m } ; accept - mark vip ; <message from='boss@a.example'/>
rule a { mark x } rule b { mark y } rule c { marked is y and marked is x drop } ; drop c mark x mark y ; <message/>
rule a { not marked exists log } ; accept - log ; <message/>
rule a { from in @m drop, mark from in @d } ; drop a ; <message from='boss@a.example'/>
rule a { from in @m drop } ; drop a ; <message from='boss@a.example'/> ; from=boss@a.example : vip=boss@a.example
rule a { from.domain is a.example drop, mark from in @m } ; drop a mark vip ; <message from='boss@a.example'/> ; from.domain=a.example=a.example
rule a dry { mark from in @m } rule b { marked is vip drop } ; accept - would accept a mark vip ; <message from='boss@a.example'/>
rule a { presence mark from in @m } ; accept - ; <message from='boss@a.example'/>
:with define both = { a.example, b.example }; map d { type domain; elements = { $both : own }; }
rule a { mark from in @d } ; accept - mark own ; <message from='x@b.example'/>
