#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "sip/verb/setup.h"
#include "sip/verb/start.h"
#include "sip/verb/verbs.h"

/* vouch lab: a domain from nothing, in the foreground. */

#define OWN 7 /* overrides that lab makes; those of the user follow, so that they win */

/* The command line; strings are those of argv. */
struct lab {
	const char *dir, *domain;
	unsigned port;
	struct usage_list overrides;
};

static void lab_hint(void *arg)
{
	const struct lab *o = arg;
	const char *me = program_invocation_name;

	printf("\nA phone needs: user alice, bob or carol, the password in %s/alice.account (and so on), the domain "
	       "%s,\n"
	       "the proxy 127.0.0.1:%u (UDP, TCP) or 127.0.0.1:%u (TLS, whose CA is %s/ca.crt). For baresip, in its "
	       "accounts:\n"
	       "  <sip:alice@%s>;auth_pass=PASSWORD;outbound=\"sip:127.0.0.1:%u\"\n",
	       o->dir, o->domain, o->port, o->port + 1, o->dir, o->domain, o->port);
	printf("\nIn another terminal, to see Bob's certificate arrive at Alice's:\n"
	       "  %s publish -a %s/bob.account --new\n"
	       "  %s certificate -a %s/alice.account sip:bob@%s --watch\n"
	       "and in a third, to see it go:\n"
	       "  %s revoke -a %s/bob.account\n"
	       "Ctrl-C ends the lab; what it stored is there again at the next start.\n",
	       me, o->dir, me, o->dir, o->domain, me, o->dir);
	fflush(stdout);
}

/* The port of the account files is that of the lab that runs, so they are written when no other one can be running. */
static bool lab_accounts(void *arg, struct buf *why)
{
	const struct lab *o = arg;

	return setup_accounts(o->dir, o->port + 1, why);
}

/*
 * own_overrides: the ports are overrides and not in the configuration, so that the same folder can run on other ports.
 * own: room for them. Of several overrides of one key the last one counts.
 */
static void own_overrides(const struct lab *o, char own[OWN][96], const char **all)
{
	snprintf(own[0], sizeof(own[0]), "server.listen-udp=127.0.0.1:%u", o->port);
	snprintf(own[1], sizeof(own[1]), "server.listen-tcp=127.0.0.1:%u", o->port);
	snprintf(own[2], sizeof(own[2]), "server.listen-tls=127.0.0.1:%u", o->port + 1);
	snprintf(own[3], sizeof(own[3]), "server.listen-https=127.0.0.1:%u", o->port + 2);
	snprintf(own[4], sizeof(own[4]), "identity.url=https://127.0.0.1:%u", o->port + 2);
	snprintf(own[5], sizeof(own[5]), "identity.fetch-allow=127.0.0.0/8, ::1");
	snprintf(own[6], sizeof(own[6]), "proxy.reach=any");
	for (unsigned i = 0; i < OWN; i++)
		all[i] = own[i];
	for (unsigned i = 0; i < o->overrides.count; i++)
		all[OWN + i] = o->overrides.at[i];
}

/* run_made: runs the lab of a folder that has everything. */
static int run_made(const struct usage *u, struct lab *o)
{
	const char *all[OWN + USAGE_LIST_MAX + 1] = {0};
	char own[OWN][96];
	struct buf why = {0}, file = {0};
	struct config config;
	char *domain;
	int code;

	own_overrides(o, own, all);
	buf_addf(&file, "%s/vouch.conf", o->dir);
	if (!config_load(file.p, all, &config, &why)) {
		code = usage_say(u, EXIT_REFUSED, "%s", why.p);
	} else if (o->domain != NULL && strcmp(o->domain, config.domain) != 0) {
		code = usage_say(u, EXIT_REFUSED, "%s is a lab of %s; for one of %s name another folder with --dir",
				 o->dir, config.domain, o->domain);
		config_free(&config);
	} else {
		o->domain = domain = mem_strdup(config.domain);
		code = start_server(u, &config, all, &(struct start_extras){lab_accounts, lab_hint, o});
		mem_free(domain);
	}
	buf_free(&file);
	buf_free(&why);
	return code;
}

static int run(const struct usage *u, int argc, char **argv)
{
	struct lab o = {.dir = "./lab", .port = 5060};
	struct buf why = {0};
	bool made;
	int code;

	if (!usage_read(u, argc, argv, &o, NULL, &code))
		return code;
	if (setup_domain(o.dir, o.domain != NULL ? o.domain : "example.com", true, &made, &why))
		code = run_made(u, &o);
	else
		code = usage_say(u, EXIT_REFUSED, "%s", why.p);
	buf_free(&why);
	return code;
}

static const struct usage_option options[] = {
	{'\0', "dir", USAGE_TEXT, false, "DIR", "where everything is; default ./lab", offsetof(struct lab, dir)},
	{'\0', "port", USAGE_PORT, false, "N", "SIP on N, TLS on N+1, https on N+2; default 5060",
	 offsetof(struct lab, port)},
	{'\0', "domain", USAGE_TEXT, false, "DOMAIN", "the SIP domain; default example.com",
	 offsetof(struct lab, domain)},
	{'o', NULL, USAGE_LIST, false, "SECTION.KEY=VALUE", "override one key of DIR/vouch.conf; may be given again",
	 offsetof(struct lab, overrides)},
	{0}};

const struct usage verb_lab = {
	.verb = "lab",
	.purpose = "a running domain from nothing, in the foreground",
	.run = run,
	.options = options,
	.example = "vouch lab --dir /tmp/lab --port 15060",
};
