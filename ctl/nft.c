/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: the kernel drops and intercepts by what is loaded here, before any packet is
 * ours. The text of firewall.c comes in, one transaction goes out through libnftables, and errors
 * come back as its text. The table is refilled rather than replaced where possible, so that bans
 * hold while rules change. Also says what stands in the kernel under our name. Elements are
 * nft_set.c's, messages nft_netlink.c's. It never decides what the table should hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter/nf_tables.h>
#include <nftables/libnftables.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ctl/firewall_queue.h"
#include "ctl/nft_sets_int.h"

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
	nft_layout_free(n);
	free(n);
}

/* ---- running text ---- */

/* Reading a buffer empties it: what an earlier command left must not be taken for this one's. */
int nft_run(struct nft *n, const char *text, char **error)
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

	if (nft_run(n, "list table " TABLE, NULL) < 0)
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
	struct buf *out;
	const char *text, *kind;
	int r;
};

/* Does the text hold "chain NAME {"? firewall.c gives each a line. */
static bool is_declared(const struct leftovers *l, const char *name)
{
	char line[NFT_NAME_MAXLEN + 32];
	int len = snprintf(line, sizeof(line), "\n\t%s %s {\n", l->kind, name);

	return len > 0 && (size_t)len < sizeof(line) && strstr(l->text, line);
}

/* What the queue targets are in is theirs to empty (nft_target.c): a rule must always stand there.
 */
static bool is_filled_elsewhere(const char *name)
{
	return strcmp(name, FIREWALL_QUEUE_CLOSED) == 0 || strcmp(name, FIREWALL_QUEUE_OPEN) == 0;
}

static bool flush_chain(void *arg, const char *name)
{
	struct leftovers *l = arg;

	if (!is_filled_elsewhere(name) || !is_declared(l, name))
		l->r = buf_putf(l->out, "flush chain " TABLE " %s\n", name);
	return l->r == 0;
}

static bool delete_leftover(void *arg, const char *name)
{
	struct leftovers *l = arg;

	if (!is_declared(l, name))
		l->r = buf_putf(l->out, "delete %s " TABLE " %s\n", l->kind, name);
	return l->r == 0;
}

/* Empties the table but for the sets it is to have, then fills it: elements stay, and so do the
 * bans while this happens. Chains stay, too: with a hook the kernel would drop every packet that
 * waits in a queue. */
static int write_refill(struct nft *n, const char *text, struct buf *out)
{
	static const struct {
		uint16_t message;
		const char *kind;
		bool (*visit)(void *arg, const char *name);
	} steps[] = {
		{ NFT_MSG_GETCHAIN, "chain", flush_chain },
		{ NFT_MSG_GETCHAIN, "chain", delete_leftover },
		{ NFT_MSG_GETSET, "set", delete_leftover },
		{ NFT_MSG_GETOBJ, "counter", delete_leftover },
	};
	int r = buf_puts(out, "add table " TABLE "\n");

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && r == 0; i++) {
		struct leftovers l = { out, text, steps[i].kind, 0 };

		r = nft_netlink_names(n, steps[i].message, steps[i].visit, &l);
		r = r < 0 ? r : l.r;
	}
	return r < 0 ? r : buf_puts(out, text);
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
	if ((r = nft_run(n, commands, error)) < 0)
		return r;
	if (nft_netlink_generation(n, &after) == 0 && after == before + 1)
		n->own[n->own_at++ % NFT_OWN_MAX] = after;
	return 0;
}

/* What else the transaction needs: only a table that this process has loaded and nobody altered is
 * known to have its elements, and one that is made anew has none. */
static int write_hold(
	struct nft *n, const char *text, bool anew, enum nft_left *left, struct buf *out)
{
	const struct leftovers sets = { out, text, "set", 0 };
	enum nft_state state;

	if (!left)
		return 0;
	state = anew ? NFT_STATE_ABSENT : nft_state(n);
	/* Chains and rules are another's work then, sets are not: elements that were touched are
	 * told of one by one. */
	if (state == NFT_STATE_ALTERED && n->loaded != 0 && nft_event_read(n) >= 0 &&
		!n->heard.doubted)
		state = NFT_STATE_INTACT;
	*left = state == NFT_STATE_ABSENT   ? NFT_LEFT_NONE
		: state == NFT_STATE_INTACT ? NFT_LEFT_ALL
					    : NFT_LEFT_DOUBTED;
	return *left != NFT_LEFT_ALL && is_declared(&sets, FIREWALL_LOADING)
		       ? buf_puts(out, "add element " TABLE " " FIREWALL_LOADING " { tcp }\n")
		       : 0;
}

static int load(struct nft *n, const char *text, enum nft_left *left, char **error)
{
	struct buf commands;
	char *said = NULL;
	int r = -1;

	buf_init(&commands, 0);
	/* Anew where what is there does not fit: another's table, or sets under our names. */
	for (int anew = 0; anew < 2 && r < 0; anew++) {
		buf_clear(&commands);
		r = anew ? buf_putf(&commands, "add table " TABLE "\ndelete table " TABLE "\n%s",
				   text)
			 : write_refill(n, text, &commands);
		if (r == 0 && (r = write_hold(n, text, anew, left, &commands)) == 0)
			r = run_own(n, &commands, &said);
	}
	buf_fini(&commands);
	n->heard.doubted = r < 0 && n->heard.doubted;
	if (r == 0)
		r = nft_layout_read(n, text);
	if (r == 0 && nft_digest(n, &n->loaded) < 0)
		n->loaded = 0;
	if (r < 0 && error)
		*error = said ? take_ptr(said) : strdup(err_text(r));
	free(said);
	return r < 0 ? ERR_REFUSED : 0;
}

int nft_load(struct nft *n, const char *text, char **error)
{
	return load(n, text, NULL, error);
}

int nft_load_held(struct nft *n, const char *text, enum nft_left *left, char **error)
{
	return load(n, text, left, error);
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
