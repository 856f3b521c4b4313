/*
 * plugin FILE CASE: a C program, without libgcc_s or a C++ library, that opens the plug-in FILE so that what
 * it brings is seen by nobody else, and runs CASE there.
 */
#include <dlfcn.h>
#include <err.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(2, "usage: plugin FILE CASE");
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!plugin)
        errx(1, "%s", dlerror());
    int (*run)(const char *);
    *(void **)&run = dlsym(plugin, "run");
    return run ? run(argv[2]) : 1;
}
