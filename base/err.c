/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts for the codes that functions return upwards; they end in the operator's log or in an answer
 * of the control socket.
 * In: a negative code of base/err.h or a negative errno. Out: static English text, whatever the
 * locale, so that a line in the log can be searched for. It never says anything about peers. */
#include "base/err.h"

#include <stddef.h>
#include <string.h>

static const struct {
	int code;
	const char *text;
} err_texts[] = {
	{ 0, "success" },
	{ ERR_LIMIT, "a limit was reached" },
	{ ERR_SYNTAX, "syntax error" },
	{ ERR_RANGE, "out of range" },
	{ ERR_NOTFOUND, "not found" },
	{ ERR_EXISTS, "exists already" },
	{ ERR_PROTO, "protocol error between our processes" },
	{ ERR_TLS, "TLS failure" },
	{ ERR_REFUSED, "refused" },
	{ ERR_UNSUPPORTED, "not supported by this kernel or build" },
	{ ERR_LIBRARY, "a library failed" },
	{ ERR_CLOSED, "closed by the other end" },
};

const char *err_text(int code)
{
	const char *text = NULL;

	for (size_t i = 0; i < sizeof(err_texts) / sizeof(err_texts[0]); i++) {
		if (err_texts[i].code == code)
			return err_texts[i].text;
	}
	if (code < 0 && code > ERR_LIMIT)
		text = strerrordesc_np(-code);
	return text ? text : "unknown error";
}
