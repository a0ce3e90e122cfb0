package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// cgiPrefix begins each variable of a request.
const cgiPrefix = "Http_"

// The variables that tell a process of its request. No header makes one of
// them.
const (
	cgiMethod           = "Http_Method"
	cgiPath             = "Http_Path"
	cgiQuery            = "Http_Query"
	cgiHost             = "Http_Host"
	cgiTransferEncoding = "Http_Transfer_Encoding"
	cgiContentLength    = "Http_ContentLength" // the classic watchdog's
	cgiContentLength2   = "Http_Content_Length"
)

// reserved are the variables that are not made of headers, and one that must
// not be: many programs take http_proxy, however it is written, for the proxy
// that they are to use (httpoxy.org).
var reserved = []string{
	cgiMethod, cgiPath, cgiQuery, cgiHost, cgiTransferEncoding, cgiContentLength, cgiContentLength2, "Http_Proxy",
}

// cgi returns the variables by which both watchdogs tell a process of a
// request: "Http_" and a header's name with "_" for "-", with the first of its
// values; and what stands in no header.
func cgi(r *http.Request, classic bool) []string {
	vars := map[string]string{}
	for name, values := range r.Header {
		key := cgiPrefix + strings.ReplaceAll(name, "-", "_")
		taken := slices.ContainsFunc(reserved, func(reserved string) bool { return strings.EqualFold(reserved, key) })
		if !taken && len(values) > 0 {
			vars[key] = values[0]
		}
	}
	vars[cgiMethod] = r.Method
	vars[cgiPath] = r.URL.Path
	vars[cgiContentLength] = strconv.FormatInt(r.ContentLength, 10)
	if classic || r.Header["Content-Length"] != nil {
		vars[cgiContentLength2] = vars[cgiContentLength]
	}
	if r.URL.RawQuery != "" {
		vars[cgiQuery] = r.URL.RawQuery
	}
	if r.Host != "" {
		vars[cgiHost] = r.Host
	}
	if len(r.TransferEncoding) > 0 {
		vars[cgiTransferEncoding] = r.TransferEncoding[0]
	}
	list := make([]string, 0, len(vars))
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, key+"="+vars[key])
	}
	return list
}
