#include "address.h"
#include "words.h"

#include <string.h>

static void put_value(struct text *text, const struct term *term, const union value *value)
{
    if (term->kind == TERM_PEER) {
        text_prefix(text, &value->prefix);
        return;
    }
    text_number(text, value->ports.low, 10);
    if (value->ports.high == value->ports.low)
        return;
    text_char(text, '-');
    text_number(text, value->ports.high, 10);
}

/* A line of text. It is broken, with an indent, before a piece that would go beyond WIDTH; never if WIDTH is 0. */
struct line {
    struct text *text;
    size_t begin, width;
};

static void put_term_head(struct text *text, const struct term *term)
{
    text_put(text, term->negated ? "!" : "");
    text_put(text, words_name(&term_words, term->kind));
    if (term->count > 0)
        text_char(text, '=');
}

/* The Nth value, with the ',' behind it. The name of the term goes in front of the first one. */
static void put_piece(struct text *text, const struct term *term, const union value *values, int n)
{
    if (n == 0)
        put_term_head(text, term);
    if (n < term->count)
        put_value(text, term, &values[term->first + n]);
    if (n + 1 < term->count)
        text_char(text, ',');
}

static void put_piece_in_line(struct line *line, const struct term *term, const union value *values, int n,
                              char gap)
{
    struct text measure = text_begin(NULL, 0);

    put_piece(&measure, term, values, n);
    if (line->width > 0 && line->text->length - line->begin + 1 + measure.length > line->width) {
        text_char(line->text, '\n');
        line->begin = line->text->length;
        text_put(line->text, "  ");
    } else if (gap)
        text_char(line->text, gap);
    put_piece(line->text, term, values, n);
}

static void put_match(struct text *text, const struct rule *rule, const union value *values, size_t width)
{
    struct line line = {text, text->length, width};

    for (int i = 0; i < rule->term_count; i++) {
        const struct term *term = &rule->terms[i];
        put_piece_in_line(&line, term, values, 0, i > 0 ? ' ' : '\0');
        for (int n = 1; n < term->count; n++)
            put_piece_in_line(&line, term, values, n, '\0');
    }
}

static int differences(const struct endings *a, const struct endings *b)
{
    int count = 0;

    for (int event = 0; event < EVENTS; event++)
        count += a->of[event] != b->of[event];
    return count;
}

static struct endings row_of(int preset)
{
    struct endings row = {.of = {ENDING_KEEP}};

    preset_apply(&row, preset);
    return row;
}

/* The preset that describes the row with the fewest changes; NULL if a row of keep needs as few. */
static const struct word *nearest_preset(const struct endings *row, struct endings *nearest)
{
    const struct word *preset = NULL;

    *nearest = (struct endings){.of = {ENDING_KEEP}};
    for (size_t i = 0; i < preset_words.count; i++) {
        struct endings candidate = row_of(preset_words.word[i].value);
        if (differences(row, &candidate) < differences(row, nearest)) {
            preset = &preset_words.word[i];
            *nearest = candidate;
        }
    }
    return preset;
}

static bool has_option(const struct endings *row)
{
    for (int option = 0; option < OPTIONS; option++)
        if (row->has[option])
            return true;
    return false;
}

static void put_words(struct text *text, const struct endings *row)
{
    struct endings base;
    const struct word *preset = nearest_preset(row, &base);
    const char *gap = preset ? ", " : "";

    if (preset)
        text_put(text, preset->name);
    else if (differences(row, &base) == 0 && !has_option(row))
        text_put(text, "off");
    for (int event = 0; event < EVENTS; event++) {
        if (row->of[event] == base.of[event])
            continue;
        text_put(text, gap);
        text_put(text, event_name((enum event)event));
        text_char(text, '=');
        text_put(text, ending_name((enum ending)row->of[event]));
        gap = ", ";
    }
    for (int option = 0; option < OPTIONS; option++) {
        if (!row->has[option])
            continue;
        text_put(text, gap);
        text_put(text, option_name((enum policy_option)option));
        gap = ", ";
    }
}

size_t policy_print(char *out, size_t size, const struct policy *policy)
{
    struct text text = text_begin(out, size);

    for (int i = 0; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        text_put(&text, i > 0 ? "; " : "");
        put_match(&text, rule, policy->values, 0);
        text_put(&text, rule->term_count > 0 ? ": " : "");
        put_words(&text, &rule->endings);
    }
    return text_end(&text);
}

/* The table: a column of matches, and one for each event, as wide as its name and the endings below it. */
enum { LINE_WIDTH = 100, GAP = 2, MATCH_WIDTH = 26 };

static size_t match_length(const struct rule *rule, const union value *values)
{
    struct text measure = text_begin(NULL, 0);

    put_match(&measure, rule, values, 0);
    return measure.length;
}

/* The width of the first column: that of the longest match which is not longer than MATCH_WIDTH. */
static size_t match_width(const struct policy *policy)
{
    size_t width = sizeof "no match" - 1;

    for (int i = 0; i < policy->rule_count; i++) {
        size_t length = match_length(&policy->rules[i], policy->values);
        if (length > width && length <= MATCH_WIDTH)
            width = length;
    }
    return width;
}

/* The widths of the columns. */
struct widths {
    size_t match, of[EVENTS];
};

static void widen(size_t *width, const char *cell)
{
    size_t length = strlen(cell);

    *width = *width > length ? *width : length;
}

static struct widths widths_of(const struct policy *policy)
{
    struct widths widths = {.match = match_width(policy)};

    for (int event = 0; event < EVENTS; event++) {
        widen(&widths.of[event], event_name((enum event)event));
        widen(&widths.of[event], ending_name(ENDING_KEEP));
        for (int i = 0; i < policy->rule_count; i++)
            widen(&widths.of[event], ending_name((enum ending)policy->rules[i].endings.of[event]));
    }
    return widths;
}

/*
 * Puts a cell for each event: its name, or its ending in ROW. An option, which is no ending, gets a line of its own. The text is at the end of the first column.
 */
static void put_cells(struct text *text, const struct widths *widths, const struct endings *row)
{
    size_t column = text->length;

    for (int event = 0; event < EVENTS; event++) {
        text_pad(text, column + GAP);
        text_put(text, row ? ending_name((enum ending)row->of[event]) : event_name((enum event)event));
        column += GAP + widths->of[event];
    }
    text_char(text, '\n');
    for (int option = 0; row && option < OPTIONS; option++) {
        if (!row->has[option])
            continue;
        text_put(text, "  and ");
        text_put(text, option_name((enum policy_option)option));
        text_char(text, '\n');
    }
}

static void put_line(struct text *text, const struct widths *widths, const char *match,
                     const struct endings *row)
{
    size_t begin = text->length;

    text_put(text, match);
    text_pad(text, begin + widths->match);
    put_cells(text, widths, row);
}

/* A match too wide for its column has lines of its own above the endings. */
static void put_rule(struct text *text, const struct widths *widths, const struct rule *rule,
                     const union value *values)
{
    size_t begin = text->length;

    put_match(text, rule, values, LINE_WIDTH);
    if (text->length - begin > widths->match) {
        text_char(text, '\n');
        begin = text->length;
    }
    text_pad(text, begin + widths->match);
    put_cells(text, widths, &rule->endings);
}

size_t policy_print_table(char *out, size_t size, const struct policy *policy)
{
    static const struct endings keep;
    struct text text = text_begin(out, size);
    const struct widths widths = widths_of(policy);
    bool all_match = false;

    put_line(&text, &widths, "match", NULL);
    for (int i = 0; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        if (rule->term_count > 0)
            put_rule(&text, &widths, rule, policy->values);
        else
            put_line(&text, &widths, "any", &rule->endings);
        all_match = all_match || rule->term_count == 0;
    }
    if (!all_match)
        put_line(&text, &widths, "no match", &keep);
    return text_end(&text);
}
