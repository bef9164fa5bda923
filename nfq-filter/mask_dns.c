/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside mask_stream.c: multicast DNS as XEP-0174 uses it.
 * In: the payload of a datagram. Out: the same bytes; names, addresses, ports and times stay, of a
 * TXT record the keys and such values as are words of the protocol; all other values and data of
 * records not listed here become 'x'. With names, labels become others as mask_xml.c makes them, so
 * that who announces himself and who speaks stay the same. What contradicts itself is masked whole:
 * first it is walked through, then written. */
#include "nfq-filter/mask_dns.h"

#include <string.h>
#include "nfq-filter/dns.h"
#include "nfq-filter/mask_xml.h"

enum { HEADER = 12, RECORD_HEAD = 10, LABELS_MAX = 128 };

struct walk {
	unsigned char *message;
	size_t len, at;
	bool names, write;
};

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* "_presence", "local", "1" of a reverse name: everybody's. */
static bool is_common(const unsigned char *label, size_t len)
{
	static const char *const common[] = { "local", "arpa", "in-addr", "ip6", NULL };

	for (const char *const *c = common; *c; c++)
		if (strlen(*c) == len && memcmp(label, *c, len) == 0)
			return true;
	return len <= 1 || label[0] == '_' || strspn((const char *)label, "0123456789") >= len;
}

static void mask_label(unsigned char *label, size_t len)
{
	char text[DNS_LABEL_MAX + 1];

	memcpy(text, label, len);
	text[len] = '\0';
	if (is_common((const unsigned char *)text, len))
		return;
	mask_xml_name(text, len);
	memcpy(label, text, len);
}

/* A name where it stands; what a pointer leads to was a name before. */
static bool walk_name(struct walk *w)
{
	for (unsigned n = 0; n < LABELS_MAX; n++) {
		size_t len;

		if (w->at >= w->len)
			return false;
		len = w->message[w->at];
		if (len >= 0xc0) {
			w->at += 2;
			return w->at <= w->len;
		}
		if (len > DNS_LABEL_MAX || len >= w->len - w->at)
			return false;
		if (len > 0 && w->names && w->write)
			mask_label(w->message + w->at + 1, len);
		w->at += len + 1;
		if (len == 0)
			return true;
	}
	return false;
}

/* KEY=VALUE */
static void mask_text(unsigned char *text, size_t len)
{
	static const char *const kept[] = { "txtvers", "port.p2pj", "status", "ver", "vc", "hash",
		NULL };
	const unsigned char *equal = memchr(text, '=', len);
	size_t key = equal ? (size_t)(equal - text) : len;

	for (const char *const *k = kept; *k; k++)
		if (strlen(*k) == key && memcmp(text, *k, key) == 0)
			return;
	if (equal)
		memset(text + key + 1, 'x', len - key - 1);
	else
		memset(text, 'x', len);
}

static bool walk_texts(struct walk *w, size_t end)
{
	while (w->at < end) {
		size_t len = w->message[w->at];

		if (len >= end - w->at)
			return false;
		if (w->write)
			mask_text(w->message + w->at + 1, len);
		w->at += len + 1;
	}
	return true;
}

static bool walk_data(struct walk *w, unsigned type, size_t len)
{
	size_t end = w->at + len;

	switch (type) {
	case DNS_A:
		w->at = end;
		return len == 4;
	case DNS_AAAA:
		w->at = end;
		return len == 16;
	case DNS_PTR:
		return walk_name(w) && w->at == end;
	case DNS_SRV:
		w->at += 6;
		return len > 6 && walk_name(w) && w->at == end;
	case DNS_TXT:
		return walk_texts(w, end);
	default:
		if (w->write)
			memset(w->message + w->at, 'x', len);
		w->at = end;
		return true;
	}
}

static bool walk_record(struct walk *w)
{
	unsigned type;
	size_t len;

	if (!walk_name(w) || w->len - w->at < RECORD_HEAD)
		return false;
	type = get16(w->message + w->at);
	len = get16(w->message + w->at + 8);
	w->at += RECORD_HEAD;
	return len <= w->len - w->at && walk_data(w, type, len);
}

static bool walk_message(struct walk *w)
{
	unsigned questions, records = 0;

	w->at = HEADER;
	if (w->len < HEADER)
		return false;
	questions = get16(w->message + 4);
	for (size_t i = 6; i < HEADER; i += 2)
		records += get16(w->message + i);
	for (; questions > 0; questions--) {
		if (!walk_name(w) || w->len - w->at < 4)
			return false;
		w->at += 4;
	}
	for (; records > 0; records--)
		if (!walk_record(w))
			return false;
	if (w->write)
		memset(w->message + w->at, 'x', w->len - w->at);
	return true;
}

bool mask_dns(bool names, unsigned char *message, size_t len)
{
	struct walk w = { message, len, 0, names, false };

	if (!walk_message(&w)) {
		memset(message, 'x', len);
		return false;
	}
	w.write = true;
	return walk_message(&w);
}
