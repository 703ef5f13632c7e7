#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "sip/locate/reach.h"
#include "sip/report.h"
#include "sip/server/load.h"
#include "sip/transport/peer.h"
#include "sip/verb/lab_users.h"
#include "sip/verb/setup.h"
#include "sip/verb/start.h"
#include "sip/verb/verbs.h"

/* vouch lab: a domain from nothing, in the foreground. */

#define OWN 8            /* overrides that lab makes; those of the user follow, so that they win */
#define OVERRIDE_MAX 128 /* octets of one */
#define PASSWORD_MAX 254 /* octets, as for "vouch user" */

/* The command line; strings are those of argv. */
struct lab {
	const char *dir, *domain, *listen, *password;
	unsigned port;
	bool verbose;
	struct usage_list overrides;
	struct peer at; /* listen, with port */
};

/* at_port: the address of the lab, with the port that is that many behind the first one. */
static struct peer_text at_port(const struct lab *o, unsigned more)
{
	struct peer p = o->at;

	peer_set_port(&p, (uint16_t)(o->port + more));
	return peer_text(&p);
}

static void hint(void *arg)
{
	const struct lab *o = arg;
	struct buf me = {0}, dir = {0};

	report_shell(&me, program_invocation_name);
	report_shell(&dir, o->dir);
	printf("\nA phone needs: user alice, bob or carol, the password in %s/alice.account (and so on), the domain "
	       "%s,\n"
	       "the proxy %s (UDP, TCP) or %s (TLS, whose CA is %s/ca.crt). For baresip, in its accounts:\n"
	       "  <sip:alice@%s>;auth_pass=PASSWORD;outbound=\"sip:%s\"\n",
	       o->dir, o->domain, at_port(o, 0).text, at_port(o, 1).text, o->dir, o->domain, at_port(o, 0).text);
	printf("\nIn another terminal, to see Bob's certificate arrive at Alice's:\n"
	       "  %s publish -a %s/bob.account --new\n"
	       "  %s certificate -a %s/alice.account sip:bob@%s --watch\n"
	       "and in a third, to see it go:\n"
	       "  %s revoke -a %s/bob.account\n"
	       "Ctrl-C ends the lab; what it stored is there again at the next start.\n",
	       me.p, dir.p, me.p, dir.p, o->domain, me.p, dir.p);
	fflush(stdout);
	buf_free(&me);
	buf_free(&dir);
}

/*
 * own_overrides: address and ports are overrides and not in the configuration, so that the same folder can run on
 * others. own: room for them. Of several overrides of one key the last one counts.
 */
static void own_overrides(const struct lab *o, char own[OWN][OVERRIDE_MAX], const char **all)
{
	/* Phones and neighbours of a lab on the loopback are there, too; others must not be led to what listens there.
	 */
	unsigned count = reach_is_loopback(&o->at) ? OWN : OWN - 2;

	snprintf(own[0], OVERRIDE_MAX, "server.listen-udp=%s", at_port(o, 0).text);
	snprintf(own[1], OVERRIDE_MAX, "server.listen-tcp=%s", at_port(o, 0).text);
	snprintf(own[2], OVERRIDE_MAX, "server.listen-tls=%s", at_port(o, 1).text);
	snprintf(own[3], OVERRIDE_MAX, "server.listen-https=%s", at_port(o, 2).text);
	snprintf(own[4], OVERRIDE_MAX, "identity.url=https://%s", at_port(o, 2).text);
	snprintf(own[5], OVERRIDE_MAX, "log.level=%s", o->verbose ? "trace" : "info");
	snprintf(own[6], OVERRIDE_MAX, "identity.fetch-allow=127.0.0.0/8, ::1");
	snprintf(own[7], OVERRIDE_MAX, "proxy.reach=any");
	for (unsigned i = 0; i < count; i++)
		all[i] = own[i];
	for (unsigned i = 0; i < o->overrides.count; i++)
		all[count + i] = o->overrides.at[i];
}

/*
 * prepare: what may have changed since the last start: the age of the certificates, the address, the password. Nothing
 * of it is done while another lab runs on the folder, which start_server will tell. false: the user was told.
 */
static bool prepare(const struct usage *u, const struct lab *o, const struct config *config)
{
	struct buf why = {0}, server = {0};
	int dirfd = -1, lock = -1;
	bool ok = true;

	if (!load_store(config, true, &dirfd, &why) || file_lock(dirfd, FILE_LOCK, &lock) != ERR_OK)
		goto out;
	/* Without the key of the CA the old certificates go on until their end. */
	if (!setup_refresh(o->dir, peer_ip(&o->at).text, &why))
		usage_say(u, 0, "the certificates are not made anew: %s", why.p);
	buf_clear(&why);
	buf_addf(&server, "tls:%s", at_port(o, 1).text);
	ok = (o->password == NULL || lab_users_password(config, dirfd, o->password, &why)) &&
	     lab_users_accounts(o->dir, config->domain, server.p, o->password, &why);
	if (!ok)
		usage_say(u, 0, "%s", why.p);
	close(lock);
out:
	if (dirfd >= 0)
		close(dirfd);
	buf_free(&why);
	buf_free(&server);
	return ok;
}

/* start: runs the lab of a folder that has everything. */
static int start(const struct usage *u, struct lab *o, struct config *config, const char *const *overrides)
{
	char *domain = mem_strdup(config->domain);
	char taken[64];
	int code = EXIT_REFUSED;

	/* Any other number will do; this one is easy to remember, and ten thousand ports away from the usual ones. */
	snprintf(taken, sizeof(taken), "type \"vouch lab --port %u\"",
		 o->port < 50000 ? o->port + 10000 : o->port - 10000);
	o->domain = domain;
	if (prepare(u, o, config))
		code = start_server(u, config, overrides, &(struct start_words){taken, hint, o});
	else
		config_free(config);
	mem_free(domain);
	return code;
}

static int run_made(const struct usage *u, struct lab *o)
{
	const char *all[OWN + USAGE_LIST_MAX + 1] = {0};
	char own[OWN][OVERRIDE_MAX];
	struct buf why = {0}, file = {0};
	struct config config;
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
		code = start(u, o, &config, all);
	}
	buf_free(&file);
	buf_free(&why);
	return code;
}

/* is_password: an account file can have it: one line without blanks around. */
static bool is_password(const char *text)
{
	struct slice s = slice_str(text);

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n <= PASSWORD_MAX && slice_trim(s).n == s.n;
}

static int run(const struct usage *u, int argc, char **argv)
{
	struct lab o = {.dir = "./lab", .port = 5060, .listen = "127.0.0.1"};
	struct buf why = {0};
	bool made;
	int code;

	if (!usage_read(u, argc, argv, &o, NULL, &code))
		return code;
	if (!peer_of(slice_str(o.listen), 0, &o.at) || peer_is_any(&o.at))
		return usage_wrong(u,
				   "--listen %s: expected an address of this machine by which others reach it, like "
				   "192.0.2.7",
				   o.listen);
	if (o.password != NULL && !is_password(o.password))
		return usage_wrong(u, "--password: expected up to %d characters, without blanks at the ends",
				   PASSWORD_MAX);
	if (setup_domain(o.dir, o.domain != NULL ? o.domain : "example.com",
			 &(struct setup_lab){peer_ip(&o.at).text, o.password}, &made, &why))
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
	{'\0', "listen", USAGE_TEXT, false, "ADDRESS", "of this machine, for others; default 127.0.0.1",
	 offsetof(struct lab, listen)},
	{'\0', "password", USAGE_TEXT, false, "WORD", "of alice, bob and carol; default random",
	 offsetof(struct lab, password)},
	{'v', NULL, USAGE_FLAG, false, NULL, "show the SIP messages, without secrets", offsetof(struct lab, verbose)},
	{'o', NULL, USAGE_LIST, false, "SECTION.KEY=VALUE", "override one key of DIR/vouch.conf; may be given again",
	 offsetof(struct lab, overrides)},
	{0}};

const struct usage verb_lab = {
	.verb = "lab",
	.purpose = "a running domain from nothing, in the foreground",
	.run = run,
	.options = options,
	.example = "vouch lab --listen 192.0.2.7 --port 15060",
};
