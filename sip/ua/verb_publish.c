#include <string.h>

#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "sip/message/header.h"
#include "sip/identity/user_cert.h"
#include "sip/ua/own.h"
#include "sip/ua/user_verbs.h"
#include "store/named.h"

/*
 * vouch publish and vouch revoke: the publication agent of RFC 3903 (draft 5, 7.9).
 *
 *   prepare -> send_it -> on_response: 2xx: done
 *                                      412: look (what is there?) -> adopt it, or send_it again
 */

#define FILE_MAX 65536 /* octets of a file with a certificate or a key */

struct publisher {
	struct command c;
	struct dialog dialog;
	struct buf cert, key;     /* DER; key as it is to be published */
	struct buf headers, body; /* of the PUBLISH */
	struct buf etag;          /* of SIP-If-Match; empty: none */
	struct own look;          /* what is there, after a 412 */
	bool revoking, looked;
	int64_t not_after; /* of the certificate */
};

/* --- what is published --- */

/* profile_of: the encryption that --pkcs8 names; NULL is the first one. */
static bool profile_of(const char *name, enum pkcs8_profile *out)
{
	static const char *const names[] = {
		[PKCS8_3DES] = "draft06", [PKCS8_WRAP_PAD] = "rfc6072", [PKCS8_AES_CBC] = "aes-cbc"};

	for (unsigned i = 0; i < 3; i++) {
		if (name == NULL || strcmp(name, names[i]) == 0) {
			*out = (enum pkcs8_profile)i;
			return true;
		}
	}
	return false;
}

static bool make_new(struct publisher *p, struct key **key, struct buf *why)
{
	enum hash_alg alg = p->c.hash != NULL && strcmp(p->c.hash, "sha1") == 0 ? HASH_SHA1 : HASH_SHA256;
	int64_t now = loop_wall_s(agent_loop(p->c.agent));

	if (user_cert_make(slice_str(p->c.account.aor), now, alg, key, &p->cert) == ERR_OK)
		return true;
	buf_addf(why, "no certificate can be made for %s", p->c.account.aor);
	return false;
}

static bool read_cert(struct publisher *p, struct buf *why)
{
	static const char *const labels[] = {"CERTIFICATE", NULL};
	struct buf text = {0};
	const char *label;
	size_t pos = 0;
	bool ok = named_read(p->c.cert, false, FILE_MAX, &text, why);

	if (ok && pem_read(buf_slice(&text), labels, &pos, &label, &p->cert) != ERR_OK) {
		/* No PEM: DER, or nothing that is known. */
		size_t n = cert_length(buf_slice(&text));

		ok = n > 0 && n == text.n;
		if (ok)
			buf_add(&p->cert, buf_slice(&text));
		else
			buf_addf(why, "%s holds no certificate; expected PEM or DER", p->c.cert);
	}
	buf_free(&text);
	return ok;
}

/* read_key: PKCS#8, plain or encrypted with the pass phrase, or one of the older forms. */
static bool read_key(struct publisher *p, struct key **key, struct buf *why)
{
	struct slice phrase = p->c.phrase.n > 0 ? buf_slice(&p->c.phrase) : SLICE_NONE;
	struct buf text = {0};
	enum err e;

	if (!named_read(p->c.key, true, FILE_MAX, &text, why))
		return false;
	e = pkcs8_read(buf_slice(&text), phrase, key);
	if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_CRYPTO)
		e = key_read_private(buf_slice(&text), key);
	if (e == ERR_NOTFOUND)
		buf_addf(why, "%s is encrypted; give its pass phrase with --passphrase-file", p->c.key);
	else if (e != ERR_OK)
		buf_addf(why, "%s cannot be read: %s", p->c.key,
			 e == ERR_CRYPTO ? "the pass phrase is wrong, or the key is damaged"
					 : "expected an RSA or EC private key in PEM or DER");
	buf_wipe(&text);
	return e == ERR_OK;
}

/* What "openssl req -x509" makes by itself is a certificate of an authority. */
static const char authority_hint[] =
	"; make it with \"openssl req -x509 -addext basicConstraints=critical,CA:FALSE ...\"";

/* is_fit: the checks of the server (draft 7.10), so that the user is told before a key is sent. */
static bool is_fit(struct publisher *p, struct key *key, struct buf *why)
{
	const char *named = p->c.cert != NULL ? p->c.cert : "the new certificate";
	struct buf aor = {0}, spki = {0};
	struct cert *cert = NULL;
	enum user_cert_fault fault;
	size_t before = why->n;

	command_aor(&p->c, &aor);
	if (cert_read(buf_slice(&p->cert), &cert) != ERR_OK) {
		buf_addf(why, "%s is not an X.509 v3 certificate with an RSA or EC key of a size that is taken", named);
		goto out;
	}
	p->not_after = cert_not_after(cert);
	fault = user_cert_check(cert, loop_wall_s(agent_loop(p->c.agent)));
	if (key != NULL)
		key_spki(key, &spki);
	if (!user_cert_names(cert, buf_slice(&aor), false))
		buf_addf(why, "%s does not name %s in its subjectAltName (a URI)", named, p->c.account.aor);
	else if (fault != USER_CERT_FINE)
		buf_addf(why, "%s: %s%s", named, user_cert_str(fault),
			 fault == USER_CERT_AUTHORITY ? authority_hint : "");
	else if (key != NULL && !slice_eq(buf_slice(&spki), cert_spki(cert)))
		buf_addf(why, "%s does not belong to %s", p->c.key, named);
out:
	cert_free(cert);
	buf_free(&aor);
	buf_free(&spki);
	return why->n == before;
}

/* wrap_key: the key as it will be published: encrypted when there is a pass phrase (UAK-19). */
static bool wrap_key(struct publisher *p, const struct key *key, struct buf *why)
{
	struct buf plain = {0};
	enum pkcs8_profile profile;
	enum err e = pkcs8_write(key, &plain);

	if (e == ERR_OK && p->c.phrase.n > 0 && profile_of(p->c.profile, &profile))
		e = pkcs8_encrypt(buf_slice(&plain), buf_slice(&p->c.phrase), profile, PKCS8_ITERATIONS, &p->key);
	else if (e == ERR_OK)
		buf_add(&p->key, buf_slice(&plain));
	buf_wipe(&plain);
	if (e != ERR_OK)
		buf_adds(why, "the private key cannot be written as PKCS#8");
	return e == ERR_OK;
}

/* prepare: makes or reads certificate and key, and writes the body. */
static bool prepare(struct publisher *p, struct buf *why)
{
	struct key *key = NULL;
	bool ok =
		p->c.fresh ? make_new(p, &key, why) : read_cert(p, why) && (p->c.key == NULL || read_key(p, &key, why));

	ok = ok && is_fit(p, key, why) && (p->c.cert_only || wrap_key(p, key, why));
	key_free(key);
	if (!ok)
		return false;
	if (p->c.cert_only) {
		buf_adds(&p->headers, "Content-Type: application/pkix-cert\r\n");
		buf_add(&p->body, buf_slice(&p->cert));
	} else {
		user_cert_body(buf_slice(&p->cert), buf_slice(&p->key), &p->headers, &p->body);
	}
	buf_adds(&p->headers, "Content-Disposition: signal\r\n");
	return true;
}

/* --- the exchange --- */

static void send_it(struct publisher *p);

/* learn: keeps the entity-tag of a success, for the condition of the next PUBLISH (EPA-03). */
static void learn(struct publisher *p, struct slice etag)
{
	struct buf why = {0};

	buf_clear(&p->etag);
	buf_add(&p->etag, etag);
	if (!account_learn(&p->c.account, etag, &why))
		usage_say(p->c.usage, 0, "done, but the next publication will not be conditional: %s", why.p);
	buf_free(&why);
}

static void report_success(struct publisher *p, const struct sip_msg *response)
{
	struct report r = {0};
	struct buf print = {0};
	struct cert *cert = NULL;
	uint32_t granted = 0;

	report_start(&r, p->c.json, p->revoking ? "revoked" : "published", p->c.account.aor);
	if (!p->revoking && cert_read(buf_slice(&p->cert), &cert) == ERR_OK) {
		cert_fingerprint(cert, HASH_SHA256, &print);
		report_text(&r, "sha256", buf_slice(&print));
		report_time(&r, "valid-until", p->not_after);
		report_text(&r, "key",
			    p->key.n == 0        ? S("not published")
			    : p->c.phrase.n == 0 ? S("published as it is; the server can read it: --passphrase-file "
						     "FILE encrypts it")
						 : S("published, encrypted with the pass phrase"));
		if (p->c.fresh && !p->c.json)
			report_text(&r, "copy", S("the key is nowhere else; \"vouch credential\" fetches it"));
		/*
		 * EPA-05: a server that grants less than the certificate lives has to be asked again; the user is told.
		 */
		if (delta_parse(msg_value(response, HDR_EXPIRES), &granted) == ERR_OK &&
		    granted + 60 < p->not_after - loop_wall_s(agent_loop(p->c.agent)))
			report_time(&r, "kept-until", loop_wall_s(agent_loop(p->c.agent)) + granted);
	}
	report_end(&r);
	cert_free(cert);
	buf_free(&print);
}

static void finish(struct publisher *p, int code)
{
	agent_finish(p->c.agent, code);
}

/* --- 412: another device was quicker --- */

static const struct agent_user user;

/* on_looked: what is there was kept, is to be replaced, or was told to the user, who decides. */
static void on_looked(void *arg, int code)
{
	struct publisher *p = arg;
	const struct own *look = &p->look;

	if (look->replaces) {
		buf_clear(&p->etag);
		buf_add(&p->etag, buf_slice(&look->etag));
		agent_user(p->c.agent, &user, p);
		send_it(p);
		return;
	}
	if (code == EXIT_DONE)
		code = usage_say(p->c.usage, EXIT_REFUSED,
				 "412 Conditional Request Failed: another device has published a credential since, "
				 "which is the one here now; yours was not published");
	else if (look->etag.n > 0) /* the user knows of it, and may replace it */
		learn(p, buf_slice(&look->etag));
	finish(p, code);
}

/*
 * look: UAK-23, T-18: after 412 the client looks at what is there, and never publishes blindly. What is to be revoked
 * is revoked whatever it is.
 */
static void look(struct publisher *p)
{
	p->looked = true;
	p->look.f.c = p->c;
	p->look.f.c.watch = false;
	p->look.over = on_looked;
	p->look.arg = p;
	p->look.replaces = p->revoking;
	p->look.given_crt = p->c.cert;
	p->look.given_key = p->c.key;
	own_start(&p->look);
}

static void on_response(void *arg, struct sip_msg *response, const char *why)
{
	struct publisher *p = arg;
	const char *what = p->revoking ? "revoking" : "publishing";

	if (response == NULL) {
		finish(p, usage_say(p->c.usage, EXIT_LOCAL, "%s: %s", what, why));
	} else if (response->status == 412 && !p->looked) {
		look(p);
	} else if (response->status >= 300) {
		finish(p, command_refused(&p->c, what, response));
	} else {
		learn(p, p->revoking ? SLICE_NONE : msg_value(response, HDR_SIP_ETAG));
		report_success(p, response);
		finish(p, EXIT_DONE);
	}
}

/* send_it: Expires is the remaining life of the certificate (PUB-03); 0 revokes (PUB-16). */
static void send_it(struct publisher *p)
{
	int64_t left = p->revoking ? 0 : p->not_after - loop_wall_s(agent_loop(p->c.agent));
	struct agent_request r = {.method = METHOD_PUBLISH,
				  .dialog = &p->dialog,
				  .body = buf_slice(&p->body),
				  .done = on_response,
				  .arg = p};
	struct buf headers = {0};

	buf_addf(&headers, "Event: credential\r\nExpires: %lld\r\n",
		 (long long)(left < UINT32_MAX ? left : UINT32_MAX));
	if (p->etag.n > 0)
		buf_addf(&headers, "SIP-If-Match: %.*s\r\n", SLICE_ARG(buf_slice(&p->etag)));
	buf_add(&headers, buf_slice(&p->headers));
	r.headers = buf_slice(&headers);
	agent_request(p->c.agent, &r);
	buf_free(&headers);
}

static void on_request(void *arg, struct tx *tx)
{
	(void)arg;
	tx_reply_code(tx, 481, NULL);
}

static void on_stop(void *arg)
{
	struct publisher *p = arg;

	finish(p,
	       usage_say(p->c.usage, EXIT_LOCAL, "%s: interrupted by a signal, perhaps before the server has done it",
			 p->revoking ? "revoking" : "publishing"));
}

static const struct agent_user user = {.on_request = on_request, .on_stop = on_stop};

static int exchange(struct publisher *p)
{
	struct buf sips = {0}, why = {0};
	int code;

	agent_user(p->c.agent, &user, p);
	if (!p->revoking && !prepare(p, &why)) {
		code = usage_say(p->c.usage, EXIT_LOCAL, "%s", why.p);
	} else {
		command_sips(&p->c, &sips);
		dialog_open(&p->dialog, slice_str(p->c.account.aor), buf_slice(&sips), buf_slice(&sips));
		account_etag(&p->c.account, &p->etag);
		send_it(p);
		code = agent_run(p->c.agent);
	}
	buf_free(&sips);
	buf_free(&why);
	return code;
}

static void drop(struct publisher *p)
{
	own_free(&p->look);
	command_close(&p->c);
	dialog_drop(&p->dialog);
	buf_free(&p->cert);
	buf_wipe(&p->key);
	buf_free(&p->headers);
	buf_wipe(&p->body);
	buf_free(&p->etag);
}

/* misfit: which options do not go together, a sentence; NULL: they do. */
static const char *misfit(const struct command *c)
{
	bool files = c->cert != NULL || c->key != NULL;

	if (!c->fresh && !files)
		return "--new or --cert FILE is missing: a certificate is made, or read from a file";
	if (c->fresh && files)
		return "--new makes certificate and key, --cert and --key name files that have them; expected the one "
		       "or the other";
	if (!c->fresh && c->cert == NULL)
		return "--cert FILE is missing: the certificate that belongs to --key";
	if (!c->fresh && c->key == NULL && !c->cert_only)
		return "--key FILE is missing: the private key of --cert; expected it, or --cert-only";
	if (c->hash != NULL && !c->fresh)
		return "--hash is for a certificate that --new makes; the one of --cert is signed already";
	if (c->profile != NULL && c->phrase_file == NULL)
		return "--pkcs8 says how the key is encrypted, and --passphrase-file FILE with what: that is missing";
	if (c->fresh && c->cert_only)
		return "--new --cert-only would lose the new private key: nothing but the server keeps it; make the "
		       "pair yourself and give it with --cert and --key";
	return NULL;
}

static int run_publish(const struct usage *u, int argc, char **argv)
{
	struct publisher p = {0};
	const char *wrong;
	int code;

	if (!command_words(&p.c, u, argc, argv, &code))
		return code;
	wrong = misfit(&p.c);
	if (wrong != NULL)
		return usage_wrong(u, "%s", wrong);
	if (command_open(&p.c, true, &code))
		code = exchange(&p);
	drop(&p);
	return code;
}

static const struct usage_option publish_options[] = {
	COMMAND_ACCOUNT,
	COMMAND_FLAG("new", fresh, "make an RSA key and a certificate of a year"),
	COMMAND_CHOICE("hash", hash, "sha256|sha1", "with --new: what it is signed with"),
	COMMAND_TEXT("cert", cert, "FILE", "a certificate that is there, PEM or DER"),
	COMMAND_TEXT("key", key, "FILE", "its private key, PEM or DER (mode 0600)"),
	COMMAND_FLAG("cert-only", cert_only, "publish the certificate without its key"),
	COMMAND_TEXT("passphrase-file", phrase_file, "FILE", "encrypt the key: the server cannot read it"),
	COMMAND_CHOICE("pkcs8", profile, "draft06|rfc6072|aes-cbc", "how the key is encrypted"),
	COMMAND_JSON,
	COMMAND_VERBOSE,
	{0}};

const struct usage verb_publish = {
	.verb = "publish",
	.purpose = "publish a certificate, and its private key for your other devices",
	.run = run_publish,
	.options = publish_options,
	.example = "vouch publish -a lab/bob.account --new --passphrase-file phrase",
};

static int run_revoke(const struct usage *u, int argc, char **argv)
{
	struct publisher p = {.revoking = true};
	struct command c;
	int code;

	if (!command_words(&c, u, argc, argv, &code))
		return code;
	p.c = c;
	if (command_open(&p.c, true, &code))
		code = exchange(&p);
	drop(&p);
	return code;
}

static const struct usage_option revoke_options[] = {COMMAND_ACCOUNT, COMMAND_JSON, COMMAND_VERBOSE, {0}};

const struct usage verb_revoke_own = {
	.verb = "revoke",
	.purpose = "take your own certificate back",
	.run = run_revoke,
	.options = revoke_options,
	.example = "vouch revoke -a lab/bob.account",
};
