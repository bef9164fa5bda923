/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions: does a node of the program hold for the subject being judged? */
#pragma once

#include "rules/judge.h"

/* False also when memory ran out (then j->error or j->view.error is set). Tests that held are left
 * in j->pending. */
bool test_node(struct judge *j, const struct node *n);
/* Does a test that is no scan hold for this value of its field, "is not" read as "is"? */
bool test_value(struct judge *j, const struct node *n, const struct field_value *value);
static inline bool number_holds(enum ast_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case OP_LT:
		return a < b;
	case OP_LE:
		return a <= b;
	case OP_GT:
		return a > b;
	case OP_GE:
		return a >= b;
	default:
		return a == b; /* is, in; "is not" is turned round by the caller */
	}
}
