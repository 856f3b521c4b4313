# shellcheck shell=sh
# For scripts that make fresh Debian systems with debootstrap(8), which takes root. Needs debootstrap and util-linux.

# mirrors SUITE: apt's sources for SUITE, made of this system's own: "URI SUITE COMPONENT", the main archive first.
mirrors() {
    # shellcheck disable=SC1091,SC2154  # os-release(5)
    own=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016  # apt's variables
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        sed -n "s/ $own\(-[a-z]*\)\{0,1\} / $1\1 /p" | sort -u | awk -v suite="$1" '
            $2 == suite { print; next }
            { others = others $0 "\n" }
            END { printf "%s", others }'
}

# new_system SUITE ROOT: makes a minimal system of SUITE in the directory ROOT, which is not there yet, with this
# system's mirrors. Returns 1, and says why, if there is none.
new_system() {
    sources=$(mirrors "$1")
    if [ -z "$sources" ]; then
        echo "apt has no source of Debian to take $1 from" >&2
        return 1
    fi
    debootstrap --variant=minbase "$1" "$2" "${sources%% *}" || return 1
    echo "$sources" | sed 's/^/deb /' >"$2/etc/apt/sources.list"
    # How this system reaches its mirror, and nothing else of its settings.
    apt-config dump | grep -E '^Acquire::(https?|ftp|Check|Retries)' >"$2/etc/apt/apt.conf.d/90mirror" || true
    cp -L /etc/resolv.conf /etc/hosts "$2/etc/"
}

# What the first process of the new system does before it runs the command: the first word is the root, the others are
# the command.
# shellcheck disable=SC2016  # for the inner shell
enter_system='
    set -eu
    root=$1
    shift
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs tmpfs tmp
    pivot_root . mnt
    umount -l /mnt
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 "$@"'

# inside ROOT COMMAND...: in that system, as its own first process; all that it leaves ends with it.
inside() {
    unshare --mount --pid --fork --kill-child --propagation private sh -c "$enter_system" enter "$@" </dev/null
}
