#ifndef SIP_UA_COMMAND_H
#define SIP_UA_COMMAND_H

#include "sip/ua/agent.h"
#include "sip/report.h"

/*
 * What all verbs of a user share: reading the command line, the account, the agent, and exit codes. Each error is one
 * line on stderr that says what was tried, what came back, and what to do.
 */

/* Exit codes, as vouch(8) lists them. */
enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* the other side refused, with a SIP status that is told */
	EXIT_USAGE = 2,
	EXIT_LOCAL = 3,     /* a local error, or no answer */
	EXIT_UNTRUSTED = 4, /* a step of draft 9.3 or of RFC 4474 6 failed */
	EXIT_NOTHING = 5,   /* there is no certificate */
};

struct command_form {
	const char *verb, *usage;
	const char *letters; /* letters of the options that it takes, as in command.c; "a": an account is required */
	int words;           /* how many words it takes besides options */
};

/* The command line of a verb, and what it works with. Strings are those of argv; NULL: not given. */
struct command {
	const struct command_form *form;
	const char *account_file, *out, *cert, *key, *phrase_file, *profile, *hash, *ca, *at, *url, *alg;
	bool fresh, cert_only, json, verbose, watch, signature, signature_only, string;
	const char *words[2];
	int count;
	struct account account;
	struct agent *agent;
	struct buf phrase; /* the pass phrase; empty: none */
};

/*
 * command_words: reads the command line; clears *c before. command_open: loads the account and the pass phrase and
 * makes the agent; secure: the verb carries or fetches keys, so that a password and TLS are needed. false: *code is the
 * exit code, and the user was told. command_close: in either case; wipes the secrets.
 */
MUST_USE bool command_words(struct command *c, const struct command_form *form, int argc, char **argv, int *code);
MUST_USE bool command_open(struct command *c, bool secure, int *code);
void command_close(struct command *c);

/* command_say: writes one line to stderr, control characters escaped. Returns code. */
int command_say(const struct command *c, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* command_refused: tells the final response to the attempt what, with a hint what to do. Returns EXIT_REFUSED. */
int command_refused(const struct command *c, const char *what, const struct sip_msg *response);

/*
 * command_prompt: asks for a pass phrase on the terminal, without echo. false: there is no terminal, or nothing came.
 */
MUST_USE bool command_prompt(struct command *c);

/*
 * command_sips: appends the AOR of the account as a sips URI, for requests that carry or fetch keys: only TLS may carry
 * these (draft 7.6, 8.2). For the server it is the same AOR (T-29).
 */
void command_sips(const struct command *c, struct buf *out);

/* command_aor: appends the AOR of the account in the form in which AORs are compared (uri_aor). */
void command_aor(const struct command *c, struct buf *out);

#endif
