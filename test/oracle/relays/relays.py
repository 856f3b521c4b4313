"""The relays: how each is started between PORT and BACKEND. The settings are those of an operator who wants them to work."""

import os
import pathlib

HERE = pathlib.Path(__file__).parent


def haproxy(folder, port, backend, more="", mode="tcp", threads=2):
    path = folder / "haproxy.cfg"
    path.write_text(f"""global
    nbthread {threads}
    maxconn 4000
defaults
    mode {mode}
    {more}
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    maxconn 4000
listen l
    bind 127.0.0.1:{port} backlog 4096 tcp-ut 20s
    server s 127.0.0.1:{backend} tcp-ut 1s
""")
    return ["/usr/sbin/haproxy", "-db", "-f", path]


def nginx_stream(folder, port, backend, workers=2):
    path = folder / "nginx.conf"
    path.write_text(f"""load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_processes {workers};
daemon off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
stream {{ server {{ listen 127.0.0.1:{port} backlog=4096; proxy_pass 127.0.0.1:{backend}; }} }}
""")
    return ["/usr/sbin/nginx", "-c", path, "-p", folder]


RELAYS = {
    "haproxy-tcp": lambda folder, port, backend: haproxy(folder, port, backend),
    "haproxy-tcp-splice": lambda folder, port, backend: haproxy(folder, port, backend, "option splice-auto"),
    "nginx-stream": nginx_stream,
    "socat": lambda folder, port, backend: [
        "/usr/bin/socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=4096", f"TCP:127.0.0.1:{backend}"],
    "socket-proxyd": lambda folder, port, backend: [
        "/usr/bin/systemd-socket-activate", "-l", f"127.0.0.1:{port}", *environment(),
        "/lib/systemd/systemd-socket-proxyd", "-c", "4096", f"127.0.0.1:{backend}"],
    "simpleproxy": lambda folder, port, backend: [
        "/usr/bin/simpleproxy", "-L", f"127.0.0.1:{port}", "-R", f"127.0.0.1:{backend}"],
    "rinetd": lambda folder, port, backend: rinetd(folder, port, backend),
    "sslh": lambda folder, port, backend: [
        "/usr/sbin/sslh", "-f", "-u", "root", "-p", f"127.0.0.1:{port}", "--anyprot", f"127.0.0.1:{backend}"],
    "asyncio": lambda folder, port, backend: ["/usr/bin/python3", HERE / "relay.py", str(port), str(backend)],
    "node": lambda folder, port, backend: ["node", HERE / "relay.js", str(port), str(backend)],
}


def haproxy_http(folder, port, backend):
    return haproxy(folder, port, backend, "option http-keep-alive\n    http-reuse always", "http")


def nginx_http(folder, port, backend):
    path = folder / "nginx.conf"
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path.write_text(f"""worker_processes 2;
daemon off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    {temporary}
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
    }}
}}
""")
    return ["/usr/sbin/nginx", "-c", path, "-p", folder]


def varnish(folder, port, backend):
    return ["/usr/sbin/varnishd", "-F", "-n", folder / "varnish", "-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{backend}",
            "-s", "malloc,32m", "-j", "none", "-p", "thread_pool_min=40"]


def squid(folder, port, backend):
    folder.chmod(0o777)
    path = folder / "squid.conf"
    path.write_text(f"""http_port 127.0.0.1:{port} accel defaultsite=test
cache_peer 127.0.0.1 parent {backend} 0 no-query originserver no-digest connect-fail-limit=1000000
http_access allow all
cache deny all
memory_cache_shared off
pinger_enable off
visible_hostname localhost
access_log none
cache_log {folder}/cache.log
pid_filename {folder}/squid.pid
coredump_dir {folder}
shutdown_lifetime 1 second
""")
    return ["/usr/sbin/squid", "-N", "-n", f"relays{port}", "-f", path]


def apache(folder, port, backend):
    path = folder / "apache.conf"
    modules = "/usr/lib/apache2/modules"
    path.write_text(f"""ServerName test
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
KeepAlive On
MaxKeepAliveRequests 0
ProxyPass / http://127.0.0.1:{backend}/
""")
    return ["/usr/sbin/apache2", "-f", path, "-DFOREGROUND"]


PROXIES = {
    "haproxy-http": haproxy_http,
    "nginx-http": nginx_http,
    "varnish": varnish,
    "squid": squid,
    "apache": apache,
}


def environment():
    """systemd-socket-activate passes on little of its environment."""
    names = [name for name in os.environ if name.startswith("TRUEFIN_") or name == "LD_PRELOAD"]
    return [word for name in names for word in ("-E", name)]


def rinetd(folder, port, backend):
    path = folder / "rinetd.conf"
    path.write_text(f"127.0.0.1 {port} 127.0.0.1 {backend}\n")
    return ["/usr/sbin/rinetd", "-f", "-c", path]


# Seconds over which the connections begin, where a relay's backlog is small, or it takes a process for each.
SPREAD = {"simpleproxy": 6, "sslh": 4, "socat": 2}
