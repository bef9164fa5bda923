/* SPDX-License-Identifier: BSD-2-Clause */
/* inspectload's talkers: each connection has one stanza under way and waits for its answer; either
 * the next goes at once, or all together keep a pace. Prints how many went to and fro in a second
 * and how long one took. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/bench/inspect_load.h"

enum { EVENTS = 256, SAMPLES_MAX = 1 << 23 };

struct talker {
	int fd;
	size_t have; /* of the answer */
	uint64_t asked_ns;
	bool waits;
};

struct turns {
	struct talker *talkers;
	unsigned n, number;
	uint32_t *samples; /* ns */
	size_t n_samples;
	int epoll;
};

static void ask(struct turns *t, struct talker *c)
{
	char stanza[STANZA + 1];

	stanza_write(stanza, t->number++);
	c->have = 0;
	c->waits = true;
	c->asked_ns = now_ns();
	write_all(c->fd, stanza, STANZA);
}

/* True: the answer is whole. */
static bool hear(struct turns *t, struct talker *c)
{
	char buf[4096];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n <= 0)
		die("a connection ended");
	c->have += (size_t)n;
	if (c->have < STANZA)
		return false;
	c->waits = false;
	if (t->n_samples < SAMPLES_MAX)
		t->samples[t->n_samples++] = (uint32_t)(now_ns() - c->asked_ns);
	return true;
}

static void wait_until(struct turns *t, uint64_t when, bool again)
{
	struct epoll_event events[EVENTS];
	uint64_t now = now_ns(), left = when > now ? when - now : 0;
	struct timespec timeout = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };
	int n = epoll_pwait2(t->epoll, events, EVENTS, &timeout, NULL);

	if (n < 0 && errno != EINTR)
		die("epoll_pwait2");
	for (int i = 0; i < n; i++)
		if (hear(t, events[i].data.ptr) && again)
			ask(t, events[i].data.ptr);
}

static void keep_pace(struct turns *t, uint64_t end, unsigned rate)
{
	uint64_t next = now_ns();
	unsigned at = 0;

	while (now_ns() < end) {
		wait_until(t, next, false);
		if (now_ns() < next || t->talkers[at % t->n].waits)
			continue;
		ask(t, &t->talkers[at++ % t->n]);
		next += 1000000000u / rate;
	}
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(struct turns *t, double seconds)
{
	size_t n = t->n_samples;

	if (n == 0)
		die("no answer came");
	qsort(t->samples, n, sizeof(*t->samples), ascending);
	printf("{\"messages\":%zu,\"rate\":%.1f,\"p50_us\":%.2f,\"p99_us\":%.2f}\n", n,
		(double)n / seconds, t->samples[n / 2] / 1e3, t->samples[n - 1 - n / 100] / 1e3);
}

int load_turns(const char *address, int port, unsigned connections, unsigned seconds, unsigned rate)
{
	struct turns t = { .n = connections, .epoll = epoll_create1(EPOLL_CLOEXEC) };
	uint64_t begin, end;

	if (!(t.talkers = calloc(connections, sizeof(*t.talkers))) ||
		!(t.samples = calloc(SAMPLES_MAX, sizeof(*t.samples))))
		die("memory");
	for (unsigned i = 0; i < connections; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &t.talkers[i] };

		t.talkers[i].fd = log_in(address, port, "echo");
		if (epoll_ctl(t.epoll, EPOLL_CTL_ADD, t.talkers[i].fd, &e) < 0)
			die("epoll_ctl");
	}
	begin = now_ns();
	end = begin + seconds * 1000000000ull;
	if (rate) {
		keep_pace(&t, end, rate);
	} else {
		for (unsigned i = 0; i < connections; i++)
			ask(&t, &t.talkers[i]);
		while (now_ns() < end)
			wait_until(&t, end, true);
	}
	report(&t, (double)(now_ns() - begin) / 1e9);
	free(t.talkers);
	free(t.samples);
	return 0;
}
