/* SPDX-License-Identifier: BSD-2-Clause */
/* link: nfq
 * A capture from anybody through the whole inspector: file, packets, fragments, flows, streams,
 * rules, summary. Whole and in small pieces it must give the same packets; nothing may crash, and
 * everything is given back. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nfq-filter/capture.h"
#include "nfq-filter/packet.h"
#include "nfq-filter/replay.h"
#include "tests/unit/policy_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
	"service c2s { listen tcp { 5222 }; mode proxy; tls none; upstream 192.0.2.9 plain; }\n"
	"set words { type keyword; flags fold; elements = { \"free crypto\" }; }\n"
	"limit chatter { rate 1/second; burst 2; key from.bare; }\n"
	"chain all { hook any; policy accept;\n"
	"rule spam { text contains @words drop, strike 1 }\n"
	"rule flood { message limit chatter exceeded reject resource-constraint, strike 1 } }\n"
	"punish peer { 2 strikes within 1m; ban 10m; }\n";


static uint64_t mix(uint64_t sum, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
	return sum;
}

/* A number that stands for every packet and for how it ended. */
static uint64_t walk(const uint8_t *data, size_t size, size_t step)
{
	struct capture *c = capture_new();
	struct capture_packet captured;
	enum capture_result result = CAPTURE_MORE;
	uint64_t sum = 1;

	if (!c)
		abort();
	for (size_t at = 0; at < size && result != CAPTURE_BAD;) {
		size_t len, n = step < size - at ? step : size - at;
		char *where;

		if (capture_room(c, &len, &where) < 0)
			abort();
		n = n < len ? n : len;
		memcpy(where, data + at, n);
		capture_filled(c, n);
		at += n;
		while ((result = capture_next(c, &captured)) == CAPTURE_PACKET) {
			struct packet p = { .time_ns = 0 };
			enum packet_kind kind = packet_parse_frame(
				captured.link, captured.data, captured.len, captured.wire_len, &p);

			assert(captured.wire_len >= captured.len);
			sum = mix(sum, &captured.time_ns, sizeof(captured.time_ns));
			sum = mix(sum, captured.data, captured.len);
			sum = mix(sum, &kind, sizeof(kind));
			if (kind == PACKET_TCP)
				assert(p.payload >= captured.data &&
					p.payload + p.len <= captured.data + captured.len);
		}
	}
	capture_finish(c);
	sum = mix(sum, capture_reason(c), strlen(capture_reason(c)));
	sum = sum * 2 + capture_is_cut(c);
	capture_free(c);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy *policy;
	static FILE *sink;
	struct replay_options options = { .json = size & 1, .any_checksum = true, .top = 5 };
	int fd;

	if (!policy)
		policy = policy_of_text(rules, NULL);
	if (!sink)
		sink = fopen("/dev/null", "w");
	assert(walk(data, size, size + 1) == walk(data, size, 1 + size % 7));
	fd = memfd_create("capture", MFD_CLOEXEC);
	if (fd < 0 || !sink || write(fd, data, size) != (ssize_t)size ||
		lseek(fd, 0, SEEK_SET) != 0)
		abort();
	if (replay_run(&options, policy, fd, sink) < 0)
		abort();
	close(fd);
	return 0;
}
