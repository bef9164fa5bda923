/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* rules/country: databases of every record size, broken ones, and the field and sets that use them.
 */
#include "judge_rig.h"
#include "rules/country.h"

enum { NODES_MAX = 2048, EMPTY = -1 };

/* A database in the making: children are nodes, EMPTY, or -2 - offset of data. */
struct maker {
	int32_t nodes[NODES_MAX][2];
	unsigned n, bits, version;
	char data[512], file[65536];
	size_t data_len, len;
};

static void maker_init(struct maker *m, unsigned bits, unsigned version)
{
	memset(m, 0, sizeof(*m));
	m->bits = bits;
	m->version = version;
	m->n = 1;
	m->nodes[0][0] = m->nodes[0][1] = EMPTY;
}

static int32_t put_data(struct maker *m, const char *bytes, size_t len)
{
	memcpy(m->data + m->data_len, bytes, len);
	m->data_len += len;
	return -2 - (int32_t)(m->data_len - len);
}

static int32_t put_country(struct maker *m, const char *letters)
{
	char bytes[128];
	int n = snprintf(bytes, sizeof(bytes),
		"\xe3\x49"
		"continent\xe1\x44"
		"code\x42"
		"EU\x45names\x02\x04\x41x\x41y\x47"
		"country\xe2\x45geoid\xc2\x01\x02\x48iso_code\x42%s",
		letters);

	return put_data(m, bytes, (size_t)n);
}

static void put_network(struct maker *m, const char *text, int32_t data)
{
	struct peer_address a;
	unsigned len, node = 0, first = m->version == 4 ? 96 : 0;

	assert_int_equal(address_parse_prefix(span_of(text), &a, &len), 0);
	if (address_is_v4(&a))
		memset(a.bytes, 0, 12);
	for (unsigned i = first; i < len; i++) {
		unsigned bit = a.bytes[i / 8] >> (7 - i % 8) & 1;

		if (i + 1 == len) {
			m->nodes[node][bit] = data;
		} else if (m->nodes[node][bit] < 0) {
			m->nodes[m->n][0] = m->nodes[m->n][1] = m->nodes[node][bit];
			m->nodes[node][bit] = (int32_t)m->n;
			node = m->n++;
		} else {
			node = (unsigned)m->nodes[node][bit];
		}
	}
}

static void put_number(struct maker *m, uint32_t number, unsigned bytes)
{
	while (bytes-- > 0)
		m->file[m->len++] = (char)(bytes < 4 ? number >> 8 * bytes : 0);
}

static uint32_t record(const struct maker *m, unsigned node, unsigned bit)
{
	int32_t child = m->nodes[node][bit];

	return child >= 0       ? (uint32_t)child
	       : child == EMPTY ? m->n
				: m->n + 16 + (uint32_t)(-2 - child);
}

static void put_text(struct maker *m, const char *text, size_t len)
{
	memcpy(m->file + m->len, text, len);
	m->len += len;
}

static void maker_finish(struct maker *m)
{
	m->len = 0;
	for (unsigned i = 0; i < m->n; i++) {
		uint32_t low = record(m, i, 0), high = record(m, i, 1);

		if (m->bits == 28) {
			put_number(m, low & 0xffffff, 3);
			put_number(m, (low >> 24) << 4 | high >> 24, 1);
			put_number(m, high & 0xffffff, 3);
		} else {
			put_number(m, low, m->bits / 8);
			put_number(m, high, m->bits / 8);
		}
	}
	put_number(m, 0, 16);
	put_text(m, m->data, m->data_len);
	put_text(m, "\xab\xcd\xefMaxMind.com\xe4\x4anode_count\xc4", 27);
	put_number(m, m->n, 4);
	put_text(m, "\x4brecord_size\xa1", 13);
	put_number(m, m->bits, 1);
	put_text(m, "\x4aip_version\xa1", 12);
	put_number(m, m->version, 1);
	put_text(m,
		"\x4c"
		"build_epoch_\x02\x02\x07\x07",
		17);
}

static void make(struct maker *m, unsigned bits, unsigned version)
{
	int32_t de, fr;

	maker_init(m, bits, version);
	de = put_country(m, "DE");
	fr = put_country(m, "FR");
	put_network(m, "192.0.2.0/24", de);
	put_network(m, "192.0.2.128/25", fr);
	put_network(m, "198.51.100.0/24", put_country(m, "d?"));
	put_network(m, "203.0.113.0/24", put_data(m, "\xe1\x41x\x41y", 5));
	/* A country by pointer, as real databases have them. */
	put_network(m, "203.0.112.0/24",
		put_data(m,
			"\xe1\x47"
			"country\x20\x28",
			11));
	if (version == 6)
		put_network(m, "2001:db8::/32", fr);
	maker_finish(m);
}

static void check(const struct country_db *db, const char *address, const char *wanted)
{
	struct peer_address a;
	char letters[COUNTRY_SIZE] = "";

	assert_int_equal(address_parse(span_of(address), &a), 0);
	assert_int_equal(country_find(db, &a, letters), wanted != NULL);
	if (wanted)
		assert_string_equal(letters, wanted);
}

static void test_sizes(void **state)
{
	static const unsigned sizes[] = { 24, 28, 32 };
	static struct maker m;
	struct country_db *db;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		make(&m, sizes[i % 3], i < 3 ? 6 : 4);
		assert_int_equal(country_new(m.file, m.len, &db), 0);
		assert_true(country_is(db, m.file, m.len));
		assert_false(country_is(db, m.file, m.len - 1));
		check(db, "192.0.2.1", "DE");
		check(db, "192.0.2.127", "DE");
		check(db, "192.0.2.128", "FR");
		check(db, "192.0.3.1", NULL);
		check(db, "198.51.100.1", NULL);
		check(db, "203.0.113.1", NULL);
		check(db, "203.0.112.1", "DE");
		check(db, "2001:db8::1", i < 3 ? "FR" : NULL);
		check(db, "2001:db9::1", NULL);
		check(db, "::", NULL);
		country_unref(db);
	}
}

static void test_broken(void **state)
{
	static struct maker m;
	struct country_db *db;
	struct peer_address a;
	char letters[COUNTRY_SIZE];

	(void)state;
	assert_int_equal(address_parse(span_of("192.0.2.1"), &a), 0);
	assert_int_equal(country_new("", 0, &db), ERR_SYNTAX);
	assert_int_equal(country_new("\xab\xcd\xefMaxMind.com", 14, &db), ERR_SYNTAX);
	make(&m, 24, 6);
	for (size_t len = 0; len < m.len; len++)
		if (country_new(m.file, len, &db) == 0) {
			country_find(db, &a, letters);
			country_unref(db);
		}
	for (size_t i = 0; i < m.len; i++)
		for (unsigned k = 0; k < 4; k++) {
			static const char values[] = { 0x00, (char)0xff, 0x20, (char)0xe8 };
			char kept = m.file[i];

			m.file[i] = values[k];
			if (country_new(m.file, m.len, &db) == 0) {
				country_find(db, &a, letters);
				country_unref(db);
			}
			m.file[i] = kept;
		}
}

static const char policy_text[] =
	"daemon { country-database \"c.mmdb\"; } set near { type country; elements = { de, AT }; } "
	"chain test { hook any; rule fr { peer.country is FR drop } "
	"rule near { peer.country in @near reject } rule known { peer.country exists close } }";

static void test_field(void **state)
{
	static struct maker m;
	struct rig r;
	struct span add = span_of("fr"), bad = span_of("FRA");

	(void)state;
	make(&m, 28, 6);
	rig_init(&r, NULL);
	/* Without the file there is a warning, and nobody has a country. */
	rig_load(&r, policy_text);
	rig_peer(&r, "192.0.2.1");
	assert_string_equal(rig_rule(&r, "x"), "");
	assert_int_equal(source_add(&r.sources, "c.mmdb", m.file, m.len), 0);
	rig_load(&r, policy_text);
	assert_string_equal(rig_rule(&r, "x"), "near");
	rig_peer(&r, "192.0.2.129");
	assert_string_equal(rig_rule(&r, "x"), "fr");
	rig_peer(&r, "2001:db8::7");
	assert_string_equal(rig_rule(&r, "x"), "fr");
	rig_peer(&r, "10.0.0.1");
	assert_string_equal(rig_rule(&r, "x"), "");
	rig_load(&r, "daemon { country-database \"c.mmdb\"; } set far { type country; } "
		     "chain test { hook any; rule far { peer.country in @far drop } }");
	rig_peer(&r, "2001:db8::7");
	assert_string_equal(rig_rule(&r, "x"), "");
	assert_int_equal(policy_list_edit(r.policy, "far", &add, 1, NULL, 0), 0);
	assert_string_equal(rig_rule(&r, "x"), "far");
	assert_int_equal(policy_list_edit(r.policy, "far", &bad, 1, NULL, 0), ERR_SYNTAX);
	rig_fini(&r);
}

static void test_not_a_database(void **state)
{
	struct diag_list diags;
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	assert_int_equal(source_add(&r.sources, "c.mmdb", "DE", 2), 0);
	diag_init(&diags);
	assert_int_equal(rig_try(&r, policy_text, &diags), ERR_SYNTAX);
	assert_string_equal(diags.first->message, "'c.mmdb' is no database in MaxMind's format");
	diag_fini(&diags);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_not_a_database),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
