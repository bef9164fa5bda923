# Sets of hashes: prepared JIDs, domains with their parents, URLs without disguise. Made with sha256sum.
:with set j { type hash; of jid; salt "s/"; elements = { "b01ab21c14a96f9e95012c2f855ecd71c5bab3da8c93f124cf5345f12fe04dab", "751574006cbb2537b681691963519d705b48397bf3a844f7673e60f9da852061" }; } set d { type hash; of domain; elements = { "9c180de0cd699ee78897c47cfdb3e7ee1d75906e31b7746a4747dea536909837" }; } set ds { type hash; of domain; flags suffix; salt "s/"; elements = { "af2b6c181b483a71a1a71d3412ee9ce08f8b2d1ce5d84e01b0858817d7efa60e" }; } set u { type hash; of url; elements = { "42ffb30b4b88b73447a385c66a3c49554faefbdb5af710e289480105d70a7065", "5e0c27597ac1e0420e234dddbe79c812f0e6f8c902d157788cf7f62f9bb7810d", "8eea3a3e7d54a1119e231bff9256c467d316dd3c31e3be3839c0b093f12f014b" }; }
:subject role=s2s
from in @j ; yes ; <message from='Juliet@Example.ORG/balcony'/> ; from=b01ab21c14a96f9e95012c2f855ecd71c5bab3da8c93f124cf5345f12fe04dab=juliet@example.org/balcony
from.bare in @j ; yes ; <message from='juliet@example.org/x'/>
from in @j ; no ; <message from='romeo@example.org'/>
from in @j ; yes ; <message from='straße@bücher.example'/>
from in @j ; no ; <message/>
from in @d ; yes ; <message from='x@evil.example/y'/>
from in @d ; no ; <message from='x@sub.evil.example/y'/>
from.domain in @ds ; yes ; <message from='x@a.b.evil.example'/>
from.domain in @ds ; yes ; <message from='evil.example'/>
from.domain in @ds ; no ; <message from='notevil.example'/>
url.host in @ds ; yes ; <message><body>see http://login。evil。example/</body></message>
url in @u ; yes ; <message><body>see https://user@BAD.example./offer?id=1#now</body></message>
url in @u ; no ; <message><body>see https://bad.example/offer?id=2</body></message>
url in @u ; yes ; <message><body>bare.example and http://x.example</body></message>
url in @u ; yes ; <message><body>x http://bücher.example:8080</body></message>
url in @u ; yes ; <message><body>https://bad.example:443/offer?id=1</body></message>
url in @u ; no ; <message><body>https://bad.example/offer?id=1/..</body></message>
url in @u ; no ; <message><body>nothing here</body></message>
