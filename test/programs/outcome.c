/*
 * outcome FILE COMMAND...: runs COMMAND and writes to FILE first "pid N" and then how it ended: "exit 3" or
 * "signal TERM". A shell cannot tell 128+15 from SIGTERM, and starts background jobs with SIGINT ignored;
 * here every signal is at its default.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void default_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv)
{
    int status = 0;
    pid_t child = 0;
    FILE *out = NULL;

    if (argc < 3)
        errx(2, "usage: outcome FILE COMMAND...");
    default_signals();
    out = fopen(argv[1], "we");
    if (out == NULL)
        err(125, "%s", argv[1]);
    child = fork();
    if (child < 0)
        err(125, "fork");
    if (child == 0) {
        execvp(argv[2], argv + 2);
        err(127, "%s", argv[2]);
    }
    fprintf(out, "pid %d\n", child);
    fflush(out);
    while (waitpid(child, &status, 0) != child)
        continue;
    if (WIFSIGNALED(status))
        fprintf(out, "signal %s\n", sigabbrev_np(WTERMSIG(status)));
    else
        fprintf(out, "exit %d\n", WEXITSTATUS(status));
    return fclose(out) == 0 ? 0 : 125;
}
