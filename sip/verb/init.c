#include <stdio.h>

#include "sip/report.h"
#include "sip/verb/setup.h"
#include "sip/verb/verbs.h"

/* vouch init: configuration, keys and store of a real domain, and new certificates for it. */

struct init_options {
	const char *domain;
	bool renew;
};

static void say_renewed(const struct setup_renewed *r, const char *dir)
{
	struct buf word = {0};

	report_shell(&word, dir);
	printf("%s of %s in %s %s new. Next:\n"
	       "  vouch reload -c %s/vouch.conf\n"
	       "and take %s/ca away from this machine again.\n",
	       r->tls && r->identity ? "tls.crt and identity.crt"
	       : r->tls              ? "tls.crt"
				     : "identity.crt",
	       r->domain.p, dir, r->tls && r->identity ? "are" : "is", word.p, dir);
	buf_free(&word);
	if (!r->tls || !r->identity)
		printf("The CA has not signed %s.crt, which is as it was.\n", r->tls ? "identity" : "tls");
	if (r->ca)
		printf("ca.crt is new, too, since the old one ends: give it to all who trust that.\n");
}

/* renew: new certificates for the keys that are there; the server goes on with the old ones until its reload. */
static int renew(const struct usage *u, const char *dir)
{
	struct setup_renewed renewed;
	struct buf why = {0};
	int code = 0;

	if (setup_renew(dir, &renewed, &why))
		say_renewed(&renewed, dir);
	else
		code = usage_say(u, EXIT_REFUSED, "%s", why.p);
	buf_free(&why);
	buf_free(&renewed.domain);
	return code;
}

static int run(const struct usage *u, int argc, char **argv)
{
	const char *words[USAGE_WORDS];
	struct init_options o = {0};
	struct buf why = {0}, word = {0};
	bool made;
	int code;

	if (!usage_read(u, argc, argv, &o, words, &code))
		return code;
	if (o.domain == NULL && !o.renew)
		return usage_wrong(u, "--domain DOMAIN is missing; or --renew, for a domain that was made before");
	if (o.domain != NULL && o.renew)
		return usage_wrong(u, "--renew keeps the domain that DIR has; expected no --domain with it");
	if (o.renew)
		return renew(u, words[0]);
	if (!setup_domain(words[0], o.domain, NULL, &made, &why)) {
		usage_say(u, EXIT_REFUSED, "%s", why.p);
		buf_free(&why);
		return 1;
	}
	if (!made)
		return usage_say(u, EXIT_REFUSED, "%s/vouch.conf is there already; nothing was changed", words[0]);
	report_shell(&word, words[0]);
	printf("%s holds the configuration, keys and store of %s. Next:\n"
	       "  vouch user add alice -c %s/vouch.conf\n  vouch serve -c %s/vouch.conf\n"
	       "The key of its CA is in %s/ca, for \"vouch init %s --renew\" only: keep it on another machine.\n",
	       words[0], o.domain, word.p, word.p, words[0], word.p);
	buf_free(&word);
	return 0;
}

static const struct usage_option options[] = {
	{'\0', "domain", USAGE_TEXT, false, "DOMAIN", "the SIP domain, like example.com",
	 offsetof(struct init_options, domain)},
	{'\0', "renew", USAGE_FLAG, false, NULL, "make new certificates for the keys that are there",
	 offsetof(struct init_options, renew)},
	{0}};

const struct usage verb_init = {
	.verb = "init",
	.purpose = "make configuration, keys and store of a domain",
	.run = run,
	.options = options,
	.words = {"DIR"},
	.example = "vouch init site --domain example.com",
};
