#include "elf.h"

#include "find.h"
#include "secure.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Exactly SIZE bytes at OFFSET, or false. */
static bool read_at(int fd, void *out, size_t size, uint64_t offset)
{
    char *to = out;
    while (size > 0) {
        if (offset > INT64_MAX)
            return false;
        ssize_t n = pread(fd, to, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

/*
 * This program's own header, placed by the linker: the library is built for the same machine. The structures
 * below are those of this program's own class, for files of the other class are turned away first.
 */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static bool same_machine(const ElfW(Ehdr) * header)
{
    const ElfW(Ehdr) *own = &__ehdr_start;
    return header->e_ident[EI_CLASS] == own->e_ident[EI_CLASS] &&
           header->e_ident[EI_DATA] == own->e_ident[EI_DATA] && header->e_machine == own->e_machine;
}

enum find { FOUND, NONE, DAMAGED };

/* Puts the path of the dynamic linker that the file asks for into OUT. */
static enum find find_interpreter(int fd, const ElfW(Ehdr) * header, char out[PATH_MAX])
{
    if (header->e_phnum && header->e_phentsize != sizeof(ElfW(Phdr)))
        return DAMAGED;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!read_at(fd, &segment, sizeof segment, header->e_phoff + i * sizeof segment))
            return DAMAGED;
        if (segment.p_type != PT_INTERP)
            continue;
        if (segment.p_filesz < 2 || segment.p_filesz > PATH_MAX ||
            !read_at(fd, out, segment.p_filesz, segment.p_offset))
            return DAMAGED;
        return out[segment.p_filesz - 1] == '\0' ? FOUND : DAMAGED;
    }
    return NONE;
}

/*
 * Did the Go linker make it? The names of its sections tell, which stripped programs have too. A file without
 * readable sections counts as no Go: it runs, and truefin misses what its runtime does by raw system calls.
 */
static bool is_go(int fd, const ElfW(Ehdr) * header)
{
    static const char *const names[] = {".go.buildinfo", ".note.go.buildid"};
    ElfW(Shdr) section;
    if (header->e_shentsize != sizeof section ||
        !read_at(fd, &section, sizeof section, header->e_shoff + header->e_shstrndx * sizeof section))
        return false;
    uint64_t strings = section.sh_offset;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        char name[24];
        if (!read_at(fd, &section, sizeof section, header->e_shoff + i * sizeof section))
            return false;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            size_t size = strlen(names[k]) + 1;
            if (read_at(fd, name, size, strings + section.sh_name) && !memcmp(name, names[k], size))
                return true;
        }
    }
    return false;
}

/* Does NAME stand in the SIZE bytes at OFFSET, with a zero byte before it and behind it? */
static bool has_name(int fd, uint64_t offset, uint64_t size, const char *name)
{
    char block[4096];
    const size_t length = strlen(name) + 2;
    while (size >= length) {
        size_t n = size < sizeof block ? (size_t)size : sizeof block;
        if (!read_at(fd, block, n, offset))
            return false;
        for (char *at = block; (at = memchr(at, '\0', n - (size_t)(at - block))); at++)
            if (n - (size_t)(at - block) >= length && !memcmp(at + 1, name, length - 1))
                return true;
        if (n == size)
            return false;
        offset += n - length + 1;
        size -= n - length + 1;
    }
    return false;
}

/*
 * Was it built with AddressSanitizer or LeakSanitizer? The names that the dynamic linker looks up tell, which
 * stripped programs have too.
 */
static bool has_leak_check(int fd, const ElfW(Ehdr) * header)
{
    static const char *const names[] = {"__asan_init", "__lsan_init", "__lsan_is_turned_off"};
    ElfW(Shdr) section;
    for (unsigned i = 0; header->e_shentsize == sizeof section && i < header->e_shnum; i++) {
        if (!read_at(fd, &section, sizeof section, header->e_shoff + i * sizeof section))
            return false;
        if (section.sh_type != SHT_STRTAB || !(section.sh_flags & SHF_ALLOC))
            continue;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (has_name(fd, section.sh_offset, section.sh_size, names[k]))
                return true;
    }
    return false;
}

enum exit_code examine_elf(struct answer *a, int fd, const struct stat *st)
{
    ElfW(Ehdr) header;
    char linker[PATH_MAX];

    if (!read_at(fd, &header, sizeof header, 0))
        return no(a, "damaged ELF file");
    if (!same_machine(&header))
        return no(a, "built for another class or machine than truefin");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return no(a, "an ELF file, but no program");

    switch (find_interpreter(fd, &header, linker)) {
    case DAMAGED:
        return no(a, "damaged ELF file");
    case NONE:
        return no(a, is_go(fd, &header) ? "static (Go): no dynamic linker runs that could load truefin"
                                        : "static: no dynamic linker runs that could load truefin");
    case FOUND:
        break;
    }
    if (starts_with(base_name(linker), "ld-musl-"))
        return no(a, "musl: truefin is built for glibc");
    if (!starts_with(base_name(linker), "ld-linux") && !starts_with(base_name(linker), "ld64.so")) {
        say(a, "dynamic linker %s is not that of glibc", linker);
        return EXIT_NO;
    }
    if (access(linker, F_OK)) {
        say(a, "its dynamic linker %s is missing", linker);
        return EXIT_NO;
    }
    const char *secure = why_secure(fd, st);
    if (secure)
        return no(a, secure);
    if (is_go(fd, &header))
        return no(a, "Go: its runtime makes system calls without libc, where truefin cannot see them");
    say(a, "dynamic glibc, %scan be run under truefin",
        has_leak_check(fd, &header) ? "with a leak check, " : "");
    return EXIT_YES;
}
