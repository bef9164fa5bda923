/* SPDX-License-Identifier: BSD-2-Clause */
/* At the door to the kernel: in front of gate.c.
 * In: datagrams of nfnetlink_queue. Out: packets to whoever reads; verdicts, many to a datagram. No
 * fail-open, no bypass of ours: what we do not answer the kernel does not let through. Segments
 * come as they are on the wire, for the kernel is not told that we could take larger ones. It knows
 * no packet's meaning. */
#include "nfq-filter/queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/err.h"

enum {
	READ_MANY = 16,
	READ_SIZE = 70 * 1024,   /* the largest packet and its attributes */
	WRITE_SIZE = 192 * 1024, /* of one datagram of verdicts */
	WRITE_ENOUGH = 48 * 1024,
	VERDICT_ROOM = 256, /* headers of one */
	SOCKET_BUFFER = 16 << 20,
	ANSWER_MS = 2000,
};

struct queue {
	struct mnl_socket *socket;
	int fd, table_fd; /* table_fd: /proc/net/netfilter/nfnetlink_queue, or -1 */
	uint16_t number;
	struct queue_numbers numbers;
	size_t filled;
	char *in; /* READ_MANY * READ_SIZE */
	char out[WRITE_SIZE];
};

/* ---- talking to the kernel ---- */

static struct nlmsghdr *message_begin(struct queue *q, char *at, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);
	struct nfgenmsg *m;

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->nfgen_family = AF_UNSPEC;
	m->version = NFNETLINK_V0;
	m->res_id = htons(q->number);
	return h;
}

/* A request that the kernel says yes or no to. */
static int ask(struct queue *q, struct nlmsghdr *h)
{
	char answer[8192];
	ssize_t n;

	if (mnl_socket_sendto(q->socket, h, h->nlmsg_len) < 0)
		return -errno;
	for (unsigned i = 0; i < 64; i++) {
		if ((n = mnl_socket_recvfrom(q->socket, answer, sizeof(answer))) < 0)
			return -errno;
		for (const struct nlmsghdr *a = (struct nlmsghdr *)(void *)answer;
			mnl_nlmsg_ok(a, (int)n); a = mnl_nlmsg_next(a, (int *)(void *)&n))
			if (a->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(a))->error;
	}
	return ERR_PROTO;
}

static int configure(struct queue *q)
{
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params params = { .copy_range = htonl(0xffff),
		.copy_mode = NFQNL_COPY_PACKET };
	struct nlmsghdr *h = message_begin(q, q->out, NFQNL_MSG_CONFIG, NLM_F_ACK);
	int r;

	mnl_attr_put(h, NFQA_CFG_CMD, sizeof(bind), &bind);
	if ((r = ask(q, h)) < 0)
		return r;
	h = message_begin(q, q->out, NFQNL_MSG_CONFIG, NLM_F_ACK);
	mnl_attr_put_u32(h, NFQA_CFG_QUEUE_MAXLEN, htonl(QUEUE_LENGTH));
	/* Neither fail-open nor large segments, whoever had the queue before. */
	mnl_attr_put_u32(h, NFQA_CFG_FLAGS, 0);
	mnl_attr_put_u32(h, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO));
	if ((r = ask(q, h)) < 0)
		return r;
	/* Packets come from here on, before the call returns even: who waited for an answer would
	 * read some of them, too, and never say what becomes of them. */
	h = message_begin(q, q->out, NFQNL_MSG_CONFIG, 0);
	mnl_attr_put(h, NFQA_CFG_PARAMS, sizeof(params), &params);
	return mnl_socket_sendto(q->socket, h, h->nlmsg_len) < 0 ? -errno : 0;
}

static void socket_prepare(struct queue *q)
{
	int size = SOCKET_BUFFER, out = 2 * WRITE_SIZE;

	if (setsockopt(q->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(q->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* A datagram larger than that is refused whole, wherever net.core.wmem_default is small. */
	if (setsockopt(q->fd, SOL_SOCKET, SO_SNDBUFFORCE, &out, sizeof(out)) < 0)
		setsockopt(q->fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof(out));
}

int queue_open(uint16_t number, struct queue **out)
{
	struct queue *q = calloc(1, sizeof(*q));
	struct timeval patience = { .tv_sec = ANSWER_MS / 1000 };
	int r = -ENOMEM;

	if (!q)
		return r;
	q->number = number;
	q->table_fd = -1;
	if (!(q->in = malloc((size_t)READ_MANY * READ_SIZE)))
		goto fail;
	if (!(q->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)) ||
		mnl_socket_bind(q->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		goto fail;
	}
	q->fd = mnl_socket_get_fd(q->socket);
	setsockopt(q->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	socket_prepare(q);
	if ((r = configure(q)) < 0)
		goto fail;
	if (fcntl(q->fd, F_SETFL, fcntl(q->fd, F_GETFL) | O_NONBLOCK) < 0) {
		r = -errno;
		goto fail;
	}
	q->table_fd = open("/proc/net/netfilter/nfnetlink_queue", O_RDONLY | O_CLOEXEC);
	*out = q;
	return 0;
fail:
	queue_close(q);
	return r;
}

void queue_close(struct queue *q)
{
	if (!q)
		return;
	if (q->socket)
		mnl_socket_close(q->socket);
	if (q->table_fd >= 0)
		close(q->table_fd);
	free(q->in);
	free(q);
}

int queue_fd(const struct queue *q)
{
	return q->fd;
}

/* ---- packets ---- */

static int on_attribute(const struct nlattr *a, void *data)
{
	const struct nlattr **all = data;

	if (mnl_attr_type_valid(a, NFQA_MAX) > 0)
		all[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static size_t length_of(const struct nlattr *a)
{
	return a ? mnl_attr_get_payload_len(a) : 0;
}

bool queue_message_read(const struct nlmsghdr *h, struct queue_packet *p)
{
	const struct nlattr *all[NFQA_MAX + 1] = { NULL };
	const struct nfqnl_msg_packet_hdr *head;

	if (h->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) ||
		mnl_attr_parse(h, sizeof(struct nfgenmsg), on_attribute, all) < 0 ||
		length_of(all[NFQA_PACKET_HDR]) < sizeof(*head))
		return false;
	head = mnl_attr_get_payload(all[NFQA_PACKET_HDR]);
	*p = (struct queue_packet){ .id = ntohl(head->packet_id) };
	if (length_of(all[NFQA_MARK]) >= 4)
		p->mark = ntohl(mnl_attr_get_u32(all[NFQA_MARK]));
	if (length_of(all[NFQA_SKB_INFO]) >= 4)
		p->checksum_not_ready =
			ntohl(mnl_attr_get_u32(all[NFQA_SKB_INFO])) & NFQA_SKB_CSUMNOTREADY;
	if (all[NFQA_PAYLOAD]) {
		p->bytes = mnl_attr_get_payload(all[NFQA_PAYLOAD]);
		p->len = length_of(all[NFQA_PAYLOAD]);
	}
	/* Said only where a packet is longer than what was copied. */
	p->cut = all[NFQA_CAP_LEN] != NULL;
	return true;
}

static int datagram_read(struct queue *q, const char *bytes, size_t size,
	void (*packet)(void *arg, const struct queue_packet *p), void *arg)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)bytes;
	struct queue_packet p;
	int len = (int)size, n = 0;

	for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len)) {
		if (h->nlmsg_type == NLMSG_ERROR) {
			q->numbers.refused++;
		} else if (queue_message_read(h, &p)) {
			packet(arg, &p);
			n++;
		}
	}
	return n;
}

/* Datagrams of anybody else but the kernel are none. */
static bool is_kernel(const struct mmsghdr *m, const struct sockaddr_nl *from)
{
	return m->msg_hdr.msg_namelen == sizeof(*from) && from->nl_pid == 0;
}

int queue_read(struct queue *q, unsigned max,
	void (*packet)(void *arg, const struct queue_packet *p), void *arg)
{
	struct mmsghdr many[READ_MANY];
	struct iovec io[READ_MANY];
	struct sockaddr_nl from[READ_MANY];
	int total = 0, n;

	while ((unsigned)total < max) {
		for (unsigned i = 0; i < READ_MANY; i++) {
			io[i] = (struct iovec){ q->in + (size_t)i * READ_SIZE, READ_SIZE };
			many[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[i],
							    .msg_namelen = sizeof(from[i]),
							    .msg_iov = &io[i],
							    .msg_iovlen = 1 } };
		}
		n = recvmmsg(q->fd, many, READ_MANY, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == ENOBUFS) {
			q->numbers.overrun++;
			continue;
		}
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? total : -errno;
		for (int i = 0; i < n; i++)
			if (is_kernel(&many[i], &from[i]))
				total += datagram_read(
					q, io[i].iov_base, many[i].msg_len, packet, arg);
		if (n < READ_MANY)
			break;
	}
	return total;
}

/* ---- verdicts ---- */

void queue_flush(struct queue *q)
{
	if (q->filled == 0)
		return;
	if (mnl_socket_sendto(q->socket, q->out, q->filled) < 0)
		q->numbers.refused++;
	q->filled = 0;
}

void queue_verdict(struct queue *q, uint32_t id, bool accept, bool has_mark, uint32_t mark,
	const void *bytes, size_t len)
{
	struct nfqnl_msg_verdict_hdr verdict = { .verdict = htonl(accept ? NF_ACCEPT : NF_DROP),
		.id = htonl(id) };
	struct nlmsghdr *h;

	/* The kernel panicked once over an empty one (CVE-2022-36946). */
	if (bytes && (len == 0 || len > 0xffff - NLA_HDRLEN))
		verdict.verdict = htonl(NF_DROP), bytes = NULL;
	if (q->filled + VERDICT_ROOM + (bytes ? len : 0) > sizeof(q->out))
		queue_flush(q);
	h = message_begin(q, q->out + q->filled, NFQNL_MSG_VERDICT, 0);
	mnl_attr_put(h, NFQA_VERDICT_HDR, sizeof(verdict), &verdict);
	if (has_mark)
		mnl_attr_put_u32(h, NFQA_MARK, htonl(mark));
	if (bytes)
		mnl_attr_put(h, NFQA_PAYLOAD, len, bytes);
	q->filled += MNL_ALIGN(h->nlmsg_len);
	if (q->filled >= WRITE_ENOUGH)
		queue_flush(q);
}

/* ---- numbers ---- */

/* A line a queue: number, owner, waiting, mode, range, dropped, user dropped, sequence. */
static void table_read(struct queue *q, const char *text)
{
	unsigned number, owner, waiting, mode, range, dropped, user;

	while (text && *text) {
		if (sscanf(text, "%u %u %u %u %u %u %u", &number, &owner, &waiting, &mode, &range,
			    &dropped, &user) == 7 &&
			number == q->number) {
			q->numbers.waiting = waiting;
			q->numbers.dropped = dropped;
			q->numbers.user_dropped = user;
		}
		if ((text = strchr(text, '\n')))
			text++;
	}
}

void queue_numbers(struct queue *q, struct queue_numbers *out)
{
	char text[8192];
	ssize_t n = q->table_fd >= 0 ? pread(q->table_fd, text, sizeof(text) - 1, 0) : -1;

	if (n > 0) {
		text[n] = '\0';
		table_read(q, text);
	}
	*out = q->numbers;
}
