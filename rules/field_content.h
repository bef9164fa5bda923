/* SPDX-License-Identifier: BSD-2-Clause */
/* Getters of what stands in the stanza. Contract: struct field's get. */
#pragma once

#include "rules/field.h"

#define FIELD_GETTER(name)                                                                         \
	bool field_get_##name(struct subject_view *v, const char *param, unsigned index,           \
		struct field_value *out)

FIELD_GETTER(kind);
FIELD_GETTER(type);
FIELD_GETTER(id);
FIELD_GETTER(lang);
FIELD_GETTER(from);
FIELD_GETTER(from_bare);
FIELD_GETTER(from_local);
FIELD_GETTER(from_domain);
FIELD_GETTER(from_resource);
FIELD_GETTER(to);
FIELD_GETTER(to_bare);
FIELD_GETTER(to_local);
FIELD_GETTER(to_domain);
FIELD_GETTER(to_resource);
FIELD_GETTER(body);
FIELD_GETTER(subject);
FIELD_GETTER(status);
FIELD_GETTER(nick);
FIELD_GETTER(thread);
FIELD_GETTER(text);
FIELD_GETTER(url);
FIELD_GETTER(url_host);
FIELD_GETTER(url_scheme);
FIELD_GETTER(payload);
FIELD_GETTER(payload_ns);
FIELD_GETTER(file_name);
FIELD_GETTER(file_size);
FIELD_GETTER(file_type);
FIELD_GETTER(ibb_text);
FIELD_GETTER(encrypted);
FIELD_GETTER(encrypted_kind);
FIELD_GETTER(forwarded);
FIELD_GETTER(chatstate);
FIELD_GETTER(receipt);
FIELD_GETTER(label);
FIELD_GETTER(label_value);
FIELD_GETTER(corrects);
FIELD_GETTER(retracts);
FIELD_GETTER(replies);
FIELD_GETTER(reaction);
FIELD_GETTER(size);
FIELD_GETTER(depth);
FIELD_GETTER(elements);
FIELD_GETTER(stranger);
FIELD_GETTER(xml);
