"""operate.py BUILD_DIR [--connections N] [--processes N]: see scripts/bench-operate."""
import argparse
import os
import resource
import signal
import socket
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("build")
parser.add_argument("--connections", type=int, default=resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
parser.add_argument("--processes", type=int, default=2000)
arguments = parser.parse_args()
truefin = os.path.join(arguments.build, "truefin")
preload = {**os.environ, "LD_PRELOAD": os.path.join(arguments.build, "shim/libtruefin.so")}

SERVER = """
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
print(listener.getsockname()[1], flush=True)
kept = []
for _ in range(int(sys.argv[1])):
    kept.append(listener.accept()[0])
    if sys.argv[2] == "fork":
        if os.fork() == 0:
            listener.close()
            while True:
                time.sleep(1000)
        kept.pop().close()
print("ready", flush=True)
time.sleep(100000)
"""
CLIENT = """
import socket, sys, time
kept = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
time.sleep(100000)
"""


def serve(count, how):
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(count), how], env=preload, stdout=subprocess.PIPE)
    port = server.stdout.readline().strip().decode()
    client = subprocess.Popen([sys.executable, "-c", CLIENT, port, str(count)])
    assert server.stdout.readline() == b"ready\n"
    return server, client


def timed(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    result = subprocess.run([truefin, *command], stdout=subprocess.PIPE, check=False)
    took = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{took:.2f} | {used:.2f} | {result.stdout.decode().strip().splitlines()[-1].strip()}"


print("| command | seconds | of a processor | its last line |")
print("|---|---|---|---|")
server, client = serve(arguments.connections, "keep")
server.send_signal(signal.SIGSTOP)
for command in ("status", "off", "status", "on"):
    print(f"| `{command}` of a stopped server with {arguments.connections:,} connections | {timed(command, str(server.pid))} |")
for process in (server, client):
    process.kill()
    process.wait()
server, client = serve(arguments.processes, "fork")
print(f"| `status` of {arguments.processes:,} processes | {timed('status')} |")
print(f"| `off` of {arguments.processes:,} processes | {timed('off', str(server.pid))} |")
