#include "find.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool is_executable(const char *path)
{
    return is_regular(path) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

enum exit_code find_command(char *out, const char *name)
{
    if (strchr(name, '/')) {
        if (strlen(name) >= PATH_MAX || access(name, F_OK))
            return EXIT_NOT_FOUND;
        memcpy(out, name, strlen(name) + 1);
        return is_executable(name) ? EXIT_YES : EXIT_CANNOT_RUN;
    }
    if (!*name)
        return EXIT_NOT_FOUND;

    const char *path = getenv("PATH");
    enum exit_code code = EXIT_NOT_FOUND;
    char candidate[PATH_MAX];
    for (const char *at = path ? path : "/bin:/usr/bin"; at;
         at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        int length = (int)strcspn(at, ":");
        /* An empty element means the working directory. */
        int n = snprintf(candidate, sizeof candidate, "%.*s%s%s", length, at, length ? "/" : "./", name);
        if (n < 0 || n >= PATH_MAX || !is_regular(candidate))
            continue;
        bool executable = is_executable(candidate);
        if (executable || code == EXIT_NOT_FOUND)
            memcpy(out, candidate, (size_t)n + 1);
        if (executable)
            return EXIT_YES;
        code = EXIT_CANNOT_RUN;
    }
    return code;
}
