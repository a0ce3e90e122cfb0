// Package config turns text, the environment and a policy file, into a
// [Config] or into every reason why it can't be one.
package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"auth-watchdog/watchdog/internal/setting"
)

// Mode is how the function is reached.
type Mode string

// The modes that there are, by of-watchdog's names.
const (
	HTTP        Mode = "http"
	Streaming   Mode = "streaming"
	Serializing Mode = "serializing"
	Static      Mode = "static"
	InProcess   Mode = "inproc"
)

// A Config is what the process was told to be. It is immutable once loaded.
type Config struct {
	FunctionName string
	Process      string // the command that starts the function
	Mode         Mode
	Upstream     Upstream
	Fork         Fork
	StaticPath   string
	Listing      bool // of folders without an index.html

	Port        int
	MetricsPort int
	BindAddress string
	TLS         TLS

	ReadTimeout         time.Duration
	WriteTimeout        time.Duration
	ExecTimeout         time.Duration
	HealthcheckInterval time.Duration

	MaxInflight        int
	MaxBody            int64
	MaxBuffered        int64
	BufferBody         bool
	ReadyPath          string
	SuppressLock       bool
	LockFolder         string
	PrefixLogs         bool
	LogBufferSize      int
	LogFormat          string
	AuditLog           string
	SecretPath         string
	TrustedProxyHops   int
	PublicURL          string
	ForwardCredentials bool
	AllowOpenUpstream  bool
	AllowDegraded      bool

	Policy Policy
}

// TLS names the secrets with the certificate of the port for callers. The zero
// value is a port that speaks plain HTTP.
type TLS struct {
	CertSecret string // the certificate and those between it and the root, in PEM
	KeySecret  string // its private key, in PEM
}

// IsOn reports whether the port speaks TLS.
func (t TLS) IsOn() bool { return t != TLS{} }

// Secrets are the names of the secrets that it needs.
func (t TLS) Secrets() []string {
	if !t.IsOn() {
		return nil
	}
	return []string{t.CertSecret, t.KeySecret}
}

// Fork is how a process is given a request, in the modes that start one for
// each.
type Fork struct {
	ContentType    string
	CGI            bool
	CombineOutput  bool
	MarshalRequest bool
	WriteDebug     bool
	DebugHeaders   bool
	Classic        bool
	Prefork        int // processes that wait for a request
}

// Buffers reports whether a request must be read whole before the function is
// called.
func (c *Config) Buffers() bool {
	forks := c.Mode == Streaming || c.Mode == Serializing
	return c.BufferBody || forks && (c.Mode == Serializing || c.Fork.Classic || c.Fork.MarshalRequest)
}

// An Upstream is the address of a function that is reached over HTTP.
type Upstream struct {
	Network string // "unix" or "tcp"; empty if there is none
	Address string // of the socket, or host:port
	Prefix  string // of every path, escaped, without a slash at the end
}

// raw is what is read before it can be judged as a whole.
type raw struct {
	Config
	upstreamURL string
	auth        []string
	authConfig  string
	ignored     bool
	given       map[string]bool // settings that have a value of the user's
	wrong       map[string]bool // settings that a problem was reported of
}

// fields describes every process setting: this is the one place that names
// them.
func (c *raw) fields() []setting.Field {
	return []setting.Field{
		{
			Name: "auth", Value: setting.Words(&c.auth, "none, or a list of methods"),
			Meaning: "**must be set**, or `auth_config`: the methods of which any one admits a caller, with commas between; `none` lets everybody in",
		},
		{
			Name: "auth_config", Value: setting.Text(&c.authConfig, "a path"),
			Meaning: "a policy file, instead of `auth` and all `auth_METHOD_FIELD`",
		},
		{
			Name: "secret_mount_path", Default: "/var/openfaas/secrets", Value: setting.Text(&c.SecretPath, "a path"),
			Meaning: "the folder with the mounted secrets",
		},
		{
			Name: "fprocess", Alias: "function_process", Value: setting.Text(&c.Process, "a command"),
			Meaning: "the command that starts the function, split at spaces; none if something else runs it",
		},
		{
			Name: "mode", Default: string(Streaming), Value: setting.OneOf(&c.Mode, HTTP, Streaming, Serializing, Static, InProcess),
			Meaning: "how the function is reached: a server at `upstream_url`; a process for each request, whose output is passed on as it comes (`streaming`) or when it has ended well (`serializing`); files; or a Go program's own handler",
		},
		{
			Name: "upstream_url", Alias: "http_upstream_url", Value: setting.Text(&c.upstreamURL, "unix:///tmp/function.sock or http://127.0.0.1:PORT[/prefix]"),
			Meaning: "where the function listens, in mode `http`; nobody but the watchdog may reach it",
		},
		{
			Name: "port", Default: "8080", Value: setting.Int(&c.Port, 0, 65535),
			Meaning: "the port for callers; 0 takes a free one",
		},
		{
			Name: "metrics_port", Default: "8081", Value: setting.Int(&c.MetricsPort, 0, 65535),
			Meaning: "the port for `/metrics`; 0 turns it off",
		},
		{
			Name: "bind_address", Value: setting.Checked(&c.BindAddress, "an IP address", isIP),
			Meaning: "the address of both ports; all addresses if not set",
		},
		{
			Name: "tls_cert_secret", Value: setting.SecretName(&c.TLS.CertSecret),
			Meaning: "the secret with the certificate in PEM, those between it and the root behind it: `port` then speaks HTTPS and nothing else",
		},
		{
			Name: "tls_key_secret", Value: setting.SecretName(&c.TLS.KeySecret),
			Meaning: "the secret with the certificate's private key in PEM, without a passphrase",
		},
		{
			Name: "read_timeout", Default: "30s", Value: setting.PositiveDuration(&c.ReadTimeout),
			Meaning: "how long the head of a request may take, and a body that must be read before the request is judged",
		},
		{
			Name: "write_timeout", Default: "30s", Value: setting.PositiveDuration(&c.WriteTimeout),
			Meaning: "how long a caller may take to accept a piece of the answer, and how long draining may take",
		},
		{
			Name: "exec_timeout", Default: "30s", Value: setting.Duration(&c.ExecTimeout),
			Meaning: "how long the function may take; 0 is no bound, and the default with `classic`. A caller lowers it with `X-Timeout: 5s`",
		},
		{
			Name: "healthcheck_interval", Value: setting.Duration(&c.HealthcheckInterval),
			Meaning: "how long to go on serving after SIGTERM, or until no request has come for 3s; `write_timeout` if not set",
		},
		{
			Name: "max_inflight", Default: "0", Value: setting.Int(&c.MaxInflight, 0, 1<<20),
			Meaning: "how many admitted requests are served at once; 0 is no bound. The others get 429",
		},
		{
			Name: "max_body", Default: "25MiB", Value: setting.Bytes(&c.MaxBody, 1),
			Meaning: "the largest body that is read before the request is judged; a larger one gets 413. Other bodies stream and have no bound",
		},
		{
			Name: "max_buffered", Default: "64MiB", Value: setting.Bytes(&c.MaxBuffered, 1),
			Meaning: "the most that all requests together hold of such bodies; beyond it a request waits for a second and then gets 503",
		},
		{
			Name: "http_buffer_req_body", Alias: "buffer_http", Default: "false", Value: setting.Bool(&c.BufferBody),
			Meaning: "read every body before it goes to the function, so that it has a Content-Length; bounded as above",
		},
		{
			Name: "ready_path", Value: setting.Checked(&c.ReadyPath, "a path that begins with /", func(s string) bool { return strings.HasPrefix(s, "/") }),
			Meaning: "a path of the function that answers below 400 when it is ready, asked for by `/_/ready`",
		},
		{
			Name: "suppress_lock", Default: "false", Value: setting.Bool(&c.SuppressLock),
			Meaning: "do without the lock file `/tmp/.lock`",
		},
		{
			Name: "prefix_logs", Default: "true", Value: setting.Bool(&c.PrefixLogs),
			Meaning: "begin each line of the function's output with the time and where it came from",
		},
		{
			Name: "log_buffer_size", Default: "65536", Value: setting.Int(&c.LogBufferSize, 1024, 1<<24),
			Meaning: "the longest piece of a line that is passed on at a time; longer lines pass in several",
		},
		{
			Name: "log_format", Default: "text", Value: setting.OneOf(&c.LogFormat, "text", "json"),
			Meaning: "how the watchdog's own lines are written; with `json` those of the function are records too",
		},
		{
			Name: "content_type", Value: setting.Text(&c.Fork.ContentType, "a media type"),
			Meaning: "of the answers of a process; `application/octet-stream` if not set, and that of the request with `classic`",
		},
		{
			Name: "cgi_headers", Default: "true", Value: setting.Bool(&c.Fork.CGI),
			Meaning: "tell a process of its request in variables: `Http_Method`, `Http_Path`, `Http_Query`, `Http_Host` and `Http_` with each header",
		},
		{
			Name: "combine_output", Default: "false", Value: setting.Bool(&c.Fork.CombineOutput),
			Meaning: "what a process writes to standard error is part of its answer, which is the default with `classic`",
		},
		{
			Name: "marshal_request", Default: "false", Value: setting.Bool(&c.Fork.MarshalRequest),
			Meaning: "a process reads the headers and the body, in base64, as JSON",
		},
		{
			Name: "write_debug", Default: "false", Value: setting.Bool(&c.Fork.WriteDebug),
			Meaning: "what a process answers goes to the log too",
		},
		{
			Name: "debug_headers", Default: "false", Value: setting.Bool(&c.Fork.DebugHeaders),
			Meaning: "the headers of each request and answer go to the log, without those that hold credentials",
		},
		{
			Name: "classic", Default: "false", Value: setting.Bool(&c.Fork.Classic),
			Meaning: "answer as the classic watchdog does: 408 when `exec_timeout` has passed, output with a 500, no methods but DELETE, GET, PATCH, POST and PUT",
		},
		{
			Name: "prefork", Default: "0", Value: setting.Int(&c.Fork.Prefork, 0, 64),
			Meaning: "how many processes are started ahead and wait on their standard input for a request, so that their start takes none of its time; wants `cgi_headers=false`. They are replaced when a secret of the policy changes",
		},
		{
			Name: "static_path", Default: "/home/app/public", Value: setting.Text(&c.StaticPath, "a path"),
			Meaning: "the folder of mode `static`. Names that begin with a dot are not served",
		},
		{
			Name: "static_listing", Default: "false", Value: setting.Bool(&c.Listing),
			Meaning: "list a folder that has no index.html",
		},
		{
			Name: "log_callid", Alias: "log_call_id", Default: "false", Value: setting.Bool(&c.ignored),
			Meaning: "taken from of-watchdog's settings; each access record has the call's id anyway",
		},
		{
			Name: "audit_log", Value: setting.Text(&c.AuditLog, "a path"),
			Meaning: "the file to which audit events, refusals and sign-ins, are added as JSON; standard error if not set",
		},
		{
			Name: "trusted_proxy_hops", Default: "0", Value: setting.Int(&c.TrustedProxyHops, 0, 16),
			Meaning: "how many proxies in front add to X-Forwarded-For; 0 believes no such header and replaces them",
		},
		{
			Name: "public_url", Value: setting.Checked(&c.PublicURL, "a URL such as https://gw.example.com/function/hook", isPublicURL),
			Meaning: "the URL that callers use, for the senders that sign it and for sign-in, which needs it; never taken from a header",
		},
		{
			Name: "forward_credentials", Default: "false", Value: setting.Bool(&c.ForwardCredentials),
			Meaning: "leave the credential on the request that the function gets",
		},
		{
			Name: "allow_open_upstream", Default: "false", Value: setting.Bool(&c.AllowOpenUpstream),
			Meaning: "only warn when the function can be reached without the watchdog",
		},
		{
			Name: "allow_degraded", Default: "false", Value: setting.Bool(&c.AllowDegraded),
			Meaning: "take second factors (`login`) although each process remembers by itself, and until it ends, which codes were used",
		},
	}
}

// Settings describes every process setting, for the tables.
func Settings() []setting.Field { return new(raw).fields() }

// Names has all names of process settings, with the two that OpenFaaS and the
// system give.
var Names = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{functionName: true, lockFolder: true}
	for _, f := range Settings() {
		names[f.Name] = true
		if f.Alias != "" {
			names[f.Alias] = true
		}
	}
	return names
})

const (
	functionName = "OPENFAAS_NAME"
	lockFolder   = "TMPDIR"
)

// Load makes a Config of settings by their names, and of a policy with the
// given kinds of method. A name that is not a setting is a problem. It returns
// every problem there is; the Config then has what could be read.
func Load(settings map[string]string, kinds Kinds) (*Config, setting.Problems) {
	c := &raw{given: map[string]bool{}, wrong: map[string]bool{}}
	fields := c.fields()
	setting.Defaults(fields)
	c.FunctionName = settings[functionName]
	if !setting.IsPrintable(c.FunctionName) {
		c.FunctionName = "function"
	}
	c.LockFolder = settings[lockFolder]
	if c.LockFolder == "" {
		c.LockFolder = "/tmp"
	}

	var ps setting.Problems
	known := Names()
	for _, f := range fields {
		for _, name := range []string{f.Name, f.Alias} { // the alias wins, as in of-watchdog
			if text := settings[name]; name != "" && text != "" { // an empty value is none
				if f.Set(&ps, "", name, text) {
					c.given[f.Name] = true
				} else {
					c.wrong[f.Name] = true
				}
			}
		}
	}
	c.finish(&ps)

	short := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		switch {
		case known[name]:
		case strings.HasPrefix(name, "auth_"):
			short[name] = settings[name]
		case settings[name] == "":
		default:
			ps.Add("", name, setting.Unknown("setting", name, slices.Collect(maps.Keys(known))))
		}
	}
	c.policy(&ps, short, kinds)
	return &c.Config, ps
}

// finish judges the settings together.
func (c *raw) finish(ps *setting.Problems) {
	if !c.given["healthcheck_interval"] {
		c.HealthcheckInterval = c.WriteTimeout
	}
	if c.Fork.Classic && !c.given["exec_timeout"] {
		c.ExecTimeout = 0
	}
	if c.Fork.Classic && !c.given["combine_output"] {
		c.Fork.CombineOutput = true
	}
	if c.Fork.ContentType == "" && !c.Fork.Classic {
		c.Fork.ContentType = "application/octet-stream"
	}
	if c.Fork.Classic && c.Mode != Streaming {
		ps.Add("", "classic", fmt.Errorf("excludes mode=%s: leave mode unset", c.Mode))
	}
	if c.Fork.Prefork > 0 {
		c.prefork(ps)
	}
	if c.MaxBuffered <= c.MaxBody {
		ps.Add("", "max_buffered", fmt.Errorf("want more than max_body, which is %d", c.MaxBody))
	}
	if c.MetricsPort != 0 && c.MetricsPort == c.Port {
		ps.Add("", "metrics_port", errors.New("want another than port"))
	}
	for _, half := range []struct{ name, other, want string }{
		{"tls_cert_secret", "tls_key_secret", "certificate"}, {"tls_key_secret", "tls_cert_secret", "private key"},
	} {
		if c.given[half.other] && !c.given[half.name] && !c.wrong[half.name] {
			ps.Add("", half.name, fmt.Errorf("is not set, and %s is: want the name of the secret with the %s too", half.other, half.want))
		}
	}
	switch c.Mode {
	case HTTP:
		if !c.wrong["upstream_url"] {
			c.upstream(ps)
		}
	case Streaming, Serializing:
		if c.Process == "" && !c.wrong["mode"] {
			ps.Add("", "fprocess", errors.New("is not set: want the command that answers a request; mode=http is for functions that listen"))
		}
	}
}

// prefork judges whether processes can be started before their requests.
func (c *raw) prefork(ps *setting.Problems) {
	bad := func(format string, args ...any) {
		got := strconv.Itoa(c.Fork.Prefork)
		*ps = append(*ps, setting.Problem{Name: "prefork", Got: &got, Err: fmt.Errorf(format, args...)})
	}
	if c.Mode != Streaming && c.Mode != Serializing && !c.wrong["mode"] {
		bad("excludes mode=%s, which starts no process for each request", c.Mode)
	}
	if c.Fork.CGI && !c.wrong["cgi_headers"] {
		bad("wants cgi_headers=false, because a process that waits has been started before its request's variables are known")
	}
}

func (c *raw) upstream(ps *setting.Problems) {
	const want = "want unix:///tmp/function.sock or http://127.0.0.1:PORT, where the function listens"
	if c.upstreamURL == "" {
		ps.Add("", "upstream_url", errors.New("is not set: "+want))
		return
	}
	bad := func(why string) {
		*ps = append(*ps, setting.Problem{Name: "upstream_url", Got: setting.Repeatable(c.upstreamURL), Err: errors.New(why)})
	}
	u, err := url.Parse(c.upstreamURL)
	switch {
	case err != nil, !isPort(u.Port()), u.RawQuery != "", u.Fragment != "", u.User != nil:
		bad(want)
	case u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		c.Upstream = Upstream{Network: "unix", Address: u.Path}
	case u.Scheme == "http" && u.Hostname() != "":
		port := u.Port()
		if port == "" {
			port = "80"
		}
		if !isLoopback(u.Hostname()) && !c.AllowOpenUpstream {
			bad("is not an address of this container only, so others reach the function without the watchdog: " + want +
				" (allow_open_upstream=true if that is so on purpose)")
			return
		}
		host := u.Hostname()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		c.Upstream = Upstream{Network: "tcp", Address: host + ":" + port, Prefix: strings.TrimRight(u.EscapedPath(), "/")}
	default:
		bad(want)
	}
}

// isPort reports whether s can be the port of a URL, in which it may be missing.
func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return s == "" || err == nil && n > 0 && n <= 65535
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func isPublicURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
