#ifndef SIP_VERB_START_H
#define SIP_VERB_START_H

#include "sip/config.h"
#include "sip/usage.h"

/* What a verb that runs a server says besides. */
struct start_words {
	const char *taken;       /* what to do when a port is taken, a clause */
	void (*hint)(void *arg); /* behind the ready line, on a terminal only; NULL: nothing */
	void *arg;
};

/*
 * start_server: runs the server of config, which is taken, until a signal stops it, and returns the exit code. It
 * prints the ready line when every listener accepts. overrides: as for serve_new.
 */
int start_server(const struct usage *u, struct config *config, const char *const *overrides,
		 const struct start_words *words);

#endif
