/* SPDX-License-Identifier: BSD-2-Clause */
/* XEP-0198 elements on their way through: h values are said to the other side in its own count. */
#pragma once

#include "proxy/relay.h"

bool sm_is_namespace(const char *ns);
/* A first-level element. */
enum nonza_fate sm_relay(struct session *s, struct leg *from, const struct stanza *st);
/* One inside <authenticate/> or <success/> (SASL2); e may be removed from its parent. */
enum nonza_fate sm_relay_inline(
	struct session *s, struct leg *from, struct arena *a, struct xml_element *e);
