#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/server/operate.h"
#include "sip/verb/setup.h"
#include "sip/verb/say.h"
#include "sip/verb/verbs.h"

/* The verbs that run a server or prepare one: lab, serve, init. Options of all three are parsed by one function. */

#define OVERRIDES_MAX 64 /* -o options of the user */
#define LAB_OWN 7        /* overrides that lab makes; those of the user follow, so that they win */

/* The command line; strings are those of argv. */
struct options {
	const char *config, *dir, *domain;
	unsigned port;
	bool renew;
	const char *overrides[OVERRIDES_MAX + LAB_OWN + 1];
	unsigned count;
};

/* letters: the options that this verb takes, long ones by their letter in names. false: something is not understood. */
static bool parse(int argc, char **argv, const char *letters, struct options *o)
{
	static const struct option names[] = {{"dir", required_argument, NULL, 'd'},
					      {"port", required_argument, NULL, 'p'},
					      {"domain", required_argument, NULL, 'm'},
					      {"renew", no_argument, NULL, 'r'},
					      {NULL, 0, NULL, 0}};
	uint32_t port;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "c:o:", names, NULL)) != -1) {
		if (strchr(letters, c) == NULL)
			return false;
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'd':
			o->dir = optarg;
			break;
		case 'm':
			o->domain = optarg;
			break;
		case 'p':
			if (!slice_u32(slice_str(optarg), 65533, &port) || port == 0)
				return false;
			o->port = port;
			break;
		case 'r':
			o->renew = true;
			break;
		case 'o':
			if (o->count == OVERRIDES_MAX + LAB_OWN)
				return false;
			o->overrides[o->count++] = optarg;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* What a verb does besides: prepare runs when the store is ours, hint behind the ready line, on a terminal only. */
struct extras {
	bool (*prepare)(void *arg, struct buf *why);
	void (*hint)(void *arg);
	void *arg;
};

/*
 * run: runs the server until a signal stops it, and returns the exit code. A program that waits for the ready line must
 * not find more than that. Ending goes in the reverse order.
 */
static int run(const char *verb, struct config *config, const char *const *overrides, const struct extras *x)
{
	struct buf why = {0}, ready = {0};
	struct serve *server = NULL;
	struct operate *operate;

	if (!serve_new(config, overrides, &server, &why) || (x->prepare != NULL && !x->prepare(x->arg, &why)) ||
	    !operate_open(server, &operate, &why)) {
		verb_say(verb, 1, "%s", why.p);
		buf_free(&why);
		if (server != NULL)
			serve_free(server);
		return 1;
	}
	serve_ready(server, &ready);
	fputs(ready.p, stdout);
	fflush(stdout);
	if (x->hint != NULL && isatty(STDOUT_FILENO))
		x->hint(x->arg);
	buf_free(&ready);
	serve_run(server);
	serve_stop(server);
	operate_close(operate);
	serve_free(server);
	return 0;
}

/* The overrides are kept: a reload applies them again. */
int verb_serve(int argc, char **argv)
{
	struct options o = {0};
	struct buf why = {0};
	struct config config;

	if (!parse(argc, argv, "co", &o) || o.config == NULL || optind != argc)
		return verb_say("serve", 2, "usage: vouch serve -c FILE [-o section.key=value]...");
	if (!config_load(o.config, o.overrides, &config, &why)) {
		verb_say("serve", 1, "%s", why.p);
		buf_free(&why);
		return 1;
	}
	return run("serve", &config, o.overrides, &(struct extras){0});
}

static void lab_hint(void *arg)
{
	const struct options *o = arg;
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
	const struct options *o = arg;

	return setup_accounts(o->dir, o->port + 1, why);
}

/* The ports are overrides and not in the configuration, so that the same folder can run on other ports. */
int verb_lab(int argc, char **argv)
{
	struct options o = {.dir = "./lab", .port = 5060};
	char own[LAB_OWN][96];
	const char *all[OVERRIDES_MAX + LAB_OWN + 1] = {0};
	struct buf why = {0}, file = {0};
	struct config config;
	char *domain;
	bool made;
	int code;

	if (!parse(argc, argv, "dpmo", &o) || optind != argc)
		return verb_say("lab", 2,
				"usage: vouch lab [--dir DIR] [--port N] [--domain D] [-o section.key=value]...");
	if (!setup_domain(o.dir, o.domain != NULL ? o.domain : "example.com", true, &made, &why)) {
		code = verb_say("lab", 1, "%s", why.p);
		buf_free(&why);
		return code;
	}
	snprintf(own[0], sizeof(own[0]), "server.listen-udp=127.0.0.1:%u", o.port);
	snprintf(own[1], sizeof(own[1]), "server.listen-tcp=127.0.0.1:%u", o.port);
	snprintf(own[2], sizeof(own[2]), "server.listen-tls=127.0.0.1:%u", o.port + 1);
	snprintf(own[3], sizeof(own[3]), "server.listen-https=127.0.0.1:%u", o.port + 2);
	snprintf(own[4], sizeof(own[4]), "identity.url=https://127.0.0.1:%u", o.port + 2);
	snprintf(own[5], sizeof(own[5]), "identity.fetch-allow=127.0.0.0/8, ::1");
	snprintf(own[6], sizeof(own[6]), "proxy.reach=any");
	/* Of several overrides of one key the last one counts. */
	for (unsigned i = 0; i < LAB_OWN; i++)
		all[i] = own[i];
	memcpy(all + LAB_OWN, o.overrides, o.count * sizeof(all[0]));
	buf_addf(&file, "%s/vouch.conf", o.dir);
	if (!config_load(file.p, all, &config, &why))
		code = verb_say("lab", 1, "%s", why.p);
	else if (o.domain != NULL && strcmp(o.domain, config.domain) != 0) {
		code = verb_say("lab", 1, "%s is a lab of %s; for one of %s name another folder with --dir", o.dir,
				config.domain, o.domain);
		config_free(&config);
	} else {
		o.domain = domain = mem_strdup(config.domain);
		code = run("lab", &config, all, &(struct extras){lab_accounts, lab_hint, &o});
		mem_free(domain);
	}
	buf_free(&file);
	buf_free(&why);
	return code;
}

/* renew: new certificates for the keys that are there; the server goes on with the old ones until its reload. */
static int renew(const char *dir)
{
	struct buf why = {0}, domain = {0};
	int code = 0;

	if (setup_renew(dir, &domain, &why))
		printf("%s/tls.crt and identity.crt of %s are new. Next:\n"
		       "  vouch reload -c %s/vouch.conf\n"
		       "and take %s/ca away from this machine again.\n",
		       dir, domain.p, dir, dir);
	else
		code = verb_say("init", 1, "%s", why.p);
	buf_free(&why);
	buf_free(&domain);
	return code;
}

int verb_init(int argc, char **argv)
{
	struct options o = {0};
	struct buf why = {0};
	bool made;

	if (!parse(argc, argv, "mr", &o) || (o.domain == NULL) != o.renew || optind != argc - 1)
		return verb_say("init", 2, "usage: vouch init DIR --domain D, or vouch init DIR --renew");
	if (o.renew)
		return renew(argv[optind]);
	if (!setup_domain(argv[optind], o.domain, false, &made, &why)) {
		verb_say("init", 1, "%s", why.p);
		buf_free(&why);
		return 1;
	}
	if (!made)
		return verb_say("init", 1, "%s/vouch.conf is there already; nothing was changed", argv[optind]);
	printf("%s holds the configuration, keys and store of %s. Next:\n"
	       "  vouch user add -c %s/vouch.conf sip:alice@%s\n  vouch serve -c %s/vouch.conf\n"
	       "The key of its CA is in %s/ca, for \"vouch init %s --renew\" only: keep it on another machine.\n",
	       argv[optind], o.domain, argv[optind], o.domain, argv[optind], argv[optind], argv[optind]);
	return 0;
}
