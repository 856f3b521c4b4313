#!/bin/sh
# manager.sh UNITS: systemd as process 1 of namespaces of its own, with the units of the directory UNITS, of which test.target
# is started. Ends when systemd does; exits with 77 where no cgroup of its own can be had.
#
# Of the file system only the parent of the directory UNITS, /tmp, and what is in memory can be written.
set -eu

units=$1
here=$(dirname "$units")
[ -n "${MANAGER_INSIDE:-}" ] || MANAGER_INSIDE=1 exec unshare --mount --uts --ipc "$0" "$units"

# A cgroup namespace begins where its first process is, which must not be where others are: systemd takes them along.
group=/sys/fs/cgroup/truefin-test.$$
mount -t cgroup2 none /sys/fs/cgroup && mkdir "$group" && (
    echo 0 >"$group/cgroup.procs" && exec unshare --cgroup true
) || exit 77

mount --bind /tmp /tmp
mount --bind "$here" "$here"
for place in /run /var/log /var/tmp /var/lib/redis; do
    [ ! -d "$place" ] || mount -t tmpfs -o mode=1777 none "$place"
done
mount -o remount,bind,ro /
mount --bind "$units" /etc/systemd/system

# shellcheck disable=SC2016  # expanded by the inner shell
inside='umount /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec /lib/systemd/systemd --unit=test.target \
    --log-target=console --show-status=no'
# shellcheck disable=SC2016
sh -c 'echo 0 >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
    unshare --cgroup --pid --fork --kill-child --mount-proc env -i container=truefin PATH="$PATH" sh -c "$inside" || true
find "$group" -depth -type d -exec rmdir {} +
