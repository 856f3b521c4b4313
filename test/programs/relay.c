/*
 * relay BACKEND OPERATION...: says "port N", and is a relay of few words. c is the connection that it accepts, b and d are
 * connections to port BACKEND:
 *
 *     accept, connect:b         make them
 *     read:b, read:b:1          reads into buffer 0, or buffer 1; a second word is a way: readv, recv, recvfrom, recvmsg,
 *     read:b:1:recvmsg          recvmmsg, syscall, fread, fgets, getline
 *     write:c, write:c:1:writev writes what is in the buffer; writev, send, sendto, sendmsg, sendmmsg, syscall, fwrite, fputs
 *     part:c:1                  writes all but the last byte of it, rest:c:1 that
 *     copy:0:1                  copies buffer 0 into buffer 1
 *     fill:1                    fills it with other bytes, zero:1 reads them from /dev/zero
 *     own:c                     writes other bytes
 *     splice:b:c, tee:b:c       moves what comes next through a pipe, or two
 *     file:c                    sends a file with sendfile(2)
 *     over:b                    waits until b is over, and reads nothing; error:b asks SO_ERROR
 *     close:b, shutdown:c, rdwr:c
 *     sleep:1200                milliseconds
 *     thread                    the rest is done by another thread; exit:3, kill:TERM
 *
 * A read that fails, or finds the end, says so: "b end", "b Connection reset by peer". Buffers have 64 KiB and are full where
 * as much is there.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 65536, BUFFERS = 4 };

static char buffers[BUFFERS][SIZE];
static ssize_t sizes[BUFFERS];
static int connections[128];
static FILE *streams[128];
static int listener;
static unsigned short backend;

static char *words[4];

static int fd_of(const char *name)
{
    return connections[(int)name[0]];
}

static FILE *stream_of(const char *name)
{
    FILE **stream = &streams[(int)name[0]];
    if (!*stream)
        *stream = fdopen(fd_of(name), "r+");
    return *stream;
}

static int buffer_of(const char *word)
{
    return word ? atoi(word) : 0;
}

static void connect_to_backend(const char *name)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(backend), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        err(1, "connect");
    connections[(int)name[0]] = fd;
    printf("%s has number %d\n", name, fd);
}

static ssize_t get(const char *name, char *data, const char *way)
{
    const int fd = fd_of(name);
    struct iovec parts[2] = {{.iov_base = data, .iov_len = 3}, {.iov_base = data + 3, .iov_len = SIZE - 3}};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = parts, .msg_iovlen = 2}};
    size_t room = 0;
    char *line = NULL;
    ssize_t got;
    if (strcmp(way, "readv") == 0)
        return readv(fd, parts, 2);
    if (strcmp(way, "recv") == 0)
        return recv(fd, data, SIZE, 0);
    if (strcmp(way, "recvfrom") == 0)
        return recvfrom(fd, data, SIZE, 0, NULL, NULL);
    if (strcmp(way, "recvmsg") == 0)
        return recvmsg(fd, &message.msg_hdr, 0);
    if (strcmp(way, "recvmmsg") == 0)
        return recvmmsg(fd, &message, 1, 0, NULL) == 1 ? (ssize_t)message.msg_len : -1;
    if (strcmp(way, "syscall") == 0)
        return syscall(SYS_read, fd, data, SIZE);
    if (strcmp(way, "fread") == 0)
        return fread(data, 1, 6, stream_of(name)) > 0 ? 6 : -1;
    if (strcmp(way, "fgets") == 0)
        return fgets(data, 7, stream_of(name)) ? (ssize_t)strlen(data) : -1;
    if (strcmp(way, "getline") != 0)
        return read(fd, data, SIZE);
    got = getdelim(&line, &room, '.', stream_of(name));
    if (got > 0)
        memcpy(data, line, (size_t)got);
    free(line);
    return got;
}

static ssize_t put(const char *name, char *data, size_t size, const char *way)
{
    const int fd = fd_of(name);
    struct iovec parts[2] = {{.iov_base = data, .iov_len = 3}, {.iov_base = data + 3, .iov_len = size - 3}};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = parts, .msg_iovlen = 2}};
    if (strcmp(way, "writev") == 0)
        return writev(fd, parts, 2);
    if (strcmp(way, "send") == 0)
        return send(fd, data, size, 0);
    if (strcmp(way, "sendto") == 0)
        return sendto(fd, data, size, 0, NULL, 0);
    if (strcmp(way, "sendmsg") == 0)
        return sendmsg(fd, &message.msg_hdr, 0);
    if (strcmp(way, "sendmmsg") == 0)
        return sendmmsg(fd, &message, 1, 0);
    if (strcmp(way, "syscall") == 0)
        return syscall(SYS_write, fd, data, size);
    if (strcmp(way, "fwrite") == 0)
        return fwrite(data, 1, size, stream_of(name)) == size && fflush(stream_of(name)) == 0 ? (ssize_t)size
                                                                                              : -1;
    if (strcmp(way, "fputs") == 0)
        return fputs(data, stream_of(name)) >= 0 && fflush(stream_of(name)) == 0 ? (ssize_t)size : -1;
    return write(fd, data, size);
}

static void read_from(const char *name, int buffer, const char *way)
{
    sizes[buffer] = get(name, buffers[buffer], way ? way : "read");
    if (sizes[buffer] <= 0)
        printf("%s %s\n", name, sizes[buffer] == 0 ? "end" : strerror(errno));
}

static void write_to(const char *name, int buffer, const char *way)
{
    if (sizes[buffer] > 0 && put(name, buffers[buffer], (size_t)sizes[buffer], way ? way : "write") < 0)
        printf("%s: %s\n", name, strerror(errno));
}

static void move(const char *from, const char *to, int tees)
{
    int first[2], second[2];
    ssize_t size;
    if (pipe(first) != 0 || pipe(second) != 0)
        err(1, "pipe");
    size = splice(fd_of(from), NULL, first[1], NULL, SIZE, 0);
    if (size <= 0)
        printf("%s %s\n", from, size == 0 ? "end" : strerror(errno));
    if (size > 0 && tees && tee(first[0], second[1], SIZE, 0) != size)
        err(1, "tee");
    if (size > 0)
        splice(tees ? second[0] : first[0], NULL, fd_of(to), NULL, SIZE, 0);
    for (int i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
    }
}

static void await_end(int fd)
{
    struct pollfd state = {.fd = fd};
    while (poll(&state, 1, -1) != 1 || !(state.revents & (POLLHUP | POLLERR)))
        ;
}

static void say_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    printf("error %s\n", strerror(error));
}

static void from_device(int buffer)
{
    const int fd = open("/dev/zero", O_RDONLY);
    if (read(fd, buffers[buffer], (size_t)sizes[buffer]) != sizes[buffer])
        err(1, "/dev/zero");
    close(fd);
}

static void send_file(int to)
{
    const int fd = open("/proc/self/exe", O_RDONLY);
    if (sendfile(to, fd, NULL, 6) != 6)
        err(1, "sendfile");
    close(fd);
}

static void write_all(int to, const char *data, size_t size)
{
    if (write(to, data, size) != (ssize_t)size)
        err(1, "write");
}

static int is(const char *operation)
{
    return strcmp(words[0], operation) == 0;
}

static void perform_on_memory(void)
{
    const int buffer = buffer_of(words[1]);
    if (is("copy")) {
        memcpy(buffers[buffer_of(words[2])], buffers[buffer], (size_t)sizes[buffer]);
        sizes[buffer_of(words[2])] = sizes[buffer];
    } else if (is("fill")) {
        memset(buffers[buffer], 'x', (size_t)sizes[buffer]);
    } else if (is("zero")) {
        from_device(buffer);
    } else if (is("sleep")) {
        nanosleep(&(struct timespec){.tv_sec = buffer / 1000, .tv_nsec = buffer % 1000 * 1000000L}, NULL);
    } else if (is("exit")) {
        exit(buffer);
    } else if (is("kill")) {
        kill(getpid(), SIGTERM);
    } else {
        errx(2, "unknown operation %s", words[0]);
    }
}

static void perform_on_connection(void)
{
    const int buffer = buffer_of(words[2]);
    if (is("own"))
        write_all(fd_of(words[1]), "other.", 6);
    else if (is("part"))
        write_all(fd_of(words[1]), buffers[buffer], (size_t)sizes[buffer] - 1);
    else if (is("rest"))
        write_all(fd_of(words[1]), buffers[buffer] + sizes[buffer] - 1, 1);
    else if (is("file"))
        send_file(fd_of(words[1]));
    else if (is("over"))
        await_end(fd_of(words[1]));
    else if (is("error"))
        say_error(fd_of(words[1]));
    else if (is("close"))
        streams[(int)words[1][0]] ? fclose(streams[(int)words[1][0]]) : close(fd_of(words[1]));
    else if (is("shutdown"))
        shutdown(fd_of(words[1]), SHUT_WR);
    else if (is("rdwr"))
        shutdown(fd_of(words[1]), SHUT_RDWR);
    else
        perform_on_memory();
}

static void perform(void)
{
    if (is("accept"))
        connections['c'] = accept(listener, NULL, NULL);
    else if (is("connect"))
        connect_to_backend(words[1]);
    else if (is("read"))
        read_from(words[1], buffer_of(words[2]), words[3]);
    else if (is("write"))
        write_to(words[1], buffer_of(words[2]), words[3]);
    else if (is("splice") || is("tee"))
        move(words[1], words[2], is("tee"));
    else
        perform_on_connection();
}

static void *perform_all(void *argument)
{
    for (char **operation = argument; *operation; operation++) {
        char *rest = *operation;
        pthread_t thread;
        if (strcmp(rest, "thread") == 0) {
            pthread_create(&thread, NULL, perform_all, operation + 1);
            pthread_join(thread, NULL);
            return NULL;
        }
        for (int i = 0; i < 4; i++)
            words[i] = strsep(&rest, ":");
        perform();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (argc < 2)
        errx(2, "usage: relay BACKEND OPERATION...");
    setvbuf(stdout, NULL, _IOLBF, 0);
    backend = (unsigned short)atoi(argv[1]);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0)
        err(1, "listen");
    printf("port %d\n", ntohs(at.sin_port));
    perform_all(argv + 2);
    return 0;
}
