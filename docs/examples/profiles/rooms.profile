# Rooms (XEP-0045): joining and leaving, who is in them, messages, subjects, private messages, invitations, kicks and bans.
# Not: a room's configuration (forms), requests for voice, registration.
include "stanza.profile";

group room_item {
    element item {
        attribute affiliation words { admin, member, none, outcast, owner };
        attribute role words { moderator, none, participant, visitor };
        attribute jid jid;
        attribute nick text max 1023;
        element actor {
            attribute jid jid bare;
            attribute nick text max 1023;
        }
        element reason { text max 1024; }
    }
    element status max 16 { attribute code number 100 to 999 required; }
}

group room_invitation {
    element invite, decline {
        attribute from, to jid;
        element reason { text max 1024; }
        element continue { attribute thread token max 256; }
    }
    element password { text max 256; }
}

profile rooms {
    message groupchat {
        use written;
        element x in "http://jabber.org/protocol/muc#user" { use room_item; }
        children 1 to 64;
    }
    # Private messages and invitations.
    message chat, normal {
        use written;
        element x in "http://jabber.org/protocol/muc#user" { use room_item, room_invitation; }
        element x in "jabber:x:conference" {
            attribute jid jid bare required;
            attribute continue words { true, false };
            attribute password text max 256;
            attribute reason text max 1024;
            attribute thread token max 256;
        }
    }
    presence available {
        element x in "http://jabber.org/protocol/muc" {
            element history {
                attribute maxchars, maxstanzas, seconds number 0 to 1000000;
                attribute since datetime;
            }
            element password { text max 256; }
        }
    }
    presence available, unavailable {
        element x in "http://jabber.org/protocol/muc#user" {
            use room_item;
            element destroy {
                attribute jid jid bare;
                element reason { text max 1024; }
            }
        }
    }
    # Kicking, banning, giving roles.
    iq set {
        element query in "http://jabber.org/protocol/muc#admin" {
            element item required max 64 {
                attribute affiliation words { admin, member, none, outcast, owner };
                attribute role words { moderator, none, participant, visitor };
                attribute jid jid bare;
                attribute nick text max 1023;
                element reason { text max 1024; }
            }
        }
    }
    # Whether they worked, and whether one is still in (XEP-0410).
    iq result { }
}
