# Times of day, weekdays, zones, and moments of expectations.
:in chain test { hook c2s; rule r { % drop } }
time is 08:30 ; ok ; time is 08:30
time in 22:00-06:00 ; ok ; time in 22:00-06:00
time in { 08:00-12:00, 13:00-24:00 } ; ok ; time in { 08:00-12:00, 13:00-24:00 }
time is "08:30" ; ok
time >= 08:30 and time < 17:00 ; ok
time is 22:00-06:00 ; fail ; 'time is' wants a time such as 08:30
time < 22:00-06:00 ; fail ; 'time <' wants a time such as 08:30
time is 8:30 ; fail ; 'time is' wants a time such as 08:30
time is 24:00 ; fail ; 'time is' wants a time such as 08:30
time in 08:60-09:00 ; fail ; 'time in' wants times such as 08:00-17:30
time in 24:01-25:00 ; fail ; 'time in' wants times such as 08:00-17:30
time in 08:00-08:00 ; fail ; 'time in' wants times such as 08:00-17:30
time in 08:00- ; fail ; 'time in' wants times such as 08:00-17:30
time in 8 ; fail ; 'time in' wants times such as 08:00-17:30
time in 192.0.2.0/24 ; fail ; 'time in' wants times such as 08:00-17:30
time in { } ; fail ; an empty list holds nothing
time ; fail ; 'time' (time) says neither yes nor no; ask with in, is, <, <=, >, >=, exists
time exists ; ok
time contains "8" ; fail ; 'contains' does not suit 'time' (time); what does: in, is, <, <=, >, >=, exists
weekday is mon ; ok
weekday in { sat, sun } ; ok
weekday is monday ; fail ; 'weekday' is never 'monday' ; one of mon, tue, wed, thu, fri, sat, sun
weekday > mon ; fail ; '>' does not suit 'weekday' (word); what does: is, in, matches, exists
:in daemon { % }
timezone "Europe/Berlin"; ; ok ; timezone "Europe/Berlin";
timezone "UTC"; ; ok
timezone "Europe/Berlni"; ; fail ; unknown timezone 'Europe/Berlni' ; such as "Europe/Berlin" or "UTC"
timezone Europe; ; fail ; 'timezone' wants "NAME", not 'Europe' ; write it in double quotes
timezone ""; ; fail ; 'timezone' is empty
timezone "../../etc/passwd"; ; fail ; unknown timezone '../../etc/passwd' ; such as "Europe/Berlin" or "UTC"
:in chain c { hook c2s; rule night { time in 22:00-06:00 drop } rule weekend { weekday in { sat, sun } reject } } expect "x" { service c2s stanza "<message/>" % }
at "2026-11-20T23:00:00Z" verdict drop by night ; ok ; at "2026-11-20T23:00:00Z"
at "2026-11-20T12:00:00Z" verdict accept ; ok
at "2026-11-21T12:00:00Z" verdict reject by weekend ; ok
at "2026-11-21" verdict drop by night ; ok
at "yesterday" verdict drop ; fail ; 'yesterday' is not a moment ; such as "2026-11-21T08:30:00Z", in UTC
at "2026-11-21T12:00:00Z" verdict drop ; fail ; expected drop, got reject policy-violation by weekend
at 5 verdict drop ; fail ; expected a string, got '5'
