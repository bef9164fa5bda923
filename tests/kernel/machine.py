# SPDX-License-Identifier: BSD-2-Clause
"""Debian's stock kernel in an emulated machine: this machine's own root directory, read-only, a tmpfs over what must be
written, and a script that runs as root inside. Nothing is installed: the kernel's package is fetched and unpacked into a
folder."""
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

# What is loaded inside, each with what it depends on. Without a module loader: insmod in the right order.
MODULES = """crc32c_generic virtio_pci 9pnet_virtio 9p veth 8021q bridge br_netfilter nf_tables nfnetlink_queue nf_conntrack nf_conntrack_netlink
    nft_ct nft_queue nft_reject_inet nft_tproxy nft_socket nft_fib_inet nft_chain_nat nft_redir nft_nat nft_compat nft_masq
    nft_limit nft_connlimit nft_objref nft_synproxy
    xt_NFQUEUE xt_connmark xt_mark xt_conntrack xt_tcpudp ipt_REJECT ip6t_REJECT ip_tables ip6_tables iptable_mangle
    iptable_filter ip6table_mangle ip6table_filter""".split()
FOLDERS = ("net/", "fs/9p/", "fs/netfs/", "fs/fscache/", "drivers/virtio/", "drivers/net/veth", "lib/", "crypto/",
           "arch/x86/crypto/")
TAG = "host"
BOOT_SECONDS = 280


class Unavailable(Exception):
    """This machine cannot do it; says why."""


def missing():
    for program in ("qemu-system-x86_64", "busybox", "dpkg-deb", "apt-get"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None if os.geteuid() == 0 else "needs root"


def run(*command, **kwargs):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, **kwargs)


# ---- the kernel's package ----


def package_name():
    text = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", text)
    if not found:
        raise Unavailable("the package lists have no linux-image-amd64 (apt-get update)")
    return found.group(1)


def fetch(folder):
    """The package, as a file; fetched once."""
    name = package_name()
    found = sorted(folder.glob(f"{name}_*.deb"))
    if not found:
        try:
            run("apt-get", "download", "-q", name, cwd=folder, timeout=120)
        except (subprocess.SubprocessError, OSError) as error:
            raise Unavailable(f"{name} cannot be fetched: {error}") from None
        found = sorted(folder.glob(f"{name}_*.deb"))
    if not found:
        raise Unavailable(f"{name} was not fetched")
    return found[-1]


def unpack(package, folder):
    """The kernel, and where each of its modules is that could be asked for."""
    modules, kernel = {}, folder / "vmlinuz"
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        for member in archive:
            inside = member.name.split("/kernel/", 1)[-1]
            if member.name.startswith("./boot/vmlinuz"):
                kernel.write_bytes(archive.extractfile(member).read())
            elif member.isfile() and member.name.endswith(".ko") and inside.startswith(FOLDERS):
                name = pathlib.Path(inside).stem.replace("-", "_")
                modules[name] = folder / f"{name}.ko"
                modules[name].write_bytes(archive.extractfile(member).read())
    if process.wait() != 0 or not kernel.exists():
        raise Unavailable(f"{package.name} cannot be unpacked")
    return kernel, modules


def in_order(wanted, modules):
    """The wanted ones and what they need, dependencies first; what is built into the kernel has no file."""
    done = []

    def add(name):
        if name in done or name not in modules:
            return
        found = re.search(rb"\0depends=([^\0]*)\0", modules[name].read_bytes())
        for other in (found.group(1).decode().split(",") if found and found.group(1) else ()):
            add(other.replace("-", "_"))
        done.append(name)

    for name in wanted:
        add(name)
    return done


# ---- booting ----


INIT = """#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t devtmpfs dev /dev
for m in {modules}; do $bb insmod /modules/$m.ko || echo "insmod $m failed"; done
$bb mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose {tag} /host || $bb poweroff -f
$bb mount --bind /host /again
for d in proc sys dev; do $bb mount --move /$d /host/$d; done
for d in tmp run root; do $bb mount -t tmpfs tmpfs /host/$d; done
{binds}
$bb chroot /host /bin/sh {script} || code=$?
echo "{mark} ${{code:-0}}"
$bb poweroff -f
"""
MARK = "finished-with"


def initramfs(folder, modules, wanted, script, seen):
    """script: with its arguments. seen: folders below those that a tmpfs hides, shown all the same."""
    root = folder / "initramfs"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "proc", "sys", "dev", "modules", "host", "again"):
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    names = in_order(wanted, modules)
    for name in names:
        shutil.copy(modules[name], root / "modules")
    hidden = [p for p in seen if p.parts[1] in ("tmp", "run", "root")]
    binds = "\n".join(f"$bb mkdir -p /host{p} && $bb mount --bind /again{p} /host{p}" for p in hidden)
    init = root / "init"
    init.write_text(INIT.format(modules=" ".join(names), tag=TAG, script=script, mark=MARK, binds=binds))
    init.chmod(0o755)
    files = "\n".join(str(p.relative_to(root)) for p in sorted(root.rglob("*")))
    image = folder / "initramfs.img"
    with open(image, "wb") as out:
        subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=root, input=files.encode(), stdout=out,
                       stderr=subprocess.DEVNULL, check=True)
    return image


def boot(cache, scratch, script, arguments, seen):
    """Runs the script (a path) with sh inside, where seen are the folders it needs; (its exit status, None if it did not come so far; what was on the console)."""
    cache.mkdir(parents=True, exist_ok=True)
    kernel, modules = unpack(fetch(cache), scratch)
    image = initramfs(scratch, modules, MODULES, " ".join(map(str, (script, *arguments))), [p.resolve() for p in seen])
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(min(2, os.cpu_count() or 1)),
               "-m", "1024", "-nographic", "-no-reboot", "-nic", "none", "-kernel", kernel, "-initrd", image, "-append",
               "console=ttyS0 quiet panic=-1", "-virtfs",
               f"local,path=/,mount_tag={TAG},security_model=none,multidevs=remap,readonly=on"]
    try:
        done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=BOOT_SECONDS)
        text = done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as error:
        text = (error.stdout or b"").decode(errors="replace") + f"\nnot through after {BOOT_SECONDS} s"
    found = re.search(rf"{MARK} (\d+)", text)
    return int(found.group(1)) if found else None, text.replace("\r", "")
