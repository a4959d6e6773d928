/* Which calls fail, with what: decided by a seed alone, and by the order of the calls. */
#include "tests/modules/faulty.h"

/* xorshift64*, of which the upper bits are good. */
static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return ((*state * 0x2545f4914f6cdd1dULL) >> 32) % below;
}

static void shuffle(uint64_t *state, CK_RV *values, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = (size_t)draw(state, i);
		CK_RV kept = values[i - 1];
		values[i - 1] = values[other];
		values[other] = kept;
	}
}

void faulty_random_start(struct faulty_random *r, uint64_t seed, unsigned percent, int only)
{
	*r = (struct faulty_random){ .percent = percent, .only = only };
	for (size_t call = 0; call < FAULTY_CALLS; call++) {
		r->state[call] = ((seed * FAULTY_CALLS + call) * 0x9e3779b97f4a7c15ULL) | 1;
		for (size_t i = 0; i < faulty_ckr_count(); i++)
			r->values[call][i] = faulty_ckr_at(i);
		shuffle(&r->state[call], r->values[call], faulty_ckr_count());
	}
}

bool faulty_random_draw(struct faulty_random *r, enum faulty_call call, CK_RV *rv, bool *lost)
{
	if (r->only != FAULTY_ALL && r->only != (int)call)
		return false;
	if (draw(&r->state[call], 100) >= r->percent)
		return false;
	do {
		*rv = r->values[call][r->next[call]++ % faulty_ckr_count()];
	} while (call == C_LOGIN && faulty_ckr_is_pin(*rv));
	*lost = draw(&r->state[call], 2) == 0;
	return true;
}
