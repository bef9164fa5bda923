# Security labels (XEP-0258) on messages. Which of them may cross is the affair of rules and clearance, not of this file.
include "stanza.profile";

group label_kinds {
    element esssecuritylabel in "urn:xmpp:sec-label:ess:0" { text base64 max 16384; }
    element icismlabel in "http://example.gov/IC-ISM/0" { attribute classification, ownerProducer, disseminationControls text max 256; }
}

profile labels {
    message {
        element securitylabel in "urn:xmpp:sec-label:0" max 4 otherwise refuse {
            element displaymarking {
                attribute bgcolor, fgcolor text max 32;
                text max 256;
            }
            element label required { use label_kinds; }
            element equivalentlabel max 8 { use label_kinds; }
        }
    }
}
