/*
 * throw COUNT: throws and catches COUNT exceptions, through one frame with something to destroy, and prints the
 * nanoseconds that one took.
 */
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

volatile int destroyed;

struct Value {
    ~Value() { destroyed = destroyed + 1; }
};

__attribute__((noinline)) void fail(int number)
{
    throw number;
}

__attribute__((noinline)) void pass(int number)
{
    Value value;
    fail(number);
}

} // namespace

int main(int argc, char **argv)
{
    const int count = argc == 2 ? atoi(argv[1]) : 0;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; i++)
        try {
            pass(i);
        } catch (int) {
        }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    printf("%.1f\n", count > 0 ? took.count() / count : 0);
    return destroyed == count ? 0 : 1;
}
