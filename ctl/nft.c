/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: the kernel drops and intercepts by what is loaded here, before any packet is
 * ours. The text of firewall.c comes in, one transaction goes out through libnftables, and errors
 * come back as its text. The table is refilled rather than replaced where possible, so that bans
 * hold while rules change. Also says what stands in the kernel under our name, and tries what this
 * kernel can. Elements are nft_set.c's, messages nft_netlink.c's. It never decides what the table
 * should hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter/nf_tables.h>
#include <nftables/libnftables.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ctl/nft_int.h"

#define TABLE "inet " FIREWALL_TABLE

int nft_open(struct nft **out)
{
	struct nft *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	if ((r = nft_netlink_open(n)) < 0) {
		nft_close(n);
		return r;
	}
	n->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!n->ctx || nft_ctx_buffer_output(n->ctx) || nft_ctx_buffer_error(n->ctx)) {
		nft_close(n);
		return ERR_LIBRARY;
	}
	*out = n;
	return 0;
}

void nft_close(struct nft *n)
{
	if (!n)
		return;
	if (n->ctx)
		nft_ctx_free(n->ctx);
	nft_netlink_close(n);
	free(n);
}

/* ---- running text ---- */

/* Reading a buffer empties it: what an earlier command left must not be taken for this one's. */
static int run(struct nft *n, const char *text, char **error)
{
	const char *said;
	int r;

	nft_ctx_get_output_buffer(n->ctx);
	nft_ctx_get_error_buffer(n->ctx);
	r = nft_run_cmd_from_buffer(n->ctx, text);
	said = nft_ctx_get_error_buffer(n->ctx);
	if (r == 0)
		return 0;
	if (error) {
		free(*error);
		*error = strdup(said && *said ? said : "nft refused without saying why");
	}
	return ERR_REFUSED;
}

int nft_list(struct nft *n, char **text)
{
	const char *said;

	if (run(n, "list table " TABLE, NULL) < 0)
		return ERR_NOTFOUND;
	said = nft_ctx_get_output_buffer(n->ctx);
	*text = strdup(said ? said : "");
	return *text ? 0 : -ENOMEM;
}

enum nft_state nft_state(struct nft *n)
{
	uint64_t digest = 0;

	if (nft_digest(n, &digest) < 0)
		return NFT_STATE_ALTERED;
	if (digest == 0)
		return NFT_STATE_ABSENT;
	return digest == n->loaded ? NFT_STATE_INTACT : NFT_STATE_ALTERED;
}

/* ---- loading ---- */

struct leftovers {
	struct buf *text;
	const char *kind;
	int r;
};

static bool is_our_set(const char *name)
{
	return strcmp(name, "allow4") == 0 || strcmp(name, "allow6") == 0 ||
	       strcmp(name, "block4") == 0 || strcmp(name, "block6") == 0;
}

static bool delete_leftover(void *arg, const char *name)
{
	struct leftovers *l = arg;

	if (strcmp(l->kind, "set") != 0 || !is_our_set(name))
		l->r = buf_putf(l->text, "delete %s " TABLE " %s\n", l->kind, name);
	return l->r == 0;
}

/* Empties the table but for our sets, then fills it: elements stay, and so do the bans while this
 * happens. */
static int write_refill(struct nft *n, const char *text, struct buf *out)
{
	struct leftovers chains = { out, "chain", 0 }, sets = { out, "set", 0 };
	int r;

	if ((r = buf_puts(out, "add table " TABLE "\nflush table " TABLE "\n")) < 0 ||
		(r = nft_netlink_names(n, NFT_MSG_GETCHAIN, delete_leftover, &chains)) < 0 ||
		(r = chains.r) < 0 ||
		(r = nft_netlink_names(n, NFT_MSG_GETSET, delete_leftover, &sets)) < 0 ||
		(r = sets.r) < 0)
		return r;
	return buf_puts(out, text);
}

/* One transaction. When nobody else made one in between, its generation is noted, so that
 * nft_event_read knows it. */
static int run_own(struct nft *n, struct buf *text, char **error)
{
	uint32_t before = 0, after = 0;
	const char *commands = buf_string(text);
	int r;

	if (!commands)
		return -ENOMEM;
	nft_netlink_generation(n, &before);
	if ((r = run(n, commands, error)) < 0)
		return r;
	if (nft_netlink_generation(n, &after) == 0 && after == before + 1)
		n->own[n->own_at++ % NFT_OWN_MAX] = after;
	return 0;
}

int nft_load(struct nft *n, const char *text, char **error)
{
	struct buf commands;
	char *said = NULL;
	int r;

	buf_init(&commands, 0);
	r = write_refill(n, text, &commands);
	if (r == 0)
		r = run_own(n, &commands, &said);
	if (r < 0) {
		/* What is there does not fit (another's table or sets under our names): anew. */
		buf_clear(&commands);
		r = buf_putf(&commands, "add table " TABLE "\ndelete table " TABLE "\n%s", text);
		if (r == 0)
			r = run_own(n, &commands, &said);
	}
	buf_fini(&commands);
	if (r == 0 && nft_digest(n, &n->loaded) < 0)
		n->loaded = 0;
	if (r < 0 && error)
		*error = said ? take_ptr(said) : strdup(err_text(r));
	free(said);
	return r < 0 ? ERR_REFUSED : 0;
}

int nft_unload(struct nft *n, char **error)
{
	struct buf commands;
	char *said = NULL;
	int r;

	buf_init(&commands, 0);
	r = buf_puts(&commands, "add table " TABLE "\ndelete table " TABLE "\n");
	if (r == 0)
		r = run_own(n, &commands, &said);
	buf_fini(&commands);
	n->loaded = 0;
	if (r < 0 && error)
		*error = said ? take_ptr(said) : strdup(err_text(r));
	free(said);
	return r < 0 ? ERR_REFUSED : 0;
}

/* ---- capability ---- */

#define IN_TABLE(text) "table inet xmppwall_check {\n" text "\n}\n"
#define FILTER(priority, rule)                                                                     \
	IN_TABLE("chain c { type filter hook prerouting priority " priority "; " rule "; }")
#define NAT(rule) IN_TABLE("chain c { type nat hook prerouting priority dstnat; " rule "; }")
#define SET(type, element)                                                                         \
	"set " type " { type " type "; flags interval,timeout; elements = { " element              \
	" timeout 1m }; }\n"

static const struct {
	const char *name, *text, *found, *advice;
} checks[NFT_CHECKS] = {
	{ .name = "table",
		.text = "add table inet xmppwall_check\n",
		.found = "nf_tables with family inet",
		.advice = "needs CAP_NET_ADMIN, CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET" },
	{ .name = "sets",
		.text = IN_TABLE(
			SET("ipv4_addr", "192.0.2.0/24") SET("ipv6_addr", "2001:db8::/32")),
		.found = "sets of prefixes with timeouts",
		.advice = "bans need a kernel of 5.6 or later" },
	{ .name = "drop",
		.text = FILTER("raw", "ip saddr 192.0.2.1 counter drop"),
		.found = "drops before connection tracking",
		.advice = "needs CONFIG_NF_TABLES_INET" },
	{ .name = "tproxy",
		.text = FILTER("mangle", "tcp dport 5222 tproxy to :15222 meta mark set 1 accept"),
		.found = "transparent proxying",
		.advice = "needs CONFIG_NFT_TPROXY (module nft_tproxy); else use 'intercept "
			  "redirect'" },
	{ .name = "socket",
		.text = FILTER(
			"mangle", "meta l4proto tcp socket wildcard 0 socket transparent 1 accept"),
		.found = "finds the proxy's own sockets",
		.advice = "needs CONFIG_NFT_SOCKET (module nft_socket), kernel 5.11 or later" },
	{ .name = "redirect",
		.text = NAT("tcp dport 5222 redirect to :15222"),
		.found = "redirection to local ports",
		.advice =
			"needs modules nft_chain_nat and nft_redir; else use 'intercept tproxy'" },
	{ .name = "fib",
		.text = FILTER("raw", "fib daddr type local accept"),
		.found = "tells local addresses from others",
		.advice = "needs CONFIG_NFT_FIB_INET (module nft_fib_inet)" },
};

/* nft's message without the quoted line and the carets. */
static void first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
}

size_t nft_check(struct nft *n, struct firewall_check *out, size_t max)
{
	size_t i;

	nft_ctx_set_dry_run(n->ctx, true);
	for (i = 0; i < NFT_CHECKS && i < max; i++) {
		cleanup_free char *error = NULL;

		out[i].name = checks[i].name;
		out[i].ok = run(n, checks[i].text, &error) == 0;
		if (error)
			first_line(error);
		if (out[i].ok)
			snprintf(out[i].text, sizeof(out[i].text), "%s", checks[i].found);
		else
			snprintf(out[i].text, sizeof(out[i].text), "%s (%s)", checks[i].advice,
				error ? error : "refused");
	}
	nft_ctx_set_dry_run(n->ctx, false);
	return i;
}
