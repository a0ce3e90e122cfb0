package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openfaas/faas-provider/logs"
)

func TestLines(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC)
	const stamp = "2024-01-02T03:04:05.000000006Z "
	for name, c := range map[string]struct {
		in   []byte
		want []string
		err  string
	}{
		"nothing":         {},
		"both outputs":    {append(frame(1, stamp+"out\n"), frame(2, stamp+"err\n")...), []string{"out", "err"}, ""},
		"empty line":      {frame(1, stamp+"\n"), []string{""}, ""},
		"spaces stay":     {frame(1, stamp+"  a b \r\n"), []string{"  a b "}, ""},
		"piece of a line": {frame(1, stamp+"a"), []string{"a"}, ""},
		"cut in a head":   {frame(1, stamp+"a\n")[:5], nil, "unexpected EOF"},
		"cut in a line":   {frame(1, stamp+"a\n")[:20], nil, "cut off: unexpected EOF"},
		"no frames":       {[]byte("plain text"), nil, "no head of a frame"},
		"no time":         {frame(1, "a b\n"), nil, "cannot parse"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			var failed error
			for line, err := range linesOf(bytes.NewReader(c.in)) {
				if failed = err; err != nil {
					continue
				}
				got = append(got, line.text)
				if !line.at.Equal(at) {
					t.Errorf("time: got %v, want %v", line.at, at)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if c.err == "" && failed != nil || c.err != "" && (failed == nil || !strings.Contains(failed.Error(), c.err)) {
				t.Errorf("got error %v, want %q", failed, c.err)
			}
		})
	}
}

func TestLogQuery(t *testing.T) {
	since := time.Unix(1700000000, 5).UTC()
	for name, c := range map[string]struct {
		in   logs.Request
		want url.Values
	}{
		"all":      {logs.Request{}, url.Values{}},
		"all told": {logs.Request{Tail: -1}, url.Values{}},
		"end":      {logs.Request{Tail: 3}, url.Values{"tail": {"3"}}},
		"follow":   {logs.Request{Follow: true, Since: &since}, url.Values{"follow": {"1"}, "since": {"1700000000.000000005"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, logQuery(c.in)); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogsAsFaasCLIReadsThem(t *testing.T) {
	s := serve(t)
	s.want("POST", "/system/functions", show1, 202, "")
	status, text := s.call("GET", "/system/logs?name=show&namespace=openfaas-fn&tail=-1", "")
	var got []logs.Message
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var m logs.Message
		if err := d.Decode(&m); err != nil {
			t.Fatalf("%d %s: %v", status, text, err)
		}
		got = append(got, m)
	}
	want := []logs.Message{
		{Name: "show", Namespace: "openfaas-fn", Instance: "id1", Timestamp: time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC), Text: "hello"},
		{Name: "show", Namespace: "openfaas-fn", Instance: "id1", Timestamp: time.Date(2024, 1, 2, 3, 4, 6, 0, time.UTC), Text: "this is one"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	s.want("GET", "/system/logs?name=other", "", 500, "function log request failed")
}
