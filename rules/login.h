/* SPDX-License-Identifier: BSD-2-Clause */
/* Failed logins: what the server's word means, and how many there were of a key within a window. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/metrics.h"
#include "xmpp/stanza.h"

struct login_table;
struct subject_login;

enum { LOGIN_SLICES = 8 };

/* The condition of a <failure/> (RFC 6120 6.5, XEP-0388): the first child in SASL's namespace that
 * is no <text/>; "not-authorized" where there is none. Borrowed from the tree. */
const char *login_failure_word(const struct xml_element *failure);
/* Does the word say that the server failed, and not who wanted to log in? Nobody is struck for it. */
bool login_failure_is_servers(const char *word);
/* Is it the one who logs in that failed? Not where the server cannot tell for now (6.5.9), or where
 * no secret was tried. */
bool login_failure_counts(const char *word);

/* One more failure for who only tries: all of one address and, where it is known, one account. */
void login_try(struct subject_login *l, const struct xml_element *failure);

/* About entries keys (rounded up), window_ns long; one owner. NULL when out of memory. */
struct login_table *login_table_new(size_t entries, uint64_t window_ns);
void login_table_free(struct login_table *t);
/* Counts a failure of the key and says how many there are in the window now, this one included. In
 * a full bucket the key with the fewest gives way, of equal ones the oldest; counted in evicted if
 * it had any left. From any thread. */
uint64_t login_table_add(struct login_table *t, uint64_t key, uint64_t now_ns, metric *evicted);
/* How many there are. */
uint64_t login_table_count(struct login_table *t, uint64_t key, uint64_t now_ns);
