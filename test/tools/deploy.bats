#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # helpers and run set variables
# What docs/DEPLOY.md and examples/ say works, as far as it can be run without a container engine or a cluster.

load ../helpers

examples=$SOURCE_DIR/examples

@test "the manifests for Kubernetes are what its API takes" {
    /usr/bin/python3 -c 'import kubernetes' 2>/dev/null || PATH='' requires python3-kubernetes
    run -0 /usr/bin/python3 "$BATS_TEST_DIRNAME/manifests.py" "$examples/kubernetes.yaml"
    assert_output '2 objects'
    sed 's/mountPath: /mountpath: /' "$examples/kubernetes.yaml" >wrong.yaml
    run -1 /usr/bin/python3 "$BATS_TEST_DIRNAME/manifests.py" wrong.yaml
    assert_output --partial 'unknown field mountpath'
    sed 's/replicas: 2/replicas: two/' "$examples/kubernetes.yaml" >wrong.yaml
    run -1 /usr/bin/python3 "$BATS_TEST_DIRNAME/manifests.py" wrong.yaml
    assert_output --partial 'spec.replicas: no int: two'
    sed '/matchLabels/d; s/selector:/selector: {}/' "$examples/kubernetes.yaml" >wrong.yaml
    sed -i '0,/ image: /{/ image: /d}; 0,/- name: server$/s/- name: server$/- image: a/' wrong.yaml
    run -1 /usr/bin/python3 "$BATS_TEST_DIRNAME/manifests.py" wrong.yaml
    assert_output --partial 'must not be `None`'
}

@test "the policies in the examples are policies" {
    local policy seen=0
    while IFS= read -r policy; do
        run -0 "$TRUEFIN" policy "$policy"
        seen=$((seen + 1))
    done < <(grep -rhoE "accepted: [a-z-]+|-p '[^']+'" "$examples" "$SOURCE_DIR/docs/DEPLOY.md" | sed "s/^-p '//; s/'\$//")
    ((seen > 4))
}

# The package is unpacked, and the copy made, on a Debian file system: this one, seen through a layer in memory.
@test "what the images do with the package gives a truefin that runs, also from the volume of a pod" {
    [[ $(id -u) = 0 ]] || skip 'needs root'
    without_sanitizer 'its build is not for packages'
    requires dpkg-deb cpack unshare
    cpack -G DEB --config "$BUILD_DIR/CPackConfig.cmake" -D CPACK_CMAKE_GENERATOR=Ninja -B "$PWD/deb" >log 2>&1 || fail "$(cat log)"
    sed -n 's/^RUN //p' "$examples/Containerfile.library" >run.sh
    sed -nE 's/^CMD \["sh", "-c", "(.*)"\]$/\1/p' "$examples/Containerfile.library" >copy.sh
    assert [ -s run.sh ]
    assert [ -s copy.sh ]
    cat >inside.sh <<'END'
set -eu
here=$1
mount -t tmpfs none "$here/layer"
mkdir "$here/layer/upper" "$here/layer/work"
mount -t overlay -o "lowerdir=/,upperdir=$here/layer/upper,workdir=$here/layer/work" none "$here/root" || exit 77
cp "$here"/deb/truefin_*_amd64.deb "$here/root/tmp/"
rm -rf "$here/root/truefin" # of the overlay
mkdir "$here/root/truefin"
mount -t proc none "$here/root/proc"
chroot "$here/root" sh -c "$(cat "$here/run.sh")"
chroot "$here/root" sh -c "$(cat "$here/copy.sh")"
! ls "$here"/root/tmp/truefin_*.deb 2>/dev/null
chroot "$here/root" truefin run -- echo from the image
chroot "$here/root" /truefin/bin/truefin run -- echo from the volume
chroot "$here/root" env LD_PRELOAD=/truefin/lib/libtruefin.so grep -c 'r-xp.*truefin/lib.*libtruefin.so' /proc/self/maps
chroot "$here/root" /truefin/bin/truefin run --watch -- busybox echo from the side-car
END
    mkdir layer root
    run unshare --mount --pid --fork --kill-child sh inside.sh "$PWD"
    ((status != 77)) || skip 'no overlay can be had'
    ((status == 0)) || fail "$output"
    assert_line 'from the image'
    assert_line 'from the volume'
    assert_line 1
    assert_line 'from the side-car'
}

@test "a service of runit has it" {
    requires runsv
    mkdir -p sv
    cp "$examples/runit/run" sv/run
    start runsv env PATH="$BUILD_DIR:$PATH" SERVER="$PROGRAMS/server accept write:Hello. pause" runsv sv
    find_port runsv
    connect_peer
    said runsv ready
    run -0 "$TRUEFIN" status "$(cat sv/supervise/pid)"
    assert_output --partial ' on '
    assert_output --partial 'accepted: abort-on-crash'
    kill -KILL "$(cat sv/supervise/pid)"
    peer_saw rst 6
}

@test "a service of an init script has it by its file in /etc/default" {
    requires start-stop-daemon
    sed "s,/usr/lib/libtruefin.so,$LIBTRUEFIN," "$examples/default-server" >default
    cat >init <<END
#!/bin/sh
. ./default
start-stop-daemon --start --quiet --background --make-pidfile --pidfile $PWD/pid --no-close --output $PWD/server.out \
    --exec $PROGRAMS/server -- accept write:Hello. pause
END
    : >server.out
    start init sh init
    find_port server
    connect_peer
    said server ready
    run -0 "$TRUEFIN" status "$(cat pid)"
    assert_output --partial ' on '
    kill -KILL "$(cat pid)"
    peer_saw rst 6
}
