/*
 * httpd/openapi.h - the description of the HTTP interface, OpenAPI 3.1 JSON. A unit test holds it
 * against the router's table, row by row, both ways.
 */
#ifndef CHANCERY_HTTPD_OPENAPI_H
#define CHANCERY_HTTPD_OPENAPI_H

extern const char openapi_json[];

#endif
