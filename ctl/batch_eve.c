/* SPDX-License-Identifier: BSD-2-Clause */
/* "ban --batch" of Suricata's eve.json, and of whatever writes its shape. In comes a line; out goes
 * who an alert is about, with its signature. Other events are passed over. A rule that says which
 * side the attacker is ("target:") is believed; without, it is the packet's sender. */
#include <stdio.h>

#include "ctl/batch_int.h"

enum { SIGNATURE_MAX = 110 };

/* The signature, and which it is: TEXT [1:2001219:20]. */
static void signature_show(const json_t *alert, char *text, size_t size)
{
	const char *signature = json_string_value(json_object_get(alert, "signature"));
	const json_t *id = json_object_get(alert, "signature_id");
	struct span s = span_of(signature ? signature : "");
	int n = (int)span_cut(s, SIGNATURE_MAX);

	if (json_is_integer(id))
		snprintf(text, size, "%.*s%s[%lld:%lld:%lld]", n, s.ptr, n ? " " : "",
			(long long)json_integer_value(json_object_get(alert, "gid")),
			(long long)json_integer_value(id),
			(long long)json_integer_value(json_object_get(alert, "rev")));
	else
		snprintf(text, size, "%.*s", n, s.ptr);
}

static enum batch_verdict alert_read(
	const struct batch *b, const json_t *event, struct batch_item *item)
{
	const json_t *alert = json_object_get(event, "alert"), *severity, *from;
	char signature[SIGNATURE_MAX + 80];

	if (!json_is_object(alert))
		return batch_bad(item, "an alert without \"alert\"{}");
	severity = json_object_get(alert, "severity");
	if (b->spec.severity &&
		(!json_is_integer(severity) || json_integer_value(severity) < 1 ||
			json_integer_value(severity) > (json_int_t)b->spec.severity))
		return BATCH_SKIP;
	from = json_object_get(json_object_get(alert, "source"), "ip");
	if (!json_is_string(from))
		from = json_object_get(event, "src_ip");
	if (!json_is_string(from))
		return batch_bad(item, "an alert without \"src_ip\"");
	signature_show(alert, signature, sizeof signature);
	batch_set_why(b, "alert", signature, item);
	return batch_set_address(b, span_of(json_string_value(from)), item);
}

enum batch_verdict batch_read_eve(const struct batch *b, struct span line, struct batch_item *item)
{
	json_error_t error;
	json_t *event = json_loadb(line.ptr, line.len, 0, &error);
	const char *type = json_string_value(json_object_get(event, "event_type"));
	enum batch_verdict r;

	if (!event)
		r = batch_bad(item, "no JSON: %s", error.text);
	else if (!type)
		r = batch_bad(item, "no event: there is no \"event_type\"");
	else
		r = strcmp(type, "alert") == 0 ? alert_read(b, event, item) : BATCH_SKIP;
	json_decref(event);
	return r;
}
