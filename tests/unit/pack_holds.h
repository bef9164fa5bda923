/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a part, and whether what is asked of a packed set stays inside its bytes: for the
 * unit test's tampered sets and the fuzz target's arbitrary ones. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "rules/list.h"
#include "rules/pack.h"
#include "rules/part.h"

/* As the daemon makes them. */
static inline struct part *part_of(const uint8_t *bytes, size_t len)
{
	static const uint8_t key[PART_KEY];
	struct part *part;

	if (part_new(PART_SET, key, len, &part) < 0)
		abort();
	if (len)
		memcpy(part->bytes, bytes, len);
	if (part_seal(part) < 0)
		abort();
	return part;
}

static inline bool pack_holds_text(const struct pack *p, const char *text)
{
	const char *end = p->text + p->head.text_len;

	return text >= p->text && text < end && memchr(text, '\0', (size_t)(end - text));
}

/* Everything is asked of every entry; out of bounds that no check here sees is for the sanitizers.
 */
static inline bool pack_holds(const struct pack *p)
{
	struct list_item item;

	for (uint32_t i = 0; i < p->head.n; i++) {
		pack_get(p, i, &item);
		if (!pack_holds_text(p, item.text) || !pack_holds_text(p, item.key) ||
			item.key + item.key_len >= p->text + p->head.text_len ||
			(item.mark && !pack_holds_text(p, item.mark)))
			return false;
		(void)pack_expires(p, i);
		(void)pack_find(p, (struct span){ item.key, item.key_len });
	}
	return pack_find(p, span_of("not there")) == PACK_NONE || p->head.n;
}
