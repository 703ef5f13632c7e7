#ifndef SIP_VERB_ADMIN_H
#define SIP_VERB_ADMIN_H

#include "sip/config.h"
#include "sip/usage.h"
#include "store/user.h"

/* What the verbs of an administrator share: the command line with its configuration. */
struct admin {
	const struct usage *usage;
	const char *file;    /* of the configuration */
	const char *account; /* file to write; NULL: none */
	bool account_made;
	struct buf password; /* that was asked for; empty: not yet */
	bool json, subscriptions;
	const char *words[USAGE_WORDS];
	struct config config;
};

/* Rows of their tables of options. */
#define ADMIN_FILE \
	{ \
		'c', NULL, USAGE_TEXT, true, "FILE", "the configuration, vouch.conf", offsetof(struct admin, file) \
	}
#define ADMIN_FLAG(name, field, help) \
	{ \
		'\0', name, USAGE_FLAG, false, NULL, help, offsetof(struct admin, field) \
	}
#define ADMIN_JSON ADMIN_FLAG("json", json, "print one JSON object")

/*
 * admin_begin: reads the command line into *a, which it clears before, and loads the configuration; the caller frees
 * that. false: *code is the exit code, and the user was told.
 */
MUST_USE bool admin_begin(struct admin *a, const struct usage *u, int argc, char **argv, int *code);

/* admin_say: what was done, a sentence without line end, on stdout; with --json an object that has it. */
void admin_say(const struct admin *a, struct slice sentence);

/*
 * admin_aor: appends word as an AOR (uri_aor): "sip:alice@example.com", or without the scheme, or the user part alone.
 * false: it is no address of the domain of c.
 */
MUST_USE bool admin_aor(const struct config *c, struct slice word, struct buf *aor);

/* admin_ha1: the hashes of a password of a user of the domain, for both realms; the caller wipes them. */
void admin_ha1(const struct config *c, struct slice aor, struct slice password, struct ha1 *out);

#endif
