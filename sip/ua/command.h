#ifndef SIP_UA_COMMAND_H
#define SIP_UA_COMMAND_H

#include "sip/ua/agent.h"
#include "sip/report.h"

/* What all verbs of a user have in common: their words, their account, their agent, and how they end. */

enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* by the other side, with a SIP status */
	EXIT_USAGE = 2,
	EXIT_LOCAL = 3,     /* a local error, or no answer */
	EXIT_UNTRUSTED = 4, /* a step of draft 9.3 or of RFC 4474 6 failed */
	EXIT_NOTHING = 5,   /* there is no certificate */
};

struct command_form {
	const char *verb, *usage;
	const char *letters; /* of the options it takes, see command.c; with "a" an account must be named */
	int words;           /* that it takes besides */
};

struct command {
	const struct command_form *form;
	const char *account_file, *out, *cert, *key, *phrase_file, *profile, *hash, *ca, *at, *url, *alg;
	bool fresh, cert_only, json, verbose, watch, signature, signature_only, string;
	const char *words[2];
	int count;
	struct account account;
	struct agent *agent;
	struct buf phrase; /* empty without one */
};

/* command_words: reads the words. command_open: account, pass phrase, agent. false: *code is the exit code, all is
 * said. */
MUST_USE bool command_words(struct command *c, const struct command_form *form, int argc, char **argv, int *code);
MUST_USE bool command_open(struct command *c, bool secure, int *code);
void command_close(struct command *c);

/* command_say: one line on stderr; returns code. */
int command_say(const struct command *c, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* command_refused: says what a final response was, in what attempt. */
int command_refused(const struct command *c, const char *what, const struct sip_msg *response);

/* command_prompt: a pass phrase from the terminal, without echo. false: there is no terminal, or nothing came. */
MUST_USE bool command_prompt(struct command *c);

/* command_ask: "sips:" form of the account's AOR, for requests that carry or fetch keys (draft 8.2, T-32). */
void command_sips(const struct command *c, struct buf *out);

/* command_aor: appends the AOR key of the account. */
void command_aor(const struct command *c, struct buf *out);

#endif
