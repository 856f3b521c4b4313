/*
 * bound signals|threads|processes UNITS: work that consists of what a side-car is told of, and nothing else;
 * prints the seconds that it took.
 */
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FAILED = 99 };

static void handle(int number)
{
    (void)number;
}

static void *end(void *unused)
{
    return unused;
}

static void send_signal(void)
{
    if (kill(getpid(), SIGUSR1) != 0)
        err(FAILED, "kill");
}

static void start_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end, NULL) != 0 || pthread_join(thread, NULL) != 0)
        errx(FAILED, "thread");
}

static void start_process(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    if (child < 0 || waitpid(child, NULL, 0) != child)
        err(FAILED, "process");
}

int main(int argc, char **argv)
{
    struct timespec begin;
    struct timespec now;
    if (argc != 3)
        errx(FAILED, "usage: bound signals|threads|processes UNITS");
    void (*what)(void) = strcmp(argv[1], "signals") == 0   ? send_signal
                         : strcmp(argv[1], "threads") == 0 ? start_thread
                                                           : start_process;
    signal(SIGUSR1, handle);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long left = strtol(argv[2], NULL, 10); left > 0; left--)
        what();
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%.6f\n", (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9);
}
