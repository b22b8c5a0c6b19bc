#include "ccurl.h"
#include <stdio.h>
#include <string.h>

/// Whoever does not even take a connection in this time is not there.
enum { CONNECT_MILLISECONDS = 5000 };

long ccurl_exchange(CURL *handle, const char *method, const char *url, struct curl_slist *headers, const void *body,
                    size_t count, long milliseconds, ccurl_take take, void *context, char *failure) {
  curl_easy_reset(handle);
  failure[0] = 0;
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, failure);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_URL, url);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, milliseconds);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MILLISECONDS);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, context);
  if (count > 0) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
  CURLcode code = curl_easy_perform(handle);
  // The buffer is gone when the handle is used again.
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, NULL);
  if (code != CURLE_OK) {
    if (!failure[0]) snprintf(failure, CURL_ERROR_SIZE, "%s", curl_easy_strerror(code));
    return 0;
  }
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}
