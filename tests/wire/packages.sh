# SPDX-License-Identifier: BSD-2-Clause
# What ./quickstart and ./run-tests need from Debian 12, and how it is installed: only what is missing, and without starting
# the services that packages bring along (prosody, ejabberd, haproxy run as the tests' own processes only). Sourced by both.

packages_build="build-essential clang cmake ninja-build pkg-config libuv1-dev libssl-dev libexpat1-dev libpcre2-dev
	libvectorscan-dev libicu-dev libmnl-dev libnftnl-dev libnftables-dev libsqlite3-dev libjansson-dev libcap-ng-dev
	libseccomp-dev libsystemd-dev libcurl4-gnutls-dev libcmocka-dev libclang-rt-14-dev uthash-dev nettle-dev libncurses-dev
	libunbound-dev"
packages_run="nftables iproute2 iptables openssl jq procps ethtool prosody prosody-modules ejabberd python3 python3-slixmpp
	python3-pytest python3-pytest-xdist python3-nbxmpp haproxy go-sendxmpp python3-aiodns python3-cryptography dnsmasq-base
	qemu-system-x86 busybox-static finch avahi-daemon dbus libglib2.0-bin curl
	tmux knot strace"

# packages_missing: the names that are not installed, one a line.
packages_missing()
{
	local name
	for name in $packages_build $packages_run; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
	done
}

# packages_install: installs what is missing; policy-rc.d keeps the services down meanwhile and is put back afterwards.
packages_install()
{
	local missing policy=/usr/sbin/policy-rc.d kept="" status=0
	missing=$(packages_missing)
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "missing packages, and only root may install them:" $missing >&2
		return 1
	fi
	echo "installing" $missing
	if [ -e "$policy" ]; then
		kept=$(mktemp) && cp -p "$policy" "$kept"
	fi
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
	{
		DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
				-o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold $missing
	} || status=1
	if [ -n "$kept" ]; then
		cp -p "$kept" "$policy" && rm -f "$kept"
	else
		rm -f "$policy"
	fi
	[ $status = 0 ] || echo "apt-get could not install what is missing; see above" >&2
	return $status
}
