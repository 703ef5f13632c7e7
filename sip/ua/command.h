#ifndef SIP_UA_COMMAND_H
#define SIP_UA_COMMAND_H

#include "sip/ua/agent.h"
#include "sip/report.h"
#include "sip/usage.h"

/*
 * What all verbs of a user share: reading the command line, the account, and the agent. Each error is one line on
 * stderr that says what was tried, what came back, and what to do.
 */

/* The command line of a verb, and what it works with. Strings are those of argv; NULL: not given. */
struct command {
	const struct usage *usage;
	const char *account_file, *out, *cert, *key, *phrase_file, *profile, *hash, *ca, *at, *url, *alg, *reach;
	bool fresh, cert_only, json, verbose, watch, signature, signature_only, string;
	const char *words[USAGE_WORDS];
	struct account account;
	struct agent *agent;
	struct buf phrase; /* the pass phrase; empty: none */
};

/* Rows of the table of options of a verb (struct usage), with the field of struct command that each of them fills. */
#define COMMAND_TEXT(name, field, value, help) \
	{ \
		'\0', name, USAGE_TEXT, false, value, help, offsetof(struct command, field) \
	}
#define COMMAND_CHOICE(name, field, value, help) \
	{ \
		'\0', name, USAGE_CHOICE, false, value, help, offsetof(struct command, field) \
	}
#define COMMAND_FLAG(name, field, help) \
	{ \
		'\0', name, USAGE_FLAG, false, NULL, help, offsetof(struct command, field) \
	}
#define COMMAND_OUT(value, help) \
	{ \
		'o', NULL, USAGE_TEXT, false, value, help, offsetof(struct command, out) \
	}
#define COMMAND_ACCOUNT \
	{ \
		'a', NULL, USAGE_TEXT, true, "ACCOUNT", "your account file", offsetof(struct command, account_file) \
	}
#define COMMAND_JSON COMMAND_FLAG("json", json, "one JSON object for each event")
#define COMMAND_VERBOSE \
	{ \
		'v', NULL, USAGE_FLAG, false, NULL, "show the SIP messages, without secrets", \
			offsetof(struct command, verbose) \
	}

/*
 * command_words: reads the command line; clears *c before. command_open: loads the account and the pass phrase and
 * makes the agent; secure: the verb carries or fetches keys, so that a password and TLS are needed. false: *code is the
 * exit code, and the user was told. command_close: in either case; wipes the secrets.
 */
MUST_USE bool command_words(struct command *c, const struct usage *u, int argc, char **argv, int *code);
MUST_USE bool command_open(struct command *c, bool secure, int *code);
void command_close(struct command *c);

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
