/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathers what signed DNS says of a domain's certificates: RFC 7673 (SRV) over RFC 6698. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "proxy/dane.h"
#include "rules/rules.h"

struct worker;

enum { DNS_NAME_MAX = 253, DANE_ASK_MS = 4500 };

/* Calls done once, with the TLSA records of all servers of the domain (prepared) that signed SRV
 * records of _xmpp-server and _xmpps-server name, or of the domain itself where it is signed that
 * there are none. dialled (may be NULL) is whom we connected to: then of the servers that it can
 * be. records is NULL where nothing can be used, and why one of "dns-off", "dns-name", "dns-full",
 * "dns-none", "dns-insecure", "dns-bogus", "dns-failed", "dns-timeout"; records is borrowed, take a
 * reference. At once, before this returns, where nothing has to be asked; else on w's thread,
 * within DANE_ASK_MS and a tick. */
void dane_ask(struct worker *w, const char *domain, const struct endpoint *dialled,
	void (*done)(void *arg, const struct dane_records *records, const char *why), void *arg);
/* What was asked with arg is not called back any more. */
void dane_forget(struct worker *w, void *arg);
/* Ends what has waited too long. */
void dane_tick(struct worker *w, uint64_t now_ms);

/* ---- for tests ---- */

struct dane_srv {
	uint16_t priority, weight, port;
	char name[DNS_NAME_MAX +
		  1]; /* lower case, without a last dot; "": there is no such service (RFC 2782) */
};

/* An SRV record as on the wire. 0, or ERR_SYNTAX: cut off, compressed, or a name that is no host's.
 */
int dane_srv_read(const unsigned char *bytes, size_t len, struct dane_srv *out);
