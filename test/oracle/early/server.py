"""A server of Python's standard library that answers every upload at once with 413, and prints "port N"."""

import http.server


class Early(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.send_error(413)
        self.close_connection = True

    do_PUT = do_POST

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Early)
print("port", server.server_address[1], flush=True)
server.serve_forever()
