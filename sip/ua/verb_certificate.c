#include <string.h>

#include "core/mem.h"
#include "crypto/encode.h"
#include "sip/message/header.h"
#include "sip/identity/user_cert.h"
#include "sip/ua/fetcher.h"
#include "sip/ua/user_verbs.h"
#include "store/named.h"

/* vouch certificate: the certificate of another user, proven by the domain of its address (draft 6.9, 9.3). */

#define LOOK_AGAIN_S (20 * 86400) /* seconds: the longest sleep of the expiry timer, which has 32 bits */

struct certificate {
	struct fetcher f; /* must be first: judge gets a pointer to it */
	struct timer *expiry;
	int64_t not_after; /* notAfter of the certificate in the file, 0: none */
};

static const struct judgement fine = {.code = 200, .exit = EXIT_DONE};

/* refuse: the NOTIFY is genuine, but its body cannot be used. What is stored stays. */
static struct judgement refuse(struct certificate *k, unsigned code, int exit, const char *text)
{
	usage_say(k->f.c.usage, 0, "the certificate of %s cannot be used: %s", k->f.c.words[0], text);
	return (struct judgement){.code = code, .exit = exit};
}

/* withdraw: a certificate that is not valid any more must not stay where programs look for it (UAC-11, SEC-06). */
static void withdraw(struct certificate *k)
{
	struct buf why = {0};
	bool gone = false;

	k->not_after = 0;
	timer_stop(k->expiry);
	if (k->f.c.out != NULL && !named_remove(k->f.c.out, &gone, &why))
		usage_say(k->f.c.usage, 0, "%s", why.p);
	else if (gone)
		usage_say(k->f.c.usage, 0, "%s was removed", k->f.c.out);
	buf_free(&why);
}

/* nothing: a verified NOTIFY without body: no certificate, or a revocation. */
static struct judgement nothing(struct certificate *k)
{
	struct report r = {0};

	if (!fetcher_news(&k->f, SLICE_NONE))
		return (struct judgement){.code = 200, .exit = EXIT_NOTHING};
	if (k->f.c.watch) {
		report_start(&r, k->f.c.json, "no-certificate", k->f.c.words[0]);
		report_end(&r);
	} else {
		usage_say(k->f.c.usage, 0, "%s has no certificate, or has revoked it", k->f.c.words[0]);
	}
	withdraw(k);
	return (struct judgement){.code = 200, .exit = EXIT_NOTHING};
}

/* The clock may be set while the timer sleeps, so on_expiry looks at it again. */
static void arm_expiry(struct certificate *k)
{
	int64_t left = k->not_after - loop_wall_s(agent_loop(k->f.c.agent));

	if (left < 0)
		left = 0;
	timer_start(k->expiry, (uint32_t)(left < LOOK_AGAIN_S ? left : LOOK_AGAIN_S) * 1000);
}

static void on_expiry(void *arg)
{
	struct certificate *k = arg;
	struct report r = {0};

	if (k->not_after > loop_wall_s(agent_loop(k->f.c.agent))) {
		arm_expiry(k);
		return;
	}
	usage_say(k->f.c.usage, 0, "the certificate of %s has expired", k->f.c.words[0]);
	report_start(&r, k->f.c.json, "expired", k->f.c.words[0]);
	report_end(&r);
	withdraw(k);
}

/* tell_self_signed: why no CA stands behind it. It is the usual case, and no reason to worry (draft 9.3). */
static void tell_self_signed(struct report *r)
{
	if (r->json)
		report_bool(r, "self-signed", true);
	else
		report_text(r, "self-signed", S("yes, as usual: the domain vouches for it, and not a CA"));
}

/* tell: one event with what a person needs to decide whether to trust the certificate (UAC-22). */
static void tell(struct certificate *k, const struct cert *cert, struct slice pem)
{
	enum trust_verdict t =
		trust_check(agent_trust(k->f.c.agent), cert, NULL, 0, loop_wall_s(agent_loop(k->f.c.agent)), true);
	struct report r = {0};
	struct buf print = {0};

	cert_fingerprint(cert, HASH_SHA256, &print);
	report_start(&r, k->f.c.json, "certificate", k->f.c.words[0]);
	report_text(&r, "sha256", buf_slice(&print));
	report_time(&r, "valid-until", cert_not_after(cert));
	report_text(&r, "vouched-by", k->f.vouched_by);
	report_bool(&r, "ca-validated", t == TRUST_OK); /* SEC-14: told, and decides nothing */
	if (t != TRUST_OK && cert_is_self_signed(cert))
		tell_self_signed(&r);
	if (k->f.c.out != NULL)
		report_text(&r, "file", slice_str(k->f.c.out));
	else
		report_block(&r, "pem", pem);
	report_end(&r);
	buf_free(&print);
}

/* keep: stores the certificate and tells about it, when it is another one than before. */
static struct judgement keep(struct certificate *k, const struct cert *cert)
{
	struct judgement j = fine;
	struct buf pem = {0}, why = {0};

	pem_write(&pem, "CERTIFICATE", cert_der(cert));
	if (k->f.c.out == NULL || named_replace(k->f.c.out, buf_slice(&pem), &why)) {
		k->not_after = cert_not_after(cert);
		if (k->f.c.watch)
			arm_expiry(k);
		if (fetcher_news(&k->f, cert_der(cert)))
			tell(k, cert, buf_slice(&pem));
	} else {
		usage_say(k->f.c.usage, 0, "%s", why.p);
		j.exit = EXIT_LOCAL;
	}
	buf_free(&pem);
	buf_free(&why);
	return j;
}

/* judge: sender and integrity are proven. Content-Type is not signed, so the octets decide (T-40). */
static struct judgement judge(struct fetcher *f, struct sip_msg *m)
{
	struct certificate *k = (struct certificate *)(void *)f;
	enum user_cert_fault fault;
	struct judgement j;
	struct cert *cert;
	struct media media;

	if (m->body.n == 0)
		return nothing(k);
	if (media_parse(msg_value(m, HDR_CONTENT_TYPE), &media) != ERR_OK ||
	    !media_is(&media, S("application"), S("pkix-cert")))
		return refuse(k, 415, EXIT_UNTRUSTED, "the server sent something else");
	switch (cert_read(m->body, &cert)) {
	case ERR_OK:
		break;
	case ERR_UNSUPPORTED:
		return refuse(k, 437, EXIT_UNTRUSTED, "its key is too small or of an unknown kind");
	default:
		return refuse(k, 437, EXIT_UNTRUSTED, "it is not exactly one DER certificate");
	}
	fault = user_cert_check(cert, loop_wall_s(agent_loop(f->c.agent)));
	if (fault == USER_CERT_NOT_YET || fault == USER_CERT_EXPIRED)
		j = refuse(k, 437, EXIT_UNTRUSTED, user_cert_str(fault));
	else
		j = keep(k, cert);
	cert_free(cert);
	return j;
}

static const struct fetcher_user user = {
	.package = "certificate", .what = "the certificate of", .expires = 86400, .judge = judge};

static int run(const struct usage *u, int argc, char **argv)
{
	struct certificate k = {.f.user = &user};
	struct uri aor;
	int code;

	if (!command_words(&k.f.c, u, argc, argv, &code))
		return code;
	/* RFC 3261 19.1.1, table 1: neither a password nor header fields may be in a Request-URI. */
	if (uri_parse(slice_str(k.f.c.words[0]), &aor) != ERR_OK || aor.scheme == URI_OTHER || aor.user.n == 0 ||
	    aor.password.p != NULL || aor.headers.p != NULL)
		return usage_wrong(u, "%s is no address; expected sip:user@domain", k.f.c.words[0]);
	/* Certificates are public and signed: no TLS is needed (SEC-12). */
	if (command_open(&k.f.c, false, &code)) {
		buf_adds(&k.f.resource, k.f.c.words[0]);
		k.expiry = timer_new(agent_loop(k.f.c.agent), on_expiry, &k);
		code = fetcher_run(&k.f);
		timer_free(k.expiry);
	}
	command_close(&k.f.c);
	buf_free(&k.f.resource);
	return code;
}

static const struct usage_option options[] = {COMMAND_ACCOUNT,
					      COMMAND_OUT("FILE", "write the certificate there, as PEM"),
					      COMMAND_FLAG("watch", watch, "stay, and tell each change until Ctrl-C"),
					      COMMAND_JSON,
					      COMMAND_VERBOSE,
					      {0}};

const struct usage verb_certificate = {
	.verb = "certificate",
	.purpose = "fetch and prove the certificate of somebody",
	.run = run,
	.options = options,
	.words = {"AOR"},
	.example = "vouch certificate -a lab/alice.account sip:bob@example.com",
};
