/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a packed set, such as a file of the cache might hold: opening says no, or whatever
 * is asked of it stays inside the bytes. They are taken for the type of set they say they are for.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rules/list.h"
#include "rules/pack.h"
#include "rules/part.h"
#include "tests/unit/pack_holds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	assert(pack_holds(p));
	(void)pack_find(p, span_of("user@example.org"));
	l = list_new("s", LIST_JID);
	assert(l && list_take_pack(l, p) == 0);
	list_expire(l, 1000000);
	assert(l->n_live <= p->head.n);
	list_free(l);
	return 0;
}
