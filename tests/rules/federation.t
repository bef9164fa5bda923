# Servers that speak to servers: federation, remote, and which way a service looks.
:in federation { % }
domains "a.example", "*.b.example"; domains "c.example"; ; ok ; domains "a.example", "*.b.example";
domains "a@b"; ; fail ; 'a@b' is not a domain
authority on; ; ok ; authority on;
authority auto; ; fail ; 'authority' cannot be 'auto' ; one of on, off
trust system; ; ok ; trust system;
trust file "/nowhere.pem"; ; ok ; trust file "/nowhere.pem";
trust "/nowhere.pem"; ; fail ; 'trust' wants system | file "PEM", not '/nowhere.pem' ; write 'file' before the name
trust file; ; fail ; 'trust' wants system | file "PEM", not 'file' ; the file's name in double quotes
trust file ""; ; fail ; 'trust' wants system | file "PEM", not 'file'
trust sytem; ; fail ; 'trust' wants system | file "PEM", not 'sytem' ; did you mean 'system'?
trust; ; fail ; 'trust' wants system | file "PEM"
trust system file; ; fail ; 'file' is one value too many for 'trust' ; a setting ends with ';'
resolver 127.0.0.1; ; ok ; resolver 127.0.0.1;
resolver [2001:db8::53]:5353; ; ok ; resolver [2001:db8::53]:5353;
resolver 192.0.2.0/24; ; fail ; 'resolver' wants ADDRESS[:PORT], not '192.0.2.0/24' ; such as 127.0.0.1 or [2001:db8::53]:5353
resolver 127.0.0.1:0; ; fail ; 'resolver' wants ADDRESS[:PORT], not '127.0.0.1:0'
resolver dns; ; fail ; 'resolver' wants ADDRESS[:PORT], not 'dns'
resolver; ; fail ; 'resolver' wants ADDRESS[:PORT]
resolver 127.0.0.1 ::1; ; fail ; '::1' is one value too many for 'resolver'
anchor "/nowhere.key"; ; ok ; anchor "/nowhere.key";
anchor root; ; fail ; 'anchor' wants "PATH", not 'root' ; write it in double quotes
require pkix, dane; ; ok ; require pkix, dane;
require pin; ; ok
require pkx; ; fail ; 'require' cannot be 'pkx' ; did you mean 'pkix'?
require; ; fail ; 'require' wants pin|dane|pkix|dialback, ...
unverified refuse; ; ok ; unverified refuse;
unverified drop; ; fail ; 'unverified' cannot be 'drop' ; one of untrusted, refuse
leaves 0; ; fail ; 'leaves' must be between 1 and 100000
leaf-life 59m; ; fail ; 'leaf-life' must be between 1h and 30d
pairs 10001; ; fail ; 'pairs' must be between 1 and 10000
dialback-open 1001; ; fail ; 'dialback-open' must be between 1 and 1000
dialback-rate 10/second; ; ok ; dialback-rate 10/second;
dialback-rate 0/minute; ; fail ; 'dialback-rate' wants N/second|minute|hour|day, not '0/minute'
dialback-rate 120; ; fail ; 'dialback-rate' wants N/second|minute|hour|day, not '120' ; such as 20/second, 5/10m or 64k/second
pins "sha256:x"; ; fail ; unknown setting 'pins' in federation

:in remote r { domains "a.example"; % }
domains "*.a.example"; ; ok
domains "A.example."; ; fail ; remote 'r' names a.example twice
require dane, dialback; ; ok ; require dane, dialback;
require pin; pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="; ; ok ; pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; ; ok ; pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; ; fail ; a comma belongs between two pins
pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="; ; fail ; 'sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' stands here twice
pins "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="; ; fail ; 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' is not a pin ; sha256: and the 44 characters of a SHA-256 in Base64
pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"; ; fail ; 'sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8' is not a pin
pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="; ; fail ; 'sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=' is not a pin
pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd Hh8="; ; fail ; 'sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd Hh8=' is not a pin
pins "sha1:AAECAwQFBgcICQoLDA0ODxAREhM="; ; fail ; 'sha1:AAECAwQFBgcICQoLDA0ODxAREhM=' is not a pin
pins x; ; fail ; 'pins' wants "sha256:BASE64", ..., not 'x' ; write it in double quotes
pins; ; fail ; 'pins' wants "sha256:BASE64", ...
require pin; ; fail ; remote 'r' has no pins ; pins "sha256:BASE64";
require dane, pin; ; fail ; remote 'r' has no pins
trust file "/nowhere.pem"; ; ok
bidi off; ; ok ; bidi off;
bidi no; ; fail ; 'bidi' cannot be 'no' ; did you mean 'on'?
authority on; ; fail ; unknown setting 'authority' in remote

:in remote a { domains "a.example", "*.a.example"; } remote b { % }
domains "b.a.example"; ; ok
domains "*.A.Example"; ; fail ; remotes 'a' and 'b' both want *.a.example
require pkix; ; fail ; remote 'b' has no 'domains'

:in federation { require pin; } remote a { domains "a.example"; % }
require pkix; ; ok
bidi on; ; fail ; remote 'a' has no pins, and federation requires them ; pins "sha256:BASE64"; or a 'require' of its own
pins "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="; ; ok

:in set ours { type address; elements = { 192.0.2.1 }; } service s2s { listen tcp 5269; tls none; % }
from @ours; direction out; ; ok ; direction out;
direction out; ; fail ; service 's2s' does not say who may dial out: name a set with the addresses of your servers ; from @SET;
from @others; direction out; ; fail ; no such set 'others'
direction in; ; ok ; direction in;
direction both; ; fail ; 'direction' cannot be 'both' ; one of in, out
direction out; role c2s; ; fail ; only servers dial out: service 's2s' is for c2s ; role s2s;
from @ours; direction out; upstream 192.0.2.1; ; ok
from @ours; ; ok ; from @ours;
