/*
 * The text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). All samples of a metric stand
 * together, so each metric walks the rows.
 */
#include "shown.h"

#include <inttypes.h>

static void head(const char *metric, const char *type, const char *meaning)
{
    printf("# HELP %s %s\n# TYPE %s %s\n", metric, meaning, metric, type);
}

/* MORE: further labels, each with a comma before it. */
static void sample(const char *metric, const struct row *row, const char *more, int64_t value)
{
    char name[SHOWN_SIZE];
    char pid[32] = "";
    if (row->pid)
        snprintf(pid, sizeof pid, ",pid=\"%" PRId32 "\"", row->pid);
    printf("%s{program=\"%s\",uid=\"%" PRIu32 "\",by=\"%s\"%s%s} %" PRId64 "\n", metric,
           shown(name, row->program, true), row->uid, row->sidecar ? "watch" : "library", pid, more, value);
}

static void print_processes(const struct rows *rows)
{
    head("truefin_processes", "gauge", "Processes that live, by what truefin does in them.");
    for (size_t i = 0; i < rows->count; i++)
        for (unsigned state = 0; state < PAGE_STATES; state++) {
            char more[64];
            snprintf(more, sizeof more, ",state=\"%s\"", page_state_name(state));
            if (rows->at[i].states[state])
                sample("truefin_processes", &rows->at[i], more, rows->at[i].states[state]);
        }
    head("truefin_processes_total", "counter", "Processes that have had a connection.");
    for (size_t i = 0; i < rows->count; i++)
        sample("truefin_processes_total", &rows->at[i], "", (int64_t)rows->at[i].counters.processes);
}

static void print_connections(const struct rows *rows)
{
    head("truefin_connections_total", "counter", "TCP connections, by role.");
    for (size_t i = 0; i < rows->count; i++)
        for (int role = 0; role < PAGE_ROLES; role++)
            sample("truefin_connections_total", &rows->at[i],
                   role == ROLE_ACCEPTED ? ",role=\"accepted\"" : ",role=\"connected\"",
                   (int64_t)rows->at[i].counters.born[role]);
    head("truefin_open_connections", "gauge", "TCP connections that are open.");
    for (size_t i = 0; i < rows->count; i++)
        sample("truefin_open_connections", &rows->at[i], "", (int64_t)rows->at[i].counters.open);
    head("truefin_armed_connections", "gauge",
         "Open connections that the kernel resets if the process dies now.");
    for (size_t i = 0; i < rows->count; i++)
        sample("truefin_armed_connections", &rows->at[i], "", (int64_t)rows->at[i].counters.armed);
}

/* Those that never were are left out. */
static void print_endings(const struct rows *rows, bool would)
{
    const char *metric = would ? "truefin_would_endings_total" : "truefin_endings_total";
    head(metric, "counter",
         would ? "Observed connections, by what ended them and what the policy would have done."
               : "Connections, by what ended them and how they ended.");
    for (size_t i = 0; i < rows->count; i++)
        for (int event = 0; event < EVENTS; event++)
            for (int ending = 0; ending < ENDINGS; ending++) {
                const struct counters *has = &rows->at[i].counters;
                const uint64_t count = would ? has->would[event][ending] : has->ended[event][ending];
                char more[96];
                snprintf(more, sizeof more, ",event=\"%s\",ending=\"%s\"", event_name((enum event)event),
                         ending_name((enum ending)ending));
                if (count)
                    sample(metric, &rows->at[i], more, (int64_t)count);
            }
}

static void print_causes(const struct rows *rows)
{
    head("truefin_kernel_endings_total", "counter",
         "What the kernel makes of an end if nobody changes it, and why, where all endings are recorded.");
    for (size_t i = 0; i < rows->count; i++)
        for (int cause = 0; cause < CAUSES; cause++) {
            char more[96];
            snprintf(more, sizeof more, ",sends=\"%s\",why=\"%s\"", cause_sends((enum cause)cause),
                     cause_name((enum cause)cause));
            if (rows->at[i].counters.causes[cause])
                sample("truefin_kernel_endings_total", &rows->at[i], more,
                       (int64_t)rows->at[i].counters.causes[cause]);
        }
}

static void print_kept(const struct rows *rows)
{
    head("truefin_kept_connections_total", "counter",
         "Connections that outlived their close, by their ending.");
    for (size_t i = 0; i < rows->count; i++) {
        const struct counters *has = &rows->at[i].counters;
        sample("truefin_kept_connections_total", &rows->at[i], ",ending=\"linger\"",
               (int64_t)has->kept_linger);
        sample("truefin_kept_connections_total", &rows->at[i], ",ending=\"flush-rst\"",
               (int64_t)has->kept_flush);
    }
    head("truefin_kept_ended_total", "counter", "Kept connections that are over, by what ended them.");
    for (size_t i = 0; i < rows->count; i++) {
        const struct counters *has = &rows->at[i].counters;
        sample("truefin_kept_ended_total", &rows->at[i], ",by_what=\"peer\"", (int64_t)has->kept_ended);
        sample("truefin_kept_ended_total", &rows->at[i], ",by_what=\"delivery\"", (int64_t)has->flushed);
        sample("truefin_kept_ended_total", &rows->at[i], ",by_what=\"limit\"", (int64_t)has->kept_limit);
        sample("truefin_kept_ended_total", &rows->at[i], ",by_what=\"no-room\"", (int64_t)has->kept_gave_way);
    }
}

void prometheus_print(const struct rows *rows)
{
    print_processes(rows);
    print_connections(rows);
    print_endings(rows, false);
    print_endings(rows, true);
    print_causes(rows);
    print_kept(rows);
#define SHOW(field, metric, meaning)                                                                         \
    if (*(metric)) {                                                                                         \
        head(metric, "counter", meaning);                                                                    \
        for (size_t i = 0; i < rows->count; i++)                                                             \
            sample(metric, &rows->at[i], "", (int64_t)rows->at[i].counters.field);                           \
    }
    SHOWN_COUNTERS(SHOW)
#undef SHOW
}
