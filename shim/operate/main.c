/*
 * operate status|off|on ARGUMENT...: what is truefin doing in the processes that run, and the emergency switch.
 *
 *     words --processes.c--> pids --image.c--> the library's marker in each --> status.c: rows --> print.c
 *                                                                           --> off.c: the switch, disarm
 *
 * All is done from outside: no process is stopped, traced or made to run anything.
 */
#include "operate.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(char **argv);
    } commands[] = {{"status", status_command}, {"off", off_command}, {"on", on_command}};
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argv + 2);
    fputs("usage: operate status|off|on [ARGUMENT]...\n", stderr);
    return EXIT_USAGE;
}
