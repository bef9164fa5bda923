/* SPDX-License-Identifier: BSD-2-Clause */
/* Getters of what limits on abuse look at. Contract: struct field's get. */
#pragma once

#include "rules/field_session.h"

FIELD_GETTER(error);
FIELD_GETTER(recipient);
FIELD_GETTER(recipients);
FIELD_GETTER(session_logins);
FIELD_GETTER(account_sessions);
FIELD_GETTER(peer_sessions);
FIELD_GETTER(peer_accounts);
