/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose login it is: behind relay_sasl.c, before login.c.
 * In: the mechanism and the client's first message as base64. Out: the name of the account as the
 * client wrote it, and SCRAM's word on channel binding. Both stand in clear at the beginning of the
 * message; it stops there. Passwords (PLAIN) and nonces are neither copied nor kept: the bytes
 * decoded on the way are wiped. It never changes a message and knows no session. */
#include "proxy/sasl_name.h"

#include <string.h>
#include <strings.h>
#include "base/base64.h"

enum { HEAD_MAX = 4096 }; /* decoded: two names of 1023 bytes, escaped */

/* The first bytes of it; a text that is no base64 ends where it stops being some. */
static size_t head_decode(struct span text, unsigned char *out)
{
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.len && n < HEAD_MAX; i++) {
		int value = base64_digit(text.ptr[i]);

		if (value < 0)
			break;
		bits = (bits << 6 | (unsigned)value) & 0xffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (unsigned char)(bits >> n_bits);
		}
	}
	return n;
}

static void name_set(struct sasl_name *out, const unsigned char *from, size_t len)
{
	if (len > SASL_NAME_MAX || memchr(from, '\0', len))
		return;
	memcpy(out->name, from, len);
	out->name[len] = '\0';
}

/* [authzid] NUL authcid NUL passwd */
static void plain_read(const unsigned char *head, size_t n, struct sasl_name *out)
{
	const unsigned char *first = memchr(head, '\0', n), *second;

	if (!first)
		return;
	first++;
	second = memchr(first, '\0', n - (size_t)(first - head));
	if (second)
		name_set(out, first, (size_t)(second - first));
}

/* saslname: "=2C" is a comma, "=3D" an equals sign. */
static void scram_name(const unsigned char *from, size_t len, struct sasl_name *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < SASL_NAME_MAX; i++) {
		bool escape = from[i] == '=';

		if (from[i] == '\0' ||
			(escape && (i + 2 >= len || (memcmp(from + i, "=2C", 3) != 0 &&
							    memcmp(from + i, "=3D", 3) != 0)))) {
			out->name[0] = '\0';
			return;
		}
		out->name[n++] = (char)(!escape ? from[i] : from[i + 1] == '2' ? ',' : '=');
		i += escape ? 2 : 0;
		out->name[n] = '\0';
	}
}

/* gs2-header [reserved-mext ","] "n=" saslname "," ... */
static void scram_read(const unsigned char *head, size_t n, struct sasl_name *out)
{
	const unsigned char *at = head, *end = head + n, *comma;

	for (unsigned field = 0; at < end; field++) {
		comma = memchr(at, ',', (size_t)(end - at));
		if (!comma)
			return;
		if (field == 0 && (*at == 'n' || *at == 'y' || *at == 'p'))
			out->flag = (char)*at;
		if (field >= 2 && comma - at > 2 && at[0] == 'n' && at[1] == '=') {
			scram_name(at + 2, (size_t)(comma - at) - 2, out);
			return;
		}
		at = comma + 1;
	}
}

void sasl_name_read(const char *mechanism, struct span base64, struct sasl_name *out)
{
	unsigned char head[HEAD_MAX];
	size_t n;

	memset(out, 0, sizeof(*out));
	if (strcasecmp(mechanism, "PLAIN") != 0 && strncasecmp(mechanism, "SCRAM-", 6) != 0 &&
		strcmp(mechanism, "EXTERNAL") != 0)
		return;
	n = head_decode(base64, head);
	if (strcmp(mechanism, "EXTERNAL") == 0)
		name_set(out, head, n);
	else if (strcasecmp(mechanism, "PLAIN") == 0)
		plain_read(head, n, out);
	else
		scram_read(head, n, out);
	explicit_bzero(head, n);
}
