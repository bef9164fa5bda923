/* SPDX-License-Identifier: BSD-2-Clause */
/* The firewall of some services as text, and what is in it. Include cmocka.h first. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include "ctl/firewall.h"

/* The caller's, to be freed. */
static inline char *firewall_text(const struct service *services, size_t n,
	const struct daemon_options *options, enum firewall_queue_form form)
{
	const struct firewall_host host = { form, 2, false, true };
	struct buf b;
	char *text;

	buf_init(&b, 0);
	assert_int_equal(firewall_format(services, n, options, &host, &b), 0);
	text = buf_take(&b);
	assert_non_null(text);
	return text;
}

/* Where it begins. */
static inline const char *assert_holds(const char *text, const char *part)
{
	const char *at = strstr(text, part);

	if (!at)
		fail_msg("'%s' is not in:\n%s", part, text);
	return at;
}

static inline void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in:\n%s", part, text);
}
