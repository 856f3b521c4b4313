#include "image.h"

#include "connection/page.h"
#include "remote.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START = 4096, MOST_HEADERS = 32 };

static const char library[] = "/libtruefin.so";

/* Of a line "7f00-7f01 r-xp 00000000 fd:00 1234   /path": is it the beginning of a file? */
static bool begins_file(const char *line)
{
    const char *offset = strchr(line, ' ');
    offset = offset ? strchr(offset + 1, ' ') : NULL;
    return offset && strtoull(offset, NULL, 16) == 0;
}

/* Where PID has mapped the beginning of a file; with NAME, of one that ends so, or has been deleted. 0: nowhere. */
static uintptr_t find_mapping(pid_t pid, const char *name, int *error)
{
    char *text = processes_read(pid, "maps", NULL);
    *error = text ? 0 : errno;
    for (char *line = text; line && *line;) {
        char *end = line + strcspn(line, "\n");
        char *next = *end ? end + 1 : end;
        *end = '\0';
        const char *path = strchr(line, '/');
        const char *found = path && name ? strstr(path, name) : path;
        const bool matches =
            found && (!name || !found[strlen(name)] || strcmp(found + strlen(name), " (deleted)") == 0);
        if (matches && begins_file(line))
            return strtoull(line, NULL, 16);
        line = next;
    }
    return 0;
}

/* The address that a field of the note names; 0 for one that it does not have. */
static uintptr_t address_of(uintptr_t note, size_t offset, int32_t distance, size_t size)
{
    return offset + sizeof distance > size ? 0 : note + offset + (uintptr_t)(intptr_t)distance;
}

/* SIZE bytes of the note's content, which lie at NOTE in the process. */
static void take_addresses(struct image *image, uintptr_t note, const char *content, size_t size)
{
    struct marker_note fields = {0};
    memcpy(&fields, content, size < sizeof fields ? size : sizeof fields);
#define ADDRESS(field) address_of(note, offsetof(struct marker_note, field), fields.field, size)
    image->marker = ADDRESS(marker);
    image->switch_at = ADDRESS(switched);
    image->config = ADDRESS(config);
    image->page = ADDRESS(page);
    image->first = ADDRESS(first);
    image->others = ADDRESS(others);
    image->highest = ADDRESS(highest);
    image->slots = ADDRESS(slots);
    image->slot_array = ADDRESS(slot_array);
#undef ADDRESS
}

static size_t aligned(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

/* Looks for ours among SIZE bytes of notes, which lie at AT in the process (elf(5)). */
static bool take_note(struct image *image, uintptr_t at, const char *notes, size_t size)
{
    for (size_t i = 0; i + sizeof(ElfW(Nhdr)) <= size;) {
        ElfW(Nhdr) note;
        memcpy(&note, notes + i, sizeof note);
        const size_t name = i + sizeof note;
        const size_t content = name + aligned(note.n_namesz);
        if (note.n_namesz > size || note.n_descsz > size || content + note.n_descsz > size)
            return false;
        if (note.n_namesz == sizeof MARKER_NOTE && strcmp(notes + name, MARKER_NOTE) == 0 &&
            (note.n_type == MARKER_LIBRARY || note.n_type == MARKER_SIDECAR)) {
            image->kind = note.n_type == MARKER_LIBRARY ? IMAGE_LIBRARY : IMAGE_SIDECAR;
            take_addresses(image, at + content, notes + content, note.n_descsz);
            return true;
        }
        i = content + aligned(note.n_descsz);
    }
    return false;
}

/* The note of ours in SEGMENT, of which the first page of the file, at BASE, may have the text already. */
static bool look_at_notes(struct image *image, const char *page, uintptr_t base, uintptr_t at, size_t size)
{
    static char notes[START];
    if (at >= base && at - base < START && size <= START - (at - base))
        return take_note(image, at, page + (at - base), size);
    return size <= sizeof notes && remote_read(image->pid, at, notes, size) &&
           take_note(image, at, notes, size);
}

/* Of the ELF file that is mapped at BASE. False with errno if it cannot be read, 0 for one without a note of ours. */
static bool find_note(struct image *image, uintptr_t base)
{
    _Alignas(ElfW(Ehdr)) static char page[START];
    const ElfW(Ehdr) *header = (const void *)page;
    const ElfW(Phdr) *segments = (const void *)(page + sizeof *header);
    uintptr_t bias = base;
    if (!remote_read(image->pid, base, page, sizeof page))
        return false;
    errno = 0;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_phoff != sizeof *header || header->e_phnum > MOST_HEADERS)
        return false;
    for (int i = header->e_phnum - 1; i >= 0; i--)
        if (segments[i].p_type == PT_LOAD)
            bias = base - (segments[i].p_vaddr & ~(uintptr_t)(START - 1));
    for (int i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_NOTE &&
            look_at_notes(image, page, base, bias + segments[i].p_vaddr, segments[i].p_memsz))
            return true;
    errno = 0;
    return false;
}

static void fail(struct image *image, int error)
{
    image->kind = error == EACCES || error == EPERM || error == ENOSYS ? IMAGE_HIDDEN : IMAGE_NONE;
    image->error = error;
}

/* Is it of the same version, and laid out as this tool is? */
static void compare(struct image *image)
{
    struct marker marker;
    if (!remote_read(image->pid, image->marker, &marker, sizeof marker) ||
        !remote_read(image->pid, image->switch_at, &image->switched, sizeof image->switched)) {
        fail(image, errno);
        return;
    }
    if (memcmp(marker.magic, truefin_marker.magic, sizeof marker.magic) == 0)
        memcpy(image->version, marker.version, sizeof marker.version - 1);
    if (memcmp(&marker, &truefin_marker, sizeof marker) != 0)
        image->kind = IMAGE_FOREIGN;
}

void image_find(struct image *image, const struct process *process)
{
    int error;
    *image = (struct image){.pid = process->pid};
    const uintptr_t base = find_mapping(process->pid, process->sidecar ? NULL : library, &error);
    if (error)
        fail(image, error);
    if (!base)
        return;
    const bool found = find_note(image, base);
    const int why_not = errno;
    if (found && (image->kind == IMAGE_SIDECAR || image->slot_array))
        compare(image);
    else if (!found && why_not)
        fail(image, why_not);
    else if (found || !process->sidecar)
        image->kind = IMAGE_FOREIGN;
}

void image_find_again(struct image *image, const struct process *process)
{
    const enum image_kind before = image->kind;
    if (before == IMAGE_LIBRARY || before == IMAGE_SIDECAR)
        compare(image);
    if (image->kind != before || before == IMAGE_NONE)
        image_find(image, process);
}

/* A process of somebody else's may have anything there: it must not lead us out of our own tables. */
static bool is_sound(const struct policy *policy)
{
    if (policy->rule_count > POLICY_RULES || policy->value_count > POLICY_VALUES)
        return false;
    for (int i = 0; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        if (rule->term_count > POLICY_TERMS)
            return false;
        for (int j = 0; j < rule->term_count; j++)
            if (rule->terms[j].kind > TERM_PEER ||
                rule->terms[j].first + rule->terms[j].count > policy->value_count)
                return false;
        for (int event = 0; event < EVENTS; event++)
            if (rule->endings.of[event] >= ENDINGS)
                return false;
    }
    return true;
}

bool image_config(const struct image *image, struct config *out, struct policy *policy)
{
    if (!remote_read(image->pid, image->config, out, sizeof *out))
        return false;
    if (out->policy && !remote_read(image->pid, (uintptr_t)out->policy, policy, sizeof *policy))
        return false;
    errno = EINVAL;
    return !out->policy || is_sound(policy);
}

/* What `truefin stats` is to believe of the connections there. */
static uint8_t state_of(const struct config *theirs, bool off)
{
    if (off)
        return PAGE_OFF;
    if (theirs->observes)
        return PAGE_OBSERVING;
    if (atomic_load(&theirs->state) != STATE_ON)
        return atomic_load(&theirs->state) == STATE_BLIND ? PAGE_BLIND : PAGE_SANDBOXED;
    return theirs->watched ? PAGE_WATCHED : PAGE_ON;
}

/* In its page with counters, if it has one: a process that is killed cannot say itself that it was off. */
static void tell_page(const struct image *image, bool off)
{
    static struct config theirs;
    uintptr_t page = 0;
    uint8_t was;
    if (!image->page || !remote_read(image->pid, image->page, &page, sizeof page) || !page ||
        !remote_read(image->pid, image->config, &theirs, sizeof theirs) ||
        !remote_read(image->pid, page + offsetof(struct page, state), &was, sizeof was))
        return;
    const uint8_t is = state_of(&theirs, off);
    remote_write(image->pid, &(struct remote_change){.at = page + offsetof(struct page, state),
                                                     .mark = page + offsetof(struct page, magic),
                                                     .was = &was,
                                                     .is = &is,
                                                     .expected = PAGE_MAGIC,
                                                     .size = sizeof is,
                                                     .expected_size = sizeof((struct page *)NULL)->magic});
}

static bool write_switch(struct image *image, uint32_t next)
{
    const struct remote_change change = {.at = image->switch_at,
                                         .mark = image->marker,
                                         .was = &image->switched,
                                         .is = &next,
                                         .expected = &truefin_marker,
                                         .size = sizeof next,
                                         .expected_size = sizeof truefin_marker};
    if (remote_write(image->pid, &change)) {
        image->switched = next;
        return true;
    }
    image->error = errno;
    return false;
}

bool image_switch(struct image *image, bool off)
{
    if ((image->switched & 1) == off)
        return true;
    /* Never 0 again: what was armed before is not armed any more. */
    const uint32_t next = (image->switched & ~MARKER_DISARM) + 1;
    if (!write_switch(image, next & MARKER_DISARM ? 2 : next))
        return false;
    tell_page(image, off);
    return true;
}

bool image_order_disarm(struct image *image)
{
    return write_switch(image, image->switched | MARKER_DISARM);
}
