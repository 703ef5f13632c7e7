#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "core/harden.h"
#include "crypto/tls.h"
#include "sip/ua/user_verbs.h"
#include "sip/verb/verbs.h"
#include "sip/version.h"

/* The program: finds the verb. Each use of a verb is here once, and has its section in vouch(8) (tests/lint/help.sh).
 */

static const struct usage *const uses[] = {
	&verb_lab,
	&verb_serve,
	&verb_init,
	&verb_check,
	&verb_user_add,
	&verb_user_passwd,
	&verb_user_del,
	&verb_user_list,
	&verb_user_import,
	&verb_status,
	&verb_reload,
	&verb_revoke_user,
	&verb_credential_create,
	&verb_publish,
	&verb_credential,
	&verb_certificate,
	&verb_revoke_own,
	&verb_verify,
	&verb_sign,
	NULL,
};

static void list(FILE *to)
{
	fputs("usage: vouch VERB [options]\n", to);
	usage_list(uses, to);
	fputs("\"vouch help VERB\" says more, and all is in the manual, vouch(8).\n", to);
}

/* is_one: is the word one of the two spellings? */
static bool is_one(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static bool asks_help(const char *word)
{
	return strcmp(word, "help") == 0 || is_one(word, "-h", "--help");
}

/* help: "vouch help", "vouch help VERB", and that of a verb of two words. */
static int help(int argc, char **argv)
{
	struct buf verb = {0};
	bool known = true;

	for (int i = 1; i < argc; i++)
		buf_addf(&verb, "%s%s", i > 1 ? " " : "", argv[i]);
	if (verb.n == 0 || asks_help(verb.p))
		list(stdout);
	else
		known = usage_help(uses, verb.p, stdout);
	if (!known)
		fprintf(stderr, "vouch: there is no verb \"%s\"; \"vouch help\" lists them\n", verb.p);
	buf_free(&verb);
	return known ? EXIT_DONE : EXIT_USAGE;
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

static int run(int argc, char **argv)
{
	const struct usage *u;
	int code;

	if (asks_help(argv[0]))
		return help(argc, argv);
	if (is_one(argv[0], "version", "--version")) {
		printf("vouch " VERSION " with %s\n", tls_library_version());
		return EXIT_DONE;
	}
	if (tls_library_init() != ERR_OK) {
		fputs("vouch: the TLS library cannot start\n", stderr);
		return EXIT_LOCAL;
	}
	u = usage_find(uses, &argc, &argv, &code);
	return u == NULL ? code : u->run(u, argc, argv);
}

int main(int argc, char **argv)
{
	tune_memory();
	harden_process();
	if (argc < 2) {
		list(stderr);
		return EXIT_USAGE;
	}
	return usage_written(argv[1], run(argc - 1, argv + 1));
}
