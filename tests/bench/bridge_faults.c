/* SPDX-License-Identifier: BSD-2-Clause */
/* A bad line: a bridge between two interfaces that loses, delays and doubles packets, each with its
 * chance, the same way for the same seed and order of packets. A delayed packet goes on once some
 * later ones have overtaken it, or after a few milliseconds. Ethernet frames come in whole and go
 * out whole; what is not IP (address resolution) passes unharmed. It changes no byte.
 *   bridge_faults IF1 IF2 SEED LOST DELAYED DOUBLED      (per cent)
 * At SIGTERM it prints how many of each. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { FRAME_MAX = 65536, DELAYED_MAX = 64, OVERTAKEN_BY = 4, BURST = 64 };
enum { LATE_NS = 3000000, BUFFER = 16 << 20 };

struct delayed {
	size_t len;
	unsigned left; /* packets that may still overtake it */
	uint64_t until_ns;
	char *frame;
};

struct way {
	int in, out;
	struct delayed delayed[DELAYED_MAX];
	unsigned n;
};

struct chances {
	double lost, delayed, doubled;
};

static unsigned long long seen, lost, late, doubled;
static uint64_t state;
static volatile sig_atomic_t done;

static void on_signal(int number)
{
	(void)number;
	done = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "bridge_faults: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* 0 to 1 (splitmix64). */
static double chance(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) / (double)(1ull << 53);
}

static int open_interface(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name) };
	struct packet_mreq all = { .mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), on = 1, bytes = BUFFER;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
		bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die(name);
	return fd;
}

static void forward(const struct way *w, const char *frame, size_t len)
{
	/* A full queue of the other interface is one more packet lost. */
	if (send(w->out, frame, len, 0) < 0 && errno != ENOBUFS && errno != EAGAIN)
		die("send");
}

/* What was overtaken often enough, or waited long enough. */
static void release(struct way *w, bool overtaken)
{
	uint64_t now = w->n ? now_ns() : 0;
	unsigned kept = 0;

	for (unsigned i = 0; i < w->n; i++) {
		struct delayed *d = &w->delayed[i];

		if (overtaken && d->left > 0)
			d->left--;
		if (d->left == 0 || now >= d->until_ns) {
			forward(w, d->frame, d->len);
			free(d->frame);
		} else {
			w->delayed[kept++] = *d;
		}
	}
	w->n = kept;
}

static bool delay(struct way *w, const char *frame, size_t len)
{
	struct delayed *d = &w->delayed[w->n];

	if (w->n == DELAYED_MAX || !(d->frame = malloc(len)))
		return false;
	memcpy(d->frame, frame, len);
	d->len = len;
	d->left = 1 + (unsigned)(chance() * OVERTAKEN_BY);
	d->until_ns = now_ns() + LATE_NS;
	w->n++;
	return true;
}

static void take(struct way *w, const struct chances *c, const char *frame, size_t len)
{
	uint16_t type;
	double luck;

	memcpy(&type, frame + 12, sizeof(type));
	if (type != htons(ETHERTYPE_IP) && type != htons(ETHERTYPE_IPV6)) {
		forward(w, frame, len);
		return;
	}
	seen++;
	luck = chance();
	if (luck < c->lost) {
		lost++;
		return;
	}
	if (luck < c->lost + c->delayed && delay(w, frame, len)) {
		late++;
		return;
	}
	forward(w, frame, len);
	if (luck >= 1 - c->doubled) {
		doubled++;
		forward(w, frame, len);
	}
	release(w, true);
}

static void drain(struct way *w, const struct chances *c)
{
	static char frame[FRAME_MAX];

	for (unsigned i = 0; i < BURST; i++) {
		ssize_t n = recv(w->in, frame, sizeof(frame), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENETDOWN))
			break;
		if (n < 0)
			die("receive");
		if (n >= ETH_HLEN)
			take(w, c, frame, (size_t)n);
	}
	release(w, false);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct way ways[2] = { 0 };
	struct pollfd fds[2];
	struct chances c;

	if (argc != 7) {
		fputs("usage: bridge_faults IF1 IF2 SEED LOST DELAYED DOUBLED\n", stderr);
		return 2;
	}
	state = strtoull(argv[3], NULL, 10);
	c = (struct chances){ atof(argv[4]) / 100, atof(argv[5]) / 100, atof(argv[6]) / 100 };
	ways[0].in = ways[1].out = open_interface(argv[1]);
	ways[1].in = ways[0].out = open_interface(argv[2]);
	sigaction(SIGTERM, &act, NULL);
	puts("ready");
	fflush(stdout);
	while (!done) {
		fds[0] = (struct pollfd){ .fd = ways[0].in, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = ways[1].in, .events = POLLIN };
		if (poll(fds, 2, ways[0].n || ways[1].n ? 1 : -1) < 0 && errno != EINTR)
			die("poll");
		drain(&ways[0], &c);
		drain(&ways[1], &c);
	}
	printf("{\"packets\":%llu,\"lost\":%llu,\"delayed\":%llu,\"doubled\":%llu}\n", seen, lost,
		late, doubled);
	return 0;
}
