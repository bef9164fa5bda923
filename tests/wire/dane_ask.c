/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/dane_ask.c and proxy/lookup.c in the proxy's sandbox, without a proxy, for test_dane.py.
 * In: dane_ask RESOLVER PORT ANCHORS [CERTIFICATE...]; RESOLVER "system" and ANCHORS "system" are
 * what this host says. On standard input a line "ID DOMAIN [ADDRESS PORT]" asks, "forget ID"
 * forgets, "use RESOLVER PORT" asks another, "counts" tells counters. Out: "ready", then for each
 * answer "ID records WHY MILLISECONDS" and of each certificate its word. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/pem.h>
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "door/sandboxed.h"
#include "proxy/counters.h"
#include "proxy/dane_ask.h"
#include "proxy/lookup.h"
#include "proxy/worker.h"

enum { CERTIFICATES_MAX = 8, ANCHORS_SIZE = 65536, TICK_MS = 50 };

struct asked {
	char id[64], domain[512];
	uint64_t since_ms;
};

static struct worker *worker;
static X509 *certificates[CERTIFICATES_MAX];
static unsigned n_certificates;
static char anchors[ANCHORS_SIZE];
static size_t anchors_len;
static uv_pipe_t input;
static uv_timer_t tick;

static void on_done(void *arg, const struct dane_records *records, const char *why)
{
	struct asked *q = arg;
	const char *word;

	printf("%s %zu %s %llu", q->id, dane_records_count(records), why ? why : "-",
		(unsigned long long)(uv_hrtime() / 1000000 - q->since_ms));
	for (unsigned i = 0; i < n_certificates; i++)
		printf(" %s",
			dane_verify(records, certificates[i], NULL, NULL, q->domain, &word) > 0
				? "yes"
				: word);
	printf("\n");
	fflush(stdout);
	free(q);
}

/* Keeps add; NULL: takes the one of that name out. */
static struct asked *keep_asked(const char *id, struct asked *add)
{
	static struct asked *all[4096];
	struct asked *found = NULL;
	size_t i = 0;

	while (i < sizeof(all) / sizeof(all[0]) &&
		(add ? all[i] != NULL : !all[i] || strcmp(all[i]->id, id) != 0))
		i++;
	if (i < sizeof(all) / sizeof(all[0])) {
		found = all[i];
		all[i] = add;
	}
	return found;
}

static void ask(char *id, const char *domain, const char *address, unsigned port)
{
	struct asked *q = calloc(1, sizeof(*q));
	struct endpoint at = { .port = (uint16_t)port };
	struct in_addr four;

	snprintf(q->id, sizeof(q->id), "%s", id);
	snprintf(q->domain, sizeof(q->domain), "%s", domain);
	q->since_ms = uv_hrtime() / 1000000;
	if (address && inet_pton(AF_INET, address, &four) == 1) {
		at.address.bytes[10] = at.address.bytes[11] = 0xff;
		memcpy(at.address.bytes + 12, &four, 4);
	} else if (address) {
		inet_pton(AF_INET6, address, at.address.bytes);
	}
	if (strncmp(id, "lost", 4) == 0)
		keep_asked(id, q);
	dane_ask(worker, q->domain, address ? &at : NULL, on_done, q);
}

static int use(const char *resolver, unsigned port)
{
	struct lookup_options options = { .port = (uint16_t)port,
		.anchors = { anchors, anchors_len } };
	struct lookup_settings *settings;
	struct buf why;
	int r;

	options.resolver = strcmp(resolver, "system") == 0 ? NULL : resolver;
	buf_init(&why, 0);
	if ((r = lookup_settings_new(&options, NULL, &why, &settings)) < 0)
		printf("refused %s %s\n", err_text(r), buf_len(&why) ? buf_string(&why) : "");
	else
		lookup_use(settings);
	fflush(stdout);
	lookup_settings_unref(settings);
	buf_fini(&why);
	return r;
}

static void tell_counts(void)
{
	printf("counts asked=%llu full=%llu secure=%llu insecure=%llu bogus=%llu failed=%llu\n",
		(unsigned long long)metric_get(counters.dns_asked),
		(unsigned long long)metric_get(counters.dns_full),
		(unsigned long long)metric_get(counters.dns_secure),
		(unsigned long long)metric_get(counters.dns_insecure),
		(unsigned long long)metric_get(counters.dns_bogus),
		(unsigned long long)metric_get(counters.dns_failed));
	fflush(stdout);
}

static void on_line(char *line)
{
	char a[64] = "", b[512] = "", c[64] = "";
	unsigned port = 0;
	int n = sscanf(line, "%63s %511s %63s %u", a, b, c, &port);

	if (n >= 2 && strcmp(a, "forget") == 0) {
		struct asked *q = keep_asked(b, NULL);

		dane_forget(worker, q);
		free(q);
	} else if (n >= 3 && strcmp(a, "use") == 0) {
		use(b, (unsigned)atoi(c));
	} else if (n == 1) {
		tell_counts();
	} else if (n >= 2) {
		ask(a, b, n == 4 ? c : NULL, port);
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char space[65536];

	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(space, sizeof(space));
}

static void on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	static struct buf lines;
	const char *end;

	(void)stream;
	if (n < 0) {
		buf_fini(&lines);
		uv_stop(&worker->loop);
		return;
	}
	buf_put(&lines, buf->base, (size_t)n);
	while ((end = memchr(buf_ptr(&lines), '\n', buf_len(&lines)))) {
		size_t len = (size_t)(end - buf_ptr(&lines)) + 1;
		char line[1024];

		snprintf(line, sizeof(line), "%.*s", (int)(len - 1), buf_ptr(&lines));
		buf_pull(&lines, len);
		on_line(line);
	}
}

static void on_wake(uv_async_t *async)
{
	(void)async;
	lookup_deliver(worker);
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
	dane_tick(worker, uv_now(&worker->loop));
}

static int prepare(int argc, char **argv)
{
	FILE *f = strcmp(argv[3], "system") == 0 ? NULL : fopen(argv[3], "r");

	if (f) {
		anchors_len = fread(anchors, 1, sizeof(anchors), f);
		fclose(f);
	}
	for (int i = 4; i < argc && n_certificates < CERTIFICATES_MAX; i++) {
		if (!(f = fopen(argv[i], "r")))
			return -errno;
		certificates[n_certificates++] = PEM_read_X509(f, NULL, NULL, NULL);
		fclose(f);
	}
	lookup_read_system();
	worker = calloc(1, sizeof(*worker));
	pthread_mutex_init(&worker->lock, NULL);
	uv_loop_init(&worker->loop);
	uv_async_init(&worker->loop, &worker->wake, on_wake);
	uv_timer_init(&worker->loop, &tick);
	uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
	uv_pipe_init(&worker->loop, &input, 0);
	uv_pipe_open(&input, 0);
	return uv_read_start((uv_stream_t *)&input, on_alloc, on_input);
}

static void on_walk(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void clean_up(struct metrics *metrics)
{
	lookup_close();
	lookup_drop(worker);
	uv_walk(&worker->loop, on_walk, NULL);
	uv_run(&worker->loop, UV_RUN_DEFAULT);
	uv_loop_close(&worker->loop);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
	for (unsigned i = 0; i < n_certificates; i++)
		X509_free(certificates[i]);
	counters_init(NULL);
	metrics_free(metrics);
}

int main(int argc, char **argv)
{
	struct sandbox_spec spec = { .role = SANDBOX_PROXY };
	struct metrics *metrics = NULL;
	int r, fd;

	if (argc < 4)
		return 2;
	log_init("dane_ask", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	if ((r = metrics_new(&metrics, &fd)) < 0) {
		fprintf(stderr, "%s\n", err_text(r));
		return 1;
	}
	counters_init(metrics);
	if (prepare(argc, argv) < 0 || (SANDBOXED && sandbox_enter(&spec) < 0))
		return 1;
	lookup_open(&worker->loop);
	if ((r = use(argv[1], (unsigned)atoi(argv[2]))) == 0) {
		printf("ready\n");
		fflush(stdout);
		uv_run(&worker->loop, UV_RUN_DEFAULT);
	}
	clean_up(metrics);
	return r < 0;
}
