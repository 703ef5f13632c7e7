#include <stdio.h>

#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "sip/identity/web_url.h"
#include "sip/identity/identity.h"
#include "sip/ua/capture.h"
#include "sip/ua/signature.h"
#include "sip/ua/user_verbs.h"
#include "store/named.h"

/* vouch sign: what an authentication service adds to a request (RFC 4474 5), for a request in a file. */

#define KEY_FILE_MAX (1u << 20) /* octets */

struct sign {
	struct command c;
	struct capture in;
	struct sip_msg *m; /* the request with Date and Content-Length added */
	int64_t now;
	enum hash_alg alg;
	struct key *key;
	struct digest_string ds;
	struct buf out;
};

/* misfit: which options do not go together, a sentence; NULL: they do. */
static const char *misfit(struct sign *s)
{
	struct buf info = {0};
	struct slice url, alg;
	struct web_url parts;
	bool ok;

	s->alg = HASH_SHA1;
	if (s->c.string && s->c.signature)
		return "--string and --signature cannot both be printed";
	if (s->c.alg != NULL && !identity_alg(slice_str(s->c.alg), &s->alg))
		return "--alg: expected rsa-sha1 or rsa-sha256";
	if (s->c.string)
		return NULL;
	if (s->c.key == NULL)
		return "--key FILE is missing: the private RSA key that signs";
	if (s->c.signature)
		return NULL;
	if (s->c.url == NULL)
		return "--url URL is missing: where the certificate of the key can be fetched, for Identity-Info";
	buf_addf(&info, "<%s>;alg=x", s->c.url);
	ok = web_url_parse(slice_str(s->c.url), &parts) &&
	     identity_info_parse(buf_slice(&info), &url, &alg) == ERR_OK && slice_eq(url, slice_str(s->c.url));
	buf_free(&info);
	return ok ? NULL : "--url: expected an http or https URL like https://example.com/cert.cer";
}

/*
 * load_key: the private key of --key. ERR_NOTFOUND of pkcs8_read means that it is encrypted, and no pass phrase is
 * taken.
 */
static bool load_key(struct sign *s, struct buf *why)
{
	struct buf text = {0};
	enum err e;

	if (!named_read(s->c.key, true, KEY_FILE_MAX, &text, why))
		return false;
	e = pkcs8_read(buf_slice(&text), SLICE_NONE, &s->key);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		e = key_read_private(buf_slice(&text), &s->key);
	buf_wipe(&text);
	if (e == ERR_NOTFOUND)
		buf_addf(why, "%s is encrypted; \"openssl pkey -in %s\" writes it without a pass phrase", s->c.key,
			 s->c.key);
	else if (e == ERR_UNSUPPORTED)
		buf_addf(why, "%s is a key of a kind that is not taken; expected RSA of 1024 to 4096 bits", s->c.key);
	else if (e != ERR_OK)
		buf_addf(why, "%s is no private key that can be read; expected RSA in PEM, PKCS#8 or PKCS#1", s->c.key);
	else if (key_kind(s->key) != KEY_RSA)
		buf_addf(why, "%s is an EC key; RFC 4474 signs with RSA only", s->c.key);
	else
		return true;
	return false;
}

/* unsignable: why a request must not be signed, a clause; NULL: it may. adds: Identity would be added to it. */
static const char *unsignable(const struct sip_msg *m, bool adds)
{
	struct buf sig = {0};
	enum identity_fault f = identity_read(m, &sig);

	buf_free(&sig);
	if (m->method == METHOD_CANCEL)
		return "a CANCEL is never signed (RFC 4474 9): it cannot be challenged";
	if (m->method == METHOD_REGISTER)
		return "a REGISTER is not signed (RFC 4474 9): its Contacts mean something else";
	if (adds && (f == IDENTITY_FINE || f == IDENTITY_SEVERAL || f == IDENTITY_EMPTY || f == IDENTITY_MALFORMED))
		return "it has an Identity already, and only one may be there: take that out first";
	if (adds && msg_value(m, HDR_IDENTITY_INFO).p != NULL)
		return "it has an Identity-Info already, and only one may be there: take that out first";
	return NULL;
}

/* complete: adds Date and Content-Length, and parses the result, so that exactly what a verifier finds is signed. */
static bool complete(struct sign *s, struct buf *why)
{
	struct buf octets = {0};
	const char *fault;
	bool ok;

	ok = identity_complete(s->in.m, s->now, &octets) == ERR_OK &&
	     msg_parse(buf_slice(&octets), &s->m, &fault) == ERR_OK;
	if (ok && s->m->defect_code != 0) {
		buf_addf(why, "it is refused wherever it comes (%u %s)", s->m->defect_code, s->m->defect);
		ok = false;
	} else if (!ok) {
		buf_adds(why, "it cannot be read with Date and Content-Length in it");
	} else if ((fault = digest_string_fault(s->m)) != NULL || digest_string(s->m, &s->ds) != ERR_OK) {
		buf_adds(why, fault);
		ok = false;
	}
	buf_free(&octets);
	return ok;
}

/* --string prints the octets that are signed, with no line end behind them. */
static void add_string(struct sign *s)
{
	for (unsigned i = 0; i < DIGEST_STRING_PARTS; i++)
		buf_add(&s->out, s->ds.parts[i]);
	buf_add(&s->out, s->in.tail);
}

/* make_signature: over all octets of the body, also those that Content-Length leaves out. */
static bool make_signature(struct sign *s, uint8_t *sig, size_t *n)
{
	uint8_t digest[HASH_MAX];

	signature_hash(&s->ds, s->in.tail, s->alg, digest);
	return key_sign(s->key, s->alg, digest, sig, n) == ERR_OK;
}

static bool add_signature(struct sign *s)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t n;

	if (!make_signature(s, sig, &n))
		return false;
	base64_encode(&s->out, slice_of(sig, n));
	return true;
}

/* add_request: the request with Identity and Identity-Info, and the octets behind its body. */
static bool add_request(struct sign *s)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t n;

	if (!make_signature(s, sig, &n) || identity_add(s->m, slice_of(sig, n), s->c.url, s->alg, &s->out) != ERR_OK)
		return false;
	buf_add(&s->out, s->in.tail);
	return true;
}

/* look_at_tail: octets behind the body. A line end is from an editor and dropped; anything else was meant as body. */
static void look_at_tail(struct sign *s)
{
	size_t n = s->in.tail.n;

	if (n > 0 && slice_trim(s->in.tail).n == 0) {
		s->in.tail = S("");
		usage_say(s->c.usage, 0,
			  "%s: the line end behind the body, which Content-Length leaves out, is dropped", s->in.name);
	} else if (n > 0) {
		usage_say(s->c.usage, 0,
			  "%s: the body has %zu octets and all are signed, but Content-Length says %zu, and a "
			  "receiver drops the rest: set it right",
			  s->in.name, s->in.m->body.n + n, s->in.m->body.n);
	}
}

/* run: all output goes to a buffer first, so that an error leaves nothing on stdout. */
static int run(struct sign *s)
{
	const char *fault = unsignable(s->in.m, !s->c.string);
	struct buf why = {0};
	bool ok = true;
	int code;

	if (fault != NULL || !complete(s, &why))
		code = usage_say(s->c.usage, EXIT_LOCAL, "%s cannot be signed: %s", s->in.name,
				 fault != NULL ? fault : why.p);
	else if (!s->c.string && !load_key(s, &why))
		code = usage_say(s->c.usage, EXIT_LOCAL, "%s", why.p);
	else {
		look_at_tail(s);
		if (s->c.string)
			add_string(s);
		else
			ok = s->c.signature ? add_signature(s) : add_request(s);
		if (s->c.signature)
			buf_addc(&s->out, '\n');
		code = EXIT_DONE;
		if (!ok)
			code = usage_say(s->c.usage, EXIT_LOCAL, "the key in %s makes no signature", s->c.key);
		else
			usage_print(buf_slice(&s->out));
	}
	buf_free(&why);
	return code;
}

static int run_sign(const struct usage *u, int argc, char **argv)
{
	struct sign s = {0};
	const char *wrong;
	int code;

	if (!command_words(&s.c, u, argc, argv, &code) || !capture_time(&s.c, &s.now, &code))
		return code;
	wrong = misfit(&s);
	if (wrong != NULL)
		return usage_wrong(u, "%s", wrong);
	if (capture_read(&s.c, s.c.words[0], &s.in, &code))
		code = run(&s);
	key_free(s.key);
	msg_unref(s.m);
	buf_free(&s.out);
	capture_free(&s.in);
	return code;
}

static const struct usage_option options[] = {
	COMMAND_TEXT("key", key, "FILE", "the private RSA key that signs, PEM (mode 0600)"),
	COMMAND_TEXT("url", url, "URL", "where its certificate can be fetched"),
	COMMAND_CHOICE("alg", alg, "rsa-sha1|rsa-sha256", "the signature; default rsa-sha1"),
	COMMAND_TEXT("at", at, "TIME", "the Date, as 2026-06-01T12:00:00Z; default now"),
	COMMAND_FLAG("signature", signature, "print the signature alone"),
	COMMAND_FLAG("string", string, "print what would be signed; needs no key"),
	{0}};

const struct usage verb_sign = {
	.verb = "sign",
	.purpose = "add Date and Identity to a request, or show what is signed",
	.run = run_sign,
	.options = options,
	.words = {"REQUEST"},
	.example = "vouch sign --key lab/identity.key --url https://example.com/c.cer m.sip",
};
