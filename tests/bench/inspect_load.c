/* SPDX-License-Identifier: BSD-2-Clause */
/* Both ends of clear-text component streams (XEP-0114), for bench_inspect.py: a server that answers
 * or swallows, and clients that flood, wait for each answer, keep a pace, stay silent, or switch to
 * what looks like TLS and send all they can. Every stanza has 300 bytes. Each client prints one
 * JSON line. It judges nothing and checks only that as much came back as was sent. */
#include "tests/bench/inspect_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char words[][8] = { "the", "quick", "brown", "fox", "jumps", "over", "a", "lazy",
	"dog", "while", "seven", "wizards", "quietly", "box", "my", "five", "dozen", "liquor",
	"jugs", "at", "noon" };

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void die(const char *what)
{
	fprintf(stderr, "inspectload: %s: %s\n", what, strerror(errno));
	exit(1);
}

void stanza_write(char *out, unsigned number)
{
	static const char tail[] = "</body></message>";
	int at = snprintf(out, STANZA + 1,
		"<message to='user%u@echo.bench.example' from='friend%u@sink.bench.example/home' "
		"type='chat' id='m%u'><body>",
		number % 500, number % 90, number);
	unsigned n = number * 7;

	while (at < (int)(STANZA - sizeof(tail) + 1)) {
		const char *word = words[n++ % (sizeof(words) / sizeof(words[0]))];

		for (; *word && at < (int)(STANZA - sizeof(tail) + 1); word++)
			out[at++] = *word;
		if (at < (int)(STANZA - sizeof(tail) + 1))
			out[at++] = ' ';
	}
	memcpy(out + at, tail, sizeof(tail) - 1);
}

void write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("write");
		p += n;
		len -= (size_t)n;
	}
}

static void expect_text(int fd, const char *mark)
{
	char buf[4096];
	size_t have = 0;

	while (have < sizeof(buf)) {
		ssize_t n = recv(fd, buf + have, sizeof(buf) - have, 0);

		if (n <= 0)
			die(mark);
		have += (size_t)n;
		if (memmem(buf, have, mark, strlen(mark)))
			return;
	}
	die(mark);
}

static int dial(const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
		connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		die("connect");
	return fd;
}

int log_in(const char *address, int port, const char *what)
{
	char header[300];
	int fd = dial(address, port);
	int len = snprintf(header, sizeof(header),
		"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
		"xmlns:stream='http://etherx.jabber.org/streams' "
		"to='%s.bench.example'>",
		what);

	write_all(fd, header, (size_t)len);
	expect_text(fd, "id='bench'>");
	write_all(fd, "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>", 63);
	expect_text(fd, "<handshake/>");
	return fd;
}

/* ---- one way ---- */

enum { CHUNK_STANZAS = 4096, CHUNK = CHUNK_STANZAS * STANZA };

static char *chunk_of(unsigned first)
{
	char *chunk = malloc(CHUNK + 1);

	if (!chunk)
		die("memory");
	for (unsigned i = 0; i < CHUNK_STANZAS; i++)
		stanza_write(chunk + (size_t)i * STANZA, first + i);
	return chunk;
}

static int client_flood(const char *address, int port, unsigned megabytes)
{
	int fd = log_in(address, port, "sink");
	unsigned chunks = (unsigned)(((uint64_t)megabytes << 20) / CHUNK) + 1;
	char *chunk = chunk_of(0);
	uint64_t begin = now_ns(), took;

	for (unsigned i = 0; i < chunks; i++)
		write_all(fd, chunk, CHUNK);
	write_all(fd, "</stream:stream>", 16);
	expect_text(fd, "</stream:stream>");
	took = now_ns() - begin;
	printf("{\"stanzas\":%u,\"bytes\":%llu,\"seconds\":%.6f}\n", chunks * CHUNK_STANZAS,
		(unsigned long long)chunks * CHUNK, (double)took / 1e9);
	free(chunk);
	close(fd);
	return 0;
}

/* The bytes of a flood as expat_streams reads them. */
static int payload(unsigned megabytes, const char *path)
{
	static const char header[] =
		"<stream:stream xmlns='jabber:component:accept' "
		"xmlns:stream='http://etherx.jabber.org/streams' to='sink.bench.example'>";
	unsigned chunks = (unsigned)(((uint64_t)megabytes << 20) / CHUNK) + 1;
	uint64_t len = sizeof(header) - 1 + (uint64_t)chunks * CHUNK;
	char *chunk = chunk_of(0);
	FILE *out = fopen(path, "wb");

	if (!out || fwrite(&len, sizeof(len), 1, out) != 1 ||
		fwrite(header, sizeof(header) - 1, 1, out) != 1)
		die(path);
	for (unsigned i = 0; i < chunks; i++)
		if (fwrite(chunk, CHUNK, 1, out) != 1)
			die(path);
	if (fclose(out) != 0)
		die(path);
	free(chunk);
	return 0;
}

/* ---- STARTTLS, and then as much as goes through ---- */

static const unsigned char hello_client[] = { 22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3, 1, 2, 3, 4, 5, 6,
	7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
	31, 32, 0, 0, 4, 0x13, 1, 0x13, 2, 1, 0 };

static int client_bulk(const char *address, int port, unsigned seconds)
{
	enum { RECORD = 16384, RECORDS = 8 };
	static char records[RECORDS * (RECORD + 5)];
	int fd = dial(address, port);
	uint64_t begin, bytes = 0, end;

	write_all(fd, LOAD_CLIENT_HEADER, sizeof(LOAD_CLIENT_HEADER) - 1);
	expect_text(fd, "</stream:features>");
	write_all(fd, LOAD_STARTTLS, sizeof(LOAD_STARTTLS) - 1);
	expect_text(fd, "<proceed");
	write_all(fd, hello_client, sizeof(hello_client));
	expect_text(fd, "\x16\x03\x03");
	for (unsigned i = 0; i < RECORDS; i++) {
		memset(records + (size_t)i * (RECORD + 5), (int)(i * 37 + 11), RECORD + 5);
		memcpy(records + (size_t)i * (RECORD + 5), "\x17\x03\x03\x40\x00", 5);
	}
	begin = now_ns();
	for (end = begin + seconds * 1000000000ull; now_ns() < end; bytes += sizeof(records))
		write_all(fd, records, sizeof(records));
	shutdown(fd, SHUT_WR);
	while (recv(fd, records, sizeof(records), 0) > 0)
		;
	end = now_ns() - begin;
	printf("{\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)bytes, (double)end / 1e9);
	close(fd);
	return 0;
}

/* ---- silence ---- */

static int client_idle(const char *address, int port, unsigned connections)
{
	int *fds = calloc(connections, sizeof(*fds));
	char stanza[STANZA + 1];

	if (!fds)
		die("memory");
	for (unsigned i = 0; i < connections; i++) {
		fds[i] = log_in(address, port, "echo");
		stanza_write(stanza, i);
		write_all(fds[i], stanza, STANZA);
		expect_text(fds[i], "</message>");
	}
	printf("{\"ready\":%u}\n", connections);
	fflush(stdout);
	while (getchar() != EOF)
		;
	for (unsigned i = 0; i < connections; i++)
		close(fds[i]);
	free(fds);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 262144, 262144 };
	const char *what = argc > 1 ? argv[1] : "";
	unsigned n[4] = { 0 };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max; /* as many as may be */
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (int i = 3; i < argc && i < 7; i++)
		n[i - 3] = (unsigned)strtoul(argv[i], NULL, 10);
	if (argc == 3 && strcmp(what, "server") == 0)
		return load_server(atoi(argv[2]));
	if (argc == 4 && strcmp(what, "payload") == 0)
		return payload((unsigned)atoi(argv[2]), argv[3]);
	if (argc == 5 && strcmp(what, "flood") == 0)
		return client_flood(argv[2], (int)n[0], n[1]);
	if (argc == 5 && strcmp(what, "bulk") == 0)
		return client_bulk(argv[2], (int)n[0], n[1]);
	if (argc == 5 && strcmp(what, "idle") == 0)
		return client_idle(argv[2], (int)n[0], n[1]);
	if (argc == 7 && strcmp(what, "turns") == 0)
		return load_turns(argv[2], (int)n[0], n[1], n[2], n[3]);
	fprintf(stderr, "usage: inspectload server PORT\n"
			"       inspectload payload MEGABYTES FILE\n"
			"       inspectload flood ADDRESS PORT MEGABYTES\n"
			"       inspectload turns ADDRESS PORT CONNECTIONS SECONDS RATE\n"
			"       inspectload idle ADDRESS PORT CONNECTIONS\n"
			"       inspectload bulk ADDRESS PORT SECONDS\n");
	return 2;
}
