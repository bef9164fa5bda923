# What sets hold.
:with set words { type keyword; flags fold; elements = { casino, "free crypto", "赌场", "naïve" }; } set parts { type keyword; flags fold, substring; elements = { bonus }; } set plain { type keyword; elements = { Exact }; } set cased { type keyword; flags nocase; elements = { Straße }; } set exprs { type regex; elements = { /c[a4]rd\d{4}/, /fold/f, "(?i)upper" }; } set hosts { type domain; flags suffix; elements = { bad.example, "bücher.example" }; } set exact { type domain; elements = { one.example }; } set people { type jid; elements = { mallory@evil.example, room@muc.example/nick, whole.example }; } set nets { type address; elements = { 192.0.2.0/24, 198.51.100.5-198.51.100.9, 2001:db8::/32 }; } set spaces { type namespace; elements = { "urn:xmpp:bob" }; }
text contains @words ; yes ; <message><body>a casino here</body></message> ; text=casino=casino
text contains @words ; yes ; <message><body>CASINO</body></message> ; text=casino=CASINO
text contains @words ; yes ; <message><body>ｃａｓｉｎｏ!</body></message> ; text=casino=ｃａｓｉｎｏ
text contains @words ; yes ; <message><body>cas&#x200d;ino</body></message>
text contains @words ; yes ; <message><body>c&#x430;sino</body></message>
text contains @words ; yes ; <message><body>cas&#xad;ino</body></message>
text contains @words ; yes ; <message><body>𝒸𝒶𝓈𝒾𝓃ℴ</body></message>
text contains @words ; no ; <message><body>casinos</body></message>
text contains @words ; no ; <message><body>occasino</body></message>
text contains @words ; yes ; <message><body>free   crypto</body></message>
text contains @words ; no ; <message><body>free cryptography</body></message>
text contains @words ; yes ; <message><body>去赌场吧</body></message>
text contains @words ; yes ; <message><body>nai&#x308;ve</body></message>
text contains @words ; yes ; <message><subject>casino</subject></message>
body contains @words ; no ; <message><subject>casino</subject></message>
text contains @words ; yes ; <message><body>cas</body><body xml:lang='de'>casino</body></message>
text contains @parts ; yes ; <message><body>megabonuses</body></message> ; text=bonus=bonus
text contains @plain ; yes ; <message><body>an Exact word</body></message>
text contains @plain ; no ; <message><body>an exact word</body></message>
text contains @cased ; yes ; <message><body>die STRASSE</body></message>
text in @words ; yes ; <message><body>Casino</body></message>
body in @words ; no ; <message><body>my casino</body></message>
text matches @exprs ; yes ; <message><body>my c4rd1234</body></message> ; text=/c[a4]rd\d{4}/=c4rd1234
text matches @exprs ; no ; <message><body>my c5rd1234</body></message>
text matches @exprs ; yes ; <message><body>ｆｏｌｄ</body></message>
text matches @exprs ; yes ; <message><body>uPPer</body></message>
id matches @exprs ; yes ; <message id='card0000'/>
url.host in @hosts ; yes ; <message><body>http://bad.example/</body></message> ; url.host=bad.example=bad.example
url.host in @hosts ; yes ; <message><body>http://a.b.BAD.example:80/x</body></message> ; url.host=bad.example=a.b.bad.example
url.host in @hosts ; no ; <message><body>http://notbad.example/</body></message>
url.host in @hosts ; no ; <message><body>http://bad.example.org/</body></message>
url.host in @hosts ; yes ; <message><body>hxxp://login。bad。example</body></message>
url.host in @hosts ; yes ; <message><body>http://xn--bcher-kva.example</body></message>
url.host in @hosts ; yes ; <message><body>http://user@bad.example/</body></message>
url.host in @exact ; no ; <message><body>http://sub.one.example/</body></message>
from in @hosts ; yes ; <message from='x@sub.bad.example/r'/>
from in @people ; yes ; <message from='mallory@evil.example/any'/>
from in @people ; yes ; <message from='Mallory@EVIL.example'/>
from in @people ; no ; <message from='malory@evil.example'/>
from in @people ; yes ; <message from='room@muc.example/nick'/>
from in @people ; no ; <message from='room@muc.example/other'/>
from in @people ; yes ; <message from='whole.example'/>
from not in @people ; yes ; <message from='x@y'/>
payload.ns in @spaces ; yes ; <message><data xmlns='urn:xmpp:bob'/></message>
payload.ns in @spaces ; no ; <message><data xmlns='urn:xmpp:bobby'/></message>
text matches /a{2}/ ; yes ; <message><body>xaay</body></message> ; text=/a{2}/=aa
text matches /^(a+)+$/ ; no ; <message><body>aaaaaaaaaaaaaaaaaaaaab</body></message>
text matches /(?<=x)y/ ; yes ; <message><body>xy</body></message>
text matches /\bÉ/iu ; yes ; <message><body>été</body></message>
text not contains @words ; yes ; <message><body>nothing</body></message>
not text contains @words and not url.host in @hosts ; yes ; <message><body>nothing</body></message>
text contains @words or url.host in @hosts ; yes ; <message><body>http://bad.example</body></message>
text contains @words and url.host in @hosts ; yes ; <message><body>casino http://bad.example</body></message>
:subject peer=192.0.2.9
peer.address in @nets ; yes ; <message/> ; peer.address=192.0.2.0/24=192.0.2.9
:subject peer=198.51.100.7
peer.address in @nets ; yes ; <message/>
:subject peer=198.51.100.10
peer.address in @nets ; no ; <message/>
:subject peer=::ffff:192.0.2.9
peer.address in @nets ; yes ; <message/>
:subject peer=2001:db8:1::9
peer.address in @nets ; yes ; <message/>
