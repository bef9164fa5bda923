/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader of MaxMind DB files (format version 2.0, as published) that lie in memory. The library
 * of that name opens paths only, and the children that judge open no file, not even at a reload;
 * what is needed of the format is one walk down a binary tree and one look into a map. In comes an
 * address, out go two letters. Every offset is checked against the bytes and every walk has an end:
 * a broken file gives wrong answers at worst. Immutable and shared. */
#include "rules/country.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum mmdb_type {
	MMDB_EXTENDED,
	MMDB_POINTER,
	MMDB_STRING,
	MMDB_DOUBLE,
	MMDB_BYTES,
	MMDB_UINT16,
	MMDB_UINT32,
	MMDB_MAP,
	MMDB_ARRAY = 11,
	MMDB_BOOLEAN = 14,
};

enum {
	DEPTH_MAX = 8,     /* values inside each other */
	VALUES_MAX = 4096, /* looked at in one search */
	TREE_GAP = 16,     /* zero bytes between tree and data */
	METADATA_MAX = 131072,
};

/* A run of values; pointers count from its start. */
struct section {
	const uint8_t *at;
	size_t len;
};

struct country_db {
	_Atomic unsigned refs;
	uint8_t *bytes;
	size_t len;
	uint32_t nodes;
	unsigned record_bits;
	bool has_ipv6;
	struct section data;
};

struct value {
	enum mmdb_type type;
	size_t size; /* bytes, or entries of a map or array */
	size_t at;   /* of what it holds */
	size_t next; /* behind the value, for what has no entries; behind a pointer */
};

/* ---- values ---- */

static bool number_read(const struct section *s, size_t at, size_t n, uint64_t *out)
{
	if (n > sizeof(*out) || at > s->len || s->len - at < n)
		return false;
	*out = 0;
	for (size_t i = 0; i < n; i++)
		*out = *out << 8 | s->at[at + i];
	return true;
}

static bool pointer_read(const struct section *s, size_t at, struct value *v)
{
	static const uint32_t bases[] = { 0, 2048, 526336, 0 };
	unsigned control = s->at[at], n = (control >> 3 & 3) + 1;
	uint64_t number;

	if (!number_read(s, at + 1, n, &number))
		return false;
	if (n < 4)
		number |= (uint64_t)(control & 7) << 8 * n;
	v->type = MMDB_POINTER;
	v->at = (size_t)number + bases[n - 1];
	v->next = at + 1 + n;
	return v->at < s->len;
}

static bool value_head(const struct section *s, size_t at, struct value *v)
{
	static const uint32_t bases[] = { 29, 285, 65821 };
	uint64_t extra;
	unsigned control;

	if (at >= s->len)
		return false;
	control = s->at[at];
	v->type = (enum mmdb_type)(control >> 5);
	if (v->type == MMDB_POINTER)
		return pointer_read(s, at, v);
	at++;
	if (v->type == MMDB_EXTENDED) {
		if (!number_read(s, at++, 1, &extra))
			return false;
		v->type = (enum mmdb_type)(extra + 7);
	}
	v->size = control & 31;
	if (v->size > 28) {
		size_t n = v->size - 28;

		if (!number_read(s, at, n, &extra))
			return false;
		v->size = bases[n - 1] + (size_t)extra;
		at += n;
	}
	v->at = v->next = at;
	if (v->type == MMDB_MAP || v->type == MMDB_ARRAY || v->type == MMDB_BOOLEAN)
		return true;
	v->next = at + v->size;
	return v->size <= s->len - at;
}

/* What stands at a place, through one pointer: a pointer to a pointer is not allowed. */
static bool value_read(const struct section *s, size_t at, struct value *v)
{
	if (!value_head(s, at, v))
		return false;
	return v->type != MMDB_POINTER || (value_head(s, v->at, v) && v->type != MMDB_POINTER);
}

/* Where the next value begins; 0 when there is none to be found. */
static size_t value_skip(const struct section *s, size_t at, unsigned depth, unsigned *budget)
{
	struct value v;
	size_t entries;

	if (depth > DEPTH_MAX || !*budget || !value_head(s, at, &v))
		return 0;
	--*budget;
	if (v.type != MMDB_MAP && v.type != MMDB_ARRAY)
		return v.next;
	entries = v.type == MMDB_MAP ? 2 * v.size : v.size;
	for (at = v.at; entries && at; entries--)
		at = value_skip(s, at, depth + 1, budget);
	return at;
}

/* The value of a key in the map at this place. */
static bool map_value(
	const struct section *s, size_t at, const char *key, struct value *out, size_t *where)
{
	unsigned budget = VALUES_MAX;
	struct value map, name;

	if (!value_read(s, at, &map) || map.type != MMDB_MAP)
		return false;
	at = map.at;
	for (size_t i = 0; i < map.size; i++) {
		if (!value_read(s, at, &name) || name.type != MMDB_STRING ||
			!(at = value_skip(s, at, 0, &budget)))
			return false;
		if (name.size == strlen(key) && memcmp(s->at + name.at, key, name.size) == 0) {
			*where = at;
			return value_read(s, at, out);
		}
		if (!(at = value_skip(s, at, 0, &budget)))
			return false;
	}
	return false;
}

/* ---- the file ---- */

static bool metadata_number(const struct section *s, const char *key, uint64_t max, uint64_t *out)
{
	struct value v;
	size_t where;

	return map_value(s, 0, key, &v, &where) &&
	       (v.type == MMDB_UINT16 || v.type == MMDB_UINT32) &&
	       number_read(s, v.at, v.size, out) && *out <= max;
}

/* Its last occurrence near the end. */
static const uint8_t *metadata_find(const uint8_t *bytes, size_t len)
{
	static const char marker[] = "\xab\xcd\xefMaxMind.com";
	size_t size = sizeof(marker) - 1, low = len > METADATA_MAX ? len - METADATA_MAX : 0;

	for (size_t at = len; at >= low + size; at--)
		if (memcmp(bytes + at - size, marker, size) == 0)
			return bytes + at;
	return NULL;
}

static bool db_read(struct country_db *db)
{
	const uint8_t *metadata = metadata_find(db->bytes, db->len);
	struct section meta;
	uint64_t nodes, bits, version, tree;
	size_t data_end;

	if (!metadata)
		return false;
	meta = (struct section){ metadata, db->len - (size_t)(metadata - db->bytes) };
	if (!metadata_number(&meta, "node_count", UINT32_MAX, &nodes) ||
		!metadata_number(&meta, "record_size", 32, &bits) ||
		!metadata_number(&meta, "ip_version", 6, &version))
		return false;
	data_end = (size_t)(metadata - db->bytes) - 14;
	tree = nodes * bits / 4;
	if ((bits != 24 && bits != 28 && bits != 32) || (version != 4 && version != 6) ||
		nodes == 0 || tree + TREE_GAP > data_end)
		return false;
	db->nodes = (uint32_t)nodes;
	db->record_bits = (unsigned)bits;
	db->has_ipv6 = version == 6;
	db->data =
		(struct section){ db->bytes + tree + TREE_GAP, data_end - (size_t)tree - TREE_GAP };
	return true;
}

int country_new(const void *bytes, size_t len, struct country_db **out)
{
	struct country_db *db = calloc(1, sizeof(*db));

	if (!db || !(db->bytes = malloc(len + 1))) {
		free(db);
		return -ENOMEM;
	}
	if (len)
		memcpy(db->bytes, bytes, len);
	db->len = len;
	db->refs = 1;
	if (!db_read(db)) {
		country_unref(db);
		return ERR_SYNTAX;
	}
	*out = db;
	return 0;
}

struct country_db *country_ref(struct country_db *db)
{
	atomic_fetch_add(&db->refs, 1);
	return db;
}

void country_unref(struct country_db *db)
{
	if (!db || atomic_fetch_sub(&db->refs, 1) != 1)
		return;
	free(db->bytes);
	free(db);
}

bool country_is(const struct country_db *db, const void *bytes, size_t len)
{
	return db->len == len && memcmp(db->bytes, bytes, len) == 0;
}

/* ---- the tree ---- */

static uint32_t record_read(const struct country_db *db, uint32_t node, unsigned bit)
{
	const uint8_t *n = db->bytes + (size_t)node * db->record_bits / 4;

	switch (db->record_bits) {
	case 24:
		n += 3 * bit;
		return (uint32_t)n[0] << 16 | (uint32_t)n[1] << 8 | n[2];
	case 28:
		/* The byte between the records holds the upper four bits of both. */
		if (bit == 0)
			return (uint32_t)(n[3] >> 4) << 24 | (uint32_t)n[0] << 16 |
			       (uint32_t)n[1] << 8 | n[2];
		return (uint32_t)(n[3] & 15) << 24 | (uint32_t)n[4] << 16 | (uint32_t)n[5] << 8 |
		       n[6];
	default:
		n += 4 * bit;
		return (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];
	}
}

/* IPv4 stands in IPv6 trees as ::a.b.c.d, not as the mapped address we keep it in. */
static bool data_find(const struct country_db *db, const struct peer_address *address, size_t *at)
{
	bool v4 = address_is_v4(address);
	uint8_t bytes[16];
	uint32_t node = 0;

	memcpy(bytes, address->bytes, sizeof(bytes));
	if (v4)
		memset(bytes, 0, 12);
	else if (!db->has_ipv6)
		return false;
	for (unsigned bit = db->has_ipv6 ? 0 : 96; bit < 128 && node < db->nodes; bit++)
		node = record_read(db, node, bytes[bit / 8] >> (7 - bit % 8) & 1);
	if (node <= db->nodes || node - db->nodes < TREE_GAP)
		return false;
	*at = node - db->nodes - TREE_GAP;
	return true;
}

bool country_find(
	const struct country_db *db, const struct peer_address *address, char letters[COUNTRY_SIZE])
{
	struct value v;
	size_t at;

	if (!data_find(db, address, &at) || !map_value(&db->data, at, "country", &v, &at) ||
		!map_value(&db->data, at, "iso_code", &v, &at) || v.type != MMDB_STRING ||
		v.size != COUNTRY_SIZE - 1)
		return false;
	memcpy(letters, db->data.at + v.at, COUNTRY_SIZE - 1);
	letters[COUNTRY_SIZE - 1] = '\0';
	for (unsigned i = 0; i < COUNTRY_SIZE - 1; i++)
		if (letters[i] < 'A' || letters[i] > 'Z')
			return false;
	return true;
}
