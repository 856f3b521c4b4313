# shellcheck shell=sh disable=SC2154  # $place and the functions are those of scripts/platforms
# The kernels of scripts/platforms: each is booted by qemu with no more than truefin, libc and busybox in its memory, and
# prints the rows of test/kernel/rows. Nothing is taken from this system but the compilers.

# The machines: SUITE/ARCHITECTURE, of Debian.
kernels='bookworm/amd64 trixie/amd64 bookworm/arm64 trixie/arm64'

# aim SYSTEM: sets what depends on the architecture.
aim() {
    suite=${1%/*}
    arch=${1#*/}
    guest=$place/kernel-$suite-$arch
    case $arch in
    amd64) machine=x86_64 qemu='qemu-system-x86_64 -cpu max' console=ttyS0 needs='qemu-system-x86' ;;
    arm64)
        machine=aarch64 qemu='qemu-system-aarch64 -machine virt -cpu cortex-a57' console=ttyAMA0
        needs='qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross'
        ;;
    *) fail "no kernel for $1: amd64 or arm64" ;;
    esac
    compiler=$machine-linux-gnu-gcc
    if [ "$machine" = "$(uname -m)" ] && [ -w /dev/kvm ]; then
        qemu="$qemu -enable-kvm"
    fi
}

# Builds what the machine runs: with the compiler for it, and with nothing newer than old systems have.
build_guest() {
    built=$place/build-$arch
    cmake -S . -B "$built" -DCMAKE_BUILD_TYPE=Release -DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=$machine" \
        "-DCMAKE_C_COMPILER=$compiler" "-DCMAKE_C_FLAGS=-include $PWD/policy/compat.h"
    cmake --build "$built" -j "$(nproc)" --target truefin truefin-io watch check policy_show peer \
        program-server program-server-static
}

# An apt of its own for the other release, and the other architecture.
configure_apt() {
    mkdir -p "$guest/apt/lists/partial" "$guest/apt/cache/archives/partial"
    mirrors "$suite" | sed 's/^/deb /' >"$guest/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(https?|ftp|Check|Retries)' >"$guest/apt/apt.conf" || true
    cat >>"$guest/apt/apt.conf" <<END
Dir::State "$guest/apt";
Dir::State::status "/dev/null";
Dir::Cache "$guest/apt/cache";
Dir::Etc::sourcelist "$guest/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Sandbox::User "root";
END
}

# Downloads the kernel, libc and busybox into $guest/debs.
fetch_packages() {
    configure_apt
    mkdir -p "$guest/debs"
    (
        export APT_CONFIG="$guest/apt/apt.conf"
        cd "$guest/debs"
        apt-get -qq update
        image=$(apt-cache depends "linux-image-cloud-$arch" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
        apt-get -qq download "$image" libc6 busybox-static
    )
}

# unpack NAME DIRECTORY: links that lead to directories stay links.
unpack() {
    dpkg-deb --fsys-tarfile "$guest/debs/$1"*.deb | tar -x --keep-directory-symlink -C "$2"
}

# Makes $guest/memory, the machine's initramfs.
make_memory() {
    root=$guest/root
    for directory in bin lib lib64 sbin; do
        mkdir -p "$root/usr/$directory"
        ln -s "usr/$directory" "$root/$directory"
    done
    mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/root" "$root/truefin/test/programs" "$root/truefin/shim"
    unpack libc6 "$root"
    unpack busybox-static "$root"
    for word in sh mount ip uname poweroff cat sed grep mktemp rm sleep dirname readlink; do
        [ -e "$root/bin/$word" ] || ln -s busybox "$root/bin/$word"
    done
    cp -r "$built/truefin" "$built/libexec" test/kernel/rows "$root/truefin/"
    find "$built/shim" -name 'libtruefin*.so' -exec cp -t "$root/truefin/shim" {} +
    cp "$built/test/programs/server" "$built/test/programs/server-static" "$root/truefin/test/programs/"
    cp test/kernel/init "$root/init"
    rm -rf "$root/usr/share"
    (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$guest/memory"
}

make_guest() {
    rm -rf "$guest"
    # shellcheck disable=SC2086  # words
    scripts/packages build-essential cmake cpio $needs
    build_guest
    fetch_packages
    make_memory
    mkdir "$guest/kernel"
    unpack linux-image "$guest/kernel"
}

# Boots the machine, for half an hour at most; what it prints is in $guest/console.
boot() {
    # shellcheck disable=SC2086  # words
    timeout 1800 $qemu -smp 2 -m 1024 -nic none -display none -monitor none -serial stdio -no-reboot \
        -kernel "$guest/kernel/boot/"vmlinuz-* -initrd "$guest/memory" \
        -append "console=$console quiet panic=-1 rdinit=/init" </dev/null 2>&1 | tr -d '\r' >"$guest/console"
}

# One line of the table.
kernel_row() {
    aim "$1"
    make_guest >"$place/kernel-$suite-$arch.log" 2>&1 || fail "no machine, see $place/kernel-$suite-$arch.log"
    began=$(date +%s)
    boot || true
    cp "$guest/console" "$place/kernel-$suite-$arch.log"
    # What the kernel has still to say may come before a line's beginning.
    kernel=$(sed -n 's/.*kernel \([0-9][^ ]*\)$/\1/p' "$guest/console" | head -n 1)
    counted=$(sed -n 's/^\([0-9]* of [0-9]*\)$/\1/p' "$guest/console" | tail -n 1)
    libc=$(dpkg-deb -f "$guest/debs/libc6"_*.deb Version | sed 's/-.*//')
    word=ok
    grep -q 'rows ended 0$' "$guest/console" || word='**failed**'
    echo "| $1 | ${kernel:-did not boot} | libc $libc | $word, ${counted:-no} rows, $((($(date +%s) - began + 30) / 60)) min |"
    [ -n "$keep" ] || rm -rf "$guest"
}
