/* SPDX-License-Identifier: BSD-2-Clause */
/* Getters of what the door knows about peer, TLS and session. Contract: struct field's get. */
#pragma once

#include "rules/field.h"

#define FIELD_GETTER(name)                                                                         \
	bool field_get_##name(struct subject_view *v, const char *param, unsigned index,           \
		struct field_value *out)

FIELD_GETTER(peer_address);
FIELD_GETTER(peer_port);
FIELD_GETTER(peer_country);
FIELD_GETTER(service);
FIELD_GETTER(direction);
FIELD_GETTER(tls_version);
FIELD_GETTER(tls_cipher);
FIELD_GETTER(tls_sni);
FIELD_GETTER(tls_alpn);
FIELD_GETTER(tls_verified);
FIELD_GETTER(sasl_mechanism);
FIELD_GETTER(session_announced);
FIELD_GETTER(session_jid);
FIELD_GETTER(session_domain);
FIELD_GETTER(session_anonymous);
FIELD_GETTER(session_authenticated);
FIELD_GETTER(session_age);
FIELD_GETTER(remote_domain);
FIELD_GETTER(remote_verified);
FIELD_GETTER(remote_first_seen);
FIELD_GETTER(session_stanzas);
FIELD_GETTER(login_failure);
FIELD_GETTER(login_account);
FIELD_GETTER(login_failures_peer);
FIELD_GETTER(login_failures_account);
FIELD_GETTER(marked);
FIELD_GETTER(time);
FIELD_GETTER(weekday);
