# Countries: two capital letters, a set of their own, and a database that may be missing.
:in chain test { hook c2s; rule r { % drop } } set near { type country; elements = { DE, at, "CH" }; }
peer.country is DE ; ok
peer.country in { DE, "AT" } ; ok
peer.country in @near ; ok
peer.country not in @near and peer.country exists ; ok
peer.country is de ; fail ; a country is two capital letters, not 'de' ; such as DE
peer.country is Germany ; fail ; a country is two capital letters, not 'Germany' ; such as DE
peer.country in { DE, D } ; fail ; a country is two capital letters, not 'D' ; such as DE
type in @near ; fail ; 'type in' wants a set of keyword, regex or namespace, '@near' is a set of country
peer.address in @near ; fail ; 'peer.address in' wants a set of address, '@near' is a set of country
:in %
set s { type country; elements = { DEU }; } ; fail ; bad country in set 's': not the two letters of a country, such as DE
set s { type country; elements = { "D1" }; } ; fail ; bad country in set 's': not the two letters of a country, such as DE
set s { type country; flags fold; } ; fail ; flag 'fold' is for sets of keyword, this one holds country
daemon { country-database "nowhere.mmdb"; } ; ok
daemon { country-database nowhere; } ; fail ; 'country-database' wants "PATH", not 'nowhere' ; write it in double quotes
