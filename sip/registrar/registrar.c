#include "sip/registrar/registrar.h"

#include "core/log.h"
#include "core/mem.h"
#include "sip/message/limits.h"
#include "sip/registrar/registrar_private.h"

/* The bindings of the domain and the connections that they hold open. Requests are in register.c. */

/*
 * keep: the connection of a binding has the longer idle limit (transport_keep). change: 1 for a binding more on it, -1
 * for one less.
 */
static void keep(struct registrar *r, struct slice packed, uint64_t flow_id, int change)
{
	struct flow f;

	if (flow_id != 0 && flow_unpack(packed, &f) == ERR_OK)
		transport_keep(r->d.transport, &f, true, change);
}

/* let_go: a binding is about to be removed. */
static void let_go(struct registrar *r, const struct binding *b, const char *why)
{
	struct binding_record was;

	binding_read(b, &was);
	keep(r, was.flow, was.flow_id, -1);
	log_line(LOG_INFO, "event=unregistered aor=%s contact=%s reason=%s", log_esc(was.aor).text,
		 log_esc(was.uri).text, why);
}

static void on_expired(void *arg, const struct binding *b)
{
	let_go(arg, b, "expired");
}

void registrar_drop(struct registrar *r, struct binding *b, const char *why)
{
	let_go(r, b, why);
	binding_remove(r->bindings, b);
}

void registrar_put(struct registrar *r, struct binding *old, const struct binding_record *record,
		   const struct peer *peer)
{
	struct binding_record was;

	/* The new one first: a connection that stays must not count as idle between. */
	keep(r, record->flow, record->flow_id, 1);
	if (old != NULL) {
		binding_read(old, &was);
		keep(r, was.flow, was.flow_id, -1);
	}
	binding_put(r->bindings, old, record);
	if (log_on(LOG_INFO))
		log_line(LOG_INFO, "event=registered aor=%s contact=%s expires=%u peer=%s", log_esc(record->aor).text,
			 log_esc(record->uri).text, record->interval_s, peer_text(peer).text);
}

enum err registrar_new(const struct registrar_deps *deps, struct registrar **out)
{
	struct registrar *r = mem_alloc(sizeof(*r));
	const struct bindings_deps bindings = {.loop = deps->loop,
					       .commit = deps->commit,
					       .dirfd = deps->dirfd,
					       .expired = on_expired,
					       .arg = r};
	enum err e;

	r->d = *deps;
	e = bindings_open(&bindings, &r->bindings);
	if (e != ERR_OK) {
		mem_free(r);
		return e;
	}
	*out = r;
	return ERR_OK;
}

void registrar_free(struct registrar *r)
{
	if (r == NULL)
		return;
	bindings_free(r->bindings);
	mem_free(r);
}

struct slice registrar_instance(struct slice params)
{
	struct param p;

	return scan_param_find(params, S("+sip.instance"), &p) && p.quoted && p.value.n > 0 ? p.value : SLICE_NONE;
}

bool registrar_knows(const struct registrar *r, struct slice aor)
{
	return auth_knows(r->d.access.auth, aor);
}

/*
 * is_its_connection: has the device that the Contact names opened this connection? A datagram leaves no way open: there
 * the Contact says by which port.
 */
static bool is_its_connection(const struct flow *f, struct slice contact)
{
	struct peer at;
	struct uri u;

	return f->proto != PROTO_UDP && uri_parse(contact, &u) == ERR_OK && peer_of(u.host, 0, &at) &&
	       peer_same_host(&at, &f->remote);
}

/*
 * describe: what the proxy needs to know of b. false: no request can be sent there: the URI is not of SIP, or the
 * binding depends on a connection that is gone.
 */
static bool describe(struct registrar *r, const struct binding *b, struct contact *out)
{
	struct binding_record is;

	binding_read(b, &is);
	if (!slice_istarts(is.uri, S("sip:")) && !slice_istarts(is.uri, S("sips:")))
		return false;
	*out = (struct contact){.uri = is.uri,
				.path = is.path.n > 0 ? is.path : SLICE_NONE,
				.flow_only = is.flow_only,
				.q = is.q,
				.instance = registrar_instance(is.params),
				.reg_id = is.reg_id};
	out->has_flow = is.flow.n > 0 && flow_unpack(is.flow, &out->flow) == ERR_OK &&
			transport_flow(r->d.transport, &out->flow) == ERR_OK;
	out->flow_first = out->has_flow && (is.flow_only || is_its_connection(&out->flow, is.uri));
	/* The connection may have ended with the last run of the program. */
	return out->has_flow || !is.flow_only;
}

unsigned registrar_contacts(struct registrar *r, struct slice aor, struct contact *out, unsigned max)
{
	int64_t since[SIP_CONTACTS_MAX];
	unsigned count = 0;

	if (max > SIP_CONTACTS_MAX)
		max = SIP_CONTACTS_MAX;
	/* The journal may have bindings of an account that was deleted while the program was not running. */
	if (max == 0 || !registrar_knows(r, aor))
		return 0;
	for (struct binding *b = bindings_first(r->bindings, aor); b != NULL; b = bindings_next(r->bindings, b)) {
		int64_t when = binding_since_ms(b);
		struct contact c;
		unsigned at;

		if (!describe(r, b, &c))
			continue;
		/* Insertion into the sorted array; the worst one falls off its end. */
		for (at = count; at > 0; at--)
			if (out[at - 1].q > c.q || (out[at - 1].q == c.q && since[at - 1] >= when))
				break;
		if (at == max)
			continue;
		if (count < max)
			count++;
		for (unsigned i = count - 1; i > at; i--) {
			out[i] = out[i - 1];
			since[i] = since[i - 1];
		}
		out[at] = c;
		since[at] = when;
	}
	return count;
}

/* A binding that can be reached by its URI, too, stays, and only forgets the connection. */
void registrar_flow_closed(struct registrar *r, uint64_t flow_id)
{
	struct binding *b;

	while ((b = bindings_on_flow(r->bindings, flow_id)) != NULL) {
		if (b->flow_only)
			registrar_drop(r, b, "connection_closed");
		else
			binding_lose_flow(r->bindings, b);
	}
}

struct enforcing {
	struct registrar *registrar;
	struct buf aors;
};

static bool is_of(const struct binding *b, const struct user *user)
{
	struct binding_record is;

	binding_read(b, &is);
	return user != NULL && is.secret == user->secret;
}

void registrar_forget(struct registrar *r, struct slice aor)
{
	const struct user *user = users_find(r->d.access.settings->users, aor);

	for (struct binding *b = bindings_first(r->bindings, aor), *next; b != NULL; b = next) {
		next = bindings_next(r->bindings, b);
		if (!is_of(b, user))
			registrar_drop(r, b, user == NULL ? "user_removed" : "other_password");
	}
}

/* A binding that does not belong to its user any more: its AOR, on a line. */
static void note_foreign(void *arg, const struct binding *b)
{
	struct enforcing *e = arg;

	if (!is_of(b, users_find(e->registrar->d.access.settings->users, binding_aor(b)))) {
		buf_add(&e->aors, binding_aor(b));
		buf_addc(&e->aors, '\n');
	}
}

void registrar_enforce(struct registrar *r)
{
	struct enforcing e = {.registrar = r};
	struct slice rest, aor;

	bindings_each(r->bindings, note_foreign, &e);
	for (rest = buf_slice(&e.aors); slice_cut(rest, '\n', &aor, &rest);)
		registrar_forget(r, aor);
	buf_free(&e.aors);
}

const struct bindings *registrar_bindings(const struct registrar *r)
{
	return r->bindings;
}
