/* SPDX-License-Identifier: BSD-2-Clause */
/* XML of one direction, masked byte by byte and in place: markup stays, text goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MASK_XML_DEPTH = 8, MASK_XML_NAME = 23 };

struct mask_xml {
	unsigned char state, quote, policy, matched;
	bool blank; /* of the text here: white space only so far */
	unsigned depth;
	unsigned char elements[MASK_XML_DEPTH]; /* of those open: which, as far as it matters */
	unsigned char element;                  /* of the tag being read */
	char name[MASK_XML_NAME + 1];
	size_t name_len;
	uint64_t run; /* of a pseudonym */
};

/* depth 0: in front of a stream header; 1: inside a stream, between two stanzas. */
void mask_xml_init(struct mask_xml *m, unsigned depth);
/* Masks in place; names: those in addresses, too. How many bytes are XML: less than len where it is
 * none any more (what is behind is left as it is, and m is of no further use). */
size_t mask_xml_push(struct mask_xml *m, bool names, char *bytes, size_t len);
/* Names in an address, as mask_xml_push with names makes them, in place. */
void mask_xml_name(char *text, size_t len);
/* Between two first-level elements, or in front of a header? */
bool mask_xml_is_between(const struct mask_xml *m);
