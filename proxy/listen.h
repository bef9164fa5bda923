/* SPDX-License-Identifier: BSD-2-Clause */
/* Accepts: ceilings, where the client wanted to go, a new session. */
#pragma once

#include <stdint.h>

struct worker;

/* Takes fd (bound and listening) and accepts for the service from now on. 0 or a negative code. */
int listener_open(struct worker *w, int fd, const char *service, uint16_t port);
/* Closes those of the service on the port peers dial; port 0 or service NULL: all. */
void listener_close(struct worker *w, const char *service, uint16_t port);
/* Those that paused for want of descriptors try again. */
void listener_resume(struct worker *w);
