"""client.py PORT BYTES [SECONDS]: uploads with Python's http.client, with a pause before each 64 KiB; prints the status that
it got, or the exception."""

import http.client
import sys
import time

BLOCK = bytes(65536)


def blocks(size, pause):
    for start in range(0, size, len(BLOCK)):
        time.sleep(pause)
        yield BLOCK[:size - start]


port, size = int(sys.argv[1]), int(sys.argv[2])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
try:
    body = blocks(size, float(sys.argv[3]) if len(sys.argv) > 3 else 0)
    connection.request("POST", "/", body=body, headers={"Content-Length": str(size)})
    response = connection.getresponse()
    response.read()
    print(response.status)
except OSError as error:
    print(type(error).__name__)
