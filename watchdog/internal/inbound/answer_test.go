package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// handlers are what can be done with a ResponseWriter.
var handlers = map[string]http.HandlerFunc{
	"nothing":      func(http.ResponseWriter, *http.Request) {},
	"empty write":  func(w http.ResponseWriter, _ *http.Request) { w.Write(nil) },
	"hello":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") },
	"html":         func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html><p>hello") },
	"status alone": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
	"status and body": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		io.WriteString(w, "no")
	},
	"unknown status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(599) },
	"high status":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) },
	"two statuses": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
		io.WriteString(w, "made")
	},
	"invalid status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(42) },
	"204": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(204)
		_, err := w.Write([]byte("hello"))
		if !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	},
	"304": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Etag", "1")
		w.WriteHeader(304)
	},
	"length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
	},
	"length and type": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(200)
		io.WriteString(w, "hel")
		io.WriteString(w, "lo")
	},
	"length and a type that shows late": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "13")
		io.WriteString(w, "<")
		io.WriteString(w, "html>")
		w.(http.Flusher).Flush()
		io.WriteString(w, "<p>more")
	},
	"length and a type that shows late, large": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10006")
		io.WriteString(w, "<")
		io.WriteString(w, "html>"+strings.Repeat("a", 5000))
		io.WriteString(w, strings.Repeat("b", 5000))
	},
	"length too long": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		_, err := io.WriteString(w, "hello")
		if !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
		io.WriteString(w, "abc")
	},
	"length too short": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "hello")
	},
	"length and nothing": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "10") },
	"length of 0":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") },
	"type nil": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<html>")
	},
	"encoded": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "<html>")
	},
	"date": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "then") },
	"no date": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		io.WriteString(w, "x")
	},
	"headers": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-Many"] = []string{"a", "b", " padded\t"}
		w.Header()["x-lower"] = []string{"as it is"}
		w.Header().Set("X-Split", "a\r\nX-Injected: yes\nb\rc")
		w.Header()["Bad Name"] = []string{"x"}
		w.Header()["Bad\r\nName"] = []string{"x"}
		w.Header()["X-Empty"] = []string{""}
		w.Header()["X-None"] = nil
	},
	"headers afterwards": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Before", "1")
		w.WriteHeader(200)
		w.Header().Set("X-After", "1")
		w.Header().Set("X-Before", "2")
		io.WriteString(w, "hello")
	},
	"close": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "bye")
	},
	"keep-alive afterwards": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
		w.Header().Set("Connection", "keep-alive")
	},
	"keep-alive": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "keep-alive") },
	"2048": func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			io.WriteString(w, strings.Repeat("x", 32))
		}
	},
	"2049": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", 2048))
		io.WriteString(w, "y")
	},
	"large": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("abcdefghij", 50_000)) },
	"large of known length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500000")
		for range 1000 {
			io.WriteString(w, strings.Repeat("abcdefghij", 50))
		}
	},
	"many small": func(w http.ResponseWriter, _ *http.Request) {
		for i := range 5000 {
			fmt.Fprintf(w, "%d,", i)
		}
	},
	"sizes around the buffer": func(w http.ResponseWriter, _ *http.Request) {
		for n := outBuffer - 400; n < outBuffer+20; n += 7 {
			io.WriteString(w, strings.Repeat("z", n))
			w.(http.Flusher).Flush()
		}
	},
	"flush": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		w.(http.Flusher).Flush()
		io.WriteString(w, "two")
	},
	"flush first": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, "later")
	},
	"flush with length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.(http.Flusher).Flush()
		io.WriteString(w, "hello")
	},
	"early hints": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "a")
		w.Header().Set("Content-Length", "2")
		w.WriteHeader(103)
		w.Header().Del("Link")
		w.WriteHeader(103)
		io.WriteString(w, "ok")
	},
	"chunked by name": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Transfer-Encoding", "chunked")
		io.WriteString(w, "hello")
	},
	"identity": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Transfer-Encoding", "identity")
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		io.WriteString(w, strings.Repeat("x", 5000))
	},
	"trailers announced": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-End, x-other, Content-Length")
		io.WriteString(w, "hello")
		w.Header().Set("X-End", "1")
		w.Header().Set("Content-Length", "7")
	},
	"trailers announced twice": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Trailer", "X-End")
		w.Header().Add("Trailer", "X-More")
		w.WriteHeader(200)
		w.Header().Set("X-End", "1\r\nX: y")
		w.Header().Set("X-More", "2")
	},
	"trailers by prefix": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-End", "1")
	},
	"trailers by prefix before": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"X-End", "1")
		io.WriteString(w, "hello")
	},
	"trailers and a length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-End")
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
		w.Header().Set("X-End", "1")
	},
	"panic": func(http.ResponseWriter, *http.Request) { panic("at once") },
	"panic late": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
		panic("late")
	},
	"panic after 204": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
		panic("late")
	},
	"panic after 304": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(304)
		panic("late")
	},
	"panic after a length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
		panic("late")
	},
	"abort amid a length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"abort amid chunks": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"controller": func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // full duplex is not for a body that nobody reads
		c := http.NewResponseController(w)
		if err := errors.Join(c.SetReadDeadline(time.Now().Add(time.Hour)), c.SetWriteDeadline(time.Now().Add(time.Hour)), c.EnableFullDuplex(), c.Flush()); err != nil {
			panic(err)
		}
		io.WriteString(w, "hello")
	},
	"context": func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
		defer cancel()
		_, isAddr := ctx.Value(http.LocalAddrContextKey).(net.Addr)
		_, isServer := ctx.Value(http.ServerContextKey).(*http.Server)
		fmt.Fprint(w, isAddr, isServer, ctx.Err(), r.RemoteAddr != "")
	},
	"body not read": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "not needed") },
	"body closed": func(w http.ResponseWriter, r *http.Request) {
		r.Body.Close()
		n, err := r.Body.Read(make([]byte, 1))
		fmt.Fprint(w, n, err != nil)
	},
	"101": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "x")
		w.WriteHeader(101)
	},
}

// TestAnswers has each of them behind both servers.
func TestAnswers(t *testing.T) {
	const next = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
	theirs, ours := both(t, func(w http.ResponseWriter, r *http.Request) {
		name := strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/"), "+", " ")
		handlers[name](w, r)
	})
	for name := range handlers {
		for form, text := range map[string]string{
			"get":   "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n",
			"head":  "HEAD /%s HTTP/1.1\r\nHost: a\r\n\r\n",
			"close": "GET /%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			"post":  "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		} {
			text = fmt.Sprintf(text, strings.ReplaceAll(name, " ", "+"))
			want, got := talk(t, theirs, text+next), talk(t, ours, text+next)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: net/http (-) and ours (+) differ:\n%.1000s", name, form, diff)
			}
		}
	}
}

// TestWriterAfterwards has a function hold on to what was its request's.
func TestWriterAfterwards(t *testing.T) {
	var kept http.ResponseWriter
	var request *http.Request
	_, ours := both(t, func(w http.ResponseWriter, r *http.Request) {
		if kept == nil {
			kept, request = w, r
			return
		}
		if _, err := kept.Write([]byte("for another")); err == nil {
			t.Error("got nil, want an error")
		}
		kept.WriteHeader(500)
		kept.(http.Flusher).Flush()
		if err := request.Context().Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		<-request.Context().Done()
		io.WriteString(w, "mine")
	})
	answers := talk(t, ours, ordinary[0]+ordinary[0])
	if len(answers) != 2 || answers[1].Body != "mine" || answers[1].Status != 200 {
		t.Errorf("got %v", answers)
	}
}
