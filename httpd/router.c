#include "httpd/router.h"

#include <stdio.h>
#include <string.h>

#include "httpd/handlers.h"

/* CONTRACT.md "HTTP". Rows whose pattern ends in more come before those that end in less. */
const struct route router_table[] = {
	{ "GET", "/", 0, BODY_NONE, NULL, meta_index },
	{ "GET", "/healthz", 0, BODY_NONE, NULL, health_live },
	{ "GET", "/readyz", 0, BODY_NONE, NULL, health_ready },
	{ "GET", "/metrics", 0, BODY_NONE, NULL, metrics_get },
	{ "GET", "/ca/{issuer}/chain.pem", ROUTE_PLAIN, BODY_NONE, NULL, published_get },
	{ "GET", "/ca/{issuer}/cross.pem", ROUTE_PLAIN, BODY_NONE, NULL, published_get },
	{ "GET", "/ca/{issuer}.pem", ROUTE_PLAIN, BODY_NONE, NULL, published_get },
	{ "GET", "/ca/{issuer}.crt", ROUTE_PLAIN, BODY_NONE, NULL, published_get },
	{ "GET", "/crl/{issuer}.crl", ROUTE_PLAIN, BODY_NONE, NULL, published_get },
	{ "GET", "/crl/{issuer}.pem", ROUTE_PLAIN, BODY_NONE, NULL, published_get },
	{ "GET", "/audit/head", ROUTE_PLAIN, BODY_NONE, NULL, published_get },
	{ "POST", "/api/v1/certificates", ROUTE_IDENTITY, BODY_CSR, "profile days", certificates_issue },
	{ "GET", "/api/v1/certificates", ROUTE_IDENTITY, BODY_NONE, "name status profile issuer expiring cursor limit",
	  inventory_list },
	{ "GET", "/api/v1/certificates/{serial}/chain.pem", ROUTE_IDENTITY, BODY_NONE, "", inventory_get_chain },
	{ "GET", "/api/v1/certificates/{serial}.pem", ROUTE_IDENTITY, BODY_NONE, "", inventory_get_pem },
	{ "GET", "/api/v1/certificates/{serial}.crt", ROUTE_IDENTITY, BODY_NONE, "", inventory_get_der },
	{ "GET", "/api/v1/certificates/{serial}", ROUTE_IDENTITY, BODY_NONE, "", inventory_get },
	{ "POST", "/api/v1/certificates/{serial}/revoke", ROUTE_IDENTITY, BODY_JSON, "", revoke_post },
	{ "POST", "/api/v1/csr/decode", ROUTE_IDENTITY, BODY_CSR, "", csr_decode_post },
	{ "POST", "/api/v1/orders", ROUTE_IDENTITY, BODY_JSON, "", orders_create },
	{ "GET", "/api/v1/orders", ROUTE_IDENTITY, BODY_NONE, "status mine cursor limit", orders_list },
	{ "GET", "/api/v1/orders/{id}/tbs", ROUTE_IDENTITY, BODY_NONE, "", orders_get_tbs },
	{ "GET", "/api/v1/orders/{id}", ROUTE_IDENTITY, BODY_NONE, "", orders_get },
	{ "PATCH", "/api/v1/orders/{id}", ROUTE_IDENTITY, BODY_JSON, "", orders_change },
	{ "POST", "/api/v1/orders/{id}/submit", ROUTE_IDENTITY, BODY_NONE, "", orders_submit },
	{ "POST", "/api/v1/orders/{id}/copy", ROUTE_IDENTITY, BODY_NONE, "", orders_copy },
	{ "POST", "/api/v1/orders/{id}/cancel", ROUTE_IDENTITY, BODY_NONE, "", orders_cancel },
	{ "POST", "/api/v1/orders/{id}/check", ROUTE_IDENTITY, BODY_NONE, "", orders_check },
	{ "POST", "/api/v1/orders/{id}/confirm", ROUTE_IDENTITY, BODY_JSON, "", orders_confirm },
	{ "POST", "/api/v1/orders/{id}/approve", ROUTE_IDENTITY, BODY_JSON, "", orders_approve },
	{ "POST", "/api/v1/orders/{id}/deny", ROUTE_IDENTITY, BODY_JSON, "", orders_deny },
	{ "POST", "/api/v1/organizations", ROUTE_IDENTITY, BODY_JSON, "", organizations_add },
	{ "GET", "/api/v1/organizations", ROUTE_IDENTITY, BODY_NONE, "", organizations_list },
	{ "GET", "/api/v1/organizations/{id}/record", ROUTE_IDENTITY, BODY_NONE, "", organizations_get_record },
	{ "GET", "/api/v1/organizations/{id}", ROUTE_IDENTITY, BODY_NONE, "", organizations_get },
	{ "POST", "/api/v1/organizations/{id}/vet", ROUTE_IDENTITY, BODY_JSON, "", organizations_vet },
	{ "POST", "/api/v1/organizations/{id}/suspend", ROUTE_IDENTITY, BODY_JSON, "", organizations_suspend },
	{ "GET", "/api/v1/explain/{what}", ROUTE_IDENTITY, BODY_NONE, "", explain_get },
	{ "GET", "/api/v1/audit", ROUTE_IDENTITY, BODY_NONE, "after limit", audit_list },
	{ "GET", "/api/v1/openapi.json", 0, BODY_NONE, NULL, meta_openapi },
	{ "GET", "/problems/{code}", 0, BODY_NONE, NULL, meta_problem },
};
const size_t router_table_count = sizeof(router_table) / sizeof(router_table[0]);

/* One segment of a pattern against one of the path; a matched part goes to *part. */
static bool segment_matches(struct bytes pattern, struct bytes segment, struct bytes *part)
{
	if (pattern.len == 0 || pattern.data[0] != '{')
		return bytes_equal(pattern, segment);
	const uint8_t *brace = memchr(pattern.data, '}', pattern.len);
	size_t end_len = pattern.len - (size_t)(brace + 1 - pattern.data);
	if (segment.len <= end_len || memcmp(segment.data + segment.len - end_len, brace + 1, end_len) != 0)
		return false;
	*part = BYTES(segment.data, segment.len - end_len);
	return true;
}

static bool pattern_matches(const char *pattern, const struct request *r, struct bytes parameters[2])
{
	size_t found = 0;
	for (size_t i = 0; i < r->segment_count; i++) {
		if (*pattern != '/')
			return false;
		const char *end = strchrnul(++pattern, '/');
		struct bytes part = BYTES_NONE;
		if (!segment_matches(BYTES(pattern, (size_t)(end - pattern)), r->segments[i], &part))
			return false;
		if (part.len > 0 && found < 2)
			parameters[found++] = part;
		pattern = end;
	}
	return *pattern == '\0';
}

static bool method_matches(const struct route *route, const char *method)
{
	return strcmp(route->method, method) == 0 || (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void allow(char *allowed, size_t size, const char *methods)
{
	if (strstr(allowed, methods))
		return;
	size_t used = strlen(allowed);
	(void)snprintf(allowed + used, size - used, "%s%s", used ? ", " : "", methods);
}

const struct route *router_find(struct request *r, struct error *err)
{
	char allowed[64] = "";
	for (size_t i = 0; i < router_table_count; i++) {
		const struct route *route = &router_table[i];
		struct bytes parameters[2] = { BYTES_NONE, BYTES_NONE };
		if (!pattern_matches(route->pattern, r, parameters))
			continue;
		if (method_matches(route, r->method)) {
			memcpy(r->parameters, parameters, sizeof(parameters));
			return route;
		}
		allow(allowed, sizeof(allowed), strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method);
	}
	if (allowed[0]) {
		(void)err_set(err, ERR_METHOD_NOT_ALLOWED, "%s is not for this address; it takes %s", r->method,
			      allowed);
		(void)err_about(err, "method", r->method, allowed);
	} else {
		(void)err_set(err, ERR_NOT_FOUND, "there is nothing at this address");
		(void)err_about(err, "path", r->target, NULL);
	}
	return NULL;
}

/* Whether name is one of the words of list. */
static bool is_listed(struct bytes name, const char *list)
{
	while (*list) {
		const char *end = strchrnul(list, ' ');
		if (bytes_equal(name, BYTES(list, (size_t)(end - list))))
			return true;
		list = *end ? end + 1 : end;
	}
	return false;
}

int router_check_arguments(const struct request *r, const struct route *route, struct error *err)
{
	for (size_t i = 0; route->arguments && i < r->argument_count; i++) {
		struct bytes name = r->arguments[i].name;
		if (is_listed(name, route->arguments))
			continue;
		char shown[65];
		(void)snprintf(shown, sizeof(shown), "%.*s", (int)name.len, (const char *)name.data);
		(void)err_set(err, ERR_BAD_REQUEST, "there is no query argument of this name here");
		return err_about(err, "query", shown, route->arguments);
	}
	return 0;
}
