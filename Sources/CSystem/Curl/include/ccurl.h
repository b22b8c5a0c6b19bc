// libcurl, whose calls take arguments of any type, as one call: a request and its answer.
#pragma once
#include <curl/curl.h>
#include <stddef.h>

/// A piece of the answer. What it does not take ends the exchange.
typedef size_t (*ccurl_take)(char *bytes, size_t one, size_t count, void *context);

/// The status of the answer, or 0 with what went wrong in `failure`, which has room for CURL_ERROR_SIZE bytes. Only
/// HTTP and HTTPS are spoken, and nothing is asked elsewhere because an answer says so.
long ccurl_exchange(CURL *handle, const char *method, const char *url, struct curl_slist *headers, const void *body,
                    size_t count, long milliseconds, ccurl_take take, void *context, char *failure);
