/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen of "top", as cells. */
#pragma once

#include "ctl/top_cells.h"
#include "ctl/top_data.h"
#include "ctl/top_view.h"

enum { TOP_LEAST_ROWS = 12, TOP_LEAST_COLUMNS = 40 };

/* Draws all of it; the view's page and what is in sight follow from the room there is. */
void top_draw(struct cells *c, struct top_view *v, const struct top_data *d);
