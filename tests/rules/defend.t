# What the kernel allows of connections.
:in set nat { type address; elements = { 192.0.2.0/24 }; } set words { type keyword; elements = { a }; } defend { % }
connections { rate 10/second burst 30 per /32 /64; concurrent 50; penalty 1m; } ; ok ; connections { rate 10/second burst 30 per /32 /64; concurrent 50; penalty 1m; }
connections nat-1 { from @nat; rate 5/10m burst 5 per /24 /48; concurrent 500 per /0 /0; } connections { concurrent 5; } ; ok ; connections nat-1 { from @nat; rate 5/10m burst 5 per /24 /48; concurrent 500 per /0 /0; }
connections a { from authenticated 1d; } ; ok ; connections a { from authenticated 1d; }
connections { rate 10/s; rate 600/m per /24 /48; rate 1/2s per /16 /32; rate 1/week burst 1 per /0 /0; } ; ok
synproxy on mss 1440 wscale 8; entries 2048; ; ok ; synproxy on mss 1440 wscale 8; entries 2048;
synproxy off; ; ok ; synproxy off;
connections a { rate 10/second; } ; fail ; class 'a' does not say whose connections it is about ; from @SET; or from authenticated 1d;
connections { from @nat; } ; fail ; the class without a name is about everybody of no other class ; connections NAME { from ... }
connections { } ; fail ; 'connections' wants [NAME] { ... }, not '{ ... }'
connections; ; fail ; 'connections' wants [NAME] { ... }
connections others { from @nat; } ; fail ; 'others' is the class without a name ; connections { ... }
connections 1st { from @nat; } ; fail ; not a number, time, size, rate or address
connections a.b { from @nat; } ; fail ; 'a.b' is no name for a class of connections
connections abcdefghijabcdefghijabcdefghijabc { from @nat; } ; fail ; 'abcdefghijabcdefghijabcdefghijabc' is no name for a class of connections
connections a { from @nat; } connections a { from @nat; } ; fail ; there is already a class 'a'
connections { concurrent 5; } connections { concurrent 6; } ; fail ; there is already a class without a name
connections a { from authenticated 1d; } connections b { from authenticated 2d; } ; fail ; class 'a' already takes those that logged in
connections a { from @none; } ; fail ; no such set 'none'
connections a { from @words; } ; fail ; 'from' wants a set of address
connections a { from nat; } ; fail ; 'from' wants @SET | authenticated TIME, not 'nat'
connections a { from authenticated; } ; fail ; behind 'authenticated' stands a time between 1m and 365d ; such as authenticated 1d
connections a { from authenticated 1s; } ; fail ; behind 'authenticated' stands a time between 1m and 365d
connections a { from @nat, @nat; } ; fail ; 'nat' is one value too many for 'from'
connections { rate 10; } ; fail ; 'rate' wants N/second|minute|hour|day [burst N] [per /V4 /V6], not '10' ; such as 10/second burst 30 per /32 /64
connections { rate 0/second; } ; fail ; 'rate' wants N/second|minute|hour|day [burst N] [per /V4 /V6], not '0/second'
connections { rate 1/11m; } ; fail ; '1/11m' is not so many a second, a minute, an hour, a day or a week, up to 1000000
connections { rate 1000001/s; } ; fail ; '1000001/s' is not so many a second, a minute, an hour, a day or a week, up to 1000000
connections { rate 18446744073709551615/s; } ; fail ; '18446744073709551615/s' is not so many a second, a minute, an hour, a day or a week, up to 1000000
connections { rate 10/second burst; } ; fail ; behind 'burst' stands a number between 1 and 1000000
connections { rate 10/second burst 0; } ; fail ; behind 'burst' stands a number between 1 and 1000000
connections { rate 1/week burst 2; } ; fail ; at this rate it takes more than seven days until a burst is free again: so long no address is remembered
connections { rate 10/second per; } ; fail ; behind 'per' stand two prefixes ; such as per /32 /64, a prefix of IPv4 and one of IPv6; /0 /0 for all together
connections { rate 10/second per /32; } ; fail ; behind 'per' stand two prefixes
connections { rate 10/second per 32 64; } ; fail ; behind 'per' stand two prefixes
connections { rate 10/second per /33 /64; } ; fail ; IPv4 has no prefix '/33'
connections { rate 10/second per /32 /129; } ; fail ; IPv6 has no prefix '/129'
connections { rate 10/second per /0 /64; } ; fail ; '/0' stands for all of both families, or for none
connections { rate 10/second per /24 /48 /0; } ; fail ; '/0' is one value too many for 'rate'
connections { rate 10/second 5; } ; fail ; '5' is one value too many for 'rate'
connections { rate 10/second; rate 5/second; } ; fail ; there is already a rate per /32 /64 in this class
connections { rate 1/s; rate 2/s per /24 /48; rate 3/s per /16 /40; rate 4/s per /8 /32; rate 5/s per /0 /0; } ; fail ; a class has at most 4 rates
connections { concurrent 0; } ; fail ; 'concurrent' wants N [per /V4 /V6], not '0'
connections { concurrent many; } ; fail ; 'concurrent' wants N [per /V4 /V6], not 'many'
connections { concurrent 5; concurrent 6; } ; fail ; 'concurrent' is already set above
connections { concurrent 5; penalty 1m; } ; fail ; a penalty is for who is over a rate of single addresses, and here is none
connections { rate 10/second per /24 /48; penalty 1m; } ; fail ; a penalty is for who is over a rate of single addresses, and here is none
connections { rate 10/second; penalty 2d; } ; fail ; 'penalty' must be between 1s and 1d
connections { rats 10/second; } ; fail ; unknown setting 'rats' in connections ; did you mean 'rate'?
synproxy; ; fail ; 'synproxy' wants off|on [mss N] [wscale N]
synproxy maybe; ; fail ; 'synproxy' wants off|on [mss N] [wscale N], not 'maybe'
synproxy on mss; ; fail ; behind 'mss' stands a number between 536 and 9000
synproxy on mss 100; ; fail ; behind 'mss' stands a number between 536 and 9000
synproxy on wscale 15; ; fail ; behind 'wscale' stands a number between 0 and 14
synproxy on fast; ; fail ; 'synproxy' wants off|on [mss N] [wscale N], not 'fast'
entries 10; ; fail ; 'entries' must be between 1024 and 4000000
:in %
defend { entries 2048; } defend { entries 2048; } ; fail ; there is already a block 'defend'
defend x { entries 2048; } ; fail ; expected '{', got 'x'
connections { concurrent 5; } ; fail ; expected a block such as service, set, limit or chain, got 'connections' ; it stands inside another block
define r = 10/second define l = 50 defend { connections { rate $r burst $l; } } ; fail ; expected ';', got 'define'
define r = 10/second; define l = 50; defend { connections { rate $r burst $l per /32 /64; concurrent $l; } } ; ok ; define r = 10/second; define l = 50; defend { connections { rate $r burst $l per /32 /64; concurrent $l; } }
