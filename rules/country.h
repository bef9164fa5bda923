/* SPDX-License-Identifier: BSD-2-Clause */
/* Countries of addresses, from a database in MaxMind's format (GeoLite2 Country, DB-IP and their
 * like). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "rules/rules.h"

enum { COUNTRY_SIZE = 3 /* "DE" and NUL */ };

struct country_db;

/* Copies the file's bytes; one reference. 0, ERR_SYNTAX if this is no such database, -ENOMEM. */
int country_new(const void *bytes, size_t len, struct country_db **out);
struct country_db *country_ref(struct country_db *db);
void country_unref(struct country_db *db);
/* Was it made of these bytes? */
bool country_is(const struct country_db *db, const void *bytes, size_t len);
/* The two letters of the country the address is used in; false if the database does not say. Reads
 * nothing outside the bytes, whatever is in them. */
bool country_find(const struct country_db *db, const struct peer_address *address,
	char letters[COUNTRY_SIZE]);
