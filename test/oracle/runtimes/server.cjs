// server.cjs WAY: see README.md.
const net = require("net");
const threads = require("worker_threads");

const way = process.argv[2];

function deeper() {
    return deeper() + 1;
}

function waiting() {
    process.stdout.write("waiting\n");
    setTimeout(() => process.exit(0), 20000);
}

function end(connection) {
    const garbage = [];
    switch (way) {
    case "close": connection.destroy(); break;
    case "drop": connection = null; setTimeout(global.gc, 100); break;
    case "exit-0": process.exit(0);
    case "exit-3": process.exit(3);
    case "exception":
    case "thread": throw new Error("nobody catches this");
    case "abort": process.abort();
    case "segv":
        // The first one is taken by the handler that V8 has in Deno, which expects a bad pointer to come again.
        process.kill(process.pid, "SIGSEGV");
        process.kill(process.pid, "SIGSEGV");
        return;
    case "stack": return deeper();
    case "oom": for (;;) garbage.push(Buffer.alloc(1 << 20, 1));
    }
    waiting();
}

if (way == "thread" && threads.isMainThread) {
    new threads.Worker(__filename, { argv: [way] });
} else {
    // From the loop, for Deno keeps to itself what the callback of a write throws.
    const server = net.createServer((connection) => connection.write("Hello.", () => setTimeout(end, 0, connection)));
    server.listen(0, "127.0.0.1", () => process.stdout.write(`port ${server.address().port}\n`));
}
