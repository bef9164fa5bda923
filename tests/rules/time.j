# Time of day and weekday, in UTC and elsewhere.
:at 2026-11-21T08:30:59Z
time is 08:30 ; yes ; <message/> ; time=08:30=08:30
time is 08:31 ; no ; <message/>
time is not 08:30 ; no ; <message/>
time in 08:30-08:31 ; yes ; <message/> ; time=08:30-08:31=08:30
time in 08:00-08:30 ; no ; <message/>
time in { 00:00-06:00, 08:30 } ; yes ; <message/>
time not in { 00:00-06:00, 22:00-24:00 } ; yes ; <message/>
time in 22:00-08:31 ; yes ; <message/>
time in 22:00-08:30 ; no ; <message/>
time < 08:31 ; yes ; <message/>
time < 08:30 ; no ; <message/>
time <= 08:30 ; yes ; <message/>
time > 08:29 ; yes ; <message/>
time > 08:30 ; no ; <message/>
time >= 08:30 ; yes ; <message/>
time >= 00:00 ; yes ; <message/>
time < 00:00 ; no ; <message/>
time > 23:59 ; no ; <message/>
weekday is sat ; yes ; <message/> ; weekday=sat=sat
weekday in { mon, tue, wed, thu, fri } ; no ; <message/>
weekday in { sat, sun } and (time < 09:00 or time > 17:00) ; yes ; <message/>
:with define work = { 08:00-12:00, 13:00-17:00 };
time in $work ; yes ; <message/>
:at 2026-11-21T12:00:00Z
time in $work ; no ; <message/>
:with daemon { timezone "Europe/Berlin"; }
:at 2026-07-01T22:30:00Z
time is 00:30 ; yes ; <message/>
weekday is thu ; yes ; <message/>
:at 2026-12-01T22:30:00Z
time is 23:30 ; yes ; <message/>
weekday is tue ; yes ; <message/>
# The night the clock goes back: 02:30 twice.
:at 2026-10-25T00:30:00Z
time is 02:30 ; yes ; <message/>
:at 2026-10-25T01:30:00Z
time is 02:30 ; yes ; <message/>
:at 2026-10-25T02:30:00Z
time is 03:30 ; yes ; <message/>
:with daemon { timezone "Asia/Kolkata"; }
:at 2026-12-31T23:59:00Z
time is 05:29 ; yes ; <message/>
weekday is fri ; yes ; <message/>
:with daemon { timezone "America/Los_Angeles"; }
:at 2026-01-01T00:10:00Z
time is 16:10 ; yes ; <message/>
weekday is wed ; yes ; <message/>
:at 1970-01-01
time is 16:00 ; yes ; <message/>
weekday is wed ; yes ; <message/>
:at 2060-07-01T12:00:00Z
time is 05:00 ; yes ; <message/>
