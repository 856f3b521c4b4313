#include "shown.h"

#include <inttypes.h>

/* A member of an object of counters, those that are 0 left out. */
static void put(const char *name, uint64_t number, bool *first)
{
    if (!number)
        return;
    printf("%s\"%s\":%" PRIu64, *first ? "" : ",", name, number);
    *first = false;
}

static void put_endings(const char *name, const _Atomic uint64_t (*ended)[ENDINGS])
{
    bool first_event = true;
    printf(",\"%s\":{", name);
    for (int event = 0; event < EVENTS; event++) {
        bool first = true;
        uint64_t any = 0;
        for (int ending = 0; ending < ENDINGS; ending++)
            any |= ended[event][ending];
        if (!any)
            continue;
        printf("%s\"%s\":{", first_event ? "" : ",", event_name((enum event)event));
        first_event = false;
        for (int ending = 0; ending < ENDINGS; ending++)
            put(ending_name((enum ending)ending), ended[event][ending], &first);
        putchar('}');
    }
    putchar('}');
}

static void put_row(const struct row *row)
{
    const struct counters *has = &row->counters;
    char name[SHOWN_SIZE];
    bool first = true;
    printf("{\"program\":\"%s\",\"uid\":%" PRIu32 ",\"by\":\"%s\"", shown(name, row->program, true), row->uid,
           row->sidecar ? "watch" : "library");
    if (row->pid)
        printf(",\"pid\":%" PRId32, row->pid);
    printf(",\"processes\":%" PRIu64 ",\"living\":%" PRIu32 ",\"states\":{", has->processes, row->living);
    for (unsigned i = 0; i < PAGE_STATES; i++)
        put(page_state_name(i), row->states[i], &first);
    printf("},\"open\":%" PRId64 ",\"armed\":%" PRId64 ",\"accepted\":%" PRIu64 ",\"connected\":%" PRIu64,
           (int64_t)has->open, (int64_t)has->armed, has->born[ROLE_ACCEPTED], has->born[ROLE_CONNECTED]);
    put_endings("endings", has->ended);
    put_endings("would", has->would);
    printf(",\"kernel\":{");
    first = true;
    for (int cause = 0; cause < CAUSES; cause++)
        put(cause_name((enum cause)cause), has->causes[cause], &first);
    putchar('}');
#define SHOW(field, metric, meaning) printf(",\"" #field "\":%" PRIu64, has->field);
    SHOWN_COUNTERS(SHOW)
#undef SHOW
    putchar('}');
}

void json_print(const struct rows *rows)
{
    putchar('[');
    for (size_t i = 0; i < rows->count; i++) {
        if (i > 0)
            fputs(",\n", stdout);
        put_row(&rows->at[i]);
    }
    puts("]");
}
