# The catalogue of threats.md, as far as rules see it: forbidden content in every dress. Numbers are the catalogue's.
:with set words { type keyword; flags fold; elements = { casino, "free crypto" }; } set hosts { type domain; flags suffix; elements = { bad.example, "bücher.example" }; } set people { type jid; elements = { mallory@evil.example }; } set exprs { type regex; elements = { /c[a4]s[i1]no/f }; }
# 46 character references, decimal, hexadecimal, leading zeros
text contains @words ; yes ; <message><body>&#99;&#97;&#x73;&#x0069;&#0000110;&#x6F;</body></message>
# 47 CDATA between and around letters
text contains @words ; yes ; <message><body><![CDATA[cas]]><![CDATA[]]>ino</body></message>
text contains @words ; yes ; <message><body>c<![CDATA[a]]>sino</body></message>
# 48 attribute instead of text, quotes, newlines
text contains @words ; yes ; <message><x xmlns='urn:x' a="casino"/></message>
text contains @words ; yes ; <message><x xmlns='urn:x' a='my&#10;casino'/></message>
text contains @words ; yes ; <message><body>free&#10;crypto</body></message>
text contains @words ; yes ; <message><body>free&#9; &#13;crypto</body></message>
# 49 prefixes, redeclared namespaces
body contains @words ; yes ; <message xmlns:x='jabber:client'><x:body>casino</x:body></message>
body contains @words ; yes ; <x:message xmlns:x='jabber:client'><x:body>casino</x:body></x:message>
body contains @words ; no ; <message><body xmlns='urn:other'>casino</body></message>
text contains @words ; yes ; <message><body xmlns='urn:other'>casino</body></message>
# 52 several bodies
text contains @words ; yes ; <message><body>fine</body><body xml:lang='xx'>casino</body></message>
# 57 a word over spans and child elements
text contains @words ; yes ; <message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>ca<b>si</b><i>no</i></p></body></html></message>
text contains @words ; yes ; <message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><span>cas</span><span>ino</span></body></html></message>
# 60 carried inside something else
text contains @words ; yes ; <message><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>casino</body></message></forwarded></sent></message>
text contains @words ; yes ; <message><result xmlns='urn:xmpp:mam:2' id='1'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>casino</body></message></forwarded></result></message>
text contains @words ; yes ; <message><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'><item id='1'><entry xmlns='http://www.w3.org/2005/Atom'><title>casino</title></entry></item></items></event></message>
text contains @words ; yes ; <iq type='set' id='1'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item><x xmlns='urn:x'>casino</x></item></publish></pubsub></iq>
text contains @words ; yes ; <message><x xmlns='jabber:x:data' type='submit'><field var='a'><value>casino</value></field></x></message>
text contains @words ; yes ; <message><x xmlns='jabber:x:data' type='form'><field label='casino'/></x></message>
text contains @words ; yes ; <iq type='set' id='1'><vCard xmlns='vcard-temp'><DESC>casino</DESC></vCard></iq>
text contains @words ; yes ; <iq type='set' id='1'><command xmlns='http://jabber.org/protocol/commands' node='n'><note type='info'>casino</note></command></iq>
text contains @words ; yes ; <presence><status>casino</status></presence>
text contains @words ; yes ; <message><subject>casino</subject></message>
text contains @words ; yes ; <message><thread>casino</thread></message>
text contains @words ; yes ; <message><nick xmlns='http://jabber.org/protocol/nick'>casino</nick></message>
text contains @words ; yes ; <message><x xmlns='http://jabber.org/protocol/muc#user'><invite to='a@b'><reason>casino</reason></invite></x></message>
nick contains @words ; yes ; <presence to='room@muc.example/casino'><x xmlns='http://jabber.org/protocol/muc'/></presence>
text contains @words ; yes ; <message><x xmlns='jabber:x:conference' jid='r@m' reason='casino'/></message>
text contains @words ; yes ; <message><x xmlns='jabber:x:oob'><url>http://x</url><desc>casino</desc></x></message>
text contains @words ; yes ; <message><rtt xmlns='urn:xmpp:rtt:0'><t>casino</t></rtt></message>
url.host in @hosts ; yes ; <message><x xmlns='jabber:x:oob'><url>http://bad.example/x</url></x></message>
url.host in @hosts ; yes ; <message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><a href='http://bad.example/'>x</a></body></html></message>
url.host in @hosts ; yes ; <message><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>http://bad.example</body></message></forwarded></sent></message>
# 64 JIDs compared as servers compare them
from in @people ; yes ; <message from='MALLORY@evil.example/x'/>
from in @people ; yes ; <message from='ｍallory@evil.example'/>
from in @people ; yes ; <message from='mal&#xad;lory@evil.example'/>
from in @people ; yes ; <message from='mallory@evil.example./a/b'/>
from in @people ; yes ; <message from='mallory@ｅvil.example'/>
from in @people ; no ; <message from='mallory@evil.example.org'/>
# 71 normal forms, combining marks, fullwidth letters
text contains @words ; yes ; <message><body>ｃａｓｉｎｏ</body></message>
text contains @words ; yes ; <message><body>ⓒⓐⓢⓘⓝⓞ</body></message>
text contains @words ; yes ; <message><body>𝐜𝐚𝐬𝐢𝐧𝐨</body></message>
text contains @words ; yes ; <message><body>𝕔𝕒𝕤𝕚𝕟𝕠</body></message>
text contains @words ; yes ; <message><body>c&#x336;a&#x336;s&#x336;i&#x336;n&#x336;o&#x336;</body></message>
text contains @words ; yes ; <message><body>c&#x20e0;asi&#x489;no</body></message>
text contains @words ; yes ; <message><body>ca&#x361;sino</body></message>
text contains @words ; yes ; <message><body>cas&#x310;&#x34a;&#x359;&#x353;ino</body></message>
text contains @words ; no ; <message><body>cásino</body></message>
# 72 invisible characters and controls of direction
text contains @words ; yes ; <message><body>ca&#x200b;s&#x200c;i&#x200d;n&#x2060;o</body></message>
text contains @words ; yes ; <message><body>ca&#xad;sino</body></message>
text contains @words ; yes ; <message><body>cas&#xfe0f;ino</body></message>
text contains @words ; yes ; <message><body>&#x202d;casino&#x202c;</body></message>
text contains @words ; yes ; <message><body>cas&#xfeff;ino</body></message>
text contains @words ; yes ; <message><body>cas&#x34f;ino</body></message>
text contains @words ; yes ; <message><body>cas&#xe0020;ino</body></message>
text contains @words ; yes ; <message><body>cas&#x180e;ino</body></message>
# 73 look-alikes
text contains @words ; yes ; <message><body>сasino</body></message>
text contains @words ; yes ; <message><body>cаsіnо</body></message>
text contains @words ; yes ; <message><body>cαsinο</body></message>
text contains @words ; yes ; <message><body>CASΙNO</body></message>
text matches @exprs ; yes ; <message><body>ｃ４ｓ１ｎｏ</body></message>
# 75 case of Turkish i, sharp s, sigma
text contains @words ; yes ; <message><body>CASİNO</body></message>
text contains @words ; yes ; <message><body>casıno</body></message>
# 76 URLs
url.host in @hosts ; yes ; <message><body>http://b%61d.example/</body></message>
url.host in @hosts ; yes ; <message><body>http://xn--bcher-kva.example/</body></message>
url.host in @hosts ; yes ; <message><body>http://bücher.example/</body></message>
url.host in @hosts ; yes ; <message><body>http://good.example@bad.example/</body></message>
url.host in @hosts ; yes ; <message><body>http://user:pw@bad.example:8080/</body></message>
url.host in @hosts ; yes ; <message><body>hxxps://bad[.]example/x</body></message>
url.host in @hosts ; yes ; <message><body>http://bad(.)example/x</body></message>
url.host in @hosts ; yes ; <message><body>http://bad。example/x</body></message>
url.host in @hosts ; yes ; <message><body>HTTP://BAD.EXAMPLE</body></message>
url.host in @hosts ; yes ; <message><body>http://bad.example./</body></message>
url.host in @hosts ; yes ; <message><body>http://ｂａｄ.example/</body></message>
url.host in @hosts ; yes ; <message><body>(http://bad.example)</body></message>
url.host in @hosts ; yes ; <message><body>&lt;http://bad.example&gt;</body></message>
url.host in @hosts ; yes ; <message><body>xhttp://bad.example</body></message>
url.host in @hosts ; yes ; <message><body>http:\\bad.example\x</body></message>
url.host in @hosts ; yes ; <message><body>//bad.example/x</body></message>
url.host in @hosts ; yes ; <message><body>www.bad.example</body></message>
url.host in @hosts ; yes ; <message><body>see bad.example/login</body></message>
url.host in @hosts ; yes ; <message><body>http://ba&#x200b;d.example</body></message>
url.host in @hosts ; no ; <message><body>http://good.example/?u=bad</body></message>
url.host is 192.0.2.1 ; yes ; <message><body>http://3221225985/</body></message>
url.host is 192.0.2.1 ; yes ; <message><body>http://0xc0000201/</body></message>
url.host is 192.0.2.1 ; yes ; <message><body>http://0300.0.2.1/</body></message>
# Nothing of this is forbidden: no rule may fire.
text contains @words ; no ; <message><body>ca sino</body></message>
text contains @words ; no ; <message><body>cassino casinoo occasion</body></message>
text contains @words ; no ; <message><body>free the cryptographers</body></message>
text contains @words ; no ; <message><body>cas</body><body xml:lang='de'>ino</body></message>
