/* The commands of this tool. Each returns its exit status. */
#ifndef TRUEFIN_OPERATE_H
#define TRUEFIN_OPERATE_H

enum { EXIT_NOT_ALL = 1, EXIT_USAGE = 2 };

/* ARGV: the arguments behind the command's name, a null pointer at the end. */
int status_command(char **argv);
int off_command(char **argv);
int on_command(char **argv);

#endif
