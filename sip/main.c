#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "core/harden.h"
#include "crypto/tls.h"
#include "sip/ua/user_verbs.h"
#include "sip/verb/say.h"
#include "sip/verb/verbs.h"

/* The program: finds the verb. Each verb has its entry here and its section in vouch(8) (tests/lint/manual.sh). */

/* verb_revoke: one word for two people: an administrator names a configuration (-c), a user an account. */
static int verb_revoke(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "-c", 2) == 0)
			return verb_revoke_as_admin(argc, argv);
	return verb_revoke_own(argc, argv);
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"lab", verb_lab, "a running domain from nothing, in the foreground"},
	{"serve", verb_serve, "the server of a domain"},
	{"init", verb_init, "make configuration, keys and store of a domain"},
	{"check", verb_check, "say what is wrong with a configuration"},
	{"user", verb_user, "add, del, passwd, list, import users"},
	{"status", verb_status, "what the running server has"},
	{"reload", verb_reload, "the running server reads its configuration again"},
	{"publish", verb_publish, "publish a certificate, and its private key for your other devices"},
	{"credential", verb_credential, "fetch your own certificate and private key"},
	{"certificate", verb_certificate, "fetch and prove the certificate of somebody"},
	{"revoke", verb_revoke, "take your certificate back; with -c FILE that of a user"},
	{"verify", verb_verify, "say step by step whether the Identity of a saved request holds"},
	{"sign", verb_sign, "add Date and Identity to a request, or show what is signed"},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void usage(FILE *to)
{
	fputs("usage: vouch VERB [options]\n", to);
	for (size_t i = 0; i < VERBS; i++)
		fprintf(to, "  %-12s %s\n", verbs[i].name, verbs[i].help);
}

/*
 * tune_memory: for glibc. Large buffers (a snapshot of the store) go back to the system when they are freed; by itself
 * glibc would raise that threshold after the first one. The heap shrinks by the megabyte only, because its end comes
 * and goes with every burst of requests.
 */
static void tune_memory(void)
{
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
	mallopt(M_TOP_PAD, 256 << 10);
#endif
}

int main(int argc, char **argv)
{
	tune_memory();
	harden_process();
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("vouch 0.1 with %s\n", tls_library_version());
		return 0;
	}
	if (tls_library_init() != ERR_OK)
		return verb_say(argv[1], 3, "the TLS library cannot start");
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	fprintf(stderr, "vouch: there is no verb \"%s\"; \"vouch --help\" lists them\n", argv[1]);
	return 2;
}
