/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "proxy/pairs.h"
#include "xmpp/stanza.h"

/* Cuts an element of stream management, SASL or a stream's error that a side says to what its
 * schema knows: 0. ERR_REFUSED: that side has no such word. ERR_SYNTAX: another namespace,
 * untouched. -ENOMEM. */
int federation_nonza_trim(struct arena *a, struct xml_element *e, enum side said_by);
