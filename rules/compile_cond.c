/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions of the checked tree as nodes of the program. Operands are prepared here once, as the
 * field's values will be (JIDs, domains, networks, folded text), and whatever is searched for
 * inside a text joins the scanner of that field and view, so that the matcher scans each text once.
 * Errors are diagnostics at the operand. It evaluates nothing. */
#include "rules/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "rules/print.h"
#include "xmpp/jid.h"
#include "xmpp/text.h"

enum { NODE_WRITTEN_MAX = 200 /* bytes of a test's text kept for whoever follows */ };

static struct node *node_new(struct compiler *c, enum node_kind kind, const struct ast_cond *cond)
{
	struct node *n = compile_alloc(c, sizeof(*n));

	if (!n)
		return NULL;
	n->kind = kind;
	n->field = cond->field;
	n->param = cond->param ? compile_strdup(c, cond->param) : NULL;
	n->op = cond->op;
	n->negate = cond->op == OP_NE;
	return n;
}

/* ---- scanners ---- */

static bool same_field(const struct scan_field *a, const struct scan_field *b)
{
	return a->field == b->field &&
	       (a->param == b->param ||
		       (a->param && b->param && strcmp(a->param, b->param) == 0));
}

/* Texts of a message of which one is often all there is of the other. */
static bool is_message_text(const struct scan_field *f)
{
	return f->field->type == FIELD_TEXT && !f->field->many && !f->field->param;
}

bool scanner_takes(const struct scanner *s, const struct scan_field *f)
{
	return same_field(&s->fields[0], f) ||
	       (is_message_text(&s->fields[0]) && is_message_text(f));
}

/* The field's place in the scanner; n_fields if there is no room. */
static unsigned scanner_field(struct scanner *s, const struct scan_field *f)
{
	unsigned i;

	for (i = 0; i < s->n_fields; i++)
		if (same_field(&s->fields[i], f))
			return i;
	if (i < SCAN_FIELDS_MAX)
		s->fields[s->n_fields++] = *f;
	return i;
}

static struct scanner *scanner_find(
	struct compiler *c, const struct node *n, enum pattern_view view)
{
	const struct scan_field f = { n->field, n->param };
	struct scanner **link = &c->p->scanners, *s;

	for (; *link; link = &(*link)->next)
		if ((*link)->view == view && scanner_takes(*link, &f) &&
			scanner_field(*link, &f) < SCAN_FIELDS_MAX)
			return *link;
	if (!(s = compile_alloc(c, sizeof(*s))))
		return NULL;
	s->fields[s->n_fields++] = f;
	s->view = view;
	return *link = s;
}

static bool scanner_group(struct compiler *c, struct node *n, struct scanner *s, struct list *list)
{
	unsigned g;

	for (g = 0; list && g < s->n_groups; g++)
		if (s->groups[g].list == list)
			break;
	if (!list)
		g = s->n_groups;
	if (g == s->n_groups) {
		if (s->n_groups == s->cap_groups) {
			unsigned cap = s->cap_groups ? s->cap_groups * 2 : 8;
			struct scan_group *grown = realloc(s->groups, cap * sizeof(*grown));
			if (!grown) {
				c->error = -ENOMEM;
				return false;
			}
			s->groups = grown;
			s->cap_groups = cap;
		}
		s->groups[s->n_groups++] = (struct scan_group){ .list = list };
	}
	n->scans[n->n_scans++] = (struct scan_ref){ s, g,
		scanner_field(s, &(struct scan_field){ n->field, n->param }) };
	return true;
}

static bool scanner_add(struct compiler *c, struct scanner *s, const struct pattern_item *item)
{
	if (s->n_fixed == s->cap_fixed) {
		size_t cap = s->cap_fixed ? s->cap_fixed * 2 : 8;
		struct pattern_item *grown = realloc(s->fixed, cap * sizeof(*grown));
		if (!grown) {
			c->error = -ENOMEM;
			return false;
		}
		s->fixed = grown;
		s->cap_fixed = cap;
	}
	s->fixed[s->n_fixed++] = *item;
	return true;
}

static struct list *list_of(struct compiler *c, const struct ast_cond *cond)
{
	const char *name = cond->target ? cond->target->name : cond->operand->text;
	struct list *l = program_find_list(c->p, name);

	if (!l)
		diag_error(c->diags, cond->operand->at, NULL, "no such set '%s'", name);
	return l;
}

static struct node *scan_list(struct compiler *c, struct node *n, struct list *list)
{
	struct scanner *s;

	if (list->type == LIST_KEYWORD)
		return (s = scanner_find(c, n, list_view(list))) && scanner_group(c, n, s, list)
			       ? n
			       : NULL;
	/* Each expression says itself which view it wants; an edit may bring the first of either.
	 */
	if (!(s = scanner_find(c, n, PATTERN_RAW)) || !scanner_group(c, n, s, list))
		return NULL;
	if (!(s = scanner_find(c, n, PATTERN_FOLDED)) || !scanner_group(c, n, s, list))
		return NULL;
	return n;
}

static struct node *scan_regex(struct compiler *c, struct node *n, const struct ast_value *value)
{
	struct pattern_item item = { 0 };
	struct loc at = value->at;
	struct regex *re;
	struct scanner *s;
	char why[160];
	size_t offset;
	int r = regex_new(span_of(value->text), value->flags, why, sizeof(why), &offset, &re);

	if (r == ERR_SYNTAX) {
		if (value->kind == VALUE_REGEX && offset < at.length)
			at.column += 1 + (unsigned)offset, at.length = 1;
		diag_error(c->diags, at, NULL, "bad regular expression: %s", why);
	} else if (r < 0) {
		c->error = r;
	}
	if (r < 0)
		return NULL;
	if (!(s = scanner_find(c, n, regex_view(re))) || !scanner_group(c, n, s, NULL)) {
		regex_free(re);
		return NULL;
	}
	if (!regex_is_scannable(re))
		diag_warn(c->diags, at, "smaller repeats would help",
			"so much repetition cannot be looked for together with the other "
			"expressions");
	item.group = n->scans[n->n_scans - 1].group;
	item.re = re;
	item.text = regex_text(re);
	if (!scanner_add(c, s, &item)) {
		regex_free(re);
		return NULL;
	}
	return n;
}

/* contains "text": anywhere, as a reader sees it (folded). */
static struct node *scan_literal(struct compiler *c, struct node *n, const struct ast_value *value)
{
	struct pattern_item item = { 0 };
	struct folded f;
	struct scanner *s;

	if (text_fold(&c->p->arena, span_of(value->text), &f) < 0) {
		c->error = -ENOMEM;
		return NULL;
	}
	if (f.len == 0) {
		diag_error(c->diags, value->at, NULL, "nothing is left of \"%s\" after folding",
			value->text);
		return NULL;
	}
	if (!(s = scanner_find(c, n, PATTERN_FOLDED)) || !scanner_group(c, n, s, NULL))
		return NULL;
	item.group = n->scans[n->n_scans - 1].group;
	item.bytes = f.text;
	item.len = f.len;
	item.text = compile_strdup(c, value->text);
	return item.text && scanner_add(c, s, &item) ? n : NULL;
}

static struct node *compile_scan(struct compiler *c, const struct ast_cond *cond)
{
	const struct ast_value *value = cond->operand;
	struct node *n = node_new(c, NODE_SCAN, cond), * or, *rest;
	struct list *list;

	if (!n)
		return NULL;
	if (value->kind == VALUE_SET)
		return (list = list_of(c, cond)) ? scan_list(c, n, list) : NULL;
	if (value->kind != VALUE_LIST)
		return value->kind == VALUE_REGEX || cond->op == OP_MATCHES
			       ? scan_regex(c, n, value)
			       : scan_literal(c, n, value);
	/* contains { "a", "b" }: any of them */
	rest = NULL;
	for (const struct ast_value *item = value->items; item; item = item->next) {
		n = node_new(c, NODE_SCAN, cond);
		n = !n                          ? NULL
		    : item->kind == VALUE_REGEX ? scan_regex(c, n, item)
						: scan_literal(c, n, item);
		if (!n)
			return NULL;
		if (rest) {
			if (!(or = compile_alloc(c, sizeof(* or))))
				return NULL;
			* or = (struct node){ .kind = NODE_OR, .left = rest, .right = n };
			n = or ;
		}
		rest = n;
	}
	return rest;
}

/* ---- operands compared whole ---- */

static bool prepare_word(struct compiler *c, const struct node *n, const struct ast_value *value,
	struct literal *out)
{
	const char *prepared = NULL, *what = NULL;
	struct arena *a = &c->p->arena;
	struct jid jid;
	int r = 0;

	out->written = compile_strdup(c, value->text ? value->text : "");
	if (!out->written)
		return false;
	if (n->field->type == FIELD_DOMAIN) {
		what = "domain name";
		r = jid_prep_domain(a, span_of(out->written), &prepared);
	} else if (n->field->type == FIELD_JID) {
		what = "JID";
		if ((r = jid_parse(a, span_of(out->written), &jid)) == 0 &&
			!(prepared = jid_full(a, &jid)))
			r = -ENOMEM;
	} else {
		prepared = out->written;
	}
	if (r == ERR_SYNTAX)
		diag_error(c->diags, value->at, NULL, "'%s' is not a %s", out->written, what);
	else if (r < 0)
		c->error = r;
	if (r < 0)
		return false;
	out->text = span_of(prepared);
	return true;
}

static bool prepare_number(const struct ast_value *value, uint64_t *out)
{
	switch (value->kind) {
	case VALUE_NUMBER:
	case VALUE_SIZE:
		*out = value->number;
		return true;
	case VALUE_DURATION:
		/* fields of time are in seconds */
		*out = (value->duration_ms ? value->duration_ms : value->number) / 1000;
		return true;
	default:
		return false;
	}
}

static struct prefix_tree *tree_new(struct compiler *c)
{
	struct program *p = c->p;
	struct prefix_tree *t;

	if (p->n_trees == p->cap_trees) {
		unsigned cap = p->cap_trees ? p->cap_trees * 2 : 4;
		struct prefix_tree **grown = realloc(p->trees, cap * sizeof(struct prefix_tree *));
		if (!grown) {
			c->error = -ENOMEM;
			return NULL;
		}
		p->trees = grown;
		p->cap_trees = cap;
	}
	if ((t = compile_alloc(c, sizeof(*t))))
		p->trees[p->n_trees++] = t;
	return t;
}

static bool networks_add(struct compiler *c, struct prefix_tree *t, const struct ast_value *value)
{
	struct prefix prefixes[ADDRESS_RANGE_PREFIXES_MAX];
	const char *written = compile_strdup(c, value->text ? value->text : "");
	size_t n;

	if (!written)
		return false;
	if (address_parse_prefixes(span_of(written), prefixes, ADDRESS_RANGE_PREFIXES_MAX, &n) <
		0) {
		diag_error(c->diags, value->at, NULL, "'%s' is not an address, network or range",
			written);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		if ((c->error = prefix_tree_put(t, &prefixes[i], (void *)written, NULL)) < 0)
			return false;
	return true;
}

static bool bool_word(const struct ast_value *value, uint64_t *out)
{
	const char *word = value->text ? value->text : "";

	*out = strcmp(word, "true") == 0 || strcmp(word, "yes") == 0 ||
	       (value->kind == VALUE_NUMBER && value->number);
	return *out || strcmp(word, "false") == 0 || strcmp(word, "no") == 0 ||
	       value->kind == VALUE_NUMBER;
}

/* Whatever is asked of a time of day, the answer is a span of minutes. */
static bool span_add(struct compiler *c, struct node *n, const struct ast_value *value)
{
	unsigned first, last;
	uint64_t *span = &n->numbers[2 * n->n];

	if (!(n->words[n->n].written = compile_strdup(c, value->text)))
		return false;
	if (!field_parse_times(value->text, &first, &last))
		return false; /* check_cond.c has said so */
	span[0] = n->op == OP_LT || n->op == OP_LE ? 0 : n->op == OP_GT ? first + 1 : first;
	span[1] = n->op == OP_LT                     ? first
		  : n->op == OP_LE                   ? first + 1
		  : n->op == OP_GT || n->op == OP_GE ? FIELD_DAY_MINUTES
						     : last;
	n->n += span[0] != span[1]; /* nothing is before 00:00 */
	return true;
}

static bool operand_add(struct compiler *c, struct node *n, const struct ast_value *value)
{
	bool good;

	switch (n->kind) {
	case NODE_SPANS:
		return span_add(c, n, value);
	case NODE_NETWORKS:
		return networks_add(c, n->networks, value);
	case NODE_NUMBERS:
		good = n->field->type == FIELD_BOOL ? bool_word(value, &n->numbers[n->n])
						    : prepare_number(value, &n->numbers[n->n]);
		if (!good)
			diag_error(c->diags, value->at, NULL, "'%s' needs a %s here",
				n->field->name, field_type_text(n->field->type));
		n->n += good;
		return good;
	default:
		if (!prepare_word(c, n, value, &n->words[n->n]))
			return false;
		n->n++;
		return true;
	}
}

static struct node *compile_operands(struct compiler *c, const struct ast_cond *cond)
{
	const struct ast_value *value = cond->operand;
	const struct ast_value *first = value->kind == VALUE_LIST ? value->items : value;
	enum field_type type = cond->field->type;
	struct node *n = node_new(c, NODE_WORDS, cond);
	size_t count = 0;

	if (!n)
		return NULL;
	for (const struct ast_value *v = first; v; v = value->kind == VALUE_LIST ? v->next : NULL)
		count++;
	if (type == FIELD_ADDRESS) {
		n->kind = NODE_NETWORKS;
		n->networks = tree_new(c);
	} else if (type == FIELD_TIME) {
		n->kind = NODE_SPANS;
		n->numbers = compile_alloc(c, (2 * count + 2) * sizeof(*n->numbers));
		n->words = compile_alloc(c, (count + 1) * sizeof(*n->words));
	} else if (type == FIELD_NUMBER || type == FIELD_BOOL) {
		n->kind = NODE_NUMBERS;
		n->numbers = compile_alloc(c, (count + 1) * sizeof(*n->numbers));
	} else {
		n->words = compile_alloc(c, (count + 1) * sizeof(*n->words));
	}
	if (c->error)
		return NULL;
	for (const struct ast_value *v = first; v; v = value->kind == VALUE_LIST ? v->next : NULL)
		if (!operand_add(c, n, v))
			return NULL;
	return n;
}

/* ---- tests ---- */

static struct node *kind_test(struct compiler *c, const char *kind, size_t len)
{
	struct node *n = compile_alloc(c, sizeof(*n));
	char *word = n ? arena_strndup(&c->p->arena, kind, len) : NULL;

	if (!word || !(n->words = compile_alloc(c, sizeof(*n->words)))) {
		c->error = -ENOMEM;
		return NULL;
	}
	n->kind = NODE_WORDS;
	n->quiet = true;
	n->field = field_find("kind");
	n->op = OP_EQ;
	n->words[0] = (struct literal){ span_of(word), word };
	n->n = 1;
	return n;
}

static struct node *compile_test_plain(struct compiler *c, const struct ast_cond *cond)
{
	struct node *n;
	struct list *list;

	switch (cond->op) {
	case OP_TRUE:
		if (strcmp(cond->field->name, "kind") == 0)
			return kind_test(c, cond->text, strlen(cond->text));
		return node_new(c, cond->field->type == FIELD_BOOL ? NODE_TRUE : NODE_EXISTS, cond);
	case OP_EXISTS:
		return node_new(c, NODE_EXISTS, cond);
	case OP_CONTAINS:
	case OP_MATCHES:
		return compile_scan(c, cond);
	default:
		break;
	}
	if (cond->operand->kind == VALUE_REGEX)
		return compile_scan(c, cond);
	if (cond->operand->kind != VALUE_SET)
		return compile_operands(c, cond);
	if (!(list = list_of(c, cond)) || !(n = node_new(c, NODE_LIST, cond)))
		return NULL;
	n->list = list;
	if (list->type != LIST_REGEX)
		return n;
	n->kind = NODE_SCAN;
	return scan_list(c, n, list);
}

/* "message.body contains …" also asks that it be a message. */
static struct node *compile_test(struct compiler *c, const struct ast_cond *cond)
{
	struct node *n = compile_test_plain(c, cond), *kind, *and;
	size_t own = strlen(cond->field->name), written = strlen(cond->text);

	if (strcmp(cond->field->name, "stranger") == 0)
		c->p->uses_stranger = true;
	if (!n || written <= own + 1 ||
		strcmp(cond->text + written - own, cond->field->name) != 0 ||
		cond->text[written - own - 1] != '.')
		return n;
	kind = kind_test(c, cond->text, written - own - 1);
	and = compile_alloc(c, sizeof(*and));
	if (!kind || !and)
		return NULL;
	*and = (struct node){ .kind = NODE_AND, .left = kind, .right = n };
	return and;
}

static struct node *compile_limit(struct compiler *c, const struct ast_cond *cond)
{
	struct limit *limit = compile_find_limit(c, cond->target ? cond->target->name : cond->text);
	struct node *n = node_new(c, NODE_LIMIT, cond);

	if (!limit)
		diag_error(c->diags, cond->at, NULL, "no such limit '%s'", cond->text);
	if (!limit || !n)
		return NULL;
	n->limit = (unsigned)(limit - c->p->limits);
	return n;
}

static struct node *compile_similar(struct compiler *c, const struct ast_cond *cond)
{
	struct similar *similar =
		compile_find_similar(c, cond->target ? cond->target->name : cond->text);
	struct node *n = node_new(c, NODE_SIMILAR, cond);

	if (!similar)
		diag_error(c->diags, cond->at, NULL, "no such similar '%s'", cond->text);
	if (!similar || !n)
		return NULL;
	n->limit = (unsigned)(similar - c->p->similars);
	return n;
}

/* The leaves made of one test all show its text, but for the kind before a dot. */
static void node_name(struct node *n, const char *written)
{
	if (n->kind == NODE_AND || n->kind == NODE_OR || n->kind == NODE_NOT) {
		node_name(n->left, written);
		if (n->right)
			node_name(n->right, written);
	} else if (!n->written) {
		n->written = n->quiet && n->words ? n->words->written : written;
	}
}

/* As the rule has it, on one line and not too long. */
static struct node *compile_leaf(struct compiler *c, const struct ast_cond *cond)
{
	struct node *n = cond->kind == COND_TEST      ? compile_test(c, cond)
			 : cond->kind == COND_SIMILAR ? compile_similar(c, cond)
						      : compile_limit(c, cond);
	char line[NODE_WRITTEN_MAX];
	const char *at;
	struct buf text;
	size_t len = 0;

	if (!n)
		return NULL;
	buf_init(&text, 0);
	at = print_cond(cond, &text) < 0 ? "" : buf_string(&text);
	for (; at && *at && len < sizeof(line) - 1; at++)
		if (*at != '\n' && (*at != ' ' || (len && line[len - 1] != ' ')))
			line[len++] = *at;
	while (at && *at && len > 0 && (unsigned char)line[len - 1] >= 0x80)
		len--; /* no half character at the cut */
	line[len] = '\0';
	buf_fini(&text);
	node_name(n, compile_strdup(c, line));
	return n;
}

struct node *compile_cond(struct compiler *c, const struct ast_cond *cond, unsigned depth)
{
	struct node *n;

	if (depth > PROGRAM_DEPTH_MAX * 4) {
		diag_error(c->diags, cond->at, NULL, "condition nested too deeply");
		return NULL;
	}
	if (!cond->left)
		return compile_leaf(c, cond);
	if (!(n = compile_alloc(c, sizeof(*n))))
		return NULL;
	n->kind = cond->kind == COND_AND ? NODE_AND : cond->kind == COND_OR ? NODE_OR : NODE_NOT;
	n->left = compile_cond(c, cond->left, depth + 1);
	n->right = cond->kind == COND_NOT ? NULL : compile_cond(c, cond->right, depth + 1);
	return n->left && (n->right || cond->kind == COND_NOT) ? n : NULL;
}
