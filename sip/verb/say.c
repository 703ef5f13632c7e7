#include "sip/verb/say.h"

#include <stdarg.h>
#include <stdio.h>

/* Errors of the administrator's verbs. Those of a user's verbs, which may quote a server, are in ua/command.c. */

int verb_say(const char *verb, int code, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "vouch %s: ", verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}
