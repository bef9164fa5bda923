/* SPDX-License-Identifier: BSD-2-Clause */
/* What bench_inspect.py measures beside: the simplest program that can stand at a queue. It takes
 * whole packets and accepts each, one message in, one verdict out, and looks at nothing.
 * `queue_accept NUMBER [LENGTH] [gso]`: the queue, how many packets the kernel may keep for it, and
 * whether it takes what a network card would still have cut into segments. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { RECEIVE_BYTES = 8 << 20, PACKET_MAX = 0xffff + 4096 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct nlmsghdr *message(char *buf, int type, unsigned queue)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	h->nlmsg_flags = NLM_F_REQUEST;
	*g = (struct nfgenmsg){ AF_UNSPEC, NFNETLINK_V0, htons((uint16_t)queue) };
	return h;
}

static void configure(struct mnl_socket *nl, unsigned queue, unsigned length, bool gso)
{
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET) };
	struct nfqnl_msg_config_params copy = { htonl(0xffff), NFQNL_COPY_PACKET };
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *h = message(buf, NFQNL_MSG_CONFIG, queue);
	int bytes = RECEIVE_BYTES, on = 1;

	mnl_attr_put(h, NFQA_CFG_CMD, sizeof(bind), &bind);
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		die("bind");
	h = message(buf, NFQNL_MSG_CONFIG, queue);
	mnl_attr_put(h, NFQA_CFG_PARAMS, sizeof(copy), &copy);
	mnl_attr_put_u32(h, NFQA_CFG_QUEUE_MAXLEN, htonl(length));
	mnl_attr_put_u32(h, NFQA_CFG_FLAGS, htonl(gso ? NFQA_CFG_F_GSO : 0));
	mnl_attr_put_u32(h, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		die("configure");
	if (setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) <
			0 ||
		setsockopt(mnl_socket_get_fd(nl), SOL_NETLINK, NETLINK_NO_ENOBUFS, &on,
			sizeof(on)) < 0)
		die("setsockopt");
}

static int on_packet(const struct nlmsghdr *in, void *arg)
{
	struct mnl_socket *nl = arg;
	struct nfgenmsg *g = mnl_nlmsg_get_payload(in);
	struct nfqnl_msg_verdict_hdr verdict = { .verdict = htonl(NF_ACCEPT) };
	const struct nlattr *attr;
	char buf[256];
	struct nlmsghdr *h = message(buf, NFQNL_MSG_VERDICT, ntohs(g->res_id));

	mnl_attr_for_each(attr, in, sizeof(*g))
	{
		if (mnl_attr_get_type(attr) != NFQA_PACKET_HDR)
			continue;
		verdict.id = ((struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attr))->packet_id;
		mnl_attr_put(h, NFQA_VERDICT_HDR, sizeof(verdict), &verdict);
		if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
			die("verdict");
		break;
	}
	return MNL_CB_OK;
}

int main(int argc, char **argv)
{
	static char buf[PACKET_MAX];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);

	if (argc < 2 || !nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die("queue_accept NUMBER [LENGTH] [gso]");
	configure(nl, (unsigned)atoi(argv[1]), argc > 2 ? (unsigned)atoi(argv[2]) : 4096,
		argc > 3 && strcmp(argv[3], "gso") == 0);
	puts("ready");
	fflush(stdout);
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			die("receive");
		if (n > 0 &&
			mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), on_packet, nl) < 0)
			die("message");
	}
}
