// server WAY: see README.md. The connection is owned by an object, as is good C++.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

class Connection
{
  public:
    explicit Connection(int listener) : fd(accept(listener, nullptr, nullptr))
    {
        if (fd < 0 || write(fd, "Hello.", 6) != 6)
            std::_Exit(99);
    }
    ~Connection()
    {
        close(fd);
    }
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

  private:
    int fd;
};

static int listening()
{
    sockaddr_in address{};
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, reinterpret_cast<sockaddr *>(&address), size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr *>(&address), &size) != 0)
        std::_Exit(99);
    std::cout << "port " << ntohs(address.sin_port) << std::endl;
    return listener;
}

static int deeper(volatile int *above)
{
    volatile int here[1000];
    here[0] = *above;
    return deeper(here) + here[0];
}

static void fail(int listener)
{
    Connection connection(listener);
    throw std::runtime_error("nobody catches this");
}

int main(int, char **argv)
{
    const std::string way = argv[1];
    const int listener = listening();
    volatile int zero = 0;
    if (way == "thread")
        std::thread(fail, listener).join();
    if (way == "exception")
        fail(listener);
    auto connection = std::make_unique<Connection>(listener);
    if (way == "close" || way == "drop")
        connection.reset();
    if (way == "exit-0" || way == "exit-3")
        std::exit(way.back() - '0');
    if (way == "return")
        return 3;
    if (way == "abort")
        std::abort();
    if (way == "segv")
        *reinterpret_cast<volatile int *>(static_cast<long>(zero)) = 1;
    if (way == "stack")
        return deeper(&zero);
    std::vector<std::string> garbage;
    while (way == "oom")
        garbage.emplace_back(1 << 20, 'x');
    std::cout << "waiting" << std::endl;
    sleep(20);
}
