#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# How a watched program learns of the ends of its children: as unwatched. The long form: scripts/stress-watch.

load ../helpers
load ../watch

# watched_run COMMAND...: runs it under the side-car, unloaded, so that only that can make a difference.
watched_run() {
    local -a wrapped=("$TRUEFIN" run --watch -- env -u LD_PRELOAD "$@")
    [[ -z ${TRUEFIN_TEST_BARE:-} ]] || wrapped=("$@")
    [[ -z $SANITIZER_PRELOAD ]] || wrapped=("$BUILD_DIR/libexec/truefin/watch" -- "$@")
    timeout "${RUN_LIMIT:-100}" "${wrapped[@]}" 3>&-
}

@test "what tells of a child's end has its status, in every way to wait, for every way to end" {
    run -0 --separate-stderr watched_run "$PROGRAMS/children" "${TRUEFIN_TEST_CHILDREN:-8}"
    assert_equal "${lines[-1]}" 'pairs 126'
    assert_equal "$(grep -v -e ': 0 of' -e ^pairs <<<"$output")" ''
}

@test "asyncio's watchers of children find every status" {
    requires python3
    cat >watchers.py <<'END_OF_FILE'
import asyncio, sys, warnings
warnings.simplefilter("ignore")
code = "import os, threading; threading.Thread(target=threading.Event().wait, daemon=True).start(); os._exit(7)"
rounds = int(sys.argv[1])

async def wrong():
    found = 0
    for i in range(rounds):
        plain = await asyncio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
        threaded = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", code)
        killed = await asyncio.create_subprocess_exec("/bin/sleep", "100")
        killed.kill()
        found += await plain.wait() != 7
        found += await threaded.wait() != 7
        found += await killed.wait() != -9
    return found

async def attached(watcher):
    watcher.attach_loop(asyncio.get_running_loop())
    return await wrong()

print("default", asyncio.run(wrong()), flush=True)
# MultiLoopChildWatcher is left out: it loses a status itself now and then, without truefin, too.
for name in "PidfdChildWatcher", "SafeChildWatcher", "FastChildWatcher", "ThreadedChildWatcher":
    kind = getattr(asyncio, name, None)
    if kind is None or not hasattr(asyncio, "set_child_watcher"):
        continue
    asyncio.set_child_watcher(kind())
    attach = hasattr(kind, "attach_loop") and name in ("SafeChildWatcher", "FastChildWatcher", "PidfdChildWatcher")
    print(name, asyncio.run(attached(asyncio.get_child_watcher()) if attach else wrong()), flush=True)
END_OF_FILE
    run -0 --separate-stderr watched_run python3 watchers.py "${TRUEFIN_TEST_CHILDREN:-5}"
    assert_equal "${lines[0]}" 'default 0'
    assert_equal "$(grep -v ' 0$' <<<"$output")" ''
}

# Debian has them in libglib2.0-tests.
@test "GLib's own tests of processes pass under the side-car" {
    local name rows=0 at=/usr/libexec/installed-tests/glib
    requires "$at/gsubprocess"
    stands_sanitizer /bin/true
    for name in gsubprocess spawn-multithreaded spawn-singlethread spawn-path-search spawn-test; do
        # A newer one traces its own children, which two cannot do at once.
        HOME=$BATS_TEST_TMPDIR run -0 --separate-stderr watched_run "$at/$name" --tap -s /gsubprocess/exit-status/trapped
        assert_equal "$(grep -c '^not ok' <<<"$output")" 0
        assert_equal "$(grep -c '^ok' <<<"$output")" "$(sed -n 's/^1\.\.//p' <<<"$output")"
        rows=$((rows + 1))
    done
    assert_equal "$rows" 5
}
