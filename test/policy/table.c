/*
 * The policy language, row by row. Each table is run whole; main compares the number of rows that ran with
 * the number that must, so that none can be skipped silently.
 */
#include "policy.h"
#include "words.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 433 };

static int rows, failures;

static void fail(int line, const char *row, const char *what)
{
    fprintf(stderr, "%s:%d: [%s] %s\n", __FILE__, line, row, what);
    failures++;
}

#define CHECK(line, row, condition) ((condition) ? (void)0 : fail(line, row, #condition))
/* A declared name cannot stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses) */
#define FOR_EACH(row, table)                                                                                 \
    for (__typeof__(*(table)) *row = (table); row < (table) + sizeof(table) / sizeof *(table); row++, rows++)
/* NOLINTEND(bugprone-macro-parentheses) */

static bool equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_text(int line, const char *row, const char *is, const char *should_be)
{
    if (equal(is, should_be))
        return;
    fail(line, row, "text differs");
    fprintf(stderr, "    is:        %s\n    should be: %s\n", is ? is : "NULL",
            should_be ? should_be : "NULL");
}

static bool parsed(int line, struct policy *policy, const char *text)
{
    struct fault fault;
    char message[512];

    if (policy_parse(policy, text, &fault))
        return true;
    fault_print(message, sizeof message, "unexpected fault", &fault);
    fail(line, text, message);
    return false;
}

/* --- What words set --- */

/* The row as ten letters: k, f, l, F, r for keep, fin, linger, flush-rst, rst, in the order of enum event. */
static void letters(char out[EVENTS + 1], const struct endings *row)
{
    for (int event = 0; event < EVENTS; event++)
        out[event] = "kflFr"[row->of[event]];
    out[EVENTS] = '\0';
}

static const struct {
    int line;
    const char *text, *row;
} word_rows[] = {
    {__LINE__, "abort-on-crash", "kkFkkkFkkF"},
    {__LINE__, "abort-on-unread-data", "kFkkkkkkkk"},
    {__LINE__, "abort-unless-shutdown", "FFFFFFFFFF"},
    {__LINE__, "always-fin", "lllllfffff"},
    {__LINE__, "off", "kkkkkkkkkk"},
    {__LINE__, "refuse-write-after-fin", "kkkkkkkkkk"},
    {__LINE__, "always-fin, refuse-write-after-fin", "lllllfffff"},
    {__LINE__, settings[SETTING_POLICY].default_text, "kkFkkkFkkF"},
    /* later words override, and leave alone what they do not name */
    {__LINE__, "abort-on-crash, abort-on-unread-data", "kFFkkkFkkF"},
    {__LINE__, "always-fin, abort-on-crash", "llFllfFkfF"},
    {__LINE__, "abort-on-crash, always-fin", "lllllfffff"},
    {__LINE__, "abort-unless-shutdown,off", "kkkkkkkkkk"},
    {__LINE__, "abort-on-crash, exit-error=keep", "kkFkkkkkkF"},
    {__LINE__, "exit-error=keep, abort-on-crash", "kkFkkkFkkF"},
    {__LINE__, "session-error=fin, abort-on-crash", "kkFkkkFkkF"},
    {__LINE__, "abort-on-crash, session-error=keep", "kkFkkkFkkF"},
    {__LINE__, "abort-on-crash, crash=rst", "kkFkkkFkkr"},
    {__LINE__, "relay", "kkkkFkkkkk"},
    {__LINE__, "abort-on-crash, relay", "kkFkFkFkkF"},
    {__LINE__, "relay, source-failed=keep", "kkkkkkkkkk"},
    {__LINE__, "crash=rst, crash=fin", "kkkkkkkkkf"},
    /* blanks, comments, empty rules */
    {__LINE__, " \t off \t ", "kkkkkkkkkk"},
    {__LINE__, "crash = rst ,\tstop= fin", "kkkkkkkkfr"},
    {__LINE__, ";; ;crash=rst;;", "kkkkkkkkkr"},
    {__LINE__, "# crash=fin\n\n  # more\r\ncrash=rst # why\n", "kkkkkkkkkr"},
    {__LINE__, "crash=rst#why", "kkkkkkkkkr"},
};

static void test_words(void)
{
    FOR_EACH(row, word_rows)
    {
        struct policy policy;
        char is[EVENTS + 1];
        if (!parsed(row->line, &policy, row->text))
            continue;
        CHECK(row->line, row->text, policy.rule_count == 1);
        letters(is, &policy.rules[0].endings);
        check_text(row->line, row->text, is, row->row);
    }
}

/* Each EVENT=ENDING sets that event and no other. */
static void test_settings(void)
{
    static const char *const events[EVENTS] = {"close",         "unread", "unwind",     "exception",
                                               "source-failed", "exit",   "exit-error", "session-error",
                                               "stop",          "crash"};
    static const char *const endings[ENDINGS] = {"keep", "fin", "linger", "flush-rst", "rst"};

    for (int event = 0; event < EVENTS; event++)
        for (int ending = 0; ending < ENDINGS; ending++, rows++) {
            struct policy policy;
            char text[64], is[EVENTS + 1], should_be[] = "kkkkkkkkkk";
            (void)snprintf(text, sizeof text, "%s=%s", events[event], endings[ending]);
            should_be[event] = "kflFr"[ending];
            if (!parsed(__LINE__, &policy, text))
                continue;
            letters(is, &policy.rules[0].endings);
            check_text(__LINE__, text, is, should_be);
            check_text(__LINE__, text, event_name((enum event)event), events[event]);
            check_text(__LINE__, text, ending_name((enum ending)ending), endings[ending]);
        }
    check_text(__LINE__, "role", role_name(ROLE_ACCEPTED), "accepted");
    check_text(__LINE__, "role", role_name(ROLE_CONNECTED), "connected");
}

/* --- Which rule decides --- */

static struct address address_of(const char *text)
{
    struct address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

    if (inet_pton(AF_INET, text, address.bytes + 12) != 1 && inet_pton(AF_INET6, text, address.bytes) != 1)
        fail(__LINE__, text, "the test's address is none");
    return address;
}

#define A ROLE_ACCEPTED
#define C ROLE_CONNECTED

/* The ending of a crash, under POLICY, of a connection. */
static const struct {
    int line;
    enum ending crash;
    const char *policy;
    enum role role;
    uint16_t port;
    const char *peer;
} decide_rows[] = {
    {__LINE__, ENDING_RST, "crash=rst", A, 80, "10.1.2.3"},
    {__LINE__, ENDING_RST, "crash=rst", C, 1, "::1"},
    /* first match wins; no match is keep */
    {__LINE__, ENDING_FIN, "crash=fin; crash=rst", A, 80, "10.1.2.3"},
    {__LINE__, ENDING_FIN, "port=80: crash=fin; port=81: crash=linger; crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_LINGER, "port=80: crash=fin; port=81: crash=linger; crash=rst", A, 81, "::1"},
    {__LINE__, ENDING_RST, "port=80: crash=fin\nport=81: crash=linger\ncrash=rst", A, 82, "::1"},
    {__LINE__, ENDING_KEEP, "port=80: crash=fin; port=81: crash=linger", A, 82, "::1"},
    {__LINE__, ENDING_KEEP, "port=80: off; crash=rst", A, 80, "::1"},
    /* roles */
    {__LINE__, ENDING_RST, "accepted: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_KEEP, "accepted: crash=rst", C, 80, "::1"},
    {__LINE__, ENDING_KEEP, "connected: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_RST, "connected: crash=rst", C, 80, "::1"},
    {__LINE__, ENDING_KEEP, "!accepted: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_RST, "!accepted: crash=rst", C, 80, "::1"},
    {__LINE__, ENDING_RST, "!connected: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_KEEP, "!connected: crash=rst", C, 80, "::1"},
    {__LINE__, ENDING_KEEP, "accepted connected: crash=rst", C, 80, "::1"},
    /* ports */
    {__LINE__, ENDING_KEEP, "port=80,8000-8099: crash=rst", A, 79, "::1"},
    {__LINE__, ENDING_RST, "port=80,8000-8099: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_KEEP, "port=80,8000-8099: crash=rst", A, 81, "::1"},
    {__LINE__, ENDING_KEEP, "port=80,8000-8099: crash=rst", A, 7999, "::1"},
    {__LINE__, ENDING_RST, "port=80,8000-8099: crash=rst", A, 8000, "::1"},
    {__LINE__, ENDING_RST, "port=80,8000-8099: crash=rst", C, 8099, "::1"},
    {__LINE__, ENDING_KEEP, "port=80,8000-8099: crash=rst", C, 8100, "::1"},
    {__LINE__, ENDING_RST, "port=80 , 81: crash=rst", A, 81, "::1"},
    {__LINE__, ENDING_RST, "port=1-65535: crash=rst", A, 1, "::1"},
    {__LINE__, ENDING_RST, "port=1-65535: crash=rst", A, 65535, "::1"},
    {__LINE__, ENDING_KEEP, "port=1-65535: crash=rst", A, 0, "::1"},
    {__LINE__, ENDING_KEEP, "!port=80,81: crash=rst", A, 81, "::1"},
    {__LINE__, ENDING_RST, "!port=80,81: crash=rst", A, 82, "::1"},
    {__LINE__, ENDING_RST, "port=80-90 !port=85: crash=rst", A, 84, "::1"},
    {__LINE__, ENDING_KEEP, "port=80-90 !port=85: crash=rst", A, 85, "::1"},
    /* IPv4 peers, also in mapped form */
    {__LINE__, ENDING_RST, "peer=10.0.0.0/8: crash=rst", A, 80, "10.255.255.255"},
    {__LINE__, ENDING_RST, "peer=10.0.0.0/8: crash=rst", A, 80, "::ffff:10.1.2.3"},
    {__LINE__, ENDING_KEEP, "peer=10.0.0.0/8: crash=rst", A, 80, "11.0.0.0"},
    {__LINE__, ENDING_KEEP, "peer=10.0.0.0/8: crash=rst", A, 80, "::10.0.0.1"},
    {__LINE__, ENDING_RST, "peer=10.1.2.3: crash=rst", A, 80, "10.1.2.3"},
    {__LINE__, ENDING_KEEP, "peer=10.1.2.3: crash=rst", A, 80, "10.1.2.2"},
    {__LINE__, ENDING_RST, "peer=10.1.2.2/31: crash=rst", A, 80, "10.1.2.3"},
    {__LINE__, ENDING_KEEP, "peer=10.1.2.2/31: crash=rst", A, 80, "10.1.2.4"},
    {__LINE__, ENDING_RST, "peer=10.32.0.0/11: crash=rst", A, 80, "10.63.0.1"},
    {__LINE__, ENDING_KEEP, "peer=10.32.0.0/11: crash=rst", A, 80, "10.64.0.1"},
    {__LINE__, ENDING_RST, "peer=0.0.0.0/0: crash=rst", A, 80, "255.255.255.255"},
    {__LINE__, ENDING_KEEP, "peer=0.0.0.0/0: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_RST, "peer=::ffff:10.0.0.0/104: crash=rst", A, 80, "10.9.9.9"},
    {__LINE__, ENDING_RST, "peer=[::ffff:10.0.0.1]: crash=rst", A, 80, "10.0.0.1"},
    /* IPv6 peers; their prefixes never match IPv4 */
    {__LINE__, ENDING_RST, "peer=2001:db8::/32: crash=rst", A, 80, "2001:db8:ffff::1"},
    {__LINE__, ENDING_KEEP, "peer=2001:db8::/32: crash=rst", A, 80, "2001:db9::1"},
    {__LINE__, ENDING_RST, "peer=::/0: crash=rst", A, 80, "2001:db9::1"},
    {__LINE__, ENDING_KEEP, "peer=::/0: crash=rst", A, 80, "10.1.2.3"},
    {__LINE__, ENDING_KEEP, "peer=::/64: crash=rst", A, 80, "10.1.2.3"},
    {__LINE__, ENDING_RST, "!peer=::/0: crash=rst", A, 80, "10.1.2.3"},
    {__LINE__, ENDING_RST, "peer=fe80::/10: crash=rst", A, 80, "febf::1"},
    {__LINE__, ENDING_KEEP, "peer=fe80::/10: crash=rst", A, 80, "fec0::1"},
    {__LINE__, ENDING_RST, "peer=10.0.0.0/8, 192.168.0.0/16,::1: crash=rst", A, 80, "192.168.1.1"},
    {__LINE__, ENDING_RST, "peer=10.0.0.0/8, 192.168.0.0/16,::1: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_KEEP, "!peer=10.0.0.0/8,::1: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_RST, "!peer=10.0.0.0/8,::1: crash=rst", A, 80, "::2"},
    /* the ':' that ends the match, after an address with colons of its own */
    {__LINE__, ENDING_RST, "peer=::1: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_RST, "peer=::1:crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_FLUSH_RST, "peer=::1:abort-on-crash", A, 80, "::1"},
    {__LINE__, ENDING_RST, "peer=::1 : crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_RST, "peer=::: crash=rst", A, 80, "::"},
    {__LINE__, ENDING_RST, "peer=fe80::: crash=rst", A, 80, "fe80::"},
    {__LINE__, ENDING_RST, "peer=fe80:::crash=rst", A, 80, "fe80::"},
    {__LINE__, ENDING_RST, "peer=1:2:3:4:5:6:7:8:crash=rst", A, 80, "1:2:3:4:5:6:7:8"},
    {__LINE__, ENDING_RST, "peer=[::1]:crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_RST, "peer=[2001:db8::]/32:crash=rst", A, 80, "2001:db8::5"},
    {__LINE__, ENDING_RST, "peer=::ffff:1.2.3.4:crash=rst", A, 80, "1.2.3.4"},
    {__LINE__, ENDING_RST, "peer=::1 port=80:crash=rst", A, 80, "::1"},
    /* all terms must hold */
    {__LINE__, ENDING_RST, "accepted port=80 peer=::1: crash=rst", A, 80, "::1"},
    {__LINE__, ENDING_KEEP, "accepted port=80 peer=::1: crash=rst", C, 80, "::1"},
    {__LINE__, ENDING_KEEP, "accepted port=80 peer=::1: crash=rst", A, 81, "::1"},
    {__LINE__, ENDING_KEEP, "accepted port=80 peer=::1: crash=rst", A, 80, "::2"},
};

static void test_decide(void)
{
    FOR_EACH(row, decide_rows)
    {
        struct facts facts = {row->role, row->port, address_of(row->peer)};
        struct policy policy;
        if (!parsed(row->line, &policy, row->policy))
            continue;
        const struct endings *endings = policy_decide(&policy, &facts);
        check_text(row->line, row->policy, ending_name((enum ending)endings->of[EVENT_CRASH]),
                   ending_name(row->crash));
        CHECK(row->line, row->policy, policy_asks_port(&policy) == (strstr(row->policy, "port=") != NULL));
        CHECK(row->line, row->policy, policy_asks_peer(&policy) == (strstr(row->policy, "peer=") != NULL));
    }
}

/* --- Canonical text --- */

static const struct {
    int line;
    const char *text, *printed;
} print_rows[] = {
    {__LINE__, "off", "off"},
    {__LINE__, "crash=keep", "off"},
    {__LINE__, "abort-on-crash", "abort-on-crash"},
    {__LINE__, "crash=flush-rst,exit-error=flush-rst,unwind=flush-rst", "abort-on-crash"},
    {__LINE__, "crash=rst,exit-error=rst,unwind=rst", "unwind=rst, exit-error=rst, crash=rst"},
    {__LINE__, "abort-on-unread-data", "abort-on-unread-data"},
    {__LINE__, "unread=flush-rst", "abort-on-unread-data"},
    {__LINE__, "session-error=linger", "session-error=linger"},
    {__LINE__, "source-failed=flush-rst", "relay"},
    {__LINE__, "source-failed=rst", "source-failed=rst"},
    {__LINE__, "relay, abort-on-crash", "abort-on-crash, source-failed=flush-rst"},
    {__LINE__, "abort-unless-shutdown", "abort-unless-shutdown"},
    {__LINE__, "always-fin", "always-fin"},
    {__LINE__, "crash=rst", "crash=rst"},
    {__LINE__, "crash=fin,close=linger", "close=linger, crash=fin"},
    {__LINE__, "abort-on-crash,unwind=keep", "abort-on-crash, unwind=keep"},
    {__LINE__, "abort-on-crash,abort-on-unread-data", "abort-on-crash, unread=flush-rst"},
    {__LINE__, "always-fin,abort-on-crash",
     "always-fin, unwind=flush-rst, exit-error=flush-rst, session-error=keep, crash=flush-rst"},
    {__LINE__, "abort-unless-shutdown,stop=fin,exit=fin", "abort-unless-shutdown, exit=fin, stop=fin"},
    {__LINE__, " off ;\n# x\n;off", "off; off"},
    {__LINE__, "refuse-write-after-fin", "refuse-write-after-fin"},
    {__LINE__, "refuse-write-after-fin, abort-on-crash", "abort-on-crash, refuse-write-after-fin"},
    {__LINE__, "refuse-write-after-fin, crash=rst", "crash=rst, refuse-write-after-fin"},
    {__LINE__, "refuse-write-after-fin, off", "off"},
    {__LINE__, "defer-close", "defer-close"},
    {__LINE__, "defer-close, abort-on-crash, refuse-write-after-fin",
     "abort-on-crash, refuse-write-after-fin, defer-close"},
    {__LINE__, "defer-close, off", "off"},
    {__LINE__, "off, refuse-write-after-fin; refuse-write-after-fin",
     "refuse-write-after-fin; refuse-write-after-fin"},
    {__LINE__, "accepted :off", "accepted: off"},
    {__LINE__, "!accepted\tport = 80 , 8000-8099,9-9:off", "!accepted port=80,8000-8099,9: off"},
    {__LINE__, "!peer=10.0.0.0/8,10.1.2.3/32: off", "!peer=10.0.0.0/8,10.1.2.3: off"},
    {__LINE__, "peer=0.0.0.0/0:off", "peer=0.0.0.0/0: off"},
    {__LINE__, "peer=::ffff:0:0/96:off", "peer=0.0.0.0/0: off"},
    {__LINE__, "peer=::ffff:10.0.0.0/104:off", "peer=10.0.0.0/8: off"},
    {__LINE__, "peer=::1: off", "peer=[::1]: off"},
    {__LINE__, "peer=::: off", "peer=[::]: off"},
    {__LINE__, "peer=::/0: off", "peer=::/0: off"},
    {__LINE__, "peer=fe80::: off", "peer=[fe80::]: off"},
    {__LINE__, "peer=FE80::/10: off", "peer=fe80::/10: off"},
    {__LINE__, "peer=[2001:0db8::]/32: off", "peer=2001:db8::/32: off"},
    {__LINE__, "peer=1:0:0:2:0:0:0:3: off", "peer=[1:0:0:2::3]: off"},
    {__LINE__, "peer=1:0:0:2:3:0:0:4: off", "peer=[1::2:3:0:0:4]: off"},
    {__LINE__, "peer=1:0:2:3:4:5:6:7: off", "peer=[1:0:2:3:4:5:6:7]: off"},
    {__LINE__, "peer=1:2:3:4:5:6:0:0: off", "peer=[1:2:3:4:5:6::]: off"},
    {__LINE__, "peer=::2:3:4:5:6:7:8: off", "peer=[0:2:3:4:5:6:7:8]: off"},
    {__LINE__, "peer=::1.2.3.4: off", "peer=[::102:304]: off"},
    {__LINE__, "port=80:off\nconnected:crash=rst\nabort-on-crash",
     "port=80: off; connected: crash=rst; abort-on-crash"},
};

static void test_print(void)
{
    FOR_EACH(row, print_rows)
    {
        struct policy policy, again;
        char text[512], second[512], cut[8];
        if (!parsed(row->line, &policy, row->text))
            continue;
        size_t length = policy_print(text, sizeof text, &policy);
        check_text(row->line, row->text, text, row->printed);
        CHECK(row->line, row->text, length == strlen(text));
        if (!parsed(row->line, &again, text))
            continue;
        policy_print(second, sizeof second, &again);
        check_text(row->line, row->text, second, text);
        CHECK(row->line, row->text, policy_print(NULL, 0, &policy) == length);
        CHECK(row->line, row->text, policy_print(cut, sizeof cut, &policy) == length);
        CHECK(row->line, row->text,
              strlen(cut) == (length < 7 ? length : 7) && strncmp(cut, text, strlen(cut)) == 0);
    }
}

static const struct {
    int line;
    const char *text, *table;
} table_rows[] = {
    {__LINE__, "abort-on-crash",
     "match     close  unread  unwind     exception  source-failed  exit  exit-error  session-error  stop  "
     "crash\n"
     "any       keep   keep    flush-rst  keep       keep           keep  flush-rst   keep           keep  "
     "flush-rst\n"},
    {__LINE__, "port=80 accepted: always-fin",
     "match             close   unread  unwind  exception  source-failed  exit  exit-error  session-error  "
     "stop  crash\n"
     "port=80 accepted  linger  linger  linger  linger     linger         fin   fin         fin            "
     "fin   fin\n"
     "no match          keep    keep    keep    keep       keep           keep  keep        keep           "
     "keep  keep\n"},
    {__LINE__, "connected: crash=rst, refuse-write-after-fin",
     "match      close  unread  unwind  exception  source-failed  exit  exit-error  session-error  stop  "
     "crash\n"
     "connected  keep   keep    keep    keep       keep           keep  keep        keep           keep  "
     "rst\n"
     "  and refuse-write-after-fin\n"
     "no match   keep   keep    keep    keep       keep           keep  keep        keep           keep  "
     "keep\n"},
    {__LINE__, "peer=2001:db8:1::/48,2001:db8:2::/48: off; crash=rst",
     "match     close  unread  unwind  exception  source-failed  exit  exit-error  session-error  stop  "
     "crash\n"
     "peer=2001:db8:1::/48,2001:db8:2::/48\n"
     "          keep   keep    keep    keep       keep           keep  keep        keep           keep  "
     "keep\n"
     "any       keep   keep    keep    keep       keep           keep  keep        keep           keep  "
     "rst\n"},
};

static void test_table(void)
{
    FOR_EACH(row, table_rows)
    {
        struct policy policy;
        char table[2048];
        if (!parsed(row->line, &policy, row->text))
            continue;
        size_t length = policy_print_table(table, sizeof table, &policy);
        check_text(row->line, row->text, table, row->table);
        CHECK(row->line, row->text, length == strlen(table));
    }
}

/* "port=1,2,...,COUNT" in short numbers, then REST. */
static const char *with_ports(int count, const char *rest)
{
    static char text[1024];
    size_t length = (size_t)snprintf(text, sizeof text, "port=1");

    for (int i = 1; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, ",%d", 1 + i);
    (void)snprintf(text + length, sizeof text - length, "%s", rest);
    return text;
}

static const char *repeated(int count, const char *piece, const char *rest)
{
    static char text[1024];
    size_t length = 0;

    for (int i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s", piece);
    (void)snprintf(text + length, sizeof text - length, "%s", rest);
    return text;
}

static void test_table_width(void)
{
    struct policy policy;
    char table[8192];

    rows++;
    if (!parsed(__LINE__, &policy,
                with_ports(127, " accepted peer=2001:db8:1:2:3:4:5:6: off; abort-unless-shutdown")))
        return;
    size_t length = policy_print_table(table, sizeof table, &policy);
    CHECK(__LINE__, "width", length == strlen(table));
    for (const char *line = table; *line; line += strcspn(line, "\n") + 1)
        CHECK(__LINE__, line, strcspn(line, "\n") <= 140);
}

/* --- Faults --- */

/* The parsers in one shape; each must leave what it would write as it was when it fails. */
static bool untouched(const void *out, size_t size)
{
    const unsigned char *bytes = out;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0xa5) /* cppcheck-suppress objectIndex; all types have SIZE bytes */
            return false;
    return true;
}

#define FAULT_OF(name, type, parse)                                                                          \
    static bool name(const char *text, struct fault *fault)                                                  \
    {                                                                                                        \
        type out;                                                                                            \
        memset(&out, 0xa5, sizeof out);                                                                      \
        if (parse(&out, text, fault))                                                                        \
            return false;                                                                                    \
        CHECK(__LINE__, text, untouched(&out, sizeof out));                                                  \
        return true;                                                                                         \
    }

FAULT_OF(in_policy, struct policy, policy_parse)
FAULT_OF(in_time, unsigned, time_parse)
FAULT_OF(in_size, uint64_t, size_parse)
FAULT_OF(in_linger_end, uint8_t, linger_end_parse)
FAULT_OF(in_linger_at_exit, bool, linger_at_exit_parse)
FAULT_OF(in_log_format, bool, log_format_parse)
FAULT_OF(in_log_endings, bool, log_endings_parse)
FAULT_OF(in_observe, bool, observe_parse)
FAULT_OF(in_directory, const char *, directory_parse)
FAULT_OF(in_statuses, struct statuses, statuses_parse)
FAULT_OF(in_signals, uint64_t, signals_parse)
FAULT_OF(in_log, const char *, log_parse)

static const struct {
    int line;
    bool (*fault)(const char *text, struct fault *fault);
    const char *text;
    unsigned at_line, column;
    size_t length;
    const char *what, *nearest;
} fault_rows[] = {
    /* nothing */
    {__LINE__, in_policy, "", 1, 1, 0, "no rule", NULL},
    {__LINE__, in_policy, " ;; # off\n", 2, 1, 0, "no rule", NULL},
    {__LINE__, in_policy, "# off", 1, 6, 0, "no rule", NULL},
    /* words */
    {__LINE__, in_policy, "abort-on-crsh", 1, 1, 13, "unknown word", "abort-on-crash"},
    {__LINE__, in_policy, "ABORT-ON-CRASH", 1, 1, 14, "unknown word", "abort-on-crash"},
    {__LINE__, in_policy, "abort-on-unread", 1, 1, 15, "unknown word", "abort-on-unread-data"},
    {__LINE__, in_policy, "abort-unles-shutdwon", 1, 1, 20, "unknown word", "abort-unless-shutdown"},
    {__LINE__, in_policy, "allways-fin", 1, 1, 11, "unknown word", "always-fin"},
    {__LINE__, in_policy, "of", 1, 1, 2, "unknown word", "off"},
    {__LINE__, in_policy, "nonsense", 1, 1, 8, "unknown word", NULL},
    {__LINE__, in_policy, "abort-on-crash-abort-on-crash-abort-on-crash", 1, 1, 44, "unknown word", NULL},
    {__LINE__, in_policy, "off, nonsense ", 1, 6, 8, "unknown word", NULL},
    {__LINE__, in_policy, "off\nport=80: off # x\n\t nonsense", 3, 3, 8, "unknown word", NULL},
    {__LINE__, in_policy, "off,", 1, 5, 0, "missing word", NULL},
    {__LINE__, in_policy, "off,,off", 1, 5, 0, "missing word", NULL},
    {__LINE__, in_policy, ",off", 1, 1, 0, "missing word", NULL},
    {__LINE__, in_policy, "=rst", 1, 1, 0, "missing word", NULL},
    {__LINE__, in_policy, "off off", 1, 5, 3, "unexpected text", NULL},
    {__LINE__, in_policy, "off: off", 1, 4, 1, "unexpected text", NULL},
    {__LINE__, in_policy, "off accepted: off", 1, 5, 8, "unexpected text", NULL},
    {__LINE__, in_policy, "off, port=80: off", 1, 6, 4, "match term after a word", NULL},
    {__LINE__, in_policy, "off, accepted", 1, 6, 8, "match term after a word", NULL},
    {__LINE__, in_policy, "off\x01", 1, 1, 4, "unknown word", "off"},
    /* settings */
    {__LINE__, in_policy, "crsh=rst", 1, 1, 4, "unknown event", "crash"},
    {__LINE__, in_policy, "exit_error=rst", 1, 1, 10, "unknown event", "exit-error"},
    {__LINE__, in_policy, "unrend=rst", 1, 1, 6, "unknown event", "unread"}, /* "unwind" is two letters off */
    {__LINE__, in_policy, "off, off=rst", 1, 6, 3, "unknown event", NULL},
    {__LINE__, in_policy, "crash", 1, 1, 5, "event without an ending", NULL},
    {__LINE__, in_policy, "off, stop; off", 1, 6, 4, "event without an ending", NULL},
    {__LINE__, in_policy, "crash=rts", 1, 7, 3, "unknown ending", "rst"},
    {__LINE__, in_policy, "crash=FIN", 1, 7, 3, "unknown ending", "fin"},
    {__LINE__, in_policy, "crash=lnger", 1, 7, 5, "unknown ending", "linger"},
    {__LINE__, in_policy, "crash=abort", 1, 7, 5, "unknown ending", NULL},
    {__LINE__, in_policy, "crash=", 1, 7, 0, "missing ending", NULL},
    {__LINE__, in_policy, "crash= ; off", 1, 8, 0, "missing ending", NULL},
    {__LINE__, in_policy, "crash==rst", 1, 7, 0, "missing ending", NULL},
    {__LINE__, in_policy, "crash=rst=fin", 1, 10, 4, "unexpected text", NULL},
    /* match terms */
    {__LINE__, in_policy, "acepted: off", 1, 1, 7, "unknown match term", "accepted"},
    {__LINE__, in_policy, "prot=80: off", 1, 1, 4, "unknown match term", "port"},
    {__LINE__, in_policy, "!peeer=::1: off", 1, 2, 5, "unknown match term", "peer"},
    {__LINE__, in_policy, "accepted conected: off", 1, 10, 8, "unknown match term", "connected"},
    {__LINE__, in_policy, "host=x: off", 1, 1, 4, "unknown match term", NULL},
    {__LINE__, in_policy, "nonsense: off", 1, 1, 8, "unknown match term", NULL},
    {__LINE__, in_policy, ": off", 1, 1, 0, "missing match term", NULL},
    {__LINE__, in_policy, "!: off", 1, 2, 0, "missing match term", NULL},
    {__LINE__, in_policy, "! accepted: off", 1, 2, 0, "missing match term", NULL},
    {__LINE__, in_policy, "!!accepted: off", 1, 2, 9, "unknown match term", "accepted"},
    {__LINE__, in_policy, "accepted", 1, 9, 0, "missing ':' after the match", NULL},
    {__LINE__, in_policy, "accepted; off", 1, 9, 0, "missing ':' after the match", NULL},
    {__LINE__, in_policy, "accepted, connected: off", 1, 9, 0, "missing ':' after the match", NULL},
    {__LINE__, in_policy, "accepted\n: off", 1, 9, 0, "missing ':' after the match", NULL},
    {__LINE__, in_policy, "port=80 off", 1, 9, 3, "missing ':' before", NULL},
    {__LINE__, in_policy, "port=80 crash=rst", 1, 9, 5, "missing ':' before", NULL},
    {__LINE__, in_policy, "accepted=yes: off", 1, 9, 4, "value for a term that has none", NULL},
    {__LINE__, in_policy, "accepted:", 1, 10, 0, "missing word", NULL},
    {__LINE__, in_policy, "accepted: ; off", 1, 11, 0, "missing word", NULL},
    {__LINE__, in_policy, "accepted:\noff", 1, 10, 0, "missing word", NULL},
    {__LINE__, in_policy, "accepted: # off", 1, 11, 0, "missing word", NULL},
    {__LINE__, in_policy, "accepted:: off", 1, 10, 0, "missing word", NULL},
    /* ports */
    {__LINE__, in_policy, "port: off", 1, 5, 0, "missing '='", NULL},
    {__LINE__, in_policy, "port", 1, 5, 0, "missing '='", NULL},
    {__LINE__, in_policy, "port=: off", 1, 6, 0, "missing port", NULL},
    {__LINE__, in_policy, "port=", 1, 6, 0, "missing port", NULL},
    {__LINE__, in_policy, "port=80,: off", 1, 9, 0, "missing port", NULL},
    {__LINE__, in_policy, "port=80,,81: off", 1, 9, 0, "missing port", NULL},
    {__LINE__, in_policy, "port=,80: off", 1, 6, 0, "missing port", NULL},
    {__LINE__, in_policy, "port=http: off", 1, 6, 4, "not a port", NULL},
    {__LINE__, in_policy, "port=+80: off", 1, 6, 3, "not a port", NULL},
    {__LINE__, in_policy, "port=-80: off", 1, 6, 3, "not a port", NULL},
    {__LINE__, in_policy, "port=80-: off", 1, 6, 3, "not a port", NULL},
    {__LINE__, in_policy, "port=080: off", 1, 6, 3, "not a port", NULL},
    {__LINE__, in_policy, "port=0x50: off", 1, 6, 4, "not a port", NULL},
    {__LINE__, in_policy, "port=80x: off", 1, 6, 3, "not a port", NULL},
    {__LINE__, in_policy, "port=80--90: off", 1, 9, 3, "not a port", NULL},
    {__LINE__, in_policy, "port=80-90-99: off", 1, 9, 5, "not a port", NULL},
    {__LINE__, in_policy, "port=80 -90: off", 1, 9, 3, "unknown match term", NULL},
    {__LINE__, in_policy, "port=0: off", 1, 6, 1, "port out of range", NULL},
    {__LINE__, in_policy, "port=65536: off", 1, 6, 5, "port out of range", NULL},
    {__LINE__, in_policy, "port=80,1-70000: off", 1, 11, 5, "port out of range", NULL},
    {__LINE__, in_policy, "port=4294967376: off", 1, 6, 10, "port out of range", NULL},
    {__LINE__, in_policy, "port=18446744073709551696: off", 1, 6, 20, "port out of range", NULL},
    {__LINE__, in_policy, "port=8099-8000: off", 1, 6, 9, "range ends before it begins", NULL},
    {__LINE__, in_policy, "port=80;off", 1, 8, 0, "missing ':' after the match", NULL},
    /* peers */
    {__LINE__, in_policy, "peer: off", 1, 5, 0, "missing '='", NULL},
    {__LINE__, in_policy, "peer=: off", 1, 6, 0, "missing address", NULL},
    {__LINE__, in_policy, "peer=/8: off", 1, 6, 0, "missing address", NULL},
    {__LINE__, in_policy, "peer=::1,: off", 1, 10, 0, "missing address", NULL},
    {__LINE__, in_policy, "peer=localhost:off", 1, 6, 9, "not an address", NULL},
    {__LINE__, in_policy, "peer=10.0.0: off", 1, 6, 6, "not an address", NULL},
    {__LINE__, in_policy, "peer=10.0.0.256/8:off", 1, 6, 10, "not an address", NULL},
    {__LINE__, in_policy, "peer=10.0.0.01:off", 1, 6, 9, "not an address", NULL},
    {__LINE__, in_policy, "peer=fe80::1%eth0: off", 1, 6, 12, "not an address", NULL},
    {__LINE__, in_policy, "peer=1::2::3: off", 1, 6, 7, "not an address", NULL},
    {__LINE__, in_policy, "peer=[::1: off", 1, 6, 4, "not an address", NULL},
    {__LINE__, in_policy, "peer=[10.0.0.1]: off", 1, 6, 10, "not an address", NULL},
    {__LINE__, in_policy, "peer=[]: off", 1, 6, 2, "not an address", NULL},
    {__LINE__, in_policy, "peer=10.0.0.0/: off", 1, 15, 0, "missing prefix length", NULL},
    {__LINE__, in_policy, "peer=10.0.0.0/x: off", 1, 15, 1, "not a prefix length", NULL},
    {__LINE__, in_policy, "peer=10.0.0.0/08: off", 1, 15, 2, "not a prefix length", NULL},
    {__LINE__, in_policy, "peer=10.0.0.0/8/8: off", 1, 15, 3, "not a prefix length", NULL},
    {__LINE__, in_policy, "peer=10.0.0.0/33: off", 1, 15, 2, "prefix length out of range", NULL},
    {__LINE__, in_policy, "peer=::/129: off", 1, 9, 3, "prefix length out of range", NULL},
    {__LINE__, in_policy, "peer=10.0.0.1/8: off", 1, 6, 10, "bits after the prefix", "10.0.0.0/8"},
    {__LINE__, in_policy, "peer=::1,2001:db8::1/32: off", 1, 10, 14, "bits after the prefix",
     "2001:db8::/32"},
    {__LINE__, in_policy, "peer=[::1]/64: off", 1, 6, 8, "bits after the prefix", "::/64"},
    {__LINE__, in_policy, "peer=10.0.0.3/31: off", 1, 6, 11, "bits after the prefix", "10.0.0.2/31"},
    {__LINE__, in_policy, "peer=::1::off", 1, 6, 8, "not an address", NULL},
    /* times */
    {__LINE__, in_time, "", 1, 1, 0, "not a time", NULL},
    {__LINE__, in_time, "s", 1, 1, 1, "not a time", NULL},
    {__LINE__, in_time, "soon", 1, 1, 4, "not a time", NULL},
    {__LINE__, in_time, "-1s", 1, 1, 3, "not a time", NULL},
    {__LINE__, in_time, "+1s", 1, 1, 3, "not a time", NULL},
    {__LINE__, in_time, " 1s", 1, 1, 3, "not a time", NULL},
    {__LINE__, in_time, "01s", 1, 1, 3, "not a time", NULL},
    {__LINE__, in_time, "2", 1, 1, 1, "time without a unit", NULL},
    {__LINE__, in_time, "2h", 1, 2, 1, "unknown unit", NULL},
    {__LINE__, in_time, "2m", 1, 2, 1, "unknown unit", NULL},
    {__LINE__, in_time, "1.5s", 1, 2, 3, "unknown unit", NULL},
    {__LINE__, in_time, "2s ", 1, 2, 2, "unknown unit", NULL},
    {__LINE__, in_time, "2s\n", 1, 3, 0, "unexpected text", NULL},
    {__LINE__, in_time, "61min", 1, 1, 5, "time too long", NULL},
    {__LINE__, in_time, "3600001ms", 1, 1, 9, "time too long", NULL},
    {__LINE__, in_time, "4294967297s", 1, 1, 11, "time too long", NULL},
    {__LINE__, in_time, "99999999999999999999ms", 1, 1, 22, "time too long", NULL},
    {__LINE__, in_size, "", 1, 1, 0, "not a size", NULL},
    {__LINE__, in_size, "K", 1, 1, 1, "not a size", NULL},
    {__LINE__, in_size, "64", 1, 1, 2, "size without a unit", NULL},
    {__LINE__, in_size, "64MB", 1, 3, 2, "unknown unit", NULL},
    {__LINE__, in_size, "64k", 1, 3, 1, "unknown unit", NULL},
    {__LINE__, in_size, "1025G", 1, 1, 5, "size too large", NULL},
    {__LINE__, in_size, "99999999999K", 1, 1, 12, "size too large", NULL},
    {__LINE__, in_linger_end, "", 1, 1, 0, "unknown ending for a limit", NULL},
    {__LINE__, in_linger_end, "keep", 1, 1, 4, "unknown ending for a limit", NULL},
    {__LINE__, in_linger_end, "FIN", 1, 1, 3, "unknown ending for a limit", "fin"},
    {__LINE__, in_linger_at_exit, "no", 1, 1, 2, "unknown choice", NULL},
    {__LINE__, in_linger_at_exit, "wat", 1, 1, 3, "unknown choice", "wait"},
    {__LINE__, in_linger_at_exit, "wait\n", 1, 5, 0, "unexpected text", NULL},
    {__LINE__, in_log_format, "jsn", 1, 1, 3, "unknown form of records", "json"},
    {__LINE__, in_log_format, "json,", 1, 1, 5, "unknown form of records", "json"},
    {__LINE__, in_log_endings, "al", 1, 1, 2, "unknown choice", "all"},
    {__LINE__, in_log_endings, "every", 1, 1, 5, "unknown choice", NULL},
    {__LINE__, in_observe, "yes", 1, 1, 3, "neither on nor off", NULL},
    {__LINE__, in_observe, "1\n", 1, 2, 0, "unexpected text", NULL},
    {__LINE__, in_directory, "run/truefin", 1, 1, 11, "not an absolute path", NULL},
    {__LINE__, in_directory, "/run\n", 1, 1, 4, "not an absolute path", NULL},
    /* exit statuses */
    {__LINE__, in_statuses, "", 1, 1, 0, "missing exit status", NULL},
    {__LINE__, in_statuses, "0,", 1, 3, 0, "missing exit status", NULL},
    {__LINE__, in_statuses, "0,,1", 1, 3, 0, "missing exit status", NULL},
    {__LINE__, in_statuses, "zero", 1, 1, 4, "not an exit status", NULL},
    {__LINE__, in_statuses, "0,-1", 1, 3, 2, "not an exit status", NULL},
    {__LINE__, in_statuses, "256", 1, 1, 3, "exit status out of range", NULL},
    {__LINE__, in_statuses, "1-300", 1, 3, 3, "exit status out of range", NULL},
    {__LINE__, in_statuses, "143-129", 1, 1, 7, "range ends before it begins", NULL},
    {__LINE__, in_statuses, "0 1", 1, 3, 1, "unexpected text", NULL},
    {__LINE__, in_statuses, "0;1", 1, 2, 2, "unexpected text", NULL},
    /* signals */
    {__LINE__, in_signals, "", 1, 1, 0, "missing signal", NULL},
    {__LINE__, in_signals, "TERM,", 1, 6, 0, "missing signal", NULL},
    {__LINE__, in_signals, "TREM", 1, 1, 4, "unknown signal", "TERM"},
    {__LINE__, in_signals, "term", 1, 1, 4, "unknown signal", "TERM"},
    {__LINE__, in_signals, "INT,SIGTREM", 1, 5, 7, "unknown signal", "TERM"},
    {__LINE__, in_signals, "SIG", 1, 1, 3, "unknown signal", NULL},
    {__LINE__, in_signals, "RTMIN", 1, 1, 5, "unknown signal", NULL},
    {__LINE__, in_signals, "0", 1, 1, 1, "signal out of range", NULL},
    {__LINE__, in_signals, "64", 1, 1, 2, "signal out of range", NULL},
    {__LINE__, in_signals, "15x", 1, 1, 3, "not a signal", NULL},
    {__LINE__, in_signals, "TERM,KILL", 1, 6, 4, "signal that no program can handle", NULL},
    {__LINE__, in_signals, "SIGSTOP", 1, 1, 7, "signal that no program can handle", NULL},
    {__LINE__, in_signals, "9", 1, 1, 1, "signal that no program can handle", NULL},
    {__LINE__, in_signals, "32", 1, 1, 2, "signal that no program can handle", NULL},
    {__LINE__, in_signals, "TERM INT", 1, 6, 3, "unexpected text", NULL},
    /* the place for records */
    {__LINE__, in_log, "", 1, 1, 0, "unknown place for records", NULL},
    {__LINE__, in_log, "./log", 1, 1, 5, "unknown place for records", NULL},
    {__LINE__, in_log, "sdterr", 1, 1, 6, "unknown place for records", "stderr"},
    {__LINE__, in_log, "log.txt", 1, 1, 7, "unknown place for records", NULL},
    {__LINE__, in_log, "stderr\n", 1, 1, 6, "unknown place for records", "stderr"},
};

static void check_fault(int line, const char *text, const struct fault *fault)
{
    CHECK(line, text, fault->at >= text && fault->at + fault->length <= text + strlen(text));
    CHECK(line, text, fault->allowed && fault->allowed[0]);
    CHECK(line, text, !fault->nearest || !fault->corrected[0]);
}

static void test_faults(void)
{
    FOR_EACH(row, fault_rows)
    {
        struct fault fault;
        if (!row->fault(row->text, &fault)) {
            fail(row->line, row->text, "no fault");
            continue;
        }
        check_fault(row->line, row->text, &fault);
        check_text(row->line, row->text, fault.what, row->what);
        check_text(row->line, row->text, fault.corrected[0] ? fault.corrected : fault.nearest, row->nearest);
        CHECK(row->line, row->text, fault.line == row->at_line);
        CHECK(row->line, row->text, fault.column == row->column);
        CHECK(row->line, row->text, fault.length == row->length);
    }
}

static void test_limit(int line, const char *good)
{
    struct policy policy;

    rows++;
    (void)parsed(line, &policy, good);
}

static void test_over_limit(int line, const char *text, const char *what, unsigned column)
{
    struct fault fault;

    rows++;
    if (!in_policy(text, &fault)) {
        fail(line, what, "no fault");
        return;
    }
    check_fault(line, text, &fault);
    check_text(line, what, fault.what, what);
    CHECK(line, what, fault.column == column);
}

static void test_limits(void)
{
    test_limit(__LINE__, repeated(POLICY_RULES, "off;", ""));
    test_over_limit(__LINE__, repeated(POLICY_RULES, "off;", "off"), "too many rules", 4 * POLICY_RULES + 1);
    test_limit(__LINE__, repeated(POLICY_TERMS, "accepted ", ": off"));
    test_over_limit(__LINE__, repeated(POLICY_TERMS, "accepted ", "port=1: off"), "too many match terms",
                    9 * POLICY_TERMS + 1);
    test_limit(__LINE__, with_ports(POLICY_VALUES, ": off"));
    test_over_limit(__LINE__, with_ports(POLICY_VALUES, ", 99 : off"), "too many ports and peers", 411);
    test_over_limit(__LINE__, with_ports(POLICY_VALUES, " peer=::1: off"), "too many ports and peers", 415);
}

/* --- Messages --- */

static const struct {
    int line;
    const char *text, *message, *caret;
} message_rows[] = {
    {__LINE__, "abort-on-crsh",
     "P: unknown word \"abort-on-crsh\" at column 1 (allowed: abort-on-crash, abort-on-unread-data, "
     "abort-unless-shutdown, always-fin, relay, refuse-write-after-fin, defer-close, off, EVENT=ENDING; did "
     "you "
     "mean "
     "abort-on-crash?)",
     "abort-on-crsh\n^^^^^^^^^^^^^\n"},
    {__LINE__, "off\n\tcrash=\t;",
     "P: missing ending at line 2, column 9 (allowed: keep, fin, linger, flush-rst, rst)",
     "\tcrash=\t;\n\t      \t^\n"},
    {__LINE__, "peer=10.0.0.1/8: off",
     "P: bits after the prefix \"10.0.0.1/8\" at column 6 (allowed: only zero bits after the prefix; did you "
     "mean "
     "10.0.0.0/8?)",
     "peer=10.0.0.1/8: off\n     ^^^^^^^^^^\n"},
    /* control bytes cannot reach a terminal; a letter of two bytes has one caret */
    {__LINE__, "crash=\x1b[2J\x7f",
     "P: unknown ending \"?[2J?\" at column 7 (allowed: keep, fin, linger, flush-rst, rst)",
     "crash=?[2J?\n      ^^^^^\n"},
    {__LINE__, "crash=rst, crash=r\xc3\xa4t",
     "P: unknown ending \"r\xc3\xa4t\" at column 18 (allowed: keep, fin, linger, flush-rst, rst)",
     "crash=rst, crash=r\xc3\xa4t\n                 ^^^\n"},
    /* a long quotation is cut, not in the middle of a letter */
    {__LINE__, "crash=----------123456789-123456789-123456789-123456789-12345678\xc3\xa4-",
     "P: unknown ending \"----------123456789-123456789-123456789-123456789-12345678\xc3\xa4...\" at column "
     "7 (allowed: keep, "
     "fin, linger, flush-rst, rst)",
     "crash=----------123456789-123456789-123456789-123456789-12345678\xc3\xa4-\n"
     "      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
    {__LINE__, "crash=----------123456789-123456789-123456789-123456789-123456789\xc3\xa4",
     "P: unknown ending \"----------123456789-123456789-123456789-123456789-123456789...\" at column 7 "
     "(allowed: keep, "
     "fin, linger, flush-rst, rst)",
     "crash=----------123456789-123456789-123456789-123456789-123456789\xc3\xa4\n"
     "      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"},
};

static void test_messages(void)
{
    FOR_EACH(row, message_rows)
    {
        struct fault fault;
        char message[512], cut[4];
        if (!in_policy(row->text, &fault)) {
            fail(row->line, row->text, "no fault");
            continue;
        }
        CHECK(row->line, row->text,
              fault_print(message, sizeof message, "P", &fault) == strlen(row->message));
        check_text(row->line, row->text, message, row->message);
        CHECK(row->line, row->text, fault_print(cut, sizeof cut, "P", &fault) == strlen(row->message));
        check_text(row->line, row->text, cut, "P: ");
        fault_print_caret(message, sizeof message, row->text, &fault);
        check_text(row->line, row->text, message, row->caret);
    }
}

/* A person is told of every name: what "allowed" says is complete. */
static void test_allowed(void)
{
    const struct words *const all[] = {&event_words, &ending_words, &preset_words,  &term_words,
                                       &log_words,   &limit_words,  &at_exit_words, NULL};

    for (size_t i = 0; all[i]; i++, rows++)
        for (size_t j = 0; j < all[i]->count; j++)
            CHECK(__LINE__, all[i]->word[j].name, strstr(all[i]->allowed, all[i]->word[j].name) != NULL);
}

/* --- The other values --- */

static const struct {
    int line;
    unsigned milliseconds;
    const char *text;
} time_rows[] = {
    {__LINE__, 0, "0"},
    {__LINE__, 0, "0ms"},
    {__LINE__, 0, "0min"},
    {__LINE__, 500, "500ms"},
    {__LINE__, 2000, "2s"},
    {__LINE__, 60000, "1min"},
    {__LINE__, 3600000, "60min"},
    {__LINE__, 3600000, "3600s"},
    {__LINE__, 3600000, "3600000ms"},
    {__LINE__, 2000, settings[SETTING_LINGER_TIME].default_text},
};

static void test_times(void)
{
    FOR_EACH(row, time_rows)
    {
        struct fault fault;
        unsigned is = 1;
        CHECK(row->line, row->text, time_parse(&is, row->text, &fault));
        CHECK(row->line, row->text, is == row->milliseconds);
    }
}

static const struct {
    int line;
    uint64_t bytes;
    const char *text;
} size_rows[] = {
    {__LINE__, 0, "0"},
    {__LINE__, 0, "0K"},
    {__LINE__, 1024, "1K"},
    {__LINE__, UINT64_C(64) << 20, "64M"},
    {__LINE__, UINT64_C(3) << 30, "3G"},
    {__LINE__, UINT64_C(1) << 40, "1024G"},
    {__LINE__, UINT64_C(1) << 40, "1073741824K"},
};

static void test_sizes(void)
{
    FOR_EACH(row, size_rows)
    {
        struct fault fault;
        uint64_t is = 1;
        CHECK(row->line, row->text, size_parse(&is, row->text, &fault));
        CHECK(row->line, row->text, is == row->bytes);
    }
}

static void test_linger_words(void)
{
    struct fault fault;
    uint8_t end = ENDING_KEEP;
    bool waits = false;

    CHECK(__LINE__, "fin", linger_end_parse(&end, "fin", &fault) && end == ENDING_FIN);
    CHECK(__LINE__, "rst", linger_end_parse(&end, "rst", &fault) && end == ENDING_RST);
    CHECK(__LINE__, "wait", linger_at_exit_parse(&waits, "wait", &fault) && waits);
    CHECK(__LINE__, "end", linger_at_exit_parse(&waits, "end", &fault) && !waits);
    CHECK(__LINE__, "json", log_format_parse(&waits, "json", &fault) && waits);
    CHECK(__LINE__, "logfmt", log_format_parse(&waits, "logfmt", &fault) && !waits);
    CHECK(__LINE__, "all", log_endings_parse(&waits, "all", &fault) && waits);
    CHECK(__LINE__, "changed", log_endings_parse(&waits, "changed", &fault) && !waits);
    CHECK(__LINE__, "1", observe_parse(&waits, "1", &fault) && waits);
    CHECK(__LINE__, "0", observe_parse(&waits, "0", &fault) && !waits);
}

/* Members lists exactly the statuses in the set, -1 ends it. */
static const struct {
    int line;
    const char *text;
    int members[6];
} status_rows[] = {
    {__LINE__, "0", {0, -1}},
    {__LINE__, settings[SETTING_CLEAN_EXITS].default_text, {0, 129, 130, 143, -1}},
    {__LINE__, "0, 129-131 ,255", {0, 129, 130, 131, 255, -1}},
    {__LINE__, "63-64,127-128", {63, 64, 127, 128, -1}},
    {__LINE__, "7,7,7-7", {7, -1}},
};

static bool is_member(const int *members, int status)
{
    for (; *members >= 0; members++)
        if (*members == status)
            return true;
    return false;
}

static void test_statuses(void)
{
    FOR_EACH(row, status_rows)
    {
        struct statuses set;
        struct fault fault;
        bool good = statuses_parse(&set, row->text, &fault);
        CHECK(row->line, row->text, good);
        for (int status = 0; good && status < 256; status++)
            CHECK(row->line, row->text, statuses_has(&set, status) == is_member(row->members, status));
        CHECK(row->line, row->text, !good || statuses_has(&set, 256) == statuses_has(&set, 0));
        CHECK(row->line, row->text, !good || statuses_has(&set, -1) == statuses_has(&set, 255));
    }
}

#define BIT(signal) (UINT64_C(1) << (signal))

static const struct {
    int line;
    const char *text;
    uint64_t set;
} signal_rows[] = {
    {__LINE__, settings[SETTING_STOP_SIGNALS].default_text, BIT(SIGTERM) | BIT(SIGINT) | BIT(SIGHUP)},
    {__LINE__, "TERM", BIT(SIGTERM)},
    {__LINE__, "SIGTERM", BIT(SIGTERM)},
    {__LINE__, "15", BIT(SIGTERM)},
    {__LINE__, "TERM, SIGTERM ,15", BIT(SIGTERM)},
    {__LINE__, "1,63,34", BIT(1) | BIT(63) | BIT(34)},
    {__LINE__, "IOT,CLD,POLL", BIT(SIGABRT) | BIT(SIGCHLD) | BIT(SIGIO)},
    {__LINE__, "QUIT,ILL,TRAP,ABRT,BUS,FPE,USR1,SEGV,USR2,PIPE,ALRM",
     BIT(SIGQUIT) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGABRT) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGUSR1) |
         BIT(SIGSEGV) | BIT(SIGUSR2) | BIT(SIGPIPE) | BIT(SIGALRM)},
    {__LINE__, "CHLD,CONT,TSTP,TTIN,TTOU,URG,XCPU,XFSZ,VTALRM,PROF,WINCH,IO,PWR,SYS",
     BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU) | BIT(SIGURG) | BIT(SIGXCPU) |
         BIT(SIGXFSZ) | BIT(SIGVTALRM) | BIT(SIGPROF) | BIT(SIGWINCH) | BIT(SIGIO) | BIT(SIGPWR) |
         BIT(SIGSYS)},
};

static void test_signals(void)
{
    FOR_EACH(row, signal_rows)
    {
        struct fault fault;
        uint64_t is = 0;
        CHECK(row->line, row->text, signals_parse(&is, row->text, &fault));
        CHECK(row->line, row->text, is == row->set);
    }
}

static void test_logs(void)
{
    static const char *const good[] = {"stderr", "syslog", "/", "/var/log/truefin.log"};
    struct fault fault;

    FOR_EACH(row, good)
    {
        const char *where = NULL;
        CHECK(__LINE__, *row, log_parse(&where, *row, &fault) && where == *row);
    }
}

/* The values that stand in for texts which nobody parses. */
static void test_defaults(void)
{
    static struct policy parsed;
    struct statuses statuses;
    struct fault fault;
    uint64_t signals = 0;
    struct linger_limits linger = {.end = ENDING_KEEP, .waits = true};

    CHECK(__LINE__, settings[SETTING_POLICY].default_text,
          policy_parse(&parsed, settings[SETTING_POLICY].default_text, &fault) &&
              parsed.rule_count == policy_default.rule_count &&
              parsed.rules[0].term_count == policy_default.rules[0].term_count &&
              memcmp(&parsed.rules[0].endings, &policy_default.rules[0].endings, sizeof(struct endings)) ==
                  0);
    CHECK(__LINE__, settings[SETTING_CLEAN_EXITS].default_text,
          statuses_parse(&statuses, settings[SETTING_CLEAN_EXITS].default_text, &fault) &&
              memcmp(&statuses, &statuses_default, sizeof statuses) == 0);
    CHECK(__LINE__, settings[SETTING_STOP_SIGNALS].default_text,
          signals_parse(&signals, settings[SETTING_STOP_SIGNALS].default_text, &fault) &&
              signals == signals_default);
    CHECK(__LINE__, settings[SETTING_LINGER_TIME].default_text,
          time_parse(&linger.milliseconds, settings[SETTING_LINGER_TIME].default_text, &fault) &&
              linger.milliseconds == linger_default.milliseconds);
    CHECK(__LINE__, settings[SETTING_LINGER_BYTES].default_text,
          size_parse(&linger.bytes, settings[SETTING_LINGER_BYTES].default_text, &fault) &&
              linger.bytes == linger_default.bytes);
    CHECK(__LINE__, settings[SETTING_LINGER_END].default_text,
          linger_end_parse(&linger.end, settings[SETTING_LINGER_END].default_text, &fault) &&
              linger.end == linger_default.end);
    CHECK(__LINE__, settings[SETTING_LINGER_AT_EXIT].default_text,
          linger_at_exit_parse(&linger.waits, settings[SETTING_LINGER_AT_EXIT].default_text, &fault) &&
              linger.waits == linger_default.waits);
    bool json = true, all = true, observes = true;
    CHECK(__LINE__, "off",
          log_format_parse(&json, settings[SETTING_LOG_FORMAT].default_text, &fault) && !json);
    CHECK(__LINE__, "off",
          log_endings_parse(&all, settings[SETTING_LOG_ENDINGS].default_text, &fault) && !all);
    CHECK(__LINE__, "off",
          observe_parse(&observes, settings[SETTING_OBSERVE].default_text, &fault) && !observes);
}

int main(void)
{
    test_words();
    test_defaults();
    test_settings();
    test_decide();
    test_print();
    test_table();
    test_table_width();
    test_faults();
    test_limits();
    test_messages();
    test_allowed();
    test_times();
    test_sizes();
    test_linger_words();
    test_statuses();
    test_signals();
    test_logs();
    if (rows != ROWS) {
        fprintf(stderr, "%s:%d: %d rows ran, not %d: say the new number if rows were meant to come or go\n",
                __FILE__, __LINE__, rows, ROWS);
        failures++;
    }
    printf("%d rows, %d failures\n", rows, failures);
    return failures > 0;
}
