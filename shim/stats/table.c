#include "shown.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WIDEST = 24 };

static uint64_t all_of(const struct counters *counters, enum ending ending)
{
    uint64_t sum = 0;
    for (int event = 0; event < EVENTS; event++)
        sum += counters->ended[event][ending];
    return sum;
}

/* "on", or "on:2,blind:1" where they differ; "-" where none lives. */
static void put_states(char *out, size_t size, const struct row *row)
{
    struct text text = text_begin(out, size);
    unsigned kinds = 0;
    for (int i = 0; i < PAGE_STATES; i++)
        kinds += row->states[i] > 0;
    for (unsigned i = 0; i < PAGE_STATES; i++) {
        if (!row->states[i])
            continue;
        if (text.length > 0)
            text_char(&text, ',');
        text_put(&text, page_state_name(i));
        if (kinds > 1) {
            text_char(&text, ':');
            text_number(&text, row->states[i], 10);
        }
    }
    if (kinds == 0)
        text_char(&text, '-');
    text_end(&text);
}

/* A name, and what tells its row from others of that name. */
static void put_program(char out[SHOWN_SIZE + 32], const struct row *row)
{
    char name[SHOWN_SIZE];
    char pid[16] = "";
    if (row->pid)
        snprintf(pid, sizeof pid, "[%d]", row->pid);
    snprintf(out, SHOWN_SIZE + 32, "%s%s%s", shown(name, row->program, false), pid,
             row->sidecar ? " (watch)" : "");
}

static void print_connections(const struct rows *rows, int width)
{
    printf("%-*s %6s %6s %6s %8s %9s %9s %9s %9s %9s %9s %9s %9s  %s\n", width, "PROGRAM", "UID", "LIVING",
           "OPEN", "ARMED", "ACCEPTED", "CONNECTED", "keep", "fin", "linger", "flush-rst", "rst", "LOST",
           "STATE");
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->at[i];
        const struct counters *has = &row->counters;
        char name[SHOWN_SIZE + 32];
        char states[128];
        put_program(name, row);
        put_states(states, sizeof states, row);
        printf("%-*s %6" PRIu32 " %6" PRIu32 " %6" PRId64 " %8" PRId64 " %9" PRIu64 " %9" PRIu64, width, name,
               row->uid, row->living, (int64_t)has->open, (int64_t)has->armed, has->born[ROLE_ACCEPTED],
               has->born[ROLE_CONNECTED]);
        for (int ending = 0; ending < ENDINGS; ending++)
            printf(" %9" PRIu64, all_of(has, (enum ending)ending));
        printf(" %9" PRIu64 "  %s\n", has->lost_open, states);
    }
}

static void print_detail(const char *name, int width, const char *kind, const char *what, const char *how,
                         uint64_t count)
{
    if (count)
        printf("%-*s %-8s %-14s %-14s %12" PRIu64 "\n", width, name, kind, what, how, count);
}

static void print_details(const struct row *row, int width)
{
    const struct counters *has = &row->counters;
    char name[SHOWN_SIZE + 32];
    put_program(name, row);
    for (int event = 0; event < EVENTS; event++)
        for (int ending = 0; ending < ENDINGS; ending++) {
            const char *what = event_name((enum event)event);
            const char *how = ending_name((enum ending)ending);
            print_detail(name, width, "ended", what, how, has->ended[event][ending]);
            print_detail(name, width, "would", what, how, has->would[event][ending]);
        }
    for (int cause = 0; cause < CAUSES; cause++)
        print_detail(name, width, "kernel", cause_name((enum cause)cause), cause_sends((enum cause)cause),
                     has->causes[cause]);
#define SHOW(field, metric, meaning) print_detail(name, width, "count", #field, "", has->field);
    SHOWN_COUNTERS(SHOW)
#undef SHOW
}

void table_print(const struct rows *rows)
{
    int width = (int)strlen("PROGRAM");
    for (size_t i = 0; i < rows->count; i++) {
        char name[SHOWN_SIZE + 32];
        put_program(name, &rows->at[i]);
        const int length = (int)strlen(name);
        width = length > width && length <= WIDEST ? length : width;
    }
    print_connections(rows, width);
    if (rows->count > 0)
        putchar('\n');
    for (size_t i = 0; i < rows->count; i++)
        print_details(&rows->at[i], width);
}
