#include "sip/ua/own.h"

#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "sip/identity/user_cert.h"
#include "sip/message/header.h"
#include "store/named.h"

static struct judgement refuse(struct own *k, int exit, const char *text)
{
	if (k->over != NULL)
		usage_say(k->f.c.usage, 0,
			  "another device has published a credential since, which cannot be used here: %s; publish "
			  "again to "
			  "replace it",
			  text);
	else
		usage_say(k->f.c.usage, 0, "the credential of %s cannot be used: %s; what is stored here stays",
			  k->f.c.account.aor, text);
	/*
	 * UAK-11, draft 7.11: 437 stands for a key that cannot be used, too. The server keeps the subscription
	 * (CRD-33).
	 */
	return (struct judgement){.code = 437, .exit = exit};
}

/* unfit: it is of no use to any device. After a 412 it may be replaced then (UAK-23). */
static struct judgement unfit(struct own *k, const char *text)
{
	if (k->over == NULL)
		return refuse(k, EXIT_UNTRUSTED, text);
	usage_say(k->f.c.usage, 0, "another device has published a credential that nobody can use: %s; it is replaced",
		  text);
	k->replaces = true;
	return (struct judgement){.code = 200, .exit = EXIT_DONE};
}

/* --- files --- */

static bool write_pem(struct own *k, const char *path, const char *label, struct slice der)
{
	struct buf pem = {0}, why = {0};
	bool ok;

	pem_write(&pem, label, der);
	ok = named_replace(path, buf_slice(&pem), &why);
	if (!ok)
		usage_say(k->f.c.usage, 0, "%s", why.p);
	buf_wipe(&pem);
	buf_free(&why);
	return ok;
}

/*
 * write_key: an encrypted key is stored as it was published. A plain one is encrypted if there is a pass phrase;
 * otherwise it is stored in the oldest form of PKCS#8, which every program reads (UAK-26).
 */
static bool write_key(struct own *k, struct slice der)
{
	struct buf plain = {0}, sealed = {0};
	struct key *key = NULL;
	size_t n;
	bool ok;

	if (pkcs8_shape(der, &n) == PKCS8_ENCRYPTED)
		return write_pem(k, k->key.p, "ENCRYPTED PRIVATE KEY", der);
	ok = pkcs8_read(der, SLICE_NONE, &key) == ERR_OK && pkcs8_write(key, &plain) == ERR_OK;
	if (ok && k->f.c.phrase.n == 0)
		ok = write_pem(k, k->key.p, "PRIVATE KEY", buf_slice(&plain));
	else if (ok)
		ok = pkcs8_encrypt(buf_slice(&plain), buf_slice(&k->f.c.phrase), PKCS8_3DES, PKCS8_ITERATIONS,
				   &sealed) == ERR_OK &&
		     write_pem(k, k->key.p, "ENCRYPTED PRIVATE KEY", buf_slice(&sealed));
	key_free(key);
	buf_wipe(&plain);
	buf_free(&sealed);
	return ok;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return b != NULL && stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* is_given: would storing write over what the user has given to be published? */
static bool is_given(const struct own *k)
{
	return same_file(k->crt.p, k->given_crt) || same_file(k->crt.p, k->given_key) ||
	       same_file(k->key.p, k->given_crt) || same_file(k->key.p, k->given_key);
}

static struct judgement store(struct own *k, const struct publish_body *p)
{
	struct report r = {0};
	struct buf print = {0};

	if (is_given(k)) {
		usage_say(k->f.c.usage, 0,
			  "another device has published a credential since. Take it with \"vouch credential -a %s -o "
			  "PREFIX\", to other files than yours, or publish again to replace it",
			  k->f.c.account_file);
		return (struct judgement){.code = 200, .exit = EXIT_REFUSED};
	}
	/* The key first: a certificate without its key invites messages that nobody can read. */
	if ((p->key.n > 0 && !write_key(k, buf_slice(&p->key))) ||
	    !write_pem(k, k->crt.p, "CERTIFICATE", cert_der(p->cert)))
		return (struct judgement){.code = 200, .exit = EXIT_LOCAL};
	if (!fetcher_news(&k->f, cert_der(p->cert)))
		return (struct judgement){.code = 200, .exit = EXIT_DONE};
	cert_fingerprint(p->cert, HASH_SHA256, &print);
	report_start(&r, k->f.c.json, "credential", k->f.c.account.aor);
	report_text(&r, "sha256", buf_slice(&print));
	report_time(&r, "valid-until", cert_not_after(p->cert));
	report_text(&r, "certificate", buf_slice(&k->crt));
	report_text(&r, "key", p->key.n > 0 ? buf_slice(&k->key) : S("not published; one that is here stays"));
	report_end(&r);
	buf_free(&print);
	return (struct judgement){.code = 200, .exit = EXIT_DONE};
}

/* --- checks --- */

/*
 * key_fits: ERR_OK: the key belongs to the certificate (UAK-24). ERR_NOTFOUND: a pass phrase is needed. ERR_CRYPTO: it
 * is wrong.
 */
static enum err key_fits(struct own *k, const struct publish_body *p)
{
	struct slice der = buf_slice(&p->key);
	struct buf plain = {0};
	enum err e;
	size_t n;

	if (p->key.n == 0)
		return ERR_OK;
	if (pkcs8_shape(der, &n) != PKCS8_ENCRYPTED)
		return pkcs8_matches(der, cert_spki(p->cert)) == ERR_OK ? ERR_OK : ERR_SYNTAX;
	if (k->f.c.phrase.n == 0)
		return ERR_NOTFOUND;
	e = pkcs8_decrypt(der, buf_slice(&k->f.c.phrase), &plain);
	if (e == ERR_OK && pkcs8_matches(buf_slice(&plain), cert_spki(p->cert)) != ERR_OK)
		e = ERR_SYNTAX;
	buf_wipe(&plain);
	return e;
}

/* Deferred by wrong_phrase. The prompt blocks the loop, which may be: the NOTIFY has been answered. */
static void ask_phrase(void *arg)
{
	struct own *k = arg;

	if (command_prompt(&k->f.c)) {
		fetcher_again(&k->f);
	} else {
		usage_say(k->f.c.usage, 0, "no pass phrase, no private key");
		agent_finish(k->f.c.agent, EXIT_LOCAL);
	}
}

/* wrong_phrase: UAK-13, T-25: the NOTIFY is answered before a person is asked, who takes longer than a transaction. */
static struct judgement wrong_phrase(struct own *k, const char *text)
{
	if (k->prompted || k->over != NULL || !isatty(STDIN_FILENO))
		return refuse(k, EXIT_LOCAL, text);
	k->prompted = true;
	k->f.over = true; /* this round is over, so that its end does not end the verb */
	loop_defer(agent_loop(k->f.c.agent), ask_phrase, k);
	return (struct judgement){.code = 437, .exit = EXIT_LOCAL};
}

/* check: name, validity, and key, in this order; then the credential is stored. */
static struct judgement check(struct own *k, const struct publish_body *p)
{
	enum user_cert_fault fault = user_cert_check(p->cert, loop_wall_s(agent_loop(k->f.c.agent)));
	struct buf aor = {0};
	bool own;

	command_aor(&k->f.c, &aor);
	own = user_cert_names(p->cert, buf_slice(&aor), false);
	buf_free(&aor);
	if (!own)
		return unfit(k, "the certificate is somebody else's");
	if (fault != USER_CERT_FINE)
		return unfit(k, user_cert_str(fault));
	switch (key_fits(k, p)) {
	case ERR_OK:
		return store(k, p);
	case ERR_NOTFOUND:
		return wrong_phrase(k, "its private key is encrypted; give the pass phrase with --passphrase-file");
	case ERR_CRYPTO:
		return wrong_phrase(k, "the pass phrase does not open its private key");
	case ERR_LIMIT:
		return refuse(k, EXIT_UNTRUSTED, "its private key asks for more iterations than are reasonable");
	case ERR_UNSUPPORTED:
		return refuse(k, EXIT_UNTRUSTED, "its private key is encrypted in a way that is not known here");
	default:
		return unfit(k, "the private key does not belong to the certificate");
	}
}

/*
 * nothing: there is no credential (any more). The certificate file goes, so that programs stop using it. The key stays,
 * because old messages need it.
 */
static struct judgement nothing(struct own *k)
{
	struct buf why = {0};
	struct report r = {0};
	bool gone = false;

	if (!fetcher_news(&k->f, SLICE_NONE))
		return (struct judgement){.code = 200, .exit = EXIT_NOTHING};
	if (k->f.c.watch) {
		report_start(&r, k->f.c.json, "no-credential", k->f.c.account.aor);
		report_end(&r);
	} else {
		usage_say(k->f.c.usage, 0, "%s has no credential; \"vouch publish\" makes one", k->f.c.account.aor);
	}
	if (!named_remove(k->crt.p, &gone, &why))
		usage_say(k->f.c.usage, 0, "%s", why.p);
	else if (gone)
		usage_say(k->f.c.usage, 0, "%s was removed; the key stays", k->crt.p);
	buf_free(&why);
	return (struct judgement){.code = 200, .exit = EXIT_NOTHING};
}

/* etag_of: the etag parameter of Event: the entity-tag for the next publication (CRD-02); SLICE_NONE: none. */
static struct slice etag_of(const struct sip_msg *m)
{
	struct event ev;
	struct param p;

	return event_parse(msg_value(m, HDR_EVENT), &ev) == ERR_OK && scan_param_find(ev.params, S("etag"), &p) &&
			       scan_is_token(p.value)
		       ? p.value
		       : SLICE_NONE;
}

static void learn_etag(struct own *k, const struct sip_msg *m)
{
	struct buf why = {0};

	if (!account_learn(&k->f.c.account, etag_of(m), &why))
		usage_say(k->f.c.usage, 0, "%s", why.p);
	buf_free(&why);
}

static struct judgement judge(struct fetcher *f, struct sip_msg *m)
{
	const struct config any = {.credential_style = STYLE_ANY}; /* what a server must refuse is fine here */
	struct own *k = (struct own *)(void *)f;
	struct publish_body p = {0};
	struct judgement j;
	struct refusal r;

	buf_clear(&k->etag);
	buf_add(&k->etag, etag_of(m));
	k->replaces = k->replaces || (k->over != NULL && m->body.n == 0);
	if (k->replaces)
		return (struct judgement){.code = 200, .exit = EXIT_DONE};
	if (m->body.n == 0) {
		learn_etag(k, m);
		return nothing(k);
	}
	r = publish_body_read(m, &any, &p);
	if (r.code != 0)
		j = refuse(k, EXIT_UNTRUSTED, r.reason != NULL ? r.reason : "what the server sent is no credential");
	else
		j = check(k, &p);
	/* T-18: with the entity-tag of something not kept here, the next publication would overwrite it unseen. */
	if (j.exit == EXIT_DONE)
		learn_etag(k, m);
	publish_body_free(&p);
	return j;
}

static void over(struct fetcher *f, int code)
{
	struct own *k = (struct own *)(void *)f;

	k->over(k->arg, code);
}

static const struct fetcher_user user = {
	.package = "credential", .own = true, .what = "the credential of", .expires = 86400, .judge = judge};
static const struct fetcher_user user_after_412 = {
	.package = "credential", .own = true, .what = "the credential of", .expires = 0, .judge = judge, .over = over};

/* name_files: PREFIX.crt and PREFIX.key; without -o they lie beside the account file and have its name. */
static void name_files(struct own *k)
{
	struct slice prefix = slice_str(k->f.c.out);

	if (k->f.c.out == NULL) {
		prefix = slice_str(k->f.c.account_file);
		if (slice_ends(prefix, S(".account")))
			prefix.n -= sizeof(".account") - 1;
	}
	buf_addf(&k->crt, "%.*s.crt", SLICE_ARG(prefix));
	buf_addf(&k->key, "%.*s.key", SLICE_ARG(prefix));
}

void own_start(struct own *k)
{
	k->f.user = k->over != NULL ? &user_after_412 : &user;
	name_files(k);
	command_sips(&k->f.c, &k->f.resource);
	fetcher_start(&k->f);
}

int own_run(struct own *k)
{
	own_start(k);
	return agent_run(k->f.c.agent);
}

void own_free(struct own *k)
{
	fetcher_free(&k->f);
	buf_free(&k->f.resource);
	buf_free(&k->crt);
	buf_free(&k->key);
	buf_free(&k->etag);
}
