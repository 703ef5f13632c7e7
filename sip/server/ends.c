#include "sip/server/ends.h"

#include "core/mem.h"
#include "sip/message/date.h"
#include "sip/server/chain.h"
#include "sip/server/load_private.h"

#define DAY 86400 /* seconds */

#define CHAINS_MAX 9 /* eight of tls.certificate and the one of identity.certificate */

/* What is shown to peers. */
struct chains {
	struct chain list[CHAINS_MAX];
	unsigned count;
};

static void add(struct ends *e, const char *key, struct slice file, int64_t at)
{
	e->list = mem_resize(e->list, (e->count + 1) * sizeof(*e->list));
	e->list[e->count++] = (struct end){.key = key, .file = slice_dup(file), .at = at};
}

/* read_chain: of a file that a key names. */
static void read_chain(const struct config *c, const char *key, struct slice name, struct chains *all, struct ends *e)
{
	struct chain *chain = &all->list[all->count];
	struct buf pem = {0}, why = {0};
	char *file = slice_dup(name);

	if (all->count < CHAINS_MAX && name.n > 0 && load_file(c, file, false, &pem, &why)) {
		if (chain_read(buf_slice(&pem), chain) && chain->list[0] != NULL) {
			add(e, key, name, chain_end(chain));
			all->count++;
		} else {
			chain_drop(chain);
		}
	}
	mem_free(file);
	buf_free(&pem);
	buf_free(&why);
}

static bool has_signed(const struct cert *anchor, const struct chains *all, int64_t now)
{
	for (unsigned i = 0; i < all->count; i++)
		if (chain_signed_by(&all->list[i], anchor, now))
			return true;
	return false;
}

/* read_anchors: one after the other, because a bundle may have more of them than a chain. */
static void read_anchors(const struct config *c, const struct chains *all, int64_t now, struct ends *e)
{
	const struct slice mark = S("-----END CERTIFICATE-----");
	struct buf pem = {0}, why = {0};

	if (c->tls_ca[0] != '\0' && load_file(c, c->tls_ca, false, &pem, &why)) {
		for (struct slice rest = buf_slice(&pem); rest.n > 0;) {
			size_t end = slice_find(rest, mark, 0) + mark.n;
			struct chain one;

			if (chain_read(slice_sub(rest, 0, end), &one) && one.list[0] != NULL &&
			    has_signed(one.list[0], all, now))
				add(e, "tls.ca", slice_str(c->tls_ca), cert_not_after(one.list[0]));
			chain_drop(&one);
			rest = slice_sub(rest, end, rest.n);
		}
	}
	buf_free(&pem);
	buf_free(&why);
}

void ends_read(const struct config *c, int64_t now, struct ends *out)
{
	struct chains all = {0};

	*out = (struct ends){0};
	for (struct slice rest = slice_list(slice_str(c->tls_certificate)), one; slice_item(&rest, &one);)
		read_chain(c, "tls.certificate", one, &all, out);
	read_chain(c, "identity.certificate", slice_str(c->identity_certificate), &all, out);
	read_anchors(c, &all, now, out);
	for (unsigned i = 0; i < all.count; i++)
		chain_drop(&all.list[i]);
}

void ends_drop(struct ends *e)
{
	for (unsigned i = 0; i < e->count; i++)
		mem_free(e->list[i].file);
	mem_free(e->list);
	*e = (struct ends){0};
}

int64_t ends_days(const struct end *e, int64_t now)
{
	return e->at >= now ? (e->at - now) / DAY : -1 - (now - e->at - 1) / DAY;
}

bool ends_say(const struct end *e, int64_t now, struct buf *out)
{
	int64_t days = ends_days(e, now);
	char date[DATE_SIZE];

	if (days >= ENDS_SOON_DAYS)
		return false;
	date_format(e->at, date);
	if (days < 0)
		buf_addf(out, "%s: %s has ended, on %s", e->key, e->file, date);
	else if (days == 0)
		buf_addf(out, "%s: %s ends today, on %s", e->key, e->file, date);
	else
		buf_addf(out, "%s: %s ends in %lld day%s, on %s", e->key, e->file, (long long)days,
			 days == 1 ? "" : "s", date);
	buf_adds(out, "; what \"vouch init\" has made, \"vouch init DIR --renew\" makes anew");
	return true;
}
