#include "ca-core/explain.h"
int ca_explain(struct ca *ca, const struct ca_actor *actor, struct bytes what, struct buf *out, struct error *err)
{
	(void)ca; (void)actor; (void)what; (void)out;
	return err_set(err, ERR_NOT_FOUND, "not yet");
}
