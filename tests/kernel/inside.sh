#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The first process inside the emulated machine (machine.py): what the tests expect of a running system, then the checks.
# $1: the folder of the programs.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 HOME=/root LANG=C.UTF-8 XMPPWALL_BUILD="$1"
mkdir -p /dev/shm /run/netns
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
uname -r
exec /usr/bin/python3 "$(dirname "$0")/inside.py"
