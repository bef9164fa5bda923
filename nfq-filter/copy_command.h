/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwall-nfq --copy: what `xmppwallctl capture --from` executes. */
#pragma once

/* An exit status as xmppwallctl's. */
int copy_command(int argc, char **argv);
