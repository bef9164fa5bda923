/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon compiled ("part" of ctl/link.h), on its way into the next policy: large sets and
 * databases as sealed memfds, mapped here and read by rules/pack.c and rules/pattern_code.c, which
 * look through them first. In: descriptors. Out: the parts for whoever loads the policy that
 * follows. It opens no file and changes nothing. */
#include "base/err.h"
#include "base/log.h"
#include "proxy/link_int.h"

void link_on_part(struct link *l, int fd)
{
	struct part *part;
	int r = fd < 0 ? ERR_PROTO : part_open(fd, &part);

	if (r == 0) {
		r = part_set_add(&l->parts, part);
		part_unref(part);
	}
	if (r == ERR_PROTO || r == ERR_LIMIT)
		link_nonsense(l, "part");
	else if (r < 0)
		log_error("part error=%s", err_text(r)); /* the policy will say what it lacks */
}

struct part_set link_take_parts(struct link *l)
{
	struct part_set parts = l->parts;

	l->parts = (struct part_set){ 0 };
	return parts;
}
