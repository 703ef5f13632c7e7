#include "tests/test.h"

#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "sip/message/date.h"
#include "sip/message/edit.h"
#include "tests/fake/fetch.h"
#include "tests/scenario/proxy_scene.h"
#include "tests/unit/vector.h"

/*
 * The verifier in the proxy, RFC 4474 6: what strangers send to users, signed by example.org, in each mode. Whether
 * signatures are judged rightly is for tests/e2e; here it is about what is done with the judgement, and meanwhile.
 */

struct org {
	struct scene *s;
	struct domain_certs *certs;
	struct settings settings; /* of its signer */
	struct signer *signer;
	struct buf der;
	struct buf octets; /* signed last */
};

static struct org *web_of; /* for the web of the test, which has no argument */

static bool get(struct slice url, struct buf *out)
{
	const struct domain_cert *d = domain_certs_current(web_of->certs);

	if (!slice_eq(url, slice_str(d->url)))
		return false;
	buf_add(out, buf_slice(&web_of->der));
	return true;
}

static int org_begin(void **state, const char *mode, const char *require)
{
	const char *const options[] = {mode, require, NULL};
	const struct slice names[] = {S("example.org"), SLICE_NONE};
	const struct cert_params p = {.common_name = S("example.org"),
				      .dns = names,
				      .not_before = FAKE_START_S - 100000,
				      .not_after = FAKE_START_S + 100000,
				      .alg = HASH_SHA256};
	struct buf pem = {0}, why = {0}, key_pem = vector_file("pkcs8/rsa2048.plain.pem");
	struct org *o = mem_alloc(sizeof(*o));
	struct key *key;
	void *scene;
	size_t n;

	begin_with(&scene, options);
	o->s = scene;
	assert_int_equal(pkcs8_read(buf_slice(&key_pem), SLICE_NONE, &key), ERR_OK);
	assert_int_equal(cert_make(&p, key, NULL, key, &o->der), ERR_OK);
	pem_write(&pem, "CERTIFICATE", buf_slice(&o->der));
	o->certs = domain_certs_new();
	assert_true(domain_certs_set(o->certs, buf_slice(&pem), buf_slice(&key_pem), S("example.org"),
				     S("https://example.org"), 1, loop_wall_s(o->s->w->loop), &why));
	o->settings.config.identity_alg = ALG_RSA_SHA256;
	o->signer = signer_new(o->s->w->site->work, o->certs, &o->settings);
	assert_int_equal(trust_add_pem(o->s->w->settings.trust, buf_slice(&pem), &n), ERR_OK); /* VER-13: pinned */
	web_of = o;
	fake_web = (struct fake_web){.get = get};
	key_free(key);
	buf_free(&pem);
	buf_free(&key_pem);
	*state = o;
	return 0;
}

static int begin_mark(void **state)
{
	return org_begin(state, "identity.verify-inbound=mark", NULL);
}

static int begin_reject(void **state)
{
	return org_begin(state, "identity.verify-inbound=reject", NULL);
}

static int begin_require(void **state)
{
	return org_begin(state, "identity.verify-inbound=mark", "identity.require=example.net, EXAMPLE.org");
}

static int begin_off(void **state)
{
	return org_begin(state, "identity.verify-inbound=off", NULL);
}

static int org_end(void **state)
{
	struct org *o = *state;
	void *scene = o->s;
	int result = end(&scene);

	signer_free(o->signer);
	domain_certs_free(o->certs);
	buf_free(&o->der);
	buf_free(&o->octets);
	mem_free(o);
	return result;
}

static void on_signed(void *arg, uint64_t id, enum err e, struct buf *octets)
{
	struct org *o = arg;

	(void)id;
	assert_int_equal(e, ERR_OK);
	buf_free(&o->octets);
	o->octets = *octets;
	*octets = (struct buf){0};
}

static unsigned number;

/* A request of Eve to Bob, signed by her domain: in o->octets. */
static void compose(struct org *o, const char *method, const char *headers)
{
	struct buf out = {0};
	char date[DATE_SIZE];

	date_format(loop_wall_s(o->s->w->loop), date);
	number++;
	buf_addf(&out, "%s sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKi%u;rport\r\n",
		 method, number);
	buf_addf(&out, "Max-Forwards: 70\r\nFrom: " EVE "\r\nTo: <sip:bob@example.com>\r\nCall-ID: in-%u\r\n", number);
	buf_addf(&out, "CSeq: 1 %s\r\nDate: %s\r\n%sContent-Length: 2\r\n\r\nhi", method, date, headers);
	assert_int_equal(signer_sign(o->signer, &out, 0, on_signed, o), ERR_OK);
	fake_settle(o->s->w->loop);
	buf_free(&out);
}

static void send_octets(struct org *o)
{
	fake_inject(o->s->w->site->transport, &o->s->eve, buf_slice(&o->octets));
	fake_advance(o->s->w->loop, 0); /* verdicts that need nobody come with a timer */
}

/* The same with another text in one place. */
static void change(struct org *o, const char *from, const char *to)
{
	struct slice all = buf_slice(&o->octets);
	size_t at = slice_find(all, slice_str(from), 0);
	struct buf out = {0};

	assert_true(at < all.n);
	buf_add(&out, slice_sub(all, 0, at));
	buf_adds(&out, to);
	buf_add(&out, slice_sub(all, at + strlen(from), all.n));
	buf_free(&o->octets);
	o->octets = out;
}

/* Another copy by another branch, or the first one would be answered as a retransmission. */
static void rebranch(struct org *o)
{
	char from[40], to[40];

	snprintf(from, sizeof(from), "branch=z9hG4bKi%u;", number);
	snprintf(to, sizeof(to), "branch=z9hG4bKi%u;", ++number);
	change(o, from, to);
}

#define ASSERTED "P-Asserted-Identity: <sip:eve@example.org>\r\n"

/* What Bob's phone gets; asserted: with that line, and in any case with no other of the kind. */
static void at_bob(struct org *o, bool asserted)
{
	struct sip_msg *m = next(o->s, NULL);

	assert_true(m != NULL && m->request);
	assert_int_equal(msg_count(m, HDR_P_ASSERTED_IDENTITY), asserted);
	if (asserted)
		assert_true(slice_find(m->raw, S(ASSERTED), 0) < m->raw.n);
	msg_unref(m);
	silence(o->s);
}

static void refused_with(struct org *o, unsigned code)
{
	expect(o->s, &o->s->eve, code);
	silence(o->s);
}

static const char forged[] = "P-Asserted-Identity: <sip:eve@example.org>\r\np-asserted-identity: \"Boss\" "
			     "<sip:boss@example.com>, <tel:+1>\r\n";

/* --- modes --- */

static void VER_16_mark(void **state)
{
	struct org *o = *state;

	compose(o, "MESSAGE", "");
	send_octets(o);
	at_bob(o, true);
	/* What does not hold goes on, and nobody vouches for it; nor for what is not signed. */
	compose(o, "MESSAGE", forged);
	change(o, "\r\n\r\nhi", "\r\n\r\nho");
	send_octets(o);
	at_bob(o, false);
	say(o->s, &o->s->eve, (struct req){.headers = forged});
	at_bob(o, false);
	compose(o, "MESSAGE", forged);
	send_octets(o);
	at_bob(o, true);
	assert_int_equal(proxy_identities(o->s->w->site->proxy)->verified, 2);
	assert_int_equal(proxy_identities(o->s->w->site->proxy)->failed, 1);
}

static void VER_16_reject(void **state)
{
	struct org *o = *state;

	compose(o, "MESSAGE", "");
	send_octets(o);
	at_bob(o, true);
	rebranch(o);
	send_octets(o);
	refused_with(o, 403); /* VER-10 */
	compose(o, "MESSAGE", forged);
	change(o, "\r\n\r\nhi", "\r\n\r\nho");
	send_octets(o);
	refused_with(o, 438);
	compose(o, "MESSAGE", "");
	change(o, "https://example.org/", "https://example.org/x/");
	send_octets(o);
	refused_with(o, 436);
	compose(o, "MESSAGE", "");
	change(o, "sip:eve@example.org", "sip:eve@example.net");
	send_octets(o);
	refused_with(o, 437);
	/* Unsigned, or signed in another way, is unverified, and no more. */
	say(o->s, &o->s->eve, (struct req){.headers = forged});
	at_bob(o, false);
	say(o->s, &o->s->eve, (struct req){.headers = "Identity: e30.e30.x;info=<https://x.example/c>;alg=ES256\r\n"});
	at_bob(o, false);
}

static void say_now(struct org *o, struct req r)
{
	say(o->s, &o->s->eve, r);
	fake_advance(o->s->w->loop, 0);
}

static void VER_01_required(void **state)
{
	struct org *o = *state;

	say_now(o, (struct req){0});
	refused_with(o, 428);
	say_now(o, (struct req){.headers = "Identity: e30.e30.x;info=<https://x.example/c>;alg=ES256\r\n"});
	refused_with(o, 436);
	say_now(o, (struct req){.headers = "Identity: \"eHg=\"\r\n"});
	refused_with(o, 436);
	compose(o, "MESSAGE", "");
	send_octets(o);
	at_bob(o, true);
	compose(o, "MESSAGE", "");
	change(o, "\r\n\r\nhi", "\r\n\r\nho");
	send_octets(o);
	refused_with(o, 438);
	/* With the dot that a DNS name may end in it is the same one. */
	say_now(o, (struct req){.from = "<sip:eve@example.org.>;tag=e"});
	refused_with(o, 428);
	say_now(o, (struct req){.from = "<sip:alice@example.com.>;tag=e", .headers = forged});
	refused_with(o, 407);
	/* Of other domains nothing is required. */
	say_now(o, (struct req){.from = "<sip:eve@sub.example.org>;tag=e"});
	at_bob(o, false);
}

static void VER_16_off(void **state)
{
	struct org *o = *state;
	struct sip_msg *m;

	compose(o, "MESSAGE", forged);
	change(o, "\r\n\r\nhi", "\r\n\r\nho");
	send_octets(o);
	m = asked(o->s, &o->s->phone1, METHOD_MESSAGE);
	assert_int_equal(msg_count(m, HDR_P_ASSERTED_IDENTITY), 2);
	msg_unref(m);
	assert_int_equal(fake_web.asked, 0);
}

/* Out of the domain Identity says who it is from, and nothing that a user writes. */
static void nothing_is_asserted_to_others(void **state)
{
	struct org *o = *state;
	struct sip_msg *m;

	say_as_alice(o->s, &o->s->alice, (struct req){.uri = "sip:x@192.0.2.99", .headers = forged});
	m = next(o->s, NULL);
	assert_true(m != NULL && m->request);
	assert_int_equal(msg_count(m, HDR_P_ASSERTED_IDENTITY), 0);
	assert_int_equal(msg_count(m, HDR_IDENTITY), 1);
	msg_unref(m);
}

/* RFC 3325: users of ours are asserted, too; who wants privacy is not (RFC 3323). */
static void who_is_asserted(void **state)
{
	struct org *o = *state;
	struct sip_msg *m;

	say_as_alice(o->s, &o->s->alice, (struct req){.headers = forged});
	m = asked(o->s, &o->s->phone1, METHOD_MESSAGE);
	assert_int_equal(msg_count(m, HDR_P_ASSERTED_IDENTITY), 1);
	assert_true(has(m, HDR_P_ASSERTED_IDENTITY, "<sip:alice@example.com>"));
	msg_unref(m);
	say_as_alice(o->s, &o->s->alice, (struct req){.call_id = "p", .headers = "Privacy: header; ID\r\n"});
	at_bob(o, false);
	compose(o, "MESSAGE", "Privacy: id\r\n");
	send_octets(o);
	at_bob(o, false);
}

/* --- meanwhile --- */

static void cancelled_while_it_is_verified(void **state)
{
	struct org *o = *state;
	struct buf cancel = {0};

	compose(o, "INVITE", "");
	fake_hold(o->s->w->site->work, true);
	send_octets(o);
	silence(o->s);
	buf_addf(&cancel,
		 "CANCEL sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKi%u;rport\r\n",
		 number);
	buf_addf(&cancel, "From: " EVE "\r\nTo: <sip:bob@example.com>\r\nCall-ID: in-%u\r\nCSeq: 1 CANCEL\r\n\r\n",
		 number);
	fake_inject(o->s->w->site->transport, &o->s->eve, buf_slice(&cancel));
	expect(o->s, &o->s->eve, 200);
	expect(o->s, &o->s->eve, 487);
	fake_hold(o->s->w->site->work, false);
	silence(o->s);
	assert_int_equal(proxy_count(o->s->w->site->proxy), 0);
	buf_free(&cancel);
}

static void sent_again_while_it_is_verified(void **state)
{
	struct org *o = *state;

	compose(o, "MESSAGE", "");
	fake_hold(o->s->w->site->work, true);
	for (unsigned i = 0; i < 3; i++)
		send_octets(o);
	silence(o->s);
	fake_hold(o->s->w->site->work, false);
	at_bob(o, true);
	/* VER-11: the transaction layer has it, not the memory of replays. */
	send_octets(o);
	silence(o->s);
}

static void stopped_while_it_is_verified(void **state)
{
	struct org *o = *state;

	compose(o, "INVITE", "");
	fake_hold(o->s->w->site->work, true);
	send_octets(o);
	compose(o, "MESSAGE", "");
	silence(o->s);
}

/* VER-03: one GET for all. */
static void one_fetch_for_all(void **state)
{
	struct org *o = *state;

	for (unsigned i = 0; i < 20; i++) {
		compose(o, "MESSAGE", "");
		send_octets(o);
		at_bob(o, true);
	}
	assert_int_equal(fake_web.asked, 1);
}

/* The request that went out last, on its way to somebody else: in o->octets. */
static void send_on(struct org *o, const char *start_line)
{
	struct sip_msg *m = next(o->s, NULL);
	struct edit_list edits;

	assert_true(m != NULL && m->request);
	edit_start(&edits, m);
	assert_int_equal(edit_start_line(&edits, slice_str(start_line)), ERR_OK);
	assert_int_equal(edit_insert(&edits, msg_each(m, HDR_VIA, NULL),
				     S("Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKback;rport\r\n")),
			 ERR_OK);
	buf_clear(&o->octets);
	edit_apply(&edits, &o->octets);
	msg_unref(m);
}

/* T-07: a phone of Bob's sends the request on to Alice: no replay, though nothing is said of it again. */
static void a_spiral_is_no_replay(void **state)
{
	struct org *o = *state;
	struct scene *s = o->s;
	struct sip_msg *m = world_ask_as(s->w, &s->alice, "alice",
					 (struct ask){.method = "REGISTER",
						      .uri = "sip:example.com",
						      .to = "<sip:alice@example.com>",
						      .from = "<sip:alice@example.com>;tag=r",
						      .headers = "Contact: <sip:alice@192.0.2.5>\r\n"});

	assert_int_equal(m->status, 200);
	msg_unref(m);
	compose(o, "MESSAGE", "");
	send_octets(o);
	send_on(o, "MESSAGE sip:alice@example.com SIP/2.0\r\n");
	fake_inject(s->w->site->transport, &s->phone1, buf_slice(&o->octets));
	at_bob(o, false); /* or Alice */
	/* To each of them once, however often it is sent on. */
	change(o, "branch=z9hG4bKback;", "branch=z9hG4bKback1;");
	fake_inject(s->w->site->transport, &s->phone2, buf_slice(&o->octets));
	expect(s, &s->phone2, 403);
	/* Changed it is not even that. */
	change(o, "\r\n\r\nhi", "\r\n\r\nho");
	change(o, "branch=z9hG4bKback1;", "branch=z9hG4bKback2;");
	fake_inject(s->w->site->transport, &s->phone2, buf_slice(&o->octets));
	expect(s, &s->phone2, 438);
	/* To Bob himself it is a loop. */
	change(o, "\r\n\r\nho", "\r\n\r\nhi");
	change(o, "MESSAGE sip:alice@example.com", "MESSAGE sip:bob@example.com");
	change(o, "branch=z9hG4bKback2;", "branch=z9hG4bKback3;");
	fake_inject(s->w->site->transport, &s->phone2, buf_slice(&o->octets));
	expect(s, &s->phone2, 482);
	/* And a copy it is once the first one is over. */
	fake_advance(s->w->loop, 64 * TX_T1_MS + 1);
	change(o, "MESSAGE sip:bob@example.com", "MESSAGE sip:alice@example.com");
	change(o, "branch=z9hG4bKback3;", "branch=z9hG4bKback4;");
	while ((m = next(s, NULL)) != NULL)
		msg_unref(m);
	fake_inject(s->w->site->transport, &s->phone2, buf_slice(&o->octets));
	expect(s, &s->phone2, 403);
}

/* Another domain sends on to Bob what Alice has sent to it: with the signature that we gave it, and in this while only.
 */
static void what_we_have_signed_comes_back(void **state)
{
	struct org *o = *state;
	struct scene *s = o->s;
	struct sip_msg *m;

	say_as_alice(s, &s->alice,
		     (struct req){.uri = "sip:x@192.0.2.99", .to = "<sip:x@192.0.2.99>", .call_id = "back"});
	send_on(o, "MESSAGE sip:bob@example.com SIP/2.0\r\n");
	send_octets(o);
	m = asked(s, &s->phone1, METHOD_MESSAGE);
	assert_int_equal(msg_count(m, HDR_IDENTITY), 1);
	assert_int_equal(msg_count(m, HDR_P_ASSERTED_IDENTITY), 0);
	msg_unref(m);
	/* Once, and nothing of it may be changed. */
	change(o, "branch=z9hG4bKback;", "branch=z9hG4bKback1;");
	send_octets(o);
	refused_with(o, 407);
	change(o, "branch=z9hG4bKback1;", "branch=z9hG4bKback2;");
	change(o, "\r\n\r\nhi", "\r\n\r\nho");
	send_octets(o);
	refused_with(o, 407);
	change(o, "branch=z9hG4bKback2;", "branch=z9hG4bKback3;");
	change(o, "\r\n\r\nho", "\r\n\r\nhi");
	change(o, "sip:alice@example.com", "sip:bob@example.com");
	send_octets(o);
	refused_with(o, 407);
	change(o, "sip:bob@example.com>;tag=a", "sip:alice@example.com>;tag=a");
	change(o, "branch=z9hG4bKback3;", "branch=z9hG4bKback4;");
	fake_advance(s->w->loop, 64 * TX_T1_MS + 1);
	while ((m = next(s, NULL)) != NULL)
		msg_unref(m);
	send_octets(o);
	refused_with(o, 407);
}

#define T(name, b) cmocka_unit_test_setup_teardown(name, b, org_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(VER_16_mark, begin_mark),
		T(VER_16_reject, begin_reject),
		T(VER_01_required, begin_require),
		T(VER_16_off, begin_off),
		T(who_is_asserted, begin_mark),
		T(nothing_is_asserted_to_others, begin_mark),
		T(cancelled_while_it_is_verified, begin_reject),
		T(sent_again_while_it_is_verified, begin_reject),
		T(stopped_while_it_is_verified, begin_reject),
		T(one_fetch_for_all, begin_mark),
		T(a_spiral_is_no_replay, begin_reject),
		T(what_we_have_signed_comes_back, begin_reject),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
