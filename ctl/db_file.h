/* SPDX-License-Identifier: BSD-2-Clause */
/* The file under a database of the daemon: who may read it, and what becomes of a damaged one. */
#pragma once

/* Makes sure that the file is there, readable by us only. 0 or -errno. */
int db_file_create(const char *path);
/* Renames a damaged file, with its log, to "PATH.damaged-TIME", and logs an error that begins with
 * "WHAT damaged" and says LOST, what is not to be had any more. 0 or -errno. */
int db_file_move_aside(const char *path, const char *what, const char *lost);
