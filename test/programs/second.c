/*
 * A program that gives its standard error up: `second HOW WHAT ANSWER`. It gives descriptor 2 up in the way
 * HOW, has WHAT there then, writes "mine" to it, and ends a connection to itself: a record may be written.
 * The file ANSWER has what was found at 2 then.
 */
#include "../../shim/kept/raw.h"

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 4096, OUT_OF_THE_WAY = 700 };

static const char *what;

/* Where what was written to WHAT can be read. */
static int reader = -1;

static int must(int result, const char *call)
{
    if (result < 0)
        err(99, "%s", call);
    return result;
}

/* --- What is at 2 then --- */

static int file(int flags)
{
    return must(open("data", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600), "data");
}

/* The end to write to. The other one gets out of the way first. */
static int new_pipe(void)
{
    int ends[2];
    must(pipe2(ends, O_CLOEXEC), "pipe2");
    reader = must(fcntl(ends[0], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY), "F_DUPFD_CLOEXEC");
    close(ends[0]);
    return ends[1];
}

static int fifo(void)
{
    must(mkfifo("data", 0600), "mkfifo");
    int end = must(open("data", O_RDONLY | O_NONBLOCK | O_CLOEXEC), "data");
    reader = must(fcntl(end, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY), "F_DUPFD_CLOEXEC");
    close(end);
    return must(open("data", O_WRONLY | O_CLOEXEC), "data");
}

static int pseudo_terminal(void)
{
    int main_end = must(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt");
    must(grantpt(main_end), "grantpt");
    must(unlockpt(main_end), "unlockpt");
    reader = must(fcntl(main_end, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY), "F_DUPFD_CLOEXEC");
    int end = must(open(ptsname(main_end), O_WRONLY | O_NOCTTY | O_CLOEXEC), "ptsname");
    close(main_end);
    return end;
}

/* A pair's one end: journald's stream and ssh's are such. */
static int stream_socket(void)
{
    int ends[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    reader = must(fcntl(ends[0], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY), "F_DUPFD_CLOEXEC");
    close(ends[0]);
    return ends[1];
}

/* The very file of before, but for writing at its begin. */
static int same_file(void)
{
    return must(open("second.err", O_WRONLY | O_CLOEXEC), "second.err");
}

/* A file that is made as soon as the one of before is gone: file systems give the number of its inode anew.
 */
static int after_unlink(void)
{
    must(unlink("second.err"), "unlink");
    raw_call(SYS_close, STDERR_FILENO, 0, 0, 0, 0, 0);
    return file(O_APPEND);
}

static int make(void)
{
    if (strcmp(what, "append") == 0)
        return file(O_APPEND);
    if (strcmp(what, "plain") == 0)
        return file(0);
    if (strcmp(what, "pipe") == 0)
        return new_pipe();
    if (strcmp(what, "fifo") == 0)
        return fifo();
    if (strcmp(what, "terminal") == 0)
        return pseudo_terminal();
    if (strcmp(what, "socket") == 0)
        return stream_socket();
    if (strcmp(what, "same") == 0)
        return same_file();
    if (strcmp(what, "unlinked") == 0)
        return after_unlink();
    errx(99, "what? %s", what);
}

/* --- How 2 is given up --- */

/* What the program makes next gets the lowest free number, or is put there. */
static void next(void)
{
    int fd = make();
    if (fd != STDERR_FILENO) {
        must(dup2(fd, STDERR_FILENO), "dup2");
        close(fd);
    }
}

static void keep(void)
{
}

static void by_close(void)
{
    close(STDERR_FILENO);
    next();
}

static void by_syscall(void)
{
    syscall(SYS_close, STDERR_FILENO);
    next();
}

static void unseen(void)
{
    raw_call(SYS_close, STDERR_FILENO, 0, 0, 0, 0, 0);
    next();
}

static void by_fclose(void)
{
    fclose(stderr);
    next();
}

static void by_fcloseall(void)
{
    fcloseall();
    next();
}

static void by_close_range(void)
{
    must(close_range(STDERR_FILENO, STDERR_FILENO, 0), "close_range");
    next();
}

static void by_closefrom(void)
{
    closefrom(STDERR_FILENO);
    next();
}

static void by_freopen(void)
{
    must(-(freopen("data", "a", stderr) == NULL), "freopen");
}

static void by_dup2(void)
{
    int fd = make();
    must(dup2(fd, STDERR_FILENO), "dup2");
    close(fd);
}

static void by_dup3(void)
{
    int fd = make();
    must(dup3(fd, STDERR_FILENO, 0), "dup3");
    close(fd);
}

static void by_daemon(void)
{
    must(daemon(1, 0), "daemon");
    next();
}

static void in_fork_child(void)
{
    pid_t child = must(fork(), "fork");
    if (child > 0) {
        waitpid(child, NULL, 0);
        _exit(0);
    }
    by_fclose();
}

/* Nothing is given up, but the arguments are written over, as setproctitle(3) does. */
static char *title;

static void retitle(void)
{
    memset(title, 'x', strlen(title));
}

/* For a while only: then it is what it was. */
static void back_again(void)
{
    int saved = must(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY), "F_DUPFD_CLOEXEC");
    by_dup2();
    must(dup2(saved, STDERR_FILENO), "dup2");
    close(saved);
}

static const struct {
    const char *name;
    void (*give_up)(void);
} ways[] = {
    {"keep", keep},
    {"close", by_close},
    {"syscall", by_syscall},
    {"unseen", unseen},
    {"fclose", by_fclose},
    {"fcloseall", by_fcloseall},
    {"close_range", by_close_range},
    {"closefrom", by_closefrom},
    {"freopen", by_freopen},
    {"dup2", by_dup2},
    {"dup3", by_dup3},
    {"daemon", by_daemon},
    {"fork", in_fork_child},
    {"back", back_again},
    {"retitle", retitle},
};

/* --- A connection of both ends, the accepted one of which is closed first --- */

static void end_a_connection(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int listener = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    int client = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    must(bind(listener, (struct sockaddr *)&name, size), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (struct sockaddr *)&name, &size), "getsockname");
    must(connect(client, (struct sockaddr *)&name, size), "connect");
    close(must(accept(listener, NULL, NULL), "accept"));
    close(client);
    close(listener);
}

static void answer(const char *path)
{
    char text[MOST];
    int from = reader >= 0 ? reader : open("data", O_RDONLY | O_CLOEXEC);
    if (reader >= 0)
        fcntl(reader, F_SETFL, O_NONBLOCK);
    ssize_t length = read(from, text, sizeof text);
    int fd = must(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), path);
    must((int)write(fd, text, length < 0 ? 0 : (size_t)length), "write");
    must((int)write(fd, "end\n", 4), "write");
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(99, "usage: second HOW WHAT ANSWER");
    what = argv[2];
    title = argv[0];
    unlink("data");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].name, argv[1]) != 0)
            continue;
        ways[i].give_up();
        must((int)write(STDERR_FILENO, "mine\n", 5), "write");
        end_a_connection();
        answer(argv[3]);
        return 0;
    }
    errx(99, "how? %s", argv[1]);
}
