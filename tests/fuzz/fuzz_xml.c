/* SPDX-License-Identifier: BSD-2-Clause */
/* link: xmpp expat */
/* Our parser beside expat (expat_reference.h): the same events and trees, both or neither a fault,
 * at whatever cuts; and what is said to be spelled canonically is. The first byte chooses the cuts,
 * whether a header is put before, and small ceilings. */
#include <stdint.h>

#include "expat_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char header[] =
	"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' xmlns:h='urn:h'>";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xmpp_limits small = {
		.stanza_bytes = 512,
		.stanza_bytes_preauth = 512,
		.header_bytes = 256,
		.token_bytes = 128,
		.attribute_bytes = 64,
		.depth = 5,
		.elements = 16,
		.elements_preauth = 16,
		.attributes = 20,
		.namespaces = 4,
		.names_bytes = 24,
		.space_run = 64,
	};
	size_t head = 0;
	char *bytes;

	if (size < 2)
		return 0;
	bytes = malloc(sizeof header + size);
	must(bytes);
	if (data[0] & 1) {
		head = sizeof header - 1;
		memcpy(bytes, header, head);
	}
	memcpy(bytes + head, data + 1, size - 1);
	reference_compare(data[0] & 2 ? &small : &xmpp_limits_default, bytes, head + size - 1,
		1 + (data[0] >> 2) % 24);
	free(bytes);
	return 0;
}
