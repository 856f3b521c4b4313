"""How much later does a healthy server's FIN come? Called by scripts/bench-fin."""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

LIBRARY, BENCH, PAGE = os.environ["LIBTRUEFIN"], os.environ["BENCH"], os.environ["PAGE"]
BOTH = LIBRARY + ":" + LIBRARY.removesuffix(".so") + "-io.so"
KINDS = {
    "without": {},
    "abort-on-crash": {"LD_PRELOAD": LIBRARY},
    "defer-close": {"LD_PRELOAD": BOTH, "TRUEFIN_POLICY": "abort-on-crash, defer-close"},
}
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr; worker_rlimit_nofile 4096;
events { worker_connections 1024; }
http { access_log off; keepalive_timeout 0; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
       uwsgi_temp_path t4; scgi_temp_path t5; server { listen 127.0.0.1:8080; location / { return 200 x; } } }
"""
NODE = """
const server = require("net").createServer({ noDelay: true }, (c) => {
    c.on("error", () => 0);
    c.once("data", () => c.write("x", () => c.destroy()));
});
server.listen(0, "127.0.0.1", () => console.log("port " + server.address().port));
"""
ASYNCIO = """
import asyncio
async def answer(reader, writer):
    await reader.read(1)
    writer.write(b"x")
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
SERVERS = {
    "nginx": ["nginx", "-e", "stderr", "-p", "{work}", "-c", "{work}/nginx.conf"],
    "node": ["node", "-e", NODE],
    "python, asyncio": ["/usr/bin/python3", "-c", ASYNCIO],
    "C, a thread for each": [BENCH, "threads"],
    "C, a pool": [BENCH, "pool"],
}
MARK, END = "<!-- closing -->\n", "<!-- end of closing -->\n"


class Server:
    def __init__(self, name, kind, work):
        words = [w.replace("{work}", work) for w in SERVERS[name]]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **KINDS[kind]}
        self.process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, cwd=work)
        self.port = 8080 if name == "nginx" else int(re.match(r"port (\d+)", self.process.stdout.readline()).group(1))
        self.request = "GET / HTTP/1.0\r\n\r\n" if name == "nginx" else "x"
        while name == "nginx" and subprocess.run(["ss", "-Hltn", "sport = :8080"], capture_output=True).stdout == b"":
            time.sleep(0.01)

    def ask(self, count, clients):
        """{"end": (median, 99th percentile), "whole": the same}, in microseconds."""
        ran = subprocess.run([BENCH, "ask", str(self.port), str(count), str(clients), self.request], check=True,
                             text=True, stdout=subprocess.PIPE, timeout=120)
        return {w[0]: (float(w[1]), float(w[2])) for w in map(str.split, ran.stdout.splitlines())}

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def measure(options, work):
    """{(server, clients, kind): [answers of ask()]}"""
    had = {}
    for number in range(options.rounds):
        for name in options.server or SERVERS:
            # In turns, and no kind always first.
            kinds = list(KINDS)
            for kind in kinds[number % 3:] + kinds[:number % 3]:
                server = Server(name, kind, work)
                try:
                    server.ask(200, 1)
                    for clients in options.clients:
                        had.setdefault((name, clients, kind), []).append(server.ask(options.count, clients))
                finally:
                    server.stop()
    return had


def table(options, had):
    yield "Medians of %d rounds of %d connections, in microseconds from the answer's arrival to the FIN's; *later*: the" % (
        options.rounds, options.count)
    yield "median difference to *without* within a round. Ratios are of the time from the request to the FIN, to *without*:"
    yield ""
    yield ("| server | clients at once | without | abort-on-crash | defer-close | later | 99th percentile, without "
           "| defer-close | ratio, abort-on-crash | defer-close |")
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name in options.server or SERVERS:
        for clients in options.clients:
            runs = {kind: had[name, clients, kind] for kind in KINDS}

            def middle(kind, what, place):
                return statistics.median(r[what][place] for r in runs[kind])

            def ratio(kind):
                return statistics.median(r["whole"][0] / w["whole"][0] for r, w in zip(runs[kind], runs["without"]))

            later = statistics.median(r["end"][0] - w["end"][0] for r, w in zip(runs["defer-close"], runs["without"]))
            yield "| %s | %d | %s | %.1f | %.0f | %.0f | %.2f | %.2f |" % (
                name, clients, " | ".join("%.1f" % middle(k, "end", 0) for k in KINDS), later,
                middle("without", "end", 1), middle("defer-close", "end", 1), ratio("abort-on-crash"), ratio("defer-close"))


def main():
    parser = argparse.ArgumentParser(prog="bench-fin", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=2000, help="connections of a round (default: 2000)")
    parser.add_argument("--clients", type=int, action="append", help="clients at once (default: 1, then 16)")
    parser.add_argument("--server", action="append", choices=SERVERS, help="only this one; may be repeated")
    parser.add_argument("--write", action="store_true", help="put the table into docs/PERFORMANCE.md")
    options = parser.parse_args()
    options.clients = options.clients or [1, 16]
    with tempfile.TemporaryDirectory(prefix="bench-fin-") as work:
        with open(os.path.join(work, "nginx.conf"), "w") as file:
            file.write(NGINX)
        text = "\n".join(table(options, measure(options, work))) + "\n"
    sys.stdout.write(text)
    if options.write:
        with open(PAGE) as file:
            before, rest = file.read().split(MARK)
        with open(PAGE, "w") as file:
            file.write(before + MARK + "\n" + text + "\n" + END + rest.split(END)[1])


main()
