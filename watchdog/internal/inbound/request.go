package inbound

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"auth-watchdog/watchdog/internal/http1"
)

// request takes a request off what has come, whose head has size bytes. It is nil
// if it is for the other server.
func (c *caller) request(size int) *exchange {
	x := &exchange{caller: c}
	x.context.begin(c)
	r := (&http.Request{URL: &x.url}).WithContext(&x.context)
	head := string(c.unread()[:size-len("\r\n")])
	if !parseHead(r, head) {
		return nil
	}
	end := size
	if r.ContentLength > 0 {
		if r.ContentLength > readBuffer-int64(size) {
			return nil
		}
		end += int(r.ContentLength)
		// Some callers send a body by itself, right behind the head.
		if len(c.unread()) < end && !c.readAtOnce(end) {
			return nil
		}
		r.Body = &body{strings.NewReader(string(c.unread()[size:end]))}
	}
	c.from += end
	c.release()
	c.posted = r.Method == http.MethodPost
	r.RemoteAddr = c.address
	x.request = r
	x.answer.begin(x)
	return x
}

// readAtOnce reads what has come already, and reports whether that makes n bytes.
func (c *caller) readAtOnce(n int) bool {
	c.atOnce = true
	c.read()
	c.atOnce = false
	return len(c.unread()) >= n
}

// A body is one that has come whole. Its length tells so.
type body struct{ *strings.Reader }

// Close implements [io.Closer].
func (b *body) Close() error {
	_, _ = b.Seek(0, io.SeekEnd)
	return nil
}

// parseHead reads an ordinary head, without the empty line at its end, into r, which
// has a URL for it. It is false for every other: that is for net/http to read, as
// which it reads its own.
func parseHead(r *http.Request, head string) bool {
	line, rest, _ := strings.Cut(head, "\r\n")
	method, line, found := strings.Cut(line, " ")
	target, isHTTP11 := strings.CutSuffix(line, " HTTP/1.1")
	if !found || !isHTTP11 || !http1.IsToken(method) || method == http.MethodConnect {
		return false
	}
	if !parseTarget(r.URL, target) {
		return false
	}
	r.Method, r.RequestURI = method, target
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Body = http.NoBody

	lines := strings.Count(rest, "\n")
	r.Header = make(http.Header, lines+added)
	values := make([]string, lines)
	for i := range lines {
		name, value, after, ok := http1.CutField(rest)
		if !ok {
			return false
		}
		rest = after
		switch name {
		case "Host":
			if r.Host != "" || !isHost(value) {
				return false
			}
			r.Host = value
			continue
		case "Content-Length":
			if r.Header[name] != nil {
				return false
			}
			if r.ContentLength, ok = http1.ParseLength(value); !ok {
				return false
			}
		case "Connection":
			if r.Header[name] != nil {
				return false
			}
			if r.Close = strings.EqualFold(value, "close"); !r.Close && !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Transfer-Encoding", "Trailer", "Upgrade", "Expect", "Pragma", "Http2-Settings":
			return false
		}
		if before := r.Header[name]; before != nil {
			r.Header[name] = append(before, value)
			continue
		}
		values[i] = value
		r.Header[name] = values[i : i+1 : i+1]
	}
	return r.Host != ""
}

// added is how many headers the stages add to a request, more or less.
const added = 5

// parseTarget reads the path and the query of a request. It is false if it is
// anything else that is asked for.
func parseTarget(u *url.URL, target string) bool {
	if target == "" || target[0] != '/' || !http1.IsTarget(target) {
		return false
	}
	path, query, asks := strings.Cut(target, "?")
	if isPlainPath(path) && (!asks || query != "") {
		u.Path, u.RawQuery = path, query
		return true
	}
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		return false
	}
	*u = *parsed
	return true
}

// isPlainPath reports whether a path has only characters that package url
// neither escapes nor finds escaped.
func isPlainPath(s string) bool {
	for i := range len(s) {
		if !plain[s[i]] {
			return false
		}
	}
	return true
}

var plain = func() (table [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@" {
		table[c] = true
	}
	return table
}()

// isHost reports whether s is a host of the usual characters, with or without a
// port.
func isHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(".-_:[]", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
