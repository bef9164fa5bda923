/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a packed set, such as a file of the cache might hold: opening says no, or whatever is
 * asked of it stays inside the bytes. They are taken for the type of set they say they are for. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rules/list.h"
#include "rules/pack.h"
#include "rules/part.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the daemon makes them. */
static struct part *part_of(const uint8_t *data, size_t size)
{
	static const uint8_t key[PART_KEY];
	struct part *part;

	if (part_new(PART_SET, key, size, &part) < 0)
		abort();
	memcpy(part->bytes, data, size);
	if (part_seal(part) < 0)
		abort();
	return part;
}

static void inside(const struct pack *p, const char *text)
{
	const char *end = p->text + p->head.text_len;

	assert(text >= p->text && text < end);
	assert(memchr(text, '\0', (size_t)(end - text)));
}

static void entries_check(const struct pack *p)
{
	struct list_item item;

	for (uint32_t i = 0; i < p->head.n; i++) {
		pack_get(p, i, &item);
		inside(p, item.text);
		inside(p, item.key);
		assert(item.key + item.key_len < p->text + p->head.text_len);
		if (item.mark)
			inside(p, item.mark);
		(void)pack_expires(p, i);
		(void)pack_find(p, (struct span){ item.key, item.key_len });
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pack_head head = { 0 };
	struct part *part;
	struct list *l;
	struct pack *p;
	int r;

	if (size >= sizeof(head))
		memcpy(&head, data, sizeof(head));
	part = part_of(data, size);
	r = pack_open(part, head.shape, &p);
	part_unref(part);
	assert(r == 0 || r == ERR_PROTO);
	if (r < 0)
		return 0;
	entries_check(p);
	(void)pack_find(p, span_of("user@example.org"));
	l = list_new("s", LIST_JID);
	assert(l && list_take_pack(l, p) == 0);
	list_expire(l, 1000000);
	assert(l->n_live <= p->head.n);
	list_free(l);
	return 0;
}
