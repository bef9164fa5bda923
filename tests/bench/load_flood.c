/* SPDX-License-Identifier: BSD-2-Clause */
/* The flood of bench_flood.py: so many new connections a second, each from the next of many
 * addresses, each given up after a while whether it stands or not. What is said on those that
 * stand: nothing, or half of a TLS ClientHello. A line of JSON for each second, and one at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { RING = 32768 };

struct attempt {
	int fd;
	bool stands;
	uint64_t until;
};

struct flood {
	const struct load_options *o;
	int epoll;
	bool hello;
	struct attempt ring[RING]; /* in the order of their ends */
	uint64_t made, ended, stood, over, refused;
};

static void attempt_end(struct attempt *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

static void attempt_make(struct flood *f)
{
	struct attempt *a = &f->ring[f->made % RING];
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

	if (f->made - f->ended == RING) /* held for too long at such a rate */
		attempt_end(&f->ring[f->ended++ % RING]);
	a->fd = load_connect(f->o, (unsigned)f->made);
	a->stands = false;
	a->until = load_now_ns() + f->o->hold_ms * 1000000ull;
	e.data.ptr = a;
	f->made++;
	if (a->fd < 0)
		f->refused++;
	else if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, a->fd, &e) < 0)
		load_die("epoll_ctl");
}

static void attempt_step(struct flood *f, struct attempt *a, uint32_t events)
{
	if (a->fd < 0)
		return;
	if (!a->stands && (events & EPOLLOUT) && !(events & (EPOLLERR | EPOLLHUP))) {
		a->stands = true;
		f->stood++;
		if (f->hello)
			(void)!send(a->fd, load_half_hello, LOAD_HALF_HELLO, MSG_NOSIGNAL);
	}
	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
		f->over++;
		attempt_end(a);
	}
}

static void flood_tell(const struct flood *f, const char *phase)
{
	printf("{\"phase\":\"%s\",\"made\":%llu,\"stood\":%llu,\"over\":%llu,\"refused\":%llu}\n",
		phase, (unsigned long long)f->made, (unsigned long long)f->stood,
		(unsigned long long)f->over, (unsigned long long)f->refused);
	fflush(stdout);
}

int load_flood(const struct load_options *o)
{
	static struct flood f;
	struct epoll_event events[512];
	uint64_t start = load_now_ns(), end = start + o->seconds * 1000000000ull, told = start, now;

	f = (struct flood){
		.o = o, .epoll = epoll_create1(0), .hello = strcmp(o->kind, "hello") == 0
	};
	flood_tell(&f, "start");
	while ((now = load_now_ns()) < end) {
		uint64_t due = (now - start) / 1000 * o->rate / 1000000;
		int n;

		/* A flood that was held up does not make it up at once. */
		for (unsigned burst = 0; f.made < due && burst < 64; burst++)
			attempt_make(&f);
		while (f.ended < f.made && f.ring[f.ended % RING].until <= now)
			attempt_end(&f.ring[f.ended++ % RING]);
		n = epoll_wait(f.epoll, events, 512, 1);
		for (int i = 0; i < n; i++)
			attempt_step(&f, events[i].data.ptr, events[i].events);
		if (now - told >= 1000000000) {
			told += 1000000000;
			flood_tell(&f, "second");
		}
	}
	flood_tell(&f, "end");
	return 0;
}
