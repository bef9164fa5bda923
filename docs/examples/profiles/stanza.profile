# What every stanza may bear, and pieces that several profiles use. Allows nothing by itself: the others name the types.

limits {
    size 64k;
    depth 8;
    elements 256;
}

profile stanza {
    stanza {
        attribute from, to jid otherwise refuse;
        attribute id token max 256 otherwise refuse;
        attribute xml:lang lang;
    }
}

# What people write.
group written {
    element body max 8 otherwise refuse {
        attribute xml:lang lang;
        text max 16384;
    }
    element subject max 8 {
        attribute xml:lang lang;
        text max 1024;
    }
    element thread {
        attribute parent token max 256;
        text token max 256;
    }
}
