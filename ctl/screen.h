/* SPDX-License-Identifier: BSD-2-Clause */
/* A terminal: cells on it, keys from it. Only xmppwallctl has one. */
#pragma once

#include <stdbool.h>
#include "ctl/top_cells.h"

/* Takes over the terminal of standard input and output. False when it is none that can be drawn on; why in
 * *why. */
bool screen_open(bool colour, const char **why);
/* Gives it back as it was. */
void screen_close(void);
/* As it is now. */
void screen_size(unsigned *rows, unsigned *columns);
void screen_draw(const struct cells *c);
/* The next key (ctl/top_view.h), TOP_KEY_NONE when there is none. */
int screen_key(void);
