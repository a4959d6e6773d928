/* GET /api/v1/explain/{what}: why a certificate is as it is, or what an order still lacks; the signer's own JSON. */
#include "httpd/about.h"
#include "httpd/handlers.h"

static void explained(struct request *r)
{
	about_reply_bytes(r, "application/json");
}

void explain_get(struct request *r)
{
	about_ask(r, MSG_EXPLAIN, "order or certificate", explained);
}
