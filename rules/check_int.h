/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the checker share. They report through c->diags and go on; c->error is for the
 * machine's failures. */
#pragma once

#include "base/map.h"
#include "rules/ast.h"
#include "rules/field.h"
#include "rules/schema.h"

struct checker {
	struct ast *ast;
	struct diag_list *diags;
	struct map names[ITEM_INCLUDE]; /* by kind: name -> struct ast_item * */
	struct map rules;               /* names of all rules -> struct ast_rule * */
	int error;
};

/* The item of that kind and name; NULL if there is none. */
struct ast_item *check_find(const struct checker *c, enum ast_item_kind kind, const char *name);
/* "did you mean ...?" among the items of that kind; NULL if nothing is near. */
const char *check_suggest(struct checker *c, enum ast_item_kind kind, const char *name);
/* The set's entry type (enum list_type); -1 if it has none or an unknown one. */
int check_set_type(const struct ast_item *set);
/* The field of that name; NULL after a diagnostic. */
const struct field *check_field(struct checker *c, const char *name, struct loc at);
/* Is there a service that chains may hook? Names like c2s pass when the policy does not define
 * them. */
void check_service_name(struct checker *c, const char *name, struct loc at);
/* "policy-violation" behind reject or close. */
void check_condition_word(struct checker *c, bool stream, const char *word, struct loc at);

/* check_settings.c: the settings of one item. */
void check_settings(struct checker *c, const struct ast_item *item);
/* check_set.c: what the hashes of a set are of (enum list_type), -1 if it does not say; how its settings
 * fit together. */
int check_set_of(const struct ast_item *set);
void check_set_whole(struct checker *c, const struct ast_item *set);
/* ... and whether @NAME behind a setting is a set of addresses. */
void check_address_set(
	struct checker *c, const struct schema_setting *known, const struct ast_value *v);
/* check_feed.c: the feeds of a set. */
void check_feeds(struct checker *c, const struct ast_item *set);
/* check_limit.c: how the settings of a limit fit together. */
void check_limit(struct checker *c, const struct ast_item *limit);
/* check_backend.c: SHAPE_DOMAINS, SHAPE_SERVERS and SHAPE_CHECK; the names behind "upstream backend". */
void check_backend_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s);
/* Says what the setting wants, at the value or, when there is none, at its name. */
void check_setting_wrong(struct checker *c, const struct schema_setting *known,
	const struct ast_setting *s, const struct ast_value *v, const char *hint);
/* A domain name, or "*." and one. */
bool check_is_domain(const char *text);
void check_upstream_backends(struct checker *c, const struct ast_value *backend);
/* ... "example.org" or "*.example.org"? */
bool check_is_domain(const char *text);
/* check_clearance.c: SHAPE_CLEARANCE; then how the settings of a clearance fit together. */
void check_clearance_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s);
void check_clearance(struct checker *c, const struct ast_item *clearance);
/* check_defend.c: SHAPE_DEFEND; names of classes; a rate as the kernel counts it, false where it cannot. */
void check_defend_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s);
void check_defend(struct checker *c, const struct ast_item *defend);
bool defend_rate_read(const struct ast_value *v, uint32_t *n, uint32_t *seconds);
/* check_federation.c: SHAPE_TRUST, SHAPE_RESOLVER and SHAPE_PINS; then a remote's settings together. */
void check_federation_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s);
void check_remote(struct checker *c, const struct ast_item *remote);
/* check_forward.c: SHAPE_FORWARD. */
void check_forward_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s);
/* check_punish.c: SHAPE_STRIKES, SHAPE_OF, SHAPE_ESCALATE and SHAPE_SPARE; then a punishment's settings
 * together. */
void check_punish_setting(struct checker *c, const struct ast_item *item,
	const struct schema_setting *known, const struct ast_setting *s);
void check_punish(struct checker *c, const struct ast_item *item);
/* check_cond.c: fills field and target. */
void check_cond(struct checker *c, struct ast_cond *cond);
/* check_rule.c: rules of a chain; then, when all are known, where jumps lead. */
void check_chain(struct checker *c, struct ast_item *chain);
void check_jumps(struct checker *c);
/* check_rule.c */
void check_expect(struct checker *c, const struct ast_item *item);
