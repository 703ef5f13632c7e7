#include "sip/prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/*
 * Waits for a line on the terminal or a signal that asks the program to end, and gives its number, or 0. Signals come
 * by a descriptor meanwhile: a handler that restarts the read would leave the person before a prompt that cannot be
 * interrupted, and the default action would leave the terminal without echo.
 */
static int wait_for_line(const sigset_t *ends)
{
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				{.fd = signalfd(-1, ends, SFD_CLOEXEC), .events = POLLIN}};
	struct signalfd_siginfo info = {0};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if ((fds[1].revents & POLLIN) != 0 && read(fds[1].fd, &info, sizeof(info)) != sizeof(info))
		info.ssi_signo = SIGTERM;
	if (fds[1].fd >= 0)
		close(fds[1].fd);
	return (int)info.ssi_signo;
}

/* false: nothing came, or a signal did; it is raised again for whoever handles it. */
static bool read_hidden(const char *label, char *out, size_t size)
{
	struct termios old, quiet;
	sigset_t ends, before;
	int signo;
	bool ok;

	if (tcgetattr(STDIN_FILENO, &old) != 0)
		return fgets(out, (int)size, stdin) != NULL;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGQUIT);
	sigprocmask(SIG_BLOCK, &ends, &before);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fputs(label, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	signo = wait_for_line(&ends);
	ok = signo == 0 && fgets(out, (int)size, stdin) != NULL;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	if (signo != 0)
		raise(signo); /* blocked still: it arrives with the next line */
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ok;
}

bool prompt_secret(const char *label, char *out, size_t size)
{
	bool ok = isatty(STDIN_FILENO) ? read_hidden(label, out, size) : fgets(out, (int)size, stdin) != NULL;

	if (ok)
		out[strcspn(out, "\r\n")] = '\0';
	return ok && out[0] != '\0';
}
