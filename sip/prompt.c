#include "sip/prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "core/mem.h"

/* Passwords from a terminal, with the echo switched on again in every case, or from a pipe. */

/*
 * wait_for_line: waits for a line on the terminal, or for a signal that ends programs. Returns the number of the
 * signal, or 0. Signals come by a descriptor meanwhile. A handler would restart the read, and the prompt could not be
 * interrupted; the default action would leave the terminal without echo.
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

/* read_hidden: false: nothing came, or a signal did; it is raised again for its own handler. */
static bool read_hidden(const char *label, char *out, size_t size)
{
	struct termios old, quiet;
	sigset_t ends, before;
	int signo;
	bool ok;

	setvbuf(stdin, NULL, _IONBF, 0); /* no copy of the password in a buffer of libc */
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
		raise(signo); /* still blocked: it arrives when the mask is restored below */
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

/* repeated: asks once more. Nobody has to type it again into a pipe. */
static bool repeated(const char *first, size_t size)
{
	char *again = mem_alloc(size);
	bool ok =
		!isatty(STDIN_FILENO) || (prompt_secret("The same again: ", again, size) && strcmp(first, again) == 0);

	mem_wipe(again, size);
	mem_free(again);
	return ok;
}

/* A line that fills out was cut, and the password would be another one than the user believes. */
bool prompt_new(const char *label, char *out, size_t size, const char **why)
{
	if (!prompt_secret(label, out, size))
		*why = "no password came on standard input";
	else if (strlen(out) == size - 1)
		*why = "the password is too long";
	else if (!repeated(out, size))
		*why = "the two passwords differ; nothing was changed";
	else
		return true;
	return false;
}
