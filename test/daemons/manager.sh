#!/bin/sh
# manager.sh UNITS: systemd as process 1 of namespaces of its own, with the units of the directory UNITS, of which test.target
# is started. Ends when systemd does; exits with 77 where no cgroup of its own or no overlay can be had.
#
# Of the file system only the parent of the directory UNITS can be written, and layers in memory above /tmp and /var.
set -eu

units=$1
here=$(dirname "$units")
[ -n "${MANAGER_INSIDE:-}" ] || MANAGER_INSIDE=1 exec unshare --mount --uts --ipc "$0" "$units"

mount -t tmpfs none /run
mkdir /run/here
mount --bind "$here" /run/here
for place in /tmp /var; do
    layer=/run/layer$place
    mkdir -p "$layer/upper" "$layer/work"
    chmod --reference "$place" "$layer/upper"
    mount -t overlay -o "lowerdir=$place,upperdir=$layer/upper,workdir=$layer/work" none "$place" || exit 77
done
mount --bind /run/here "$here"

# A cgroup namespace begins where its first process is, which must not be where others are: systemd takes them along.
group=/sys/fs/cgroup/truefin-test.$$
mount -t cgroup2 none /sys/fs/cgroup && mkdir "$group" && (
    echo 0 >"$group/cgroup.procs" && exec unshare --cgroup true
) || exit 77

mount -o remount,bind,ro /
mount --bind "$units" /etc/systemd/system

# shellcheck disable=SC2016  # expanded by the inner shells
{
    inside='umount /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup &&
        exec /lib/systemd/systemd --unit=test.target --log-target=console --show-status=no'
    sh -c 'echo 0 >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
        unshare --cgroup --pid --fork --kill-child --mount-proc env -i container=truefin PATH="$PATH" sh -c "$inside" || true
}
find "$group" -depth -type d -exec rmdir {} +
