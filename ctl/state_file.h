/* SPDX-License-Identifier: BSD-2-Clause */
/* Small JSON files in the state directory. */
#pragma once

#include <jansson.h>

/* 0 with a new reference, -ENOENT, ERR_SYNTAX, ERR_LIMIT (more than max bytes) or what reading
 * failed with. */
int state_file_read(const char *path, size_t max, json_t **out);
/* In place of what was there, whole or not at all, on disk when it returns. */
int state_file_write(const char *path, const json_t *what);
