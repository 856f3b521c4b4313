// A plug-in that waits, while it is loaded, for a thread of its own, which throws and catches.
#include <stdexcept>
#include <thread>

static bool throws()
{
    bool caught = false;
    std::thread thread([&caught] {
        try {
            throw std::runtime_error("in a thread");
        } catch (const std::exception &) {
            caught = true;
        }
    });
    thread.join();
    return caught;
}

static const bool caught = throws();

extern "C" int run(const char *)
{
    return caught ? 0 : 1;
}
