/* SPDX-License-Identifier: BSD-2-Clause */
/* Getters of security labels (XEP-0258). Contract: struct field's get. */
#pragma once

#include "rules/field_content.h"

FIELD_GETTER(label_display);
FIELD_GETTER(label_policy);
FIELD_GETTER(label_class);
FIELD_GETTER(label_bytes);
FIELD_GETTER(label_release);
