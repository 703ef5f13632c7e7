#include <stdio.h>

#include "crypto/encode.h"
#include "sip/ua/verify_private.h"
#include "sip/ua/user_verbs.h"
#include "store/named.h"

/* vouch verify: RFC 4474 6 for a request in a file. It goes on after a step that fails, so that a person sees all. */

#define PEM_MAX (4u << 20) /* octets of a file */

/* print: the steps for a person; the last line has the verdict of the first step that failed. */
static void print(const struct verify *v, struct buf *out)
{
	const struct step *failed = steps_failed(&v->steps);

	steps_print(&v->steps, out);
	if (failed != NULL) {
		buf_addf(out, "verdict: not trustworthy, for %s: a verifier answers %u %s\n", failed->name,
			 failed->code, failed->reason);
	} else if (v->c.signature_only) {
		buf_adds(out, "verdict: the signature holds; whose it is was not looked at\n");
	} else {
		buf_adds(out, "verdict: trustworthy: the domain of ");
		report_plain(out, v->in.m->from.spec);
		buf_adds(out, " vouches for it\n");
	}
}

/* print_json: the string also in base64, because JSON cannot carry octets that are no UTF-8. */
static void print_json(const struct verify *v, struct buf *out)
{
	const struct step *failed = steps_failed(&v->steps);
	struct buf string = {0};

	buf_adds(out, "{\"event\":\"verify\",\"from\":");
	report_json(out, v->in.m->from.spec);
	buf_addf(out, ",\"signature-only\":%s,\"steps\":", v->c.signature_only ? "true" : "false");
	steps_json(&v->steps, out);
	if (v->judge.has_string) {
		for (unsigned i = 0; i < DIGEST_STRING_PARTS; i++)
			buf_add(&string, v->judge.string.parts[i]);
		buf_adds(out, ",\"string\":");
		report_json(out, buf_slice(&string));
		buf_adds(out, ",\"string-base64\":\"");
		base64_encode(out, buf_slice(&string));
		buf_addc(out, '"');
	}
	buf_addf(out, ",\"verdict\":{\"holds\":%s", failed == NULL ? "true" : "false");
	if (failed != NULL)
		buf_addf(out, ",\"step\":\"%s\",\"status\":%u,\"reason\":\"%s\"", failed->name, failed->code,
			 failed->reason);
	buf_adds(out, "}}\n");
	buf_free(&string);
}

/* read_cert: the first certificate of a PEM file, or all octets of a DER file; judging them is a step of its own. */
static bool read_cert(struct verify *v, struct buf *why)
{
	static const char *const labels[] = {"CERTIFICATE", NULL};
	struct buf text = {0};
	const char *label;
	size_t pos = 0;
	enum err e;

	if (!named_read(v->c.cert, false, PEM_MAX, &text, why))
		return false;
	e = pem_read(buf_slice(&text), labels, &pos, &label, &v->der);
	if (e == ERR_NOTFOUND && cert_length(buf_slice(&text)) == text.n) {
		buf_add(&v->der, buf_slice(&text));
		e = ERR_OK;
	}
	if (e != ERR_OK)
		buf_addf(why, "%s holds no certificate; expected one in PEM or DER", v->c.cert);
	buf_free(&text);
	return e == ERR_OK;
}

/* read_anchors: without --ca those of the system are used for https only, and the chain is not judged. */
static bool read_anchors(struct verify *v, struct buf *why)
{
	const char *file = v->c.ca != NULL ? v->c.ca : CONFIG_SYSTEM_CA;
	struct buf pem = {0};
	size_t count = 0;
	bool ok;

	v->anchors = trust_new();
	ok = named_read(file, false, PEM_MAX, &pem, why);
	if (ok && (trust_add_pem(v->anchors, buf_slice(&pem), &count) != ERR_OK || count == 0)) {
		buf_addf(why, "%s has no certificates that can be read; expected PEM", file);
		ok = false;
	}
	buf_free(&pem);
	if (ok || v->c.ca != NULL)
		return ok;
	buf_clear(why); /* without --ca they are not needed, except for https */
	return true;
}

/* read_reach: whoever has written the request has chosen the URL in it, and may have aimed it at what is near us. */
static bool read_reach(struct verify *v, struct buf *why)
{
	struct slice bad;

	if (reach_read(slice_str(v->c.reach != NULL ? v->c.reach : "public"), &v->reach, &bad))
		return true;
	buf_addf(why, "--reach %.*s: expected public, private, any, addresses or prefixes", SLICE_ARG(bad));
	return false;
}

static int run(struct verify *v)
{
	struct buf why = {0}, out = {0};
	bool ok = read_reach(v, &why) && read_anchors(v, &why) && (v->c.cert == NULL || read_cert(v, &why));

	if (ok) {
		verify_steps(v);
		(v->c.json ? print_json : print)(v, &out);
		usage_print(buf_slice(&out));
	} else {
		usage_say(v->c.usage, 0, "%s", why.p);
	}
	buf_free(&why);
	buf_free(&out);
	return !ok ? EXIT_LOCAL : steps_failed(&v->steps) != NULL ? EXIT_UNTRUSTED : EXIT_DONE;
}

static int run_verify(const struct usage *u, int argc, char **argv)
{
	struct verify v = {0};
	int code;

	if (!command_words(&v.c, u, argc, argv, &code) || !capture_time(&v.c, &v.now, &code))
		return code;
	if (capture_read(&v.c, v.c.words[0], &v.in, &code))
		code = run(&v);
	judge_drop(&v.judge);
	trust_unref(v.anchors);
	steps_free(&v.steps);
	buf_free(&v.der);
	capture_free(&v.in);
	return code;
}

static const struct usage_option options[] = {
	COMMAND_TEXT("ca", ca, "FILE", "CAs to which the certificate must lead, PEM"),
	COMMAND_TEXT("cert", cert, "FILE", "the certificate, instead of fetching it"),
	COMMAND_TEXT("reach", reach, "LIST", "where it may be fetched; default public"),
	COMMAND_TEXT("at", at, "TIME", "judge as of then, as 2026-06-01T12:00:00Z; default now"),
	COMMAND_FLAG("signature-only", signature_only, "check neither chain nor dates nor names"),
	COMMAND_FLAG("json", json, "print one JSON object"),
	{0}};

const struct usage verb_verify = {
	.verb = "verify",
	.purpose = "say step by step whether the Identity of a saved request holds",
	.run = run_verify,
	.options = options,
	.words = {"REQUEST"},
	.example = "vouch verify --ca lab/ca.crt --cert lab/identity.crt signed.sip",
};
