#include "listeners.h"

#include "config.h"
#include "kept/raw.h"
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORTS = 65536,
    LINE = 256,
    LISTENING = 0x0a, /* TCP_LISTEN as /proc/net/tcp writes it */
    FRESH = 1000,     /* milliseconds */
};

static uint8_t listening[PORTS / 8];
static pid_t known_for;                          /* the process for which it was asked; 0 for none */
static uint32_t known_at;                        /* raw_now() */
static unsigned lowest = 32768, highest = 60999; /* ip_local_port_range, ip(7) */

void listeners_forget(void)
{
    known_for = 0;
}

static void note(unsigned long port)
{
    if (port < PORTS)
        listening[port / 8] |= (uint8_t)(1 << port % 8);
}

/* "  0: 0100007F:1F90 00000000:0000 0A ...": the kernel lists the listeners first. */
static void read_table(pid_t pid, const char *name)
{
    char path[LINE];
    char line[LINE];
    snprintf(path, sizeof path, PROC_ROOT "/%d/net/%s", pid, name);
    FILE *table = fopen(path, "re");
    if (!table)
        return;
    bool more = fgets(line, sizeof line, table) != NULL;
    while (more && fgets(line, sizeof line, table)) {
        const char *local = strchr(line, ':');
        const char *port = local ? strchr(local + 1, ':') : NULL;
        const char *remote = port ? strchr(port + 1, ':') : NULL;
        const char *state = remote ? strchr(remote, ' ') : NULL;
        more = state && strtol(state, NULL, 16) == LISTENING;
        if (more)
            note(strtoul(port + 1, NULL, 16));
    }
    fclose(table);
}

static void read_range(void)
{
    FILE *range = fopen(PROC_ROOT "/sys/net/ipv4/ip_local_port_range", "re");
    char line[LINE];
    char *end = line;
    if (range && fgets(line, sizeof line, range)) {
        lowest = (unsigned)strtoul(line, &end, 10);
        highest = (unsigned)strtoul(end, NULL, 10);
    }
    if (range)
        fclose(range);
}

static bool asks_role(void)
{
    for (int i = 0; i < config.policy->rule_count; i++)
        for (int j = 0; j < config.policy->rules[i].term_count; j++)
            if (config.policy->rules[i].terms[j].kind != TERM_PEER)
                return true;
    return false;
}

bool listeners_have(pid_t pid, uint16_t port)
{
    if (!asks_role())
        return true;
    if (known_for != pid || raw_now() - known_at > FRESH) {
        known_at = raw_now();
        memset(listening, 0, sizeof listening);
        read_range();
        read_table(pid, "tcp");
        read_table(pid, "tcp6");
        known_for = pid;
    }
    return port < lowest || port > highest || (listening[port / 8] >> port % 8 & 1);
}
