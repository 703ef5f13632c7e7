#include "sip/identity/signer.h"

#include <string.h>

#include "core/mem.h"
#include "sip/message/digest_string.h"
#include "sip/identity/identity.h"

/*
 * Each signature is one job: digest in, signature out. The request stays with the job, but only the loop touches it. A
 * job holds the generation of the certificate that was current when it began, so a roll-over on the way does no harm.
 */

struct signer {
	struct work *work;
	const struct domain_certs *certs;
	const struct settings *settings;
};

struct sign_job {
	struct work_job job;
	struct domain_cert *cert; /* one reference */
	struct sip_msg *request;  /* one reference; for the loop only */
	uint8_t digest[HASH_MAX];
	uint8_t sig[KEY_SIG_MAX];
	size_t sig_n;
	enum err result;
	enum hash_alg alg;
	uint64_t id;
	signer_fn done;
	void *arg;
};

struct signer *signer_new(struct work *w, const struct domain_certs *certs, const struct settings *settings)
{
	struct signer *s = mem_alloc(sizeof(*s));

	*s = (struct signer){.work = w, .certs = certs, .settings = settings};
	return s;
}

void signer_free(struct signer *s)
{
	mem_free(s);
}

bool signer_ready(const struct signer *s, int64_t now)
{
	const struct domain_cert *d = domain_certs_current(s->certs);

	return d != NULL && now >= cert_not_before(d->cert) && now <= cert_not_after(d->cert);
}

size_t signer_overhead(const struct signer *s)
{
	const struct domain_cert *d = domain_certs_current(s->certs);
	size_t sig = (cert_key_bits(d->cert) + 7) / 8;

	return sizeof("Identity: \"\"\r\nIdentity-Info: <>;alg=rsa-sha256\r\n") + (sig + 2) / 3 * 4 + strlen(d->url);
}

/* In a worker. Each worker has a copy of the key, because mbedTLS locks a key for the whole operation. */
static void run(struct work_job *job, unsigned worker)
{
	struct sign_job *j = (struct sign_job *)(void *)job;

	j->result = key_sign(j->cert->keys[worker % j->cert->workers], j->alg, j->digest, j->sig, &j->sig_n);
}

static void done(struct work_job *job)
{
	struct sign_job *j = (struct sign_job *)(void *)job;
	struct buf octets = {0};
	enum err e = j->result;

	if (e == ERR_OK)
		e = identity_add(j->request, slice_of(j->sig, j->sig_n), j->cert->url, j->alg, &octets);
	j->done(j->arg, j->id, e, &octets);
	buf_wipe(&octets);
	msg_unref(j->request);
	domain_cert_unref(j->cert);
	mem_free(j);
}

enum err signer_sign(struct signer *s, struct buf *octets, uint64_t id, signer_fn done_fn, void *arg)
{
	struct sign_job *j = mem_alloc(sizeof(*j));
	struct digest_string ds;
	struct sip_msg *m;
	const char *why;
	enum err e;

	e = msg_parse(buf_slice(octets), &m, &why);
	if (e != ERR_OK)
		goto out;
	/* The octets that will leave are parsed again, so that exactly what a verifier will find is signed. */
	if (m->defect_code != 0 || msg_count(m, HDR_IDENTITY) > 0)
		e = ERR_SYNTAX;
	else
		e = digest_string(m, &ds);
	if (e != ERR_OK) {
		msg_unref(m);
		goto out;
	}
	j->job = (struct work_job){.run = run, .done = done};
	j->request = m;
	j->alg = settings_alg(s->settings);
	j->id = id;
	j->done = done_fn;
	j->arg = arg;
	/* refs is no atomic: it is counted in the loop only, here and in done. */
	j->cert = domain_certs_current(s->certs);
	j->cert->refs++;
	hash_parts(j->alg, ds.parts, DIGEST_STRING_PARTS, j->digest);
	e = work_submit(s->work, &j->job);
	if (e == ERR_OK) {
		buf_wipe(octets);
		return ERR_OK;
	}
	msg_unref(m);
	domain_cert_unref(j->cert);
out:
	mem_free(j);
	return e;
}
