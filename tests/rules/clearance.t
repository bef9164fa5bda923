# Clearance tables: pairs of domains, what they release.
:in clearance c { from "high.example" to "low.example"; % }
release "UNCLASSIFIED", "RELEASABLE TO LOW"; ; ok ; release "UNCLASSIFIED", "RELEASABLE TO LOW";
; ; ok
release "A"; release "B"; ; ok
release A; ; fail ; 'release' wants "MARKING", ... | policy "OID"|"NAMESPACE" "MARKING", ... | policy "OID" class N [to N], not 'A' ; write it in double quotes
release "A" "B"; ; fail ; 'release' wants "MARKING", ... | policy "OID"|"NAMESPACE" "MARKING", ... | policy "OID" class N [to N], not 'B' ; a comma belongs between two markings
release; ; fail ; 'release' wants "MARKING", ... | policy "OID"|"NAMESPACE" "MARKING", ... | policy "OID" class N [to N] ; such as release "UNCLASSIFIED"
release ""; ; fail ; a marking is not empty
release " A"; ; fail ; white space at the ends of a marking is left out: this one never comes
release policy "1.3.6.1.4.1.99999.7" "SECRET", "X"; ; ok ; release policy "1.3.6.1.4.1.99999.7" "SECRET", "X";
release policy "urn:example:marks" "SECRET"; ; ok ; release policy "urn:example:marks" "SECRET";
release policy "1.3.6" class 0 to 2; ; ok ; release policy "1.3.6" class 0 to 2;
release policy "1.3.6" class 1; ; ok ; release policy "1.3.6" class 1;
release policy "1.3.6" class 2 to 1; ; fail ; from 2 to 1 there is no class
release policy "1.3.6" class 257; ; fail ; a class is a number between 0 and 256 ; such as class 0 to 1
release policy "1.3.6" class; ; fail ; a class is a number between 0 and 256 ; such as class 0 to 1
release policy "1.3.6" class 1 to; ; fail ; a class is a number between 0 and 256 ; such as class 0 to 1
release policy "1.3.6" class 1 to 2 3; ; fail ; 'release' wants "MARKING", ... | policy "OID"|"NAMESPACE" "MARKING", ... | policy "OID" class N [to N], not '3' ; a setting ends with ';'
release policy "urn:x" class 1; ; fail ; only the labels of an ESS policy have a class ; an OID, such as "1.3.6.1.4.1.99999.7"
release policy "marks" "A"; ; fail ; 'marks' is neither an OID nor a namespace ; such as "1.3.6.1.4.1.99999.7" or "urn:example:marks"
release policy "1.3.6." "A"; ; fail ; '1.3.6.' is neither an OID nor a namespace ; such as "1.3.6.1.4.1.99999.7" or "urn:example:marks"
release policy "1.3.6"; ; fail ; 'release' wants "MARKING", ... | policy "OID"|"NAMESPACE" "MARKING", ... | policy "OID" class N [to N], not '1.3.6' ; the policy and its markings in double quotes
unlabelled refuse; ; ok ; unlabelled refuse;
unlabelled as "U"; release "U"; ; ok ; unlabelled as "U";
unlabelled as "U"; release "V"; ; fail ; "U" is not released: what bears no label would never be ; write 'unlabelled refuse' or release it
unlabelled as "U"; release policy "1.2.3" "U"; ; fail ; "U" is not released: what bears no label would never be ; write 'unlabelled refuse' or release it
unlabelled; ; fail ; 'unlabelled' wants refuse | as "MARKING"
unlabelled drop; ; fail ; 'unlabelled' wants refuse | as "MARKING", not 'drop'
unlabelled refuse; unlabelled refuse; ; fail ; 'unlabelled' is already set above
errors release; ; ok ; errors release;
errors maybe; ; fail ; 'errors' cannot be 'maybe' ; one of release, withhold
from "a.example", "*.b.example" to "c.example", "*.d.example"; ; ok ; from "a.example", "*.b.example" to "c.example", "*.d.example";
from "HIGH.example." to "low.example"; ; fail ; 'HIGH.example.' to 'low.example' already stands in clearance 'c' ; one table for each pair of domains
from "a"; ; fail ; 'from' wants "NAME", ... to "NAME", ... ; such as from "high.example" to "low.example"
from "a" "b" to "c"; ; fail ; 'from' wants "NAME", ... to "NAME", ..., not 'b' ; a comma belongs between two domains
from a to b; ; fail ; 'from' wants "NAME", ... to "NAME", ..., not 'a' ; write it in double quotes
from "a" to; ; fail ; 'from' wants "NAME", ... to "NAME", ... ; such as from "high.example" to "low.example"
from "a" to "b" to "c"; ; fail ; 'from' wants "NAME", ... to "NAME", ..., not 'to' ; write it in double quotes
from "*" to "b"; ; fail ; '*' is not a domain ; such as "example.org" or "*.example.org"
from "a@b" to "b"; ; fail ; 'a@b' is not a domain ; such as "example.org" or "*.example.org"

:in clearance c { % }
release "U"; ; fail ; clearance 'c' has no 'from'

:in clearance one { from "*.high.example" to "low.example"; } clearance two { % }
from "a.high.example" to "low.example"; ; ok
from "high.example" to "low.example"; ; ok
from "*.example" to "low.example"; ; ok
from "*.high.example" to "*.example"; ; ok
from "*.high.example" to "*.low.example"; ; ok
from "low.example" to "*.high.example"; ; ok
from "*.high.example" to "low.example"; ; fail ; '*.high.example' to 'low.example' already stands in clearance 'one' ; one table for each pair of domains
from "a.high.example" to "*.example"; ; fail ; 'a.high.example' to '*.example' and '*.high.example' to 'low.example' of clearance 'one' overlap, and neither is the narrower ; name the pairs that both hold in one of them
