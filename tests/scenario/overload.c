#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "sip/transaction/overload.h"
#include "tests/scenario/tx_world.h"

/* G13: what the transaction layer answers when more comes than can be done. */

static unsigned sent_so_far;

/* A new transaction of this method, which has waited so long; its status, or 0 when it went up. */
static unsigned ask_once(struct world *w, const char *method, const char *to_tag, struct buf *octets)
{
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;
	char branch[32], call[32];
	unsigned before = w->requests;

	sent_so_far++;
	snprintf(branch, sizeof(branch), "z9hG4bKo%u", sent_so_far);
	snprintf(call, sizeof(call), "call-o%u", sent_so_far);
	a.method = method;
	a.branch = branch;
	a.call_id = call;
	a.to_tag = to_tag;
	inject(w, &from, a);
	if (w->requests == before)
		return answer(w, NULL, octets);
	reply(w, 200);
	answer(w, NULL, NULL);
	return 0;
}

static void overwhelm(struct world *w)
{
	fake_waited(w->transport, 300);
	for (unsigned i = 0; i < 12; i++) {
		fake_advance(w->loop, OVERLOAD_INTERVAL_MS);
		for (unsigned j = 0; j < OVERLOAD_LEAST; j++)
			ask_once(w, "OPTIONS", "", NULL);
	}
}

static void new_work_is_503_and_known_work_is_not(void **state)
{
	struct world *w = *state;
	struct buf octets = {0};

	assert_int_equal(ask_once(w, "MESSAGE", "", NULL), 0);
	overwhelm(w);
	assert_int_equal(ask_once(w, "MESSAGE", "", &octets), 503);
	assert_true(slice_find(buf_slice(&octets), S("\r\nRetry-After: "), 0) < octets.n);
	assert_int_equal(ask_once(w, "REGISTER", "", NULL), 503);
	assert_int_equal(ask_once(w, "MESSAGE", "in-a-dialog", NULL), 0);
	assert_int_equal(ask_once(w, "BYE", "in-a-dialog", NULL), 0);
	assert_int_equal(ask_once(w, "PRACK", "in-a-dialog", NULL), 0);
	buf_free(&octets);
}

/* RFC 7339 5.10.2: who is behind a proxy must not make it stay away. */
static void a_proxy_is_not_told_to_stay_away(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");
	struct ask a = plain;
	struct buf octets = {0};

	overwhelm(w);
	a.branch = "z9hG4bKproxy";
	a.call_id = "proxied";
	a.via_host = "192.0.2.4:5070;branch=z9hG4bKp, SIP/2.0/UDP 192.0.2.5";
	inject(w, &from, a);
	assert_int_equal(answer(w, NULL, &octets), 503);
	assert_true(slice_find(buf_slice(&octets), S("Retry-After"), 0) == octets.n);
	buf_free(&octets);
}

static void retransmissions_are_answered_as_before(void **state)
{
	struct world *w = *state;
	struct flow from = fake_udp("192.0.2.4:5070");

	inject(w, &from, plain);
	reply(w, 200);
	answer(w, NULL, NULL);
	overwhelm(w);
	inject(w, &from, plain);
	assert_int_equal(answer(w, NULL, NULL), 200);
}

static void it_is_over_when_the_queue_is_empty(void **state)
{
	struct world *w = *state;

	overwhelm(w);
	fake_waited(w->transport, 1);
	fake_advance(w->loop, 10000);
	assert_int_equal(ask_once(w, "MESSAGE", "", NULL), 0);
	assert_int_equal(ask_once(w, "MESSAGE", "", NULL), 0);
}

/* The log told of a wait of 4294967295 ms, which stands for an unknown one. */
static void its_end_is_told_without_a_wait(void **state)
{
	struct world *w = *state;
	struct buf log = {0};
	int ends[2], saved;
	ssize_t n;

	overwhelm(w);
	fake_waited(w->transport, UINT32_MAX);
	fake_advance(w->loop, 10000);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	ask_once(w, "MESSAGE", "", NULL);
	dup2(saved, STDERR_FILENO);
	while ((n = read(ends[0], buf_reserve(&log, 4096), 4096)) > 0)
		buf_commit(&log, (size_t)n);
	assert_true(slice_find(buf_slice(&log), S("event=overload_off\n"), 0) < log.n);
	close(saved);
	close(ends[0]);
	close(ends[1]);
	buf_free(&log);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(new_work_is_503_and_known_work_is_not),  T(a_proxy_is_not_told_to_stay_away),
		T(retransmissions_are_answered_as_before), T(it_is_over_when_the_queue_is_empty),
		T(its_end_is_told_without_a_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
