#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2154  # braces are words here, and helpers set variables
# defer-close in programs that live on: nothing of theirs breaks, and no peer waits longer than it may.

load ../helpers

# Longer than any test: on a busy machine, too, only what a program does carries its closes out.
export TRUEFIN_DEFER_TIME=1min

DEFER='abort-on-crash, session-error=flush-rst, defer-close'

# deferring ARGUMENT...: as serve, with both libraries under $DEFER.
deferring() {
    with_io serve -p "$DEFER" "$@"
}

# script NAME [SETTING]...: runs NAME.py, which serves, with both libraries under $DEFER.
script() {
    with_io launch "$1" -p "$DEFER" "${@:2}" timeout 20 /usr/bin/python3 "$1.py"
    find_port "$1"
}

@test "the time of a close is counted from it, also where others came and went before" {
    deferring TRUEFIN_DEFER_TIME=50ms accept close system:true compute:200 accept write:Hello. close compute:600 exit:3
    peer=first peer_sees fin 0
    peer_sees fin 6
}

@test "a close of a copy that another process still uses ends nothing when its time is over" {
    deferring TRUEFIN_DEFER_TIME=50ms accept fork{ close compute:300 exit:0 } wait write:Hello. exit:0
    peer_sees fin 6
    server_ended exit 0
}

@test "nor does one whose other holder nobody knows of" {
    cat >helper.py <<'END'
import os, socket, time
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
first, _ = listener.accept()
print("accepted", flush=True)
second, _ = listener.accept()
if os.fork() == 0:
    second.close()
    time.sleep(0.4)
    first.sendall(b"Hello.")
    os._exit(0)
first.close()
end = time.monotonic() + 0.3
while time.monotonic() < end:
    pass
os.wait()
os._exit(3)
END
    script helper TRUEFIN_DEFER_TIME=50ms
    peer=first connect_peer
    said helper accepted
    peer=second connect_peer
    peer=first peer_saw fin 6
}

@test "a change of the user does not wait for the thread that idles" {
    cat >user.py <<'END'
import os, socket, time
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
listener.accept()[0].close()
time.sleep(0.1)
start = time.monotonic()
os.setuid(os.getuid())
print("fast" if time.monotonic() - start < 0.03 else "slow", flush=True)
END
    script user
    peer_sees fin 0
    said user fast
}

@test "a client's own port is free when its connection is closed" {
    cat >port.py <<'END'
import socket
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
client = socket.create_connection(listener.getsockname())
mine = client.getsockname()
listener.accept()[0].close()
client.recv(1)
client.close()
again = socket.socket()
again.bind(mine)
print("bound", flush=True)
END
    script port
    said port bound
}

@test "a fork is no point at which a thread can be cancelled" {
    deferring accept write:Hello. thread{ cancel_self syscall_close fork{ exit:0 } exit:3 } exit:4
    peer_sees fin 6
    server_ended exit 3
}

@test "the ends of other threads say nothing of what a dying CPython closes" {
    cat >dying.py <<'END'
import socket, sys, threading, time
class Busy:
    def __del__(self, now=time.monotonic):
        end = now() + 0.4
        while now() < end:
            pass
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
_connection, _ = listener.accept()
_connection.sendall(b"Hello.")
threading.Thread(target=time.sleep, args=(0.2,), daemon=True).start()
busy = Busy()
sys.exit(3)
END
    script dying TRUEFIN_DEFER_TIME=50ms
    peer_sees rst 6
}

@test "16 threads and a signal handler close at once: every end is a FIN, and no descriptor is left" {
    run -0 with_io shimmed -p "$DEFER" TRUEFIN_DEFER_TIME=100ms TRUEFIN_LOG="$PWD/log" timeout 60 "$PROGRAMS/closing" 5000
    assert_output "5000 fin, 0 rst, 0 other, 1 sockets"
    run cat log
    assert_output ""
    run -0 with_io shimmed -p "$DEFER" timeout 60 "$PROGRAMS/stress" 5000
    assert_output "5000 fin, 0 rst, 0 other"
}

@test "of 500 closes before a failing exit as many are not believed as a quarter of RLIMIT_NOFILE" {
    cat >many.py <<'END'
import os, socket
listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
if os.fork() == 0:
    connections = [listener.accept()[0] for _ in range(500)]
    for connection in connections:
        connection.close()
    os._exit(3)
address = listener.getsockname()
listener.close()
peers = [socket.create_connection(address) for _ in range(500)]
resets = 0
for peer in peers:
    try:
        peer.recv(1)
    except ConnectionResetError:
        resets += 1
print(resets, flush=True)
os._exit(0)
END
    run -0 with_io shimmed -p "$DEFER" TRUEFIN_LOG="$PWD/log" prlimit --nofile=1024 timeout 20 /usr/bin/python3 many.py
    assert_output 255
    run -0 cat log
    assert_output --partial 'too near to RLIMIT_NOFILE: closes are not deferred'
}

@test "a wait by syscall(2) shows that the program goes on, too; a call that waits for nothing does not" {
    cat >number.py <<'END'
import ctypes, os, socket
libc = ctypes.CDLL(None)
FUTEX, WAIT, WAKE, GETPID = (98, 0, 1, 172) if os.uname().machine == "aarch64" else (202, 0, 1, 39)
word = ctypes.create_string_buffer(8)
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
for call in ((FUTEX, ctypes.byref(word), WAIT, 1, None), (FUTEX, ctypes.byref(word), WAKE, 1), (GETPID,)):
    if os.fork() == 0:
        connection, _ = listener.accept()
        connection.sendall(b"Hello.")
        connection.close()
        libc.syscall(*call)
        os._exit(3)
    os.wait()
END
    script number
    peer="waits" peer_sees fin 6
    peer=wake peer_sees rst 6
    peer=pid peer_sees rst 6
}

@test "a semaphore that is free is none to wait for, one that is not is" {
    cat >semaphore.py <<'END'
import ctypes, os, socket
libc = ctypes.CDLL(None)
long_ago = ctypes.create_string_buffer(16)
semaphore = ctypes.create_string_buffer(64)
libc.sem_init(semaphore, 0, 1)
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
for kind in ("free", "taken"):
    if os.fork() == 0:
        connection, _ = listener.accept()
        connection.sendall(b"Hello.")
        if kind == "taken":
            libc.sem_wait(semaphore)
        connection.close()
        libc.sem_timedwait(semaphore, long_ago)
        os._exit(3)
    os.wait()
END
    script semaphore
    peer=free peer_sees rst 6
    peer=taken peer_sees fin 6
}
