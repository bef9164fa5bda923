# The usual ones, for a gateway between two domains.
include "chat.profile";
include "presence.profile";
include "rooms.profile";
include "receipts.profile";
include "chatstates.profile";
include "errors.profile";
include "ping.profile";
include "labels.profile";
include "delay.profile";
