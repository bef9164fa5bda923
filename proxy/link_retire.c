/* SPDX-License-Identifier: BSD-2-Clause */
/* A child's old age ("retire" of ctl/link.h), on the main thread. In: the daemon's word that
 * another child takes the new sessions, and how long this one may keep its own. Out: listeners
 * given up (the sockets themselves stay open elsewhere), the number of sessions told from time to
 * time, and the end: "retired", once nobody is left or the time is over. Until then it judges and
 * obeys as ever. */
#include <errno.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/link_int.h"
#include "door/domains.h"
#include "door/registry.h"

enum { COUNT_MS = 1000 };
#define RETIRE_MS_MAX ((json_int_t)366 * 86400000)

static void on_count(uv_timer_t *timer)
{
	struct link *l = timer->data;
	json_int_t n = (json_int_t)registry_count();
	json_t *known;

	if (l->line.stopping)
		return;
	while (l->gear && (known = known_tell(&l->known, l->gear->policy, clock_mono_ms())))
		line_send(&l->line, known);
	while ((known = domains_tell()))
		line_send(&l->line, known);
	if (n == l->counted)
		return;
	l->counted = n;
	line_send(&l->line, json_pack("{s:s, s:I}", "m", "count", "sessions", n));
}

/* Those with stream management come back and resume; the others are told. */
static void retire_over(struct link *l)
{
	log_info("retired sessions=%zu", registry_count());
	line_send(&l->line, json_pack("{s:s}", "m", "retired"));
	line_stop(&l->line, EXIT_SUCCESS);
}

static void on_retire(uv_timer_t *timer)
{
	retire_over(timer->data);
}

void link_on_retire(struct link *l, json_t *msg)
{
	json_int_t ms = number_of(msg, "ms");

	if (ms < 0 || ms > RETIRE_MS_MAX) {
		line_nonsense(&l->line, "retire");
		return;
	}
	if (!l->started) {
		retire_over(l);
		return;
	}
	uv_timer_start(&l->retire, on_retire, (uint64_t)ms, 0);
	for (unsigned i = 0; i < l->n_workers && !l->retiring; i++)
		if (worker_retire(l->workers[i]) < 0)
			line_fail(&l->line);
	l->retiring = true;
	link_backends_end(l);
}

void link_take_empty(struct link *l)
{
	if (++l->empty == l->n_workers && !l->line.stopping)
		retire_over(l);
}

int link_retire_init(struct link *l)
{
	int r = uv_timer_init(&l->loop, &l->count);

	if (r == 0)
		r = uv_timer_init(&l->loop, &l->retire);
	l->count.data = l->retire.data = l;
	return r < 0 ? r : uv_timer_start(&l->count, on_count, COUNT_MS, COUNT_MS);
}

void link_retire_fini(struct link *l)
{
	uv_close((uv_handle_t *)&l->count, NULL);
	uv_close((uv_handle_t *)&l->retire, NULL);
}
