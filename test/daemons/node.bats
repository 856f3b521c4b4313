#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # JavaScript in quotes, and helpers set variables
# Stock node: its loop is libuv's, which accepts with accept4 and closes through syscall(2).

load ../daemons

# node SCRIPT: runs a script that says where it listens by announce(server). Sets $port.
node() {
    requires node
    cat >server.js <<JS
const net = require('net'), http = require('http'), { spawn } = require('child_process');
const announce = server => server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
$1
JS
    launch node /usr/bin/node server.js
    find_port node
}

# handler CODE: a server that writes "Hello." and, when that is done, runs CODE, with \`socket\` at hand.
handler() {
    node "announce(net.createServer(socket => socket.write('Hello.', () => { $1 })));"
}

# --- Crashes ---

@test "node: a throw in a handler sends RST" {
    handler 'throw new Error("in the handler")'
    peer_sees rst 6
    ended node exit 1
}

@test "node: an unhandled rejection sends RST" {
    handler 'Promise.reject(new Error("in the handler"))'
    peer_sees rst 6
    ended node exit 1
}

@test "node: a throw in an HTTP handler, in mid-answer, sends RST" {
    node 'announce(http.createServer((request, response) => {
        response.writeHead(200, { "Content-Length": 1000 });
        response.write("Hello.", () => { throw new Error("in the handler"); });
    }));'
    connect_peer --send 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    peer_ended rst
    ended node exit 1
}

@test "node: process.exit(3) sends RST" {
    handler 'process.exit(3)'
    peer_sees rst 6
    ended node exit 3
}

@test "node: process.abort() sends RST" {
    handler 'process.abort()'
    peer_sees rst 6
    ended node signal ABRT
}

@test "node: SIGKILL sends RST" {
    handler 'process.kill(process.pid, "SIGKILL")'
    peer_sees rst 6
    ended node signal KILL
}

@test "node: out of memory sends RST" {
    export NODE_OPTIONS=--max-old-space-size=16
    handler 'const all = []; for (;;) all.push(new Array(1000).fill(0.5))'
    peer_sees rst 6
    ended node signal ABRT
}

@test "node: a throw sends RST on a connection that it made" {
    listen_peer --output got
    node "announce(net.createServer());
        net.connect($port, '127.0.0.1', function () { this.write('Hello.', () => { throw new Error(); }); });"
    peer_saw rst 6
}

@test "node: a throw sends RST while a child process that it spawned lives on" {
    handler 'spawn("sleep", ["30"], { stdio: "ignore" }); throw new Error("in the handler")'
    peer_sees rst 6
}

# --- Orderly ends ---

@test "node: end() sends FIN" {
    handler 'socket.end()'
    peer_sees fin 6
}

@test "node: destroy() sends FIN" {
    handler 'socket.destroy()'
    peer_sees fin 6
}

@test "node: destroy() sends FIN while a child process that it spawned lives on" {
    handler 'spawn("sleep", ["30"], { stdio: "ignore" }); setImmediate(() => socket.destroy())'
    peer_sees fin 6
}

@test "node: end() before a throw leaves FIN" {
    handler 'socket.end(() => { throw new Error("after the end") })'
    peer_sees fin 6
    ended node exit 1
}

@test "node: resetAndDestroy(), its own abort, stays an RST" {
    handler 'socket.resetAndDestroy()'
    peer_sees rst 6
}

@test "node: process.exit(0) sends FIN" {
    handler 'process.exit(0)'
    peer_sees fin 6
    ended node exit 0
}

@test "node: an HTTP answer with Connection: close ends with FIN" {
    node 'announce(http.createServer((request, response) => response.end("Hello.")));'
    connect_peer --send 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    peer_ended fin
}

@test "node: SIGTERM sends FIN" {
    handler 'process.kill(process.pid, "SIGTERM")'
    peer_sees fin 6
    ended node signal TERM
}

@test "node: SIGINT sends FIN" {
    handler 'process.kill(process.pid, "SIGINT")'
    peer_sees fin 6
    ended node signal INT
}

@test "node: a SIGTERM handler that exits 1 sends FIN" {
    handler 'process.on("SIGTERM", () => process.exit(1)); process.kill(process.pid, "SIGTERM")'
    peer_sees fin 6
    ended node exit 1
}

@test "node: a handler for SIGTERM is called, and keeps the process" {
    handler 'process.once("SIGTERM", () => socket.write("Again.")); process.kill(process.pid, "SIGTERM")'
    connect_peer --output got
    wait_until grep -q 'Again\.' got
    kill -KILL "$(pid_of node)"
    peer_saw rst 12
}

# --- A cluster: the master accepts, and sends the connection to a worker ---

# cluster CODE: as handler, in a worker.
cluster() {
    node "const cluster = require('cluster');
        if (cluster.isPrimary) {
            const worker = cluster.fork();
            worker.on('listening', address => console.log('port ' + address.port));
            worker.on('exit', (code, signal) => console.log('worker ' + (signal || code)));
        } else {
            net.createServer(socket => socket.write('Hello.', () => { $1 })).listen(0, '127.0.0.1');
        }"
}

@test "node: end() in a worker of a cluster sends FIN" {
    cluster 'socket.end()'
    peer_sees fin 6
}

# The master has accepted the connection, and has sent it to the worker.
@test "node: a throw in a worker of a cluster ends a session: FIN, or as session-error says" {
    cluster 'throw new Error("in a worker")'
    peer_sees fin 6
    said node 'worker 1'
    stop_all
    export TRUEFIN_POLICY=$SESSIONS_TOO
    cluster 'throw new Error("in a worker")'
    peer=second peer_sees rst 6
    said node 'worker 1'
}

@test "node: SIGKILL of a worker of a cluster sends RST" {
    cluster 'process.kill(process.pid, "SIGKILL")'
    peer_sees rst 6
    said node 'worker SIGKILL'
}
