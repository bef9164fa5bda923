/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and writing files to the last byte, whatever signals come. Blocking: never on a loop. */
#pragma once

#include <stddef.h>

/* 0 or -errno. */
int whole_write(int fd, const void *data, size_t len);
/* Exactly len bytes. 0, -errno, -ENODATA where the file ends before. */
int whole_read(int fd, void *into, size_t len);
