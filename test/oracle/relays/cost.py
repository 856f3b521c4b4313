"""What a byte there and back costs a relay: its processor time, in pairs of rounds, with the preset and without."""

import os
import socket
import statistics
import threading
import time


def processor_time(pid):
    """Seconds of a process and its threads; clock ticks are coarse, so rounds take long."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as one:
        del one
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def descendants(pid):
    found = [pid]
    for one in found:
        try:
            with open(f"/proc/{one}/task/{one}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
        except OSError:
            pass
    return found


def echo(listener):
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=echo_one, args=(peer,), daemon=True).start()


def echo_one(peer):
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with peer:
        while data := peer.recv(4096):
            peer.sendall(data)


def there_and_back(port, count):
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            peer.sendall(b"x")
            peer.recv(1)


def measure(pids, port, count):
    before = sum(processor_time(pid) for pid in pids)
    there_and_back(port, count)
    return (sum(processor_time(pid) for pid in pids) - before) / count


def compare(bare, under, rounds, count):
    """BARE and UNDER: (pid, port). Ratios of all pairs, and the least times of both, in seconds."""
    pairs = [(descendants(pid), port) for pid, port in (bare, under)]
    for pids, port in pairs:
        measure(pids, port, count // 4)
    ratios, times = [], ([], [])
    for number in range(rounds):
        order = (0, 1) if number % 2 else (1, 0)
        for which in order:
            times[which].append(measure(*pairs[which], count))
        ratios.append(times[1][-1] / times[0][-1])
    return statistics.median(ratios), min(times[0]), min(times[1]), time.strftime("%F")
