/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as policy sees them: IPv4 is kept as IPv4-mapped IPv6, so that there is one kind of
 * address and one kind of prefix. In come texts of the policy and of list files and the sockaddr of
 * a door; out go 16 bytes and, for address sets, the most specific network that holds a peer. The
 * tree is path-compressed: a look-up touches a few nodes however many networks there are. It never
 * resolves names and never locks; a set's lock covers its tree. */
#include "rules/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* ---- text ---- */

bool address_is_v4(const struct peer_address *a)
{
	return memcmp(a->bytes, v4_mapped, sizeof(v4_mapped)) == 0;
}

int address_parse(struct span text, struct peer_address *out)
{
	char word[INET6_ADDRSTRLEN + 1];

	if (text.len == 0 || text.len >= sizeof(word))
		return ERR_SYNTAX;
	memcpy(word, text.ptr, text.len);
	word[text.len] = '\0';
	if (strlen(word) != text.len)
		return ERR_SYNTAX;
	if (inet_pton(AF_INET, word, out->bytes + 12) == 1) {
		memcpy(out->bytes, v4_mapped, sizeof(v4_mapped));
		return 0;
	}
	return inet_pton(AF_INET6, word, out->bytes) == 1 ? 0 : ERR_SYNTAX;
}

void prefix_mask(struct peer_address *a, unsigned len)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = len >= (i + 1) * 8 ? 8 : len > i * 8 ? len - i * 8 : 0;
		a->bytes[i] &= (uint8_t)(0xff00u >> keep);
	}
}

int address_parse_prefix(struct span text, struct peer_address *out, unsigned *prefix_len)
{
	const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
	size_t head = slash ? (size_t)(slash - text.ptr) : text.len;
	bool dotted = text.len && !memchr(text.ptr, ':', head);
	unsigned len = 0, max = dotted ? 32 : ADDRESS_BITS;
	int r;

	if ((r = address_parse((struct span){ text.ptr, head }, out)) < 0)
		return r;
	if (!slash) {
		*prefix_len = ADDRESS_BITS;
		return 0;
	}
	if (head + 1 == text.len || text.len - head > 4)
		return ERR_SYNTAX;
	for (size_t i = head + 1; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return ERR_SYNTAX;
		len = len * 10 + (unsigned)(text.ptr[i] - '0');
	}
	if (len > max)
		return ERR_SYNTAX;
	*prefix_len = dotted ? len + 96 : len;
	prefix_mask(out, *prefix_len);
	return 0;
}

void address_format(const struct peer_address *a, char *text, size_t size)
{
	assert(size >= INET6_ADDRSTRLEN);
	if (address_is_v4(a))
		inet_ntop(AF_INET, a->bytes + 12, text, (socklen_t)size);
	else
		inet_ntop(AF_INET6, a->bytes, text, (socklen_t)size);
}

void prefix_format(const struct peer_address *a, unsigned len, char text[PREFIX_TEXT_SIZE])
{
	size_t n;

	address_format(a, text, PREFIX_TEXT_SIZE);
	n = strlen(text);
	snprintf(text + n, PREFIX_TEXT_SIZE - n, "/%u", address_is_v4(a) ? len - 96 : len);
}

void prefix_show(const struct peer_address *a, unsigned len, char text[PREFIX_TEXT_SIZE])
{
	if (len == ADDRESS_BITS)
		address_format(a, text, PREFIX_TEXT_SIZE);
	else
		prefix_format(a, len, text);
}

void address_from_sockaddr(const struct sockaddr *sa, struct peer_address *out, uint16_t *port)
{
	memset(out, 0, sizeof(*out));
	if (port)
		*port = 0;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
		memcpy(out->bytes, v4_mapped, sizeof(v4_mapped));
		memcpy(out->bytes + 12, &in->sin_addr, 4);
		if (port)
			*port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
		memcpy(out->bytes, &in6->sin6_addr, 16);
		if (port)
			*port = ntohs(in6->sin6_port);
	}
}

/* ---- ranges ---- */

static bool address_bit(const struct peer_address *a, unsigned i)
{
	return a->bytes[i / 8] >> (7 - i % 8) & 1;
}

/* The last address of the network that starts at a. */
static void address_fill(struct peer_address *a, unsigned len)
{
	for (unsigned i = len; i < ADDRESS_BITS; i++)
		a->bytes[i / 8] |= (uint8_t)(0x80u >> i % 8);
}

/* a + 1; false when it wraps. */
static bool address_step(struct peer_address *a)
{
	for (int i = 15; i >= 0; i--)
		if (++a->bytes[i] != 0)
			return true;
	return false;
}

/* The widest network that starts at from and does not pass to. */
static unsigned range_widest(const struct peer_address *from, const struct peer_address *to)
{
	unsigned len = ADDRESS_BITS;

	while (len > 0 && !address_bit(from, len - 1)) {
		struct peer_address end = *from;
		address_fill(&end, len - 1);
		if (memcmp(end.bytes, to->bytes, 16) > 0)
			break;
		len--;
	}
	return len;
}

static int range_split(struct peer_address from, const struct peer_address *to, struct prefix *out,
	size_t max, size_t *n)
{
	if (memcmp(from.bytes, to->bytes, 16) > 0 || address_is_v4(&from) != address_is_v4(to))
		return ERR_RANGE;
	for (*n = 0;;) {
		unsigned len = range_widest(&from, to);

		if (*n == max)
			return ERR_RANGE;
		out[(*n)++] = (struct prefix){ from, len };
		address_fill(&from, len);
		if (memcmp(from.bytes, to->bytes, 16) >= 0 || !address_step(&from))
			return 0;
	}
}

int address_parse_prefixes(struct span text, struct prefix *out, size_t max, size_t *n)
{
	const char *dash = text.len ? memchr(text.ptr, '-', text.len) : NULL;
	struct peer_address from, to;
	size_t head;
	int r;

	if (max == 0)
		return ERR_RANGE;
	if (!dash) {
		*n = 1;
		return address_parse_prefix(text, &out->address, &out->len);
	}
	head = (size_t)(dash - text.ptr);
	if ((r = address_parse((struct span){ text.ptr, head }, &from)) < 0 ||
		(r = address_parse((struct span){ dash + 1, text.len - head - 1 }, &to)) < 0)
		return r;
	return range_split(from, &to, out, max, n);
}

/* ---- the tree ---- */

struct prefix_node {
	struct prefix prefix;
	struct prefix_node *child[2];
	void *value; /* NULL in a mere fork */
};

void prefix_tree_init(struct prefix_tree *t)
{
	*t = (struct prefix_tree){ 0 };
}

static void node_free(struct prefix_node *n)
{
	if (!n)
		return;
	node_free(n->child[0]);
	node_free(n->child[1]);
	free(n);
}

void prefix_tree_fini(struct prefix_tree *t)
{
	node_free(t->root);
	prefix_tree_init(t);
}

/* How many leading bits a and b share, at most max. */
static unsigned bits_shared(
	const struct peer_address *a, const struct peer_address *b, unsigned max)
{
	for (unsigned i = 0; i < 16 && i * 8 < max; i++) {
		unsigned diff = a->bytes[i] ^ b->bytes[i];
		if (diff) {
			unsigned shared = i * 8 + (unsigned)__builtin_clz(diff) - 24;
			return shared < max ? shared : max;
		}
	}
	return max;
}

static struct prefix_node *node_new(const struct peer_address *a, unsigned len)
{
	struct prefix_node *n = calloc(1, sizeof(*n));

	if (n) {
		n->prefix = (struct prefix){ *a, len };
		prefix_mask(&n->prefix.address, len);
	}
	return n;
}

/* The link that holds p, or where p (or the fork towards it) belongs. *shared: bits p and that node
 * have in common. */
static struct prefix_node **link_find(
	struct prefix_tree *t, const struct prefix *p, unsigned *shared)
{
	struct prefix_node **link = &t->root;

	while (*link) {
		struct prefix_node *n = *link;
		unsigned max = n->prefix.len < p->len ? n->prefix.len : p->len;

		*shared = bits_shared(&n->prefix.address, &p->address, max);
		if (*shared < n->prefix.len || n->prefix.len == p->len)
			break;
		link = &n->child[address_bit(&p->address, n->prefix.len)];
	}
	return link;
}

int prefix_tree_put(struct prefix_tree *t, const struct prefix *p, void *value, void **old)
{
	unsigned shared = 0;
	struct prefix_node **link = link_find(t, p, &shared), *below = *link, *leaf, *fork;

	if (old)
		*old = NULL;
	if (below && below->prefix.len == p->len && shared == p->len) {
		if (old)
			*old = below->value;
		t->count += !below->value;
		below->value = value;
		return 0;
	}
	if (!(leaf = node_new(&p->address, p->len)))
		return -ENOMEM;
	leaf->value = value;
	if (below && shared == p->len) {
		leaf->child[address_bit(&below->prefix.address, shared)] = below;
		*link = leaf;
	} else if (below) {
		if (!(fork = node_new(&p->address, shared))) {
			free(leaf);
			return -ENOMEM;
		}
		fork->child[address_bit(&below->prefix.address, shared)] = below;
		fork->child[address_bit(&p->address, shared)] = leaf;
		*link = fork;
	} else {
		*link = leaf;
	}
	t->count++;
	return 0;
}

void *prefix_tree_get(const struct prefix_tree *t, const struct prefix *p)
{
	unsigned shared = 0;
	struct prefix_node *n = *link_find((struct prefix_tree *)t, p, &shared);

	return n && n->prefix.len == p->len && shared == p->len ? n->value : NULL;
}

void *prefix_tree_take(struct prefix_tree *t, const struct prefix *p)
{
	struct prefix_node **link = &t->root, **above = NULL, *n;
	void *value;

	while ((n = *link) && n->prefix.len < p->len &&
		bits_shared(&n->prefix.address, &p->address, n->prefix.len) == n->prefix.len) {
		above = link;
		link = &n->child[address_bit(&p->address, n->prefix.len)];
	}
	if (!n || n->prefix.len != p->len ||
		bits_shared(&n->prefix.address, &p->address, p->len) != p->len || !n->value)
		return NULL;
	value = n->value;
	n->value = NULL;
	t->count--;
	if (n->child[0] && n->child[1])
		return value;
	*link = n->child[0] ? n->child[0] : n->child[1];
	free(n);
	/* The fork above may have lost its reason. */
	if (above && !*link && !(*above)->value) {
		n = *above;
		*above = n->child[0] ? n->child[0] : n->child[1];
		free(n);
	}
	return value;
}

void *prefix_tree_find(const struct prefix_tree *t, const struct peer_address *a,
	bool (*live)(const void *value, void *arg), void *arg)
{
	void *best = NULL;

	for (const struct prefix_node *n = t->root; n;) {
		if (bits_shared(&n->prefix.address, a, n->prefix.len) < n->prefix.len)
			break;
		if (n->value && (!live || live(n->value, arg)))
			best = n->value;
		if (n->prefix.len == ADDRESS_BITS)
			break;
		n = n->child[address_bit(a, n->prefix.len)];
	}
	return best;
}

static bool node_has_live(
	const struct prefix_node *n, bool (*live)(const void *value, void *arg), void *arg)
{
	return n && ((n->value && (!live || live(n->value, arg))) ||
			    node_has_live(n->child[0], live, arg) ||
			    node_has_live(n->child[1], live, arg));
}

bool prefix_tree_overlaps(const struct prefix_tree *t, const struct prefix *p,
	bool (*live)(const void *value, void *arg), void *arg)
{
	for (const struct prefix_node *n = t->root; n;) {
		unsigned max = n->prefix.len < p->len ? n->prefix.len : p->len;

		if (bits_shared(&n->prefix.address, &p->address, max) < max)
			return false;
		if (n->prefix.len >= p->len)
			return node_has_live(n, live, arg);
		if (n->value && (!live || live(n->value, arg)))
			return true;
		n = n->child[address_bit(&p->address, n->prefix.len)];
	}
	return false;
}

static bool node_each(const struct prefix_node *n,
	bool (*visit)(void *arg, const struct prefix *p, void *value), void *arg)
{
	return !n ||
	       ((!n->value || visit(arg, &n->prefix, n->value)) &&
		       node_each(n->child[0], visit, arg) && node_each(n->child[1], visit, arg));
}

bool prefix_tree_each(const struct prefix_tree *t,
	bool (*visit)(void *arg, const struct prefix *p, void *value), void *arg)
{
	return node_each(t->root, visit, arg);
}

bool address_in(const struct peer_address *net, unsigned prefix_len, const struct peer_address *a)
{
	unsigned whole = prefix_len / 8, rest = prefix_len % 8;

	if (prefix_len > 128 || memcmp(net->bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 || ((net->bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}
