/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker's gear from the text of a configuration, for tests and fuzz targets; what is wrong with
 * the text is their bug. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proxy/gear.h"

/* sources may hold further files (certificates); they are freed here. */
static inline struct gear *gear_of(struct source_set *sources, const char *text)
{
	struct gear *gear = NULL;
	struct buf why;

	buf_init(&why, 0);
	if (source_add(sources, "/t.conf", text, strlen(text)) < 0 ||
		gear_load(sources, "/t.conf", NULL, NULL, &why, &gear) < 0) {
		fprintf(stderr, "%s\n", buf_string(&why));
		abort();
	}
	buf_fini(&why);
	source_fini(sources);
	return gear;
}
