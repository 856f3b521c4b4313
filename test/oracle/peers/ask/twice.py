"""twice LIBRARY URL URL: the same with a pool of connections in Python. Between the two it says "next", and waits for a line."""

import sys


def get(library):
    if library == "requests":
        import requests
        return requests.Session().get
    import urllib3
    pool = urllib3.PoolManager()
    return lambda url: pool.request("GET", url)


ask = get(sys.argv[1])
ask(sys.argv[2])
print("next", flush=True)
sys.stdin.readline()
ask(sys.argv[3])
