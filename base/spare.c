/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind base/arena.c and base/buf.c, where a stream has come to the end of a stanza: in a thousand
 * sessions a handful are at work at any moment, and only those need memory.
 * In: blocks nobody uses. Out: the same blocks. Each thread has its own few, so there is no lock; a
 * block much larger than what is wanted stays, or one slow peer would hold what another's long
 * stanza has left. Under AddressSanitizer nothing is kept: a pointer into memory given back must be
 * seen. */
#include "base/spare.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define SPARE_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SPARE_OFF 1
#endif
#endif

#ifdef SPARE_OFF

void *spare_take(size_t *size)
{
	return malloc(*size);
}

void spare_give(void *block, size_t size)
{
	(void)size;
	free(block);
}

#else

enum { SPARE_BLOCKS = 16, SPARE_MIN = 512, SPARE_MAX = 65536 + 64, SPARE_WASTE = 4 };

struct spare {
	struct {
		void *block;
		size_t size;
	} kept[SPARE_BLOCKS];
	unsigned n;
	bool known; /* the thread's end will be told */
};

static _Thread_local struct spare spare;
static pthread_key_t spare_key;
static pthread_once_t spare_once = PTHREAD_ONCE_INIT;

/* The thread ends. */
static void spare_drop(void *arg)
{
	struct spare *s = arg;

	while (s->n > 0)
		free(s->kept[--s->n].block);
	s->known = false;
}

static void spare_key_make(void)
{
	if (pthread_key_create(&spare_key, spare_drop) != 0)
		abort();
}

static bool spare_is_known(struct spare *s)
{
	if (!s->known) {
		pthread_once(&spare_once, spare_key_make);
		s->known = pthread_setspecific(spare_key, s) == 0;
	}
	return s->known;
}

void *spare_take(size_t *size)
{
	struct spare *s = &spare;
	void *block;

	/* The last given is the one still in the cache. */
	for (unsigned i = s->n; i-- > 0;) {
		if (s->kept[i].size < *size || s->kept[i].size / SPARE_WASTE > *size)
			continue;
		block = s->kept[i].block;
		*size = s->kept[i].size;
		s->kept[i] = s->kept[--s->n];
		return block;
	}
	return malloc(*size);
}

void spare_give(void *block, size_t size)
{
	struct spare *s = &spare;

	if (!block)
		return;
	if (size < SPARE_MIN || size > SPARE_MAX || s->n == SPARE_BLOCKS || !spare_is_known(s)) {
		free(block);
		return;
	}
	s->kept[s->n].block = block;
	s->kept[s->n++].size = size;
}

#endif
