package clientip

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// request is one from remote with a line of X-Forwarded-For for each of lines.
func request(remote string, lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://gateway.example/x", nil)
	r.RemoteAddr = remote
	if lines != nil {
		r.Header["X-Forwarded-For"] = lines
	}
	return r
}

const invalid = "invalid IP"

func TestOfBelievesAsManyProxiesAsAreTrusted(t *testing.T) {
	const remote = "10.0.0.9:4321"
	for _, tt := range []struct {
		name  string
		hops  int
		lines []string
		want  string
	}{
		{"no proxy, no header", 0, nil, "10.0.0.9"},
		{"no proxy, one entry", 0, []string{"1.1.1.1"}, "10.0.0.9"},
		{"no proxy, several lines", 0, []string{"1.1.1.1, 2.2.2.2", "3.3.3.3"}, "10.0.0.9"},

		{"one proxy, its entry", 1, []string{"1.1.1.1"}, "1.1.1.1"},
		{"one proxy, one entry more from the caller", 1, []string{"6.6.6.6, 1.1.1.1"}, "1.1.1.1"},
		{"one proxy, many more from the caller", 1, []string{"6.6.6.6,7.7.7.7,8.8.8.8,1.1.1.1"}, "1.1.1.1"},
		{"one proxy that adds a line", 1, []string{"6.6.6.6", "1.1.1.1"}, "1.1.1.1"},
		{"one proxy that adds to the last line", 1, []string{"6.6.6.6", "7.7.7.7, 1.1.1.1"}, "1.1.1.1"},
		{"one proxy, no header", 1, nil, "10.0.0.9"},

		{"two proxies", 2, []string{"1.1.1.1, 2.2.2.2"}, "1.1.1.1"},
		{"two proxies, one entry more", 2, []string{"6.6.6.6, 1.1.1.1, 2.2.2.2"}, "1.1.1.1"},
		{"two proxies, in two lines", 2, []string{"1.1.1.1", "2.2.2.2"}, "1.1.1.1"},
		{"two proxies, in three lines", 2, []string{"6.6.6.6", "1.1.1.1", "2.2.2.2"}, "1.1.1.1"},
		{"two proxies, one entry", 2, []string{"1.1.1.1"}, "10.0.0.9"},

		{"three proxies", 3, []string{"6.6.6.6, 1.1.1.1, 2.2.2.2, 3.3.3.3"}, "1.1.1.1"},
		{"three proxies, in lines of two", 3, []string{"6.6.6.6, 1.1.1.1", "2.2.2.2, 3.3.3.3"}, "1.1.1.1"},
		{"three proxies, two entries", 3, []string{"1.1.1.1, 2.2.2.2"}, "10.0.0.9"},
		{"three proxies, no header", 3, nil, "10.0.0.9"},

		{"spaces around entries", 1, []string{"6.6.6.6 ,\t 1.1.1.1 "}, "1.1.1.1"},
		{"garbage before it", 1, []string{"unknown, ,;, 1.1.1.1"}, "1.1.1.1"},
		{"garbage in its place", 1, []string{"1.1.1.1, unknown"}, invalid},
		{"garbage in the place of two", 2, []string{"6.6.6.6, <script>, 2.2.2.2"}, invalid},
		{"garbage behind it", 2, []string{"1.1.1.1, unknown"}, "1.1.1.1"},
		{"nothing in its place", 1, []string{"1.1.1.1,"}, invalid},
		{"empty line", 1, []string{""}, invalid},
		{"empty line behind", 1, []string{"1.1.1.1", ""}, invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Trust{Hops: tt.hops}).Of(request(remote, tt.lines...)).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestOfReadsAddressesAsProxiesWriteThem(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"1.2.3.4", "1.2.3.4"},
		{"1.2.3.4:80", "1.2.3.4"},
		{"1.2.3.4:0", "1.2.3.4"},
		{"2001:db8::1", "2001:db8::1"},
		{"2001:DB8:0:0::0001", "2001:db8::1"},
		{"[2001:db8::1]", "2001:db8::1"},
		{"[2001:db8::1]:80", "2001:db8::1"},
		{"::1", "::1"},
		{"[::1]:80", "::1"},
		{"fe80::1%eth0", "fe80::1"},
		{"[fe80::1%eth0]", "fe80::1"},
		{"[fe80::1%eth0]:80", "fe80::1"},
		{"[fe80::1%25eth0]:80", "fe80::1"},

		{"", invalid},
		{" ", invalid},
		{"@", invalid},
		{"unknown", invalid},
		{"_hidden", invalid},
		{"localhost", invalid},
		{"localhost:80", invalid},
		{"1.2.3", invalid},
		{"1.2.3.4.5", invalid},
		{"1.2.3.256", invalid},
		{"01.2.3.4", invalid},
		{"1.2.3.4:", invalid},
		{"1.2.3.4:http", invalid},
		{"1.2.3.4:65536", invalid},
		{"1.2.3.4:-1", invalid},
		{"1.2.3.4/24", invalid},
		{"1.2.3.4%eth0", invalid},
		{"1.2.3.4 1.2.3.5", invalid},
		{"[2001:db8::1]:", invalid},
		{"2001:db8::1::2", invalid},
		{"2001:db8::g", invalid},
		{"[]", invalid},
		{"[]:80", invalid},
		{":80", invalid},
		{"fe80::1%", invalid},
		{`"1.2.3.4"`, invalid},
		{"for=1.2.3.4", invalid},
	} {
		t.Run(tt.text, func(t *testing.T) {
			if got := (Trust{}).Of(request(tt.text)).String(); got != tt.want {
				t.Errorf("from the connection: got %s, want %s", got, tt.want)
			}
			if got := (Trust{Hops: 1}).Of(request("10.0.0.9:1", tt.text)).String(); got != tt.want {
				t.Errorf("from the header: got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestKeyStandsForACaller(t *testing.T) {
	for _, tt := range []struct{ addr, want string }{
		{"1.2.3.4", "1.2.3.4"},
		{"1.2.3.5", "1.2.3.5"},
		{"::ffff:1.2.3.4", "1.2.3.4"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::", "2001:db8:1:2::/64"},
		{"2001:db8:1:3::", "2001:db8:1:3::/64"},
		{"::1", "::/64"},
		{"fe80::1%eth0", "fe80::/64"},
	} {
		t.Run(tt.addr, func(t *testing.T) {
			if got := Key(netip.MustParseAddr(tt.addr)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := Key(netip.Addr{}); got != invalid {
		t.Errorf("no address: got %q, want %q", got, invalid)
	}
}

func TestSanitizeWithoutAProxySaysWhatIsSeen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		trust  Trust
		host   string
		remote string
		in     http.Header
		want   http.Header
	}{
		{
			name: "no headers", host: "gateway.example:8080", remote: "1.2.3.4:5",
			in:   http.Header{},
			want: http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Host": {"gateway.example:8080"}, "X-Forwarded-Proto": {"http"}},
		},
		{
			name: "claims of the caller", host: "gateway.example", remote: "1.2.3.4:5",
			in: http.Header{
				"X-Forwarded-For": {"6.6.6.6, 7.7.7.7", "8.8.8.8"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"https"},
				"X-Forwarded-Port": {"443"}, "Forwarded": {"for=6.6.6.6"}, "X-Real-Ip": {"6.6.6.6"}, "X_real_ip": {"6.6.6.6"},
			},
			want: http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Host": {"gateway.example"}, "X-Forwarded-Proto": {"http"}},
		},
		{
			name: "other headers stay", host: "gateway.example", remote: "1.2.3.4:5",
			in: http.Header{"Accept": {"a", "b"}, "X-Forwarded": {"1"}, "X-Real": {"2"}, "Via": {"3"}, "X-Call-Id": {"4"}},
			want: http.Header{
				"Accept": {"a", "b"}, "X-Forwarded": {"1"}, "X-Real": {"2"}, "Via": {"3"}, "X-Call-Id": {"4"},
				"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Host": {"gateway.example"}, "X-Forwarded-Proto": {"http"},
			},
		},
		{
			name: "a known URL", host: "10.0.0.1:8080", remote: "[2001:db8::1]:5",
			trust: Trust{Scheme: "https", Host: "gw.example.com"},
			in:    http.Header{"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"http"}},
			want:  http.Header{"X-Forwarded-For": {"2001:db8::1"}, "X-Forwarded-Host": {"gw.example.com"}, "X-Forwarded-Proto": {"https"}},
		},
		{
			name: "over TLS", host: "f.example", remote: "1.2.3.4:5",
			trust: Trust{TLS: true},
			in:    http.Header{"X-Forwarded-Proto": {"http"}},
			want:  http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Host": {"f.example"}, "X-Forwarded-Proto": {"https"}},
		},
		{
			name: "another host beside :authority", host: "f.example", remote: "1.2.3.4:5",
			in:   http.Header{"Host": {"evil.example"}},
			want: http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Host": {"f.example"}, "X-Forwarded-Proto": {"http"}},
		},
		{
			name: "a zone", host: "gateway.example", remote: "[fe80::1%eth0]:5",
			in:   http.Header{},
			want: http.Header{"X-Forwarded-For": {"fe80::1"}, "X-Forwarded-Host": {"gateway.example"}, "X-Forwarded-Proto": {"http"}},
		},
		{
			name: "a connection without an address", host: "gateway.example", remote: "@",
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6"}},
			want: http.Header{"X-Forwarded-Host": {"gateway.example"}, "X-Forwarded-Proto": {"http"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(tt.remote)
			r.Host, r.Header = tt.host, tt.in
			tt.trust.Sanitize(r, tt.trust.Of(r))
			if !reflect.DeepEqual(r.Header, tt.want) {
				t.Errorf("got %q, want %q", r.Header, tt.want)
			}
		})
	}
}

// TestSanitizeOfOthersServer: a program with a server of its own says with the
// request whether it came by TLS.
func TestSanitizeOfOthersServer(t *testing.T) {
	r := request("1.2.3.4:5")
	r.TLS = &tls.ConnectionState{}
	Trust{}.Sanitize(r, Trust{}.Of(r))
	if got := r.Header.Get("X-Forwarded-Proto"); got != "https" {
		t.Errorf("got %q, want https", got)
	}
}

func TestSanitizeBehindProxiesSaysWhatTheyHaveAdded(t *testing.T) {
	for _, tt := range []struct {
		name string
		hops int
		in   http.Header
		want http.Header
	}{
		{
			name: "one proxy", hops: 1,
			in:   http.Header{"X-Forwarded-For": {"1.1.1.1"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1"}},
		},
		{
			name: "an entry of the caller", hops: 1,
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6, 1.1.1.1"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1"}},
		},
		{
			name: "a line of the caller", hops: 1,
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6, 7.7.7.7", "1.1.1.1"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1"}},
		},
		{
			name: "two proxies", hops: 2,
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6,7.7.7.7", "1.1.1.1 ,2.2.2.2"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1, 2.2.2.2"}},
		},
		{
			name: "two proxies with ports", hops: 2,
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6, 1.1.1.1:80, [2001:db8::1]:80"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1:80, [2001:db8::1]:80"}},
		},
		{
			name: "three proxies", hops: 3,
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6, 1.1.1.1", "2.2.2.2, 3.3.3.3"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1, 2.2.2.2, 3.3.3.3"}},
		},
		{
			name: "no header", hops: 1,
			in:   http.Header{"Accept": {"a"}},
			want: http.Header{"X-Forwarded-For": {"10.0.0.9"}, "Accept": {"a"}},
		},
		{
			name: "fewer entries than proxies", hops: 2,
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6"}},
			want: http.Header{"X-Forwarded-For": {"10.0.0.9"}},
		},
		{
			name: "an entry that is no address", hops: 1,
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6, unknown"}, "X-Real-Ip": {"6.6.6.6"}},
			want: http.Header{"X-Forwarded-For": {"unknown"}},
		},
		{
			name: "what no proxy here sets", hops: 1,
			in:   http.Header{"X-Forwarded-For": {"1.1.1.1"}, "True-Client-Ip": {"6.6.6.6"}, "Cf-Connecting-Ip": {"6.6.6.6"}, "X-Client-Ip": {"6.6.6.6"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1"}},
		},
		{
			name: "what they say beside it stays", hops: 1,
			in:   http.Header{"X-Forwarded-For": {"1.1.1.1"}, "X-Forwarded-Host": {"gw.example.com"}, "X-Forwarded-Proto": {"https"}, "Accept": {"a"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1"}, "X-Forwarded-Host": {"gw.example.com"}, "X-Forwarded-Proto": {"https"}, "Accept": {"a"}},
		},
		{
			name: "Forwarded goes", hops: 1,
			in:   http.Header{"X-Forwarded-For": {"1.1.1.1"}, "Forwarded": {"for=6.6.6.6"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1"}},
		},
		{
			name: "other spellings go", hops: 1,
			in: http.Header{
				"X-Forwarded-For": {"1.1.1.1"}, "X_forwarded_for": {"6.6.6.6"}, "X_Forwarded_Host": {"evil.example"}, "X-Forwarded.proto": {"https"},
				"X_real_ip": {"6.6.6.6"}, "X_other": {"a"},
			},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1"}, "X_other": {"a"}},
		},
		{
			name: "X-Real-Ip is the address", hops: 1,
			in:   http.Header{"X-Forwarded-For": {"6.6.6.6, 1.1.1.1:80"}, "X-Real-Ip": {"6.6.6.6", "7.7.7.7"}},
			want: http.Header{"X-Forwarded-For": {"1.1.1.1:80"}, "X-Real-Ip": {"1.1.1.1"}},
		},
		{
			name: "X-Real-Ip of the connection", hops: 1,
			in:   http.Header{"X-Real-Ip": {"6.6.6.6"}},
			want: http.Header{"X-Forwarded-For": {"10.0.0.9"}, "X-Real-Ip": {"10.0.0.9"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request("10.0.0.9:4321")
			r.Header = tt.in
			trust := Trust{Hops: tt.hops, Scheme: "https", Host: "known.example"}
			trust.Sanitize(r, trust.Of(r))
			if !reflect.DeepEqual(r.Header, tt.want) {
				t.Errorf("got %q, want %q", r.Header, tt.want)
			}
		})
	}
}

func TestSanitizeLeavesWhatOfReads(t *testing.T) {
	for _, hops := range []int{1, 2, 3} {
		for _, lines := range [][]string{
			nil, {"1.1.1.1"}, {"1.1.1.1, 2.2.2.2"}, {"1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"}, {"[::1]:80, 2.2.2.2:80,3.3.3.3"},
		} {
			t.Run(fmt.Sprintf("%d hops, %q", hops, lines), func(t *testing.T) {
				trust := Trust{Hops: hops}
				r := request("10.0.0.9:4321", lines...)
				want := trust.Of(r)
				trust.Sanitize(r, trust.Of(r))
				if got := trust.Of(r); got != want {
					t.Errorf("got %v, want %v as before", got, want)
				}
			})
		}
	}
}

// spelt is how a caller may write a header for a function that reads it as
// CGI does. The first is what net/http makes of it.
func spelt(name string) []string {
	canonical := http.CanonicalHeaderKey(name)
	list := []string{canonical}
	if strings.Contains(name, "-") {
		for _, c := range []string{"_", ".", "~", "!"} {
			list = append(
				list,
				strings.ReplaceAll(canonical, "-", c), strings.ReplaceAll(strings.ToUpper(name), "-", c), strings.Replace(canonical, "-", c, 1),
			)
		}
	}
	return list
}

func TestSanitizeKnowsClaimsInEverySpelling(t *testing.T) {
	for _, name := range []string{
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Anything",
		"X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "True-Client-Ip",
		"Cf-Connecting-Ip", "Cf-Connecting-Ipv6", "Fastly-Client-Ip", "Fly-Client-Ip", "X-Envoy-External-Address",
	} {
		t.Run(name, func(t *testing.T) {
			for i, spelling := range spelt(name) {
				r := request("1.2.3.4:5")
				r.Header[spelling] = []string{"6.6.6.6"}
				Trust{}.Sanitize(r, Trust{}.Of(r))
				for name, values := range r.Header {
					if slices.Contains(values, "6.6.6.6") {
						t.Errorf("no proxy, %s: got %s: %q, want it gone", spelling, name, values)
					}
				}

				r = request("10.0.0.9:4321")
				r.Header[spelling] = []string{"6.6.6.6"}
				Trust{Hops: 1}.Sanitize(r, Trust{Hops: 1}.Of(r))
				for known, values := range r.Header {
					if slices.Contains(values, "6.6.6.6") && (i > 0 || known != "X-Forwarded-For" && !trusted[known]) {
						t.Errorf("one proxy, %s: got %q, want it gone", spelling, r.Header)
					}
				}
			}
		})
	}
}

// FuzzOf: what a caller sends stands before what the trusted proxies add, and
// must not change what is read.
func FuzzOf(f *testing.F) {
	for _, remote := range []string{"1.2.3.4:5", "[fe80::1%eth0]:5", "@", ""} {
		for _, line := range []string{"", "1.1.1.1", "1.1.1.1, 2.2.2.2:80", "[::1]:80,unknown", "[[::1%zone]]", ",,,"} {
			f.Add(remote, line, "6.6.6.6, 7.7.7.7", uint8(0))
			f.Add(remote, line, "", uint8(2))
		}
	}
	f.Fuzz(func(t *testing.T, remote, line, sent string, hops uint8) {
		if got, want := (Trust{}).Of(request(remote, sent, line)), (Trust{}).Of(request(remote)); got != want {
			t.Errorf("no proxy: got %v, want %v as without the header", got, want)
		}

		trust := Trust{Hops: int(hops)}
		got := trust.Of(request(remote, line))
		if got.Zone() != "" {
			t.Errorf("got %v, want an address without a zone", got)
		}
		if strings.Count(line, ",")+1 < trust.Hops {
			return // too few entries: the line is not the proxies' own
		}
		for _, r := range []*http.Request{request(remote, sent, line), request(remote, sent+","+line)} {
			if again := trust.Of(r); again != got {
				t.Errorf("%d hops, %q: got %v, want %v as without %q", hops, r.Header["X-Forwarded-For"], again, got, sent)
			}
		}
	})
}
