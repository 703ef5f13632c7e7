#include "sip/server/load_private.h"

#include "core/log.h"
#include "core/mem.h"
#include "sip/message/date.h"
#include "sip/server/chain.h"

/* What a server can start with, but is hardly meant: said by "vouch check", and logged by a server. */

/* What is told, and to whom. */
struct telling {
	load_doubt_fn fn;
	void *arg;
};

/* read_system: the CAs of the system; none is not an error here. */
static struct trust *read_system(void)
{
	struct trust *t = trust_new();
	struct buf pem = {0};
	size_t count;

	if (buf_read_file(&pem, CONFIG_SYSTEM_CA, 4u << 20) == ERR_OK &&
	    trust_add_pem(t, buf_slice(&pem), &count) != ERR_OK) {
		trust_unref(t);
		t = trust_new();
	}
	buf_free(&pem);
	return t;
}

/*
 * doubt_chain: does what is shown to peers lead to a CA? It may be one of tls.ca, which is for the certificates of
 * peers, or one of the system.
 */
static void doubt_chain(const struct settings *s, const struct chain *chain, const char *name, int64_t now,
			const struct telling *t)
{
	struct buf text = {0}, details = {0};
	struct trust *system;
	bool leads = chain_leads(chain, s->trust, now);

	if (!leads) {
		system = read_system();
		leads = chain_leads(chain, system, now);
		trust_unref(system);
	}
	buf_addf(&details, "file=%s", log_esc(slice_str(name)).text);
	if (!leads && cert_is_self_signed(chain->list[0])) {
		buf_addf(&text,
			 "tls.certificate: %s is signed by itself and not in tls.ca: each peer has to be given it",
			 name);
		t->fn(t->arg, &(struct load_doubt){false, text.p, "certificate_self_signed", details.p});
	} else if (!leads) {
		buf_addf(&text,
			 "tls.certificate: %s leads to no CA of tls.ca or of the system: is the certificate of an "
			 "authority missing behind it? Peers, who know only the CA, cannot verify it",
			 name);
		t->fn(t->arg, &(struct load_doubt){true, text.p, "certificate_leads_nowhere", details.p});
	}
	buf_free(&text);
	buf_free(&details);
}

static void doubt_chains(const struct settings *s, int64_t now, const struct telling *t)
{
	const struct config *c = &s->config;

	for (struct slice rest = slice_list(slice_str(c->tls_certificate)), one; slice_item(&rest, &one);) {
		struct buf pem = {0}, why = {0};
		char *name = slice_dup(one);
		struct chain chain;

		if (load_file(c, name, false, &pem, &why)) {
			if (chain_read(buf_slice(&pem), &chain) && chain.list[0] != NULL)
				doubt_chain(s, &chain, name, now, t);
			chain_drop(&chain);
		}
		mem_free(name);
		buf_free(&pem);
		buf_free(&why);
	}
}

static void doubt_end(const struct end *e, int64_t now, const struct telling *t)
{
	struct buf text = {0}, details = {0};

	buf_addf(&details, "key=%s file=%s days=%lld", e->key, log_esc(slice_str(e->file)).text,
		 (long long)ends_days(e, now));
	if (ends_say(e, now, &text))
		t->fn(t->arg, &(struct load_doubt){ends_days(e, now) < 0, text.p, "certificate_ends", details.p});
	buf_free(&text);
	buf_free(&details);
}

/* doubt_lists: what has been revoked since is not known. */
static void doubt_lists(const struct settings *s, int64_t now, const struct telling *t)
{
	struct buf text = {0}, details = {0};
	char date[DATE_SIZE];

	if (trust_crl_end(s->trust) < now) {
		date_format(trust_crl_end(s->trust), date);
		buf_addf(&text,
			 "tls.crl: a list in %s should have been replaced by %s: what was revoked since is not known",
			 s->config.tls_crl, date);
		buf_addf(&details, "file=%s", log_esc(slice_str(s->config.tls_crl)).text);
		t->fn(t->arg, &(struct load_doubt){false, text.p, "crl_outdated", details.p});
	}
	buf_free(&text);
	buf_free(&details);
}

void load_doubts(const struct settings *s, const struct ends *ends, int64_t now, load_doubt_fn fn, void *arg)
{
	const struct telling t = {fn, arg};

	doubt_chains(s, now, &t);
	doubt_lists(s, now, &t);
	for (unsigned i = 0; i < ends->count; i++)
		doubt_end(&ends->list[i], now, &t);
	if (users_count(s->users) == 0)
		fn(arg,
		   &(struct load_doubt){false, "there are no users; \"vouch user add\" makes them", "no_users", ""});
}
