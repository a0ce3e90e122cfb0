package config_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"auth-watchdog/watchdog/auth/basic"
	"auth-watchdog/watchdog/auth/bearer"
	"auth-watchdog/watchdog/auth/hmac"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
)

// kinds are the methods that the watchdog has.
func kinds() config.Kinds {
	return config.Kinds{
		"basic":  func() config.Section { return new(basic.Config) },
		"bearer": func() config.Section { return new(bearer.Config) },
		"hmac":   func() config.Section { return new(hmac.Config) },
	}
}

// working are settings with which nothing is wrong, and more of them.
func working(more map[string]string) map[string]string {
	settings := map[string]string{"auth": "none", "mode": "http", "upstream_url": "unix:///tmp/function.sock"}
	maps.Copy(settings, more)
	return settings
}

// message is what an error says, "" if there is none.
func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A row says what a setting becomes.
type row struct {
	name  string
	get   func(*config.Config) any
	unset any            // what is in force without it
	good  map[string]any // what is in force, by the text
	bad   []string
	want  string // what the problem says of a bad one
}

const (
	wantBool     = "want true or false"
	wantPositive = "want a duration over 0, such as 30s, 5m or 30 (seconds)"
	wantDuration = "want a duration such as 30s, 5m or 30 (seconds)"
	wantBytes    = "want a size such as 25MiB, 64KiB or 1048576 (bytes), at least 1"
)

func rows() []row {
	const s = time.Second
	return []row{
		{
			name: "secret_mount_path", get: func(c *config.Config) any { return c.SecretPath },
			unset: "/var/openfaas/secrets", good: map[string]any{"/run/secrets": "/run/secrets", "relative": "relative"},
		},
		{
			name: "fprocess", get: func(c *config.Config) any { return c.Process },
			unset: "", good: map[string]any{"./handler": "./handler", "node index.js": "node index.js"},
		},
		{
			name: "port", get: func(c *config.Config) any { return c.Port },
			unset: 8080, good: map[string]any{"0": 0, "3000": 3000, "65535": 65535},
			bad: []string{"-1", "65536", "http", "80 ", "8080.0", "0x50"}, want: "want a number from 0 to 65535",
		},
		{
			name: "metrics_port", get: func(c *config.Config) any { return c.MetricsPort },
			unset: 8081, good: map[string]any{"0": 0, "9090": 9090, "65535": 65535},
			bad: []string{"-1", "65536", "off"}, want: "want a number from 0 to 65535",
		},
		{
			name: "bind_address", get: func(c *config.Config) any { return c.BindAddress },
			unset: "", good: map[string]any{"127.0.0.1": "127.0.0.1", "::1": "::1", "0.0.0.0": "0.0.0.0"},
			bad: []string{"localhost", "127.0.0.1:80", "[::1]", "127.1"}, want: "want an IP address",
		},
		{
			name: "read_timeout", get: func(c *config.Config) any { return c.ReadTimeout },
			unset: 30 * s, good: map[string]any{"5s": 5 * s, "1h30m": 90 * time.Minute, "45": 45 * s, "1.5s": 1500 * time.Millisecond},
			bad: []string{"0", "0s", "-1", "-1s", "5 s", "soon", "9223372037"}, want: wantPositive,
		},
		{
			name: "write_timeout", get: func(c *config.Config) any { return c.WriteTimeout },
			unset: 30 * s, good: map[string]any{"5s": 5 * s, "1": s},
			bad: []string{"0", "-1", "x"}, want: wantPositive,
		},
		{
			name: "exec_timeout", get: func(c *config.Config) any { return c.ExecTimeout },
			unset: 30 * s, good: map[string]any{"0": time.Duration(0), "0s": time.Duration(0), "2m": 2 * time.Minute},
			bad: []string{"-1", "-1s", "forever"}, want: wantDuration,
		},
		{
			name: "healthcheck_interval", get: func(c *config.Config) any { return c.HealthcheckInterval },
			unset: 30 * s, good: map[string]any{"0": time.Duration(0), "5s": 5 * s},
			bad: []string{"-1", "soon"}, want: wantDuration,
		},
		{
			name: "max_inflight", get: func(c *config.Config) any { return c.MaxInflight },
			unset: 0, good: map[string]any{"0": 0, "10": 10, "1048576": 1 << 20},
			bad: []string{"-1", "1048577", "many"}, want: "want a number from 0 to 1048576",
		},
		{
			name: "max_body", get: func(c *config.Config) any { return c.MaxBody },
			unset: int64(25 << 20),
			good:  map[string]any{"1": int64(1), "64KiB": int64(64 << 10), "1MiB": int64(1 << 20), "1048576": int64(1 << 20)},
			bad:   []string{"0", "-1", "1.5MiB", "1MB", "1kib", "MiB", "9223372036854775807KiB"}, want: wantBytes,
		},
		{
			name: "max_buffered", get: func(c *config.Config) any { return c.MaxBuffered },
			unset: int64(64 << 20), good: map[string]any{"26MiB": int64(26 << 20), "2GiB": int64(2 << 30)},
			bad: []string{"0", "-64MiB", "64M", "8589934592GiB"}, want: wantBytes,
		},
		{
			name: "http_buffer_req_body", get: func(c *config.Config) any { return c.BufferBody },
			unset: false, good: map[string]any{"true": true, "1": true, "TRUE": true, "false": false, "0": false},
			bad: []string{"yes", "2", "on"}, want: wantBool,
		},
		{
			name: "ready_path", get: func(c *config.Config) any { return c.ReadyPath },
			unset: "", good: map[string]any{"/": "/", "/ready": "/ready"},
			bad: []string{"ready", "http://127.0.0.1/ready", "./ready"}, want: "want a path that begins with /",
		},
		{
			name: "suppress_lock", get: func(c *config.Config) any { return c.SuppressLock },
			unset: false, good: map[string]any{"true": true, "False": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "prefix_logs", get: func(c *config.Config) any { return c.PrefixLogs },
			unset: true, good: map[string]any{"true": true, "false": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "log_buffer_size", get: func(c *config.Config) any { return c.LogBufferSize },
			unset: 65536, good: map[string]any{"1024": 1024, "16777216": 1 << 24},
			bad: []string{"1023", "16777217", "64KiB"}, want: "want a number from 1024 to 16777216",
		},
		{
			name: "log_format", get: func(c *config.Config) any { return c.LogFormat },
			unset: "text", good: map[string]any{"text": "text", "json": "json"},
			bad: []string{"JSON", "xml"}, want: "want one of text, json",
		},
		{
			name: "log_callid", get: func(*config.Config) any { return nil },
			good: map[string]any{"true": nil, "false": nil}, bad: []string{"maybe"}, want: wantBool,
		},
		{
			name: "audit_log", get: func(c *config.Config) any { return c.AuditLog },
			unset: "", good: map[string]any{"/var/log/audit.json": "/var/log/audit.json"},
		},
		{
			name: "trusted_proxy_hops", get: func(c *config.Config) any { return c.TrustedProxyHops },
			unset: 0, good: map[string]any{"0": 0, "1": 1, "16": 16},
			bad: []string{"-1", "17", "all"}, want: "want a number from 0 to 16",
		},
		{
			name: "public_url", get: func(c *config.Config) any { return c.PublicURL },
			unset: "",
			good: map[string]any{
				"https://gw.example.com/function/hook": "https://gw.example.com/function/hook",
				"http://10.0.0.1:8080":                 "http://10.0.0.1:8080",
			},
			bad: []string{
				"gw.example.com", "//gw.example.com", "ftp://gw.example.com", "https://",
				"https://gw.example.com/?a=b", "https://gw.example.com/#a", "https://gw.example.com:port",
			},
			want: "want a URL such as https://gw.example.com/function/hook",
		},
		{
			name: "content_type", get: func(c *config.Config) any { return c.Fork.ContentType },
			unset: "application/octet-stream", good: map[string]any{"text/plain": "text/plain"},
		},
		{
			name: "cgi_headers", get: func(c *config.Config) any { return c.Fork.CGI },
			unset: true, good: map[string]any{"true": true, "false": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "combine_output", get: func(c *config.Config) any { return c.Fork.CombineOutput },
			unset: false, good: map[string]any{"true": true, "false": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "marshal_request", get: func(c *config.Config) any { return c.Fork.MarshalRequest },
			unset: false, good: map[string]any{"true": true, "false": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "write_debug", get: func(c *config.Config) any { return c.Fork.WriteDebug },
			unset: false, good: map[string]any{"true": true, "false": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "debug_headers", get: func(c *config.Config) any { return c.Fork.DebugHeaders },
			unset: false, good: map[string]any{"true": true, "false": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "classic", get: func(c *config.Config) any { return c.Fork.Classic },
			unset: false, good: map[string]any{"false": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "prefork", get: func(c *config.Config) any { return c.Fork.Prefork },
			unset: 0, good: map[string]any{"0": 0},
			bad: []string{"-1", "65", "many"}, want: "want a number from 0 to 64",
		},
		{
			name: "static_path", get: func(c *config.Config) any { return c.StaticPath },
			unset: "/home/app/public", good: map[string]any{"public": "public"},
		},
		{
			name: "static_listing", get: func(c *config.Config) any { return c.Listing },
			unset: false, good: map[string]any{"true": true, "false": false}, bad: []string{"no"}, want: wantBool,
		},
		{
			name: "forward_credentials", get: func(c *config.Config) any { return c.ForwardCredentials },
			unset: false, good: map[string]any{"true": true, "false": false}, bad: []string{"yes"}, want: wantBool,
		},
		{
			name: "allow_open_upstream", get: func(c *config.Config) any { return c.AllowOpenUpstream },
			unset: false, good: map[string]any{"true": true, "false": false}, bad: []string{"yes"}, want: wantBool,
		},
		{
			name: "allow_degraded", get: func(c *config.Config) any { return c.AllowDegraded },
			unset: false, good: map[string]any{"true": true, "false": false}, bad: []string{"yes"}, want: wantBool,
		},
	}
}

func TestSettings(t *testing.T) {
	// These mean nothing without others and have tests of their own.
	tested := map[string]bool{
		"auth": true, "auth_config": true, "mode": true, "upstream_url": true, "tls_cert_secret": true, "tls_key_secret": true,
	}
	for _, tt := range rows() {
		tested[tt.name] = true
		t.Run(tt.name, func(t *testing.T) {
			for _, settings := range []map[string]string{working(nil), working(map[string]string{tt.name: ""})} {
				c, err := config.Load(settings, kinds())
				if got := tt.get(c); err != nil || got != tt.unset {
					t.Errorf("not set: got %v, %v, want %v", got, err, tt.unset)
				}
			}
			for text, want := range tt.good {
				c, err := config.Load(working(map[string]string{tt.name: text}), kinds())
				if got := tt.get(c); err != nil || got != want {
					t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
				}
			}
			for _, text := range tt.bad {
				c, err := config.Load(working(map[string]string{tt.name: text}), kinds())
				if want := fmt.Sprintf("%s=%q: %s", tt.name, text, tt.want); message(err) != want {
					t.Errorf("%q: got %v, want %s", text, err, want)
				}
				if got := tt.get(c); got != tt.unset {
					t.Errorf("%q: got %v, want %v in its place", text, got, tt.unset)
				}
			}
		})
	}
	for _, f := range config.Settings() {
		if !tested[f.Name] {
			t.Errorf("got no test of %s, want one", f.Name)
		}
	}
}

// TestDescriptions keeps the tables of the README whole: they are made of
// these.
func TestDescriptions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fields []setting.Field
	}{
		{"settings", config.Settings()},
		{"rules", config.RuleFields()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.fields) == 0 {
				t.Error("got no field, want some")
			}
			seen := map[string]bool{"": true}
			for _, f := range tt.fields {
				if seen[f.Name] || f.Alias != "" && seen[f.Alias] {
					t.Errorf("got %q, %q, want names that no other field has", f.Name, f.Alias)
				}
				seen[f.Name], seen[f.Alias] = true, true
				if f.Meaning == "" || f.Value.Want() == "" {
					t.Errorf("%s: got meaning %q and value %q, want both", f.Name, f.Meaning, f.Value.Want())
				}
			}
		})
	}
}

func TestAliases(t *testing.T) {
	tested := map[string]bool{}
	for _, tt := range []struct {
		name, alias       string
		byName, byAlias   string
		get               func(*config.Config) any
		wantName, wantAli any
	}{
		{
			"fprocess", "function_process", "./a", "./b",
			func(c *config.Config) any { return c.Process },
			"./a", "./b",
		},
		{
			"upstream_url", "http_upstream_url", "unix:///tmp/a.sock", "http://127.0.0.1:3000",
			func(c *config.Config) any { return c.Upstream },
			config.Upstream{Network: "unix", Address: "/tmp/a.sock"},
			config.Upstream{Network: "tcp", Address: "127.0.0.1:3000"},
		},
		{
			"http_buffer_req_body", "buffer_http", "true", "false",
			func(c *config.Config) any { return c.BufferBody },
			true, false,
		},
		{
			"log_callid", "log_call_id", "true", "false",
			func(*config.Config) any { return nil },
			nil, nil,
		},
	} {
		tested[tt.name+", "+tt.alias] = true
		for _, way := range []struct {
			of       string
			settings map[string]string
			want     any
		}{
			{"name", map[string]string{tt.name: tt.byName}, tt.wantName},
			{"alias", map[string]string{tt.name: "", tt.alias: tt.byAlias}, tt.wantAli},
			{"both", map[string]string{tt.name: tt.byName, tt.alias: tt.byAlias}, tt.wantAli},
			{"empty alias", map[string]string{tt.name: tt.byName, tt.alias: ""}, tt.wantName},
		} {
			t.Run(tt.name+"/"+way.of, func(t *testing.T) {
				c, err := config.Load(working(way.settings), kinds())
				if got := tt.get(c); err != nil || got != way.want {
					t.Errorf("got %v, %v, want %v", got, err, way.want)
				}
			})
		}
	}
	for _, f := range config.Settings() {
		if f.Alias != "" && !tested[f.Name+", "+f.Alias] {
			t.Errorf("got no test of %s as %s, want one", f.Name, f.Alias)
		}
	}

	t.Run("a problem has the name that was used", func(t *testing.T) {
		_, err := config.Load(working(map[string]string{"buffer_http": "maybe", "http_upstream_url": "", "log_call_id": "7"}), kinds())
		if want := "buffer_http=\"maybe\": want true or false\nlog_call_id=\"7\": want true or false"; message(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

func TestHealthcheckIntervalFollowsWriteTimeout(t *testing.T) {
	c, err := config.Load(working(map[string]string{"write_timeout": "7s"}), kinds())
	if err != nil || c.HealthcheckInterval != 7*time.Second {
		t.Errorf("got %v, %v, want 7s", c.HealthcheckInterval, err)
	}
}

func TestPlatform(t *testing.T) {
	for _, tt := range []struct {
		name, function, folder string
		wantFunction, wantLock string
	}{
		{"not set", "", "", "function", "/tmp"},
		{"set", "hello", "/run", "hello", "/run"},
		{"not for a header", "a\nb", "/run", "function", "/run"},
		{"not ASCII", "hé", "", "function", "/tmp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(working(map[string]string{"OPENFAAS_NAME": tt.function, "TMPDIR": tt.folder}), kinds())
			if err != nil || c.FunctionName != tt.wantFunction || c.LockFolder != tt.wantLock {
				t.Errorf("got %q, %q, %v, want %q, %q", c.FunctionName, c.LockFolder, err, tt.wantFunction, tt.wantLock)
			}
		})
	}
}

func TestUpstream(t *testing.T) {
	const (
		want = "want unix:///tmp/function.sock or http://127.0.0.1:PORT, where the function listens"
		open = "is not an address of this container only, so others reach the function without the watchdog: " + want +
			" (allow_open_upstream=true if that is so on purpose)"
	)
	for _, tt := range []struct {
		url     string
		open    string // allow_open_upstream
		want    config.Upstream
		problem string // what is said of the URL
	}{
		{url: "unix:///tmp/function.sock", want: config.Upstream{Network: "unix", Address: "/tmp/function.sock"}},
		{url: "unix:///a%20b.sock", want: config.Upstream{Network: "unix", Address: "/a b.sock"}},
		{url: "unix://tmp/function.sock", problem: want},
		{url: "unix://", problem: want},
		{url: "unix:tmp/function.sock", problem: want},
		{url: "/tmp/function.sock", problem: want},
		{url: "http://127.0.0.1:3000", want: config.Upstream{Network: "tcp", Address: "127.0.0.1:3000"}},
		{url: "http://127.0.0.1:3000/", want: config.Upstream{Network: "tcp", Address: "127.0.0.1:3000"}},
		{url: "http://127.0.0.1", want: config.Upstream{Network: "tcp", Address: "127.0.0.1:80"}},
		{url: "http://127.1.2.3:3000", want: config.Upstream{Network: "tcp", Address: "127.1.2.3:3000"}},
		{url: "http://localhost:3000/api/", want: config.Upstream{Network: "tcp", Address: "localhost:3000", Prefix: "/api"}},
		{url: "http://[::1]:3000/a%2Fb", want: config.Upstream{Network: "tcp", Address: "[::1]:3000", Prefix: "/a%2Fb"}},
		{url: "http://[::ffff:127.0.0.1]:3000", want: config.Upstream{Network: "tcp", Address: "[::ffff:127.0.0.1]:3000"}},
		{url: "http://10.0.0.5:3000", problem: open},
		{url: "http://0.0.0.0:3000", problem: open},
		{url: "http://[::]:3000", problem: open},
		{url: "http://function.example:3000", problem: open},
		{url: "http://10.0.0.5:3000", open: "false", problem: open},
		{url: "http://10.0.0.5:3000/v1", open: "true", want: config.Upstream{Network: "tcp", Address: "10.0.0.5:3000", Prefix: "/v1"}},
		{url: "http://function.example", open: "true", want: config.Upstream{Network: "tcp", Address: "function.example:80"}},
		{url: "https://127.0.0.1:3000", problem: want},
		{url: "http://:3000", problem: want},
		{url: "http://127.0.0.1:port", problem: want},
		{url: "http://127.0.0.1:3000/?a=b", problem: want},
		{url: "http://127.0.0.1:3000/#a", problem: want},
		{url: "127.0.0.1:3000", problem: want},
	} {
		t.Run(tt.url+" "+tt.open, func(t *testing.T) {
			c, err := config.Load(working(map[string]string{"upstream_url": tt.url, "allow_open_upstream": tt.open}), kinds())
			problem := ""
			if tt.problem != "" {
				problem = fmt.Sprintf("upstream_url=%q: %s", tt.url, tt.problem)
			}
			if message(err) != problem {
				t.Errorf("got %v, want %q", err, problem)
			}
			if c.Upstream != tt.want {
				t.Errorf("got %+v, want %+v", c.Upstream, tt.want)
			}
		})
	}
}

func TestModes(t *testing.T) {
	const (
		url     = "unix:///tmp/function.sock"
		command = "fprocess: is not set: want the command that answers a request; mode=http is for functions that listen"
	)
	for _, tt := range []struct {
		name, mode, url string
		want            config.Upstream
		problem         string
	}{
		{"http", "http", url, config.Upstream{Network: "unix", Address: "/tmp/function.sock"}, ""},
		{
			"http without upstream_url", "http", "",
			config.Upstream{},
			"upstream_url: is not set: want unix:///tmp/function.sock or http://127.0.0.1:PORT, where the function listens",
		},
		{"inproc", "inproc", "", config.Upstream{}, ""},
		{"inproc reaches nothing over HTTP", "inproc", url, config.Upstream{}, ""},
		{"not set", "", url, config.Upstream{}, command},
		{"streaming", "streaming", "", config.Upstream{}, command},
		{"serializing", "serializing", "", config.Upstream{}, command},
		{"static", "static", "", config.Upstream{}, ""},
		{"unknown", "afterburn", "", config.Upstream{}, `mode="afterburn": want one of http, streaming, serializing, static, inproc`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(working(map[string]string{"mode": tt.mode, "upstream_url": tt.url}), kinds())
			if message(err) != tt.problem {
				t.Errorf("got %v, want %q", err, tt.problem)
			}
			if c.Upstream != tt.want {
				t.Errorf("got %+v, want %+v", c.Upstream, tt.want)
			}
		})
	}
}

// TestClassic: the classic watchdog has other defaults.
func TestClassic(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings map[string]string
		timeout  time.Duration
		fork     config.Fork
		buffers  bool
		problem  string
	}{
		{"of-watchdog", nil, 30 * time.Second, config.Fork{ContentType: "application/octet-stream", CGI: true}, false, ""},
		{"classic", map[string]string{"classic": "true"}, 0, config.Fork{CGI: true, CombineOutput: true, Classic: true}, true, ""},
		{
			"classic with settings of its own",
			map[string]string{"classic": "true", "exec_timeout": "5s", "combine_output": "false", "content_type": "text/plain", "cgi_headers": "false"},
			5 * time.Second,
			config.Fork{ContentType: "text/plain", Classic: true},
			true, "",
		},
		{"of-watchdog with the classic one's", map[string]string{"combine_output": "true", "marshal_request": "true"}, 30 * time.Second, config.Fork{ContentType: "application/octet-stream", CGI: true, CombineOutput: true, MarshalRequest: true}, true, ""},
		{"classic in another mode", map[string]string{"classic": "true", "mode": "static"}, 0, config.Fork{CGI: true, CombineOutput: true, Classic: true}, false, "classic: excludes mode=static: leave mode unset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := map[string]string{"auth": "none", "fprocess": "cat"}
			maps.Copy(settings, tt.settings)
			c, ps := config.Load(settings, kinds())
			if message(ps) != tt.problem {
				t.Errorf("got %v, want %q", ps, tt.problem)
			}
			if c.ExecTimeout != tt.timeout || c.Fork != tt.fork || c.Buffers() != tt.buffers {
				t.Errorf("got %v, %+v, buffers %v, want %v, %+v, %v", c.ExecTimeout, c.Fork, c.Buffers(), tt.timeout, tt.fork, tt.buffers)
			}
		})
	}
}

// TestPrefork: a process can be started ahead if it needs to know nothing.
func TestPrefork(t *testing.T) {
	const (
		mode = `prefork="4": excludes mode=%s, which starts no process for each request`
		cgi  = `prefork="4": wants cgi_headers=false, because a process that waits has been started before its request's variables are known`
	)
	for _, tt := range []struct {
		name     string
		settings map[string]string
		want     string
	}{
		{"streaming", map[string]string{"cgi_headers": "false"}, ""},
		{"serializing", map[string]string{"mode": "serializing", "cgi_headers": "false"}, ""},
		{"classic", map[string]string{"classic": "true", "cgi_headers": "false"}, ""},
		{"with variables", nil, cgi},
		{"classic with variables", map[string]string{"classic": "true"}, cgi},
		{"http", working(map[string]string{"cgi_headers": "false"}), fmt.Sprintf(mode, "http")},
		{"static with variables", map[string]string{"mode": "static"}, fmt.Sprintf(mode, "static") + "\n" + cgi},
		{"none", map[string]string{"prefork": "0"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := map[string]string{"auth": "none", "fprocess": "cat", "prefork": "4"}
			maps.Copy(settings, tt.settings)
			if _, ps := config.Load(settings, kinds()); message(ps) != tt.want {
				t.Errorf("got %v, want %q", ps, tt.want)
			}
		})
	}
}

// TestTLS: certificate and key come together.
func TestTLS(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 2)
	for _, tt := range []struct {
		name, cert, key string
		want            config.TLS
		problem         string
	}{
		{"neither", "", "", config.TLS{}, ""},
		{"both", "tls-cert", "tls-key", config.TLS{CertSecret: "tls-cert", KeySecret: "tls-key"}, ""},
		{"both in one", "tls", "tls", config.TLS{CertSecret: "tls", KeySecret: "tls"}, ""},
		{
			"no key", "tls-cert", "",
			config.TLS{CertSecret: "tls-cert"},
			"tls_key_secret: is not set, and tls_cert_secret is: want the name of the secret with the private key too",
		},
		{
			"no certificate", "", "tls-key",
			config.TLS{KeySecret: "tls-key"},
			"tls_cert_secret: is not set, and tls_key_secret is: want the name of the secret with the certificate too",
		},
		{
			"the secret itself", "tls-cert", long,
			config.TLS{CertSecret: "tls-cert"},
			"tls_key_secret: want the name of a secret (small letters, digits, - and .), not the secret itself",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(working(map[string]string{"tls_cert_secret": tt.cert, "tls_key_secret": tt.key}), kinds())
			if message(err) != tt.problem || c.TLS != tt.want {
				t.Errorf("got %+v and %v, want %+v and %q", c.TLS, err, tt.want, tt.problem)
			}
		})
	}
}

// TestTogether is of settings that are good by themselves.
func TestTogether(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings map[string]string
		want     string
	}{
		{"max_buffered over max_body", map[string]string{"max_body": "1KiB", "max_buffered": "1025"}, ""},
		{
			"max_buffered as max_body",
			map[string]string{"max_body": "1KiB", "max_buffered": "1024"},
			"max_buffered: want more than max_body, which is 1024",
		},
		{
			"max_buffered under the default of max_body",
			map[string]string{"max_buffered": "25MiB"},
			"max_buffered: want more than max_body, which is 26214400",
		},
		{
			"max_body over the default of max_buffered",
			map[string]string{"max_body": "65MiB"},
			"max_buffered: want more than max_body, which is 68157440",
		},
		{"metrics_port as port", map[string]string{"port": "9000", "metrics_port": "9000"}, "metrics_port: want another than port"},
		{"metrics_port as the default of port", map[string]string{"metrics_port": "8080"}, "metrics_port: want another than port"},
		{"port as the default of metrics_port", map[string]string{"port": "8081"}, "metrics_port: want another than port"},
		{"metrics off and a free port", map[string]string{"port": "0", "metrics_port": "0"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := config.Load(working(tt.settings), kinds()); message(err) != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestUnknownNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		auth string
		want string // empty: no problem
	}{
		{"prot", "none", "there is no such setting; did you mean port?"},
		{"max_inflihgt", "none", "there is no such setting; did you mean max_inflight?"},
		{"htp_upstream_url", "none", "there is no such setting; did you mean http_upstream_url?"},
		{"something_else_altogether", "none", "there is no such setting"},
		{"auth_bearer_secert", "bearer", "there is no such setting; did you mean auth_bearer_secret?"},
		{"auth_baerer_secret", "bearer", "there is no such setting; did you mean auth_bearer_secret?"},
		{"auth_basic_relam", "bearer,basic", "there is no such setting; did you mean auth_basic_realm?"},
		{"auth_hmac_sig_heade", "hmac", "there is no such setting; did you mean auth_hmac_sig_header?"},
		{"auth_confg", "bearer", "there is no such setting; did you mean auth_config?"},
		{"auth_qqqqqqqqqqqqqqqqqqqqqqqq", "bearer", "there is no such setting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(working(map[string]string{"auth": tt.auth, tt.name: "x"}), kinds())
			if want := tt.name + ": " + tt.want; message(err) != want {
				t.Errorf("got %v, want %s", err, want)
			}
			want := "" // an empty value is none
			if strings.HasPrefix(tt.name, "auth_") {
				want = tt.name + ": " + tt.want // nobody but us has such names
			}
			if _, err := config.Load(working(map[string]string{"auth": tt.auth, tt.name: ""}), kinds()); message(err) != want {
				t.Errorf("empty: got %v, want %q", err, want)
			}
		})
	}
}

func TestShortForm(t *testing.T) {
	bearerMethod := func(c bearer.Config) config.Method {
		return config.Method{Name: "bearer", Type: "bearer", Section: &c}
	}
	oneRule := func(methods ...config.Method) config.Policy {
		p := config.Policy{Methods: methods, Rules: []config.Rule{{Match: "/"}}}
		for _, m := range methods {
			p.Rules[0].Accept = append(p.Rules[0].Accept, m.Name)
		}
		return p
	}
	byDefault := bearer.Config{Secret: "api-key", Header: "Authorization"}
	for _, tt := range []struct {
		name     string
		settings map[string]string
		want     config.Policy
	}{
		{"none", map[string]string{"auth": "none"}, config.Policy{Rules: []config.Rule{{Match: "/", Public: true}}}},
		{"one", map[string]string{"auth": "bearer"}, oneRule(bearerMethod(byDefault))},
		{
			"several, in their order",
			map[string]string{"auth": "hmac, basic ,bearer"},
			oneRule(
				config.Method{Name: "hmac", Type: "hmac", Section: &hmac.Config{Secret: "webhook-secret"}},
				config.Method{Name: "basic", Type: "basic", Section: &basic.Config{}},
				bearerMethod(byDefault),
			),
		},
		{
			"fields",
			map[string]string{"auth": "bearer", "auth_bearer_secret": "keys", "auth_bearer_header": "x-api-key", "auth_bearer_query": "key"},
			oneRule(bearerMethod(bearer.Config{Secret: "keys", Header: "X-Api-Key", Query: "key"})),
		},
		{
			"an empty field is not set",
			map[string]string{"auth": "bearer", "auth_bearer_secret": ""},
			oneRule(bearerMethod(byDefault)),
		},
		{
			"nested fields",
			map[string]string{
				"auth": "hmac", "auth_hmac_alg": "hmac-sha512", "auth_hmac_secret": "shop", "auth_hmac_secret_encoding": "hex",
				"auth_hmac_sig_header": "X-Sig,x-sig-old", "auth_hmac_sig_split": ",", "auth_hmac_time_sig_prefix": "t=", "auth_hmac_sig_prefix": "v1=",
				"auth_hmac_signed": "{time}.{body}", "auth_hmac_time_tolerance": "300", "auth_hmac_require": "X-Kind=order,X-Version=2",
			},
			oneRule(config.Method{Name: "hmac", Type: "hmac", Section: &hmac.Config{
				Secret: "shop",
				Scheme: hmac.Scheme{
					Alg:       hmac.SHA512,
					Signature: hmac.Signature{Headers: []string{"X-Sig", "X-Sig-Old"}, Split: ",", Prefix: "v1="},
					Signed:    "{time}.{body}",
					Time:      hmac.Time{SigPrefix: "t=", Tolerance: 5 * time.Minute},
					Key:       hmac.KeyForm{Encoding: hmac.KeyHex},
					Require:   map[string]string{"X-Kind": "order", "X-Version": "2"},
				},
			}}),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(working(tt.settings), kinds())
			if err != nil {
				t.Fatalf("got %v, want nothing", err)
			}
			if diff := cmp.Diff(tt.want, c.Policy); diff != "" {
				t.Errorf("got another policy than want (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAuthProblems(t *testing.T) {
	const notSet = "auth: is not set: set auth=bearer (or basic, hmac, or several with commas between), or auth_config to a policy file; " +
		"auth=none lets everybody in"
	policy := writePolicy(t, "rules: [{match: /, public: true}]\n")
	for _, tt := range []struct {
		name     string
		settings map[string]string
		want     string
	}{
		{"not set", map[string]string{"auth": ""}, notSet},
		{
			"not set, and a field is",
			map[string]string{"auth": "", "auth_bearer_secret": "keys"},
			"auth_bearer_secret: has no effect without auth\n" + notSet,
		},
		{"none first", map[string]string{"auth": "none,bearer"}, "auth: none excludes the others"},
		{"none last", map[string]string{"auth": "bearer,basic,none"}, "auth: none excludes the others"},
		{"with auth_config", map[string]string{"auth": "bearer", "auth_config": policy}, "auth_config: excludes auth: set one of them"},
		{
			"a field beside auth_config",
			map[string]string{"auth": "", "auth_config": policy, "auth_bearer_secret": "keys", "auth_basic_realm": "x"},
			"auth_basic_realm: belongs in the policy file, for auth_config is set\n" +
				"auth_bearer_secret: belongs in the policy file, for auth_config is set",
		},
		{
			"a field of a method that is not named",
			map[string]string{"auth": "bearer", "auth_basic_realm": "x"},
			"auth_basic_realm: is for a method that auth=bearer does not name",
		},
		{
			"a field of a method that is not among several",
			map[string]string{"auth": "bearer,hmac", "auth_basic_realm": "x"},
			"auth_basic_realm: is for a method that auth=bearer,hmac does not name",
		},
		{
			"values",
			map[string]string{"auth": "bearer,hmac", "auth_bearer_header": "X Key", "auth_hmac_sig_encoding": "octal", "auth_hmac_body_signed": "no"},
			"auth_bearer_header=\"X Key\": want a header name, such as X-Api-Key\n" +
				"auth_hmac_sig_encoding=\"octal\": want one of hex, base64, base64url, jwt\n" +
				"auth_hmac_body_signed=\"no\": want true or false",
		},
		{
			"a file that is not there",
			map[string]string{"auth": "", "auth_config": "testdata/nowhere.yml"},
			`auth_config="testdata/nowhere.yml": want a policy file that can be read: no such file or directory`,
		},
		{
			"a folder",
			map[string]string{"auth": "", "auth_config": "testdata"},
			`auth_config="testdata": want a policy file that can be read: is a directory`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := config.Load(working(tt.settings), kinds()); message(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}

	t.Run("no such method", func(t *testing.T) {
		for _, auth := range []string{"ldap", "Bearer", "bearer,ldap"} {
			_, err := config.Load(working(map[string]string{"auth": auth}), kinds())
			last := auth[strings.LastIndexByte(auth, ',')+1:]
			if got, want := message(err), fmt.Sprintf("auth: %q is not a method", last); !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want %s", got, want)
			}
		}
	})
}

// TestSecretInPlaceOfItsName holds back what people type there by mistake.
func TestSecretInPlaceOfItsName(t *testing.T) {
	const canary = "CANARY-Hunter2"
	for _, tt := range []struct {
		name     string
		settings map[string]string
		problem  string
	}{
		{"bearer", map[string]string{"auth": "bearer", "auth_bearer_secret": canary}, "auth_bearer_secret"},
		{"basic", map[string]string{"auth": "basic", "auth_basic_secret": canary}, "auth_basic_secret"},
		{"hmac", map[string]string{"auth": "hmac", "auth_hmac_secret": canary}, "auth_hmac_secret"},
		{
			"policy file",
			map[string]string{"auth": "", "auth_config": writePolicy(t, "methods: {ci: {type: bearer, secret: "+canary+"}}\nrules: [{match: /, accept: ci}]\n")},
			"methods.ci.secret",
		},
		{
			"nested in a policy file",
			map[string]string{"auth": "", "auth_config": writePolicy(t, "methods: {ci: {type: hmac, secret: {name: "+canary+"}}}\nrules: [{match: /, accept: ci}]\n")},
			"methods.ci.secret.name",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(working(tt.settings), kinds())
			want := tt.problem + ": want the name of a secret (small letters, digits, - and .), not the secret itself"
			if got := message(err); !strings.HasSuffix(got, want) || strings.Contains(got, canary) {
				t.Errorf("got %q, want %q and no %s", got, want, canary)
			}
		})
	}
}

// TestEverythingAtOnce is why a start fails once and not six times.
func TestEverythingAtOnce(t *testing.T) {
	c, err := config.Load(map[string]string{
		"auth":               "bearer",
		"auth_bearer_secert": "api-key",
		"mode":               "http",
		"upstream_url":       "http://0.0.0.0:3000",
		"port":               "eighty",
		"read_timeout":       "-5s",
		"max_body":           "128MiB",
		"prefix_log":         "false",
		"fprocess":           "./handler",
	}, kinds())
	const want = `port="eighty": want a number from 0 to 65535
read_timeout="-5s": want a duration over 0, such as 30s, 5m or 30 (seconds)
max_buffered: want more than max_body, which is 134217728
upstream_url="http://0.0.0.0:3000": is not an address of this container only, so others reach the function without the watchdog: want unix:///tmp/function.sock or http://127.0.0.1:PORT, where the function listens (allow_open_upstream=true if that is so on purpose)
prefix_log: there is no such setting; did you mean prefix_logs?
auth_bearer_secert: there is no such setting; did you mean auth_bearer_secret?`
	if diff := cmp.Diff(want, message(err)); diff != "" {
		t.Errorf("got other problems than want (-want +got):\n%s", diff)
	}
	var ps setting.Problems
	if !errors.As(err, &ps) || len(ps) != 6 {
		t.Errorf("got %d problems, want 6", len(ps))
	}
	if c == nil || c.Process != "./handler" {
		t.Errorf("got %+v, want what could be read", c)
	}
}

// TestFileAndSettings is of problems in both.
func TestFileAndSettings(t *testing.T) {
	path := writePolicy(t, "rules:\n  - accept: ci\n")
	_, err := config.Load(working(map[string]string{"auth": "", "auth_config": path, "port": "x"}), kinds())
	want := strings.Join([]string{
		`port="x": want a number from 0 to 65535`,
		path + ":2: rules[1].match: is not set: want [METHOD ]/path",
		path + `:2: rules[1]: names the method "ci", which is not under methods`,
	}, "\n")
	if diff := cmp.Diff(want, message(err)); diff != "" {
		t.Errorf("got other problems than want (-want +got):\n%s", diff)
	}
}

func TestPolicyFile(t *testing.T) {
	path := writePolicy(t, "methods: {ci: {type: bearer}}\nrules:\n- {match: /, accept: ci}\n")
	c, err := config.Load(working(map[string]string{"auth": "", "auth_config": path}), kinds())
	if err != nil {
		t.Fatalf("got %v, want nothing", err)
	}
	want := config.Policy{
		Methods: []config.Method{{Name: "ci", Type: "bearer", Section: &bearer.Config{Secret: "api-key", Header: "Authorization"}, Where: path + ":1"}},
		Rules:   []config.Rule{{Match: "/", Accept: []string{"ci"}, Where: path + ":3"}},
	}
	if diff := cmp.Diff(want, c.Policy); diff != "" {
		t.Errorf("got another policy than want (-want +got):\n%s", diff)
	}
}

// TestLoadKeepsItsArguments is what lets a caller load the same settings
// again.
func TestLoadKeepsItsArguments(t *testing.T) {
	settings := working(map[string]string{"auth": "bearer", "auth_bearer_secret": "keys", "auth_wrong": "x"})
	before := maps.Clone(settings)
	_, first := config.Load(settings, kinds())
	_, second := config.Load(settings, kinds())
	if !maps.Equal(settings, before) {
		t.Errorf("got %v, want %v", settings, before)
	}
	if message(first) == "" || message(first) != message(second) {
		t.Errorf("got %v and then %v, want the same", first, second)
	}
}

// writePolicy writes a policy file and returns its path.
func writePolicy(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
