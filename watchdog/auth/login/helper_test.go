package login

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/internal/totp"
	"auth-watchdog/watchdog/secret"
)

const (
	ourOrigin = "https://tools.example.com"
	aliceWord = "CANARY-word-of-alice"
	bobWord   = "CANARY-word-of-bob"
	maryWord  = "CANARY-word-of-mary"
)

// mary has an authenticator app, and one recovery code.
const maryRecovery = "CANA-RY00-1111-2222-3333-4444"

func marySeed() []byte { return []byte("CANARY-seed-of-mary!") }

// plain is a stored password that costs nothing to compare, and counts how
// often it is.
type plain struct {
	word   string // of a decoy none
	memory int64
	n      *atomic.Int64
	during func() // while it is compared; nothing if nil
}

func (p plain) Matches(given []byte) bool {
	p.n.Add(1)
	if p.during != nil {
		p.during()
	}
	return p.word != "" && string(given) == p.word
}
func (p plain) Memory() int64            { return p.memory }
func (p plain) Decoy() password.Hash     { p.word = ""; return p }
func (p plain) Text() string             { return "stored form of " + p.word }
func (plain) Weakness() string           { return "" }
func (plain) CheckFloor() error          { return nil }
func (plain) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "a hash") }

// A person is a user as a test has it.
type person struct {
	name, word string
	roles      []string
	seed       []byte
	recovery   []string
	expires    time.Time
	epoch      time.Time
	disabled   bool
}

func alice() person { return person{name: "alice", word: aliceWord, roles: []string{"admin"}} }
func bob() person   { return person{name: "bob", word: bobWord} }
func mary() person {
	return person{name: "mary", word: maryWord, seed: marySeed(), recovery: []string{maryRecovery}}
}

// usersOf reads a secret with these people. Their passwords then cost nothing.
func usersOf(t testing.TB, hash plain, people ...person) *account.Users {
	t.Helper()
	b64 := base64.RawStdEncoding.EncodeToString
	stored := "$argon2id$v=19$m=19456,t=2,p=1$" + b64(make([]byte, 16)) + "$" + b64(make([]byte, 32))
	var file strings.Builder
	for _, p := range people {
		fmt.Fprintf(&file, "- name: %q\n  password: %s\n  roles: [%s]\n  disabled: %t\n", p.name, stored, strings.Join(p.roles, ", "), p.disabled)
		if p.seed != nil {
			fmt.Fprintf(&file, "  totp: %q\n", totp.EncodeSeed(p.seed))
		}
		if !p.expires.IsZero() {
			fmt.Fprintf(&file, "  expires: %s\n", p.expires.UTC().Format(time.RFC3339))
		}
		if !p.epoch.IsZero() {
			fmt.Fprintf(&file, "  epoch: %s\n", p.epoch.UTC().Format(time.RFC3339))
		}
		if len(p.recovery) > 0 {
			file.WriteString("  recovery:\n")
		}
		for _, code := range p.recovery {
			digest := totp.RecoveryDigest(code)
			fmt.Fprintf(&file, "  - sha256:%s\n", hex.EncodeToString(digest[:]))
		}
	}
	users, err := account.Parse(secret.New([]byte(file.String())))
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range users.All() {
		own := hash
		own.word = people[i].word
		u.Password = own
	}
	return users
}

func ringOf(t testing.TB, keys ...string) *session.Ring {
	t.Helper()
	r, err := session.ParseRing(secret.New([]byte(strings.Join(keys, "\n"))))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An event is what was reported.
type event struct {
	name, user string
	attrs      map[string]string
}

// A shop is a function behind sign-in, put together as the watchdog does.
type shop struct {
	t       testing.TB
	config  Config
	options Options
	hash    plain
	hashed  atomic.Int64
	key     string // of the ring
	rules   func(m *Method) []auth.Rule

	*Method
	gate *auth.Gate

	mu        sync.Mutex
	events    []event
	decisions []auth.Decision
	got       []*http.Request // by the function
}

// newShop opens a shop for people, after change, if any, has changed what it is
// made of.
func newShop(t testing.TB, change func(s *shop), people ...person) *shop {
	t.Helper()
	s := &shop{t: t, key: session.NewKey()}
	s.hash = plain{n: &s.hashed}
	s.config = Config{Users: "users", Keys: "session-keys", Idle: time.Hour, Absolute: 12 * time.Hour}
	s.options = Options{
		PublicURL: ourOrigin, Function: "hook", Memory: NewMemory(password.NewHasher()), AllowDegraded: true,
		CallID: func(*http.Request) string { return "call-1" }, Keys: ringOf(t, s.key),
		Report: func(_ *http.Request, _ slog.Level, name, user string, attrs ...slog.Attr) {
			e := event{name, user, map[string]string{}}
			for _, a := range attrs {
				e.attrs[a.Key] = a.Value.String()
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	}
	s.rules = func(m *Method) []auth.Rule { return []auth.Rule{{Match: "/", Accept: []auth.Method{m}}} }
	if change != nil {
		change(s)
	}
	s.gate = auth.NewGate(nil, auth.Options{Realm: "hook", Report: func(_ *http.Request, d auth.Decision) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.decisions = append(s.decisions, d)
	}})
	if people == nil {
		people = []person{alice(), bob(), mary()}
	}
	s.reload(people...)
	return s
}

// reload puts other people in force, as a change of the secret does.
func (s *shop) reload(people ...person) {
	s.t.Helper()
	s.options.Users = usersOf(s.t, s.hash, people...)
	m, err := New("people", s.config, s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	policy, err := auth.Compile(s.rules(m)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Method = m
	s.gate.Swap(policy)
}

// serve answers as the watchdog does: pages first, then the gate.
func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	if IsPage(r.URL.Path) {
		s.ServeHTTP(w, r)
		return
	}
	s.gate.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, r)
		_, _ = io.WriteString(w, "the function")
	})).ServeHTTP(w, r)
}

// reached returns how many requests the function has got.
func (s *shop) reached() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

// told returns what was reported since the last time.
func (s *shop) told() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.events
	s.events = nil
	return list
}

func names(events []event) string {
	var list []string
	for _, e := range events {
		list = append(list, e.name)
	}
	return strings.Join(list, " ")
}

// mint seals a session of alice that began a moment ago, after change, if any,
// has changed it.
func (s *shop) mint(change func(x *session.Session)) string {
	s.t.Helper()
	now := s.Now()
	x := session.Session{ID: session.NewID(), Subject: "alice", SignedIn: now, Seen: now, Ends: now.Add(s.config.Absolute)}
	if u := s.Users.Find("alice"); u != nil {
		x.User = u.Version()
	}
	if change != nil {
		change(&x)
	}
	sealed, err := s.seal(s.Keys, kindSession, &x)
	if err != nil {
		s.t.Fatal(err)
	}
	return sealed
}

const sessionName = "__Host-Http-aw-hook"

// A browser keeps cookies, and says of requests what browsers do.
type browser struct {
	s       *shop
	cookies map[string]string
	set     []*http.Cookie // by the last answer
}

func (s *shop) browser() *browser { return &browser{s: s, cookies: map[string]string{}} }

// with is a browser that has a cookie.
func (s *shop) with(name, value string) *browser {
	b := s.browser()
	b.cookies[name] = value
	return b
}

// do sends a request with the cookies, and keeps those of the answer.
func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	b.s.t.Helper()
	var pairs []string
	for name, value := range b.cookies {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	if len(pairs) > 0 {
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	w := httptest.NewRecorder()
	b.s.serve(w, r)
	b.set = w.Result().Cookies()
	for _, c := range b.set {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return w
}

// request is one of the site's own pages.
func request(method, target string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, target, body)
	r.Host = "tools.example.com"
	r.Header.Set("User-Agent", "Mozilla/5.0")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	return r
}

// open opens a page.
func (b *browser) open(target string) *httptest.ResponseRecorder {
	b.s.t.Helper()
	return b.do(request(http.MethodGet, target, nil))
}

// post sends a form.
func (b *browser) post(target string, form url.Values) *httptest.ResponseRecorder {
	b.s.t.Helper()
	return b.do(formOf(target, form))
}

func formOf(target string, form url.Values) *http.Request {
	r := request(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", ourOrigin)
	return r
}

// signIn fills in the form of sign-in.
func (b *browser) signIn(name, word string) *httptest.ResponseRecorder {
	b.s.t.Helper()
	return b.post("/_/auth/sign-in", url.Values{"username": {name}, "password": {word}})
}

// code fills in the form of the second step.
func (b *browser) code(code string) *httptest.ResponseRecorder {
	b.s.t.Helper()
	return b.post("/_/auth/second-factor", url.Values{"code": {code}})
}

// follow opens a page and goes where it is sent, and returns where it ends.
func (b *browser) follow(target string) (string, *httptest.ResponseRecorder) {
	b.s.t.Helper()
	const most = 5
	for range most {
		w := b.open(target)
		if w.Code < 300 || w.Code >= 400 {
			return target, w
		}
		target = w.Header().Get("Location")
	}
	b.s.t.Errorf("a loop that goes on at %s", target)
	return target, httptest.NewRecorder()
}

// in is a browser that has signed in as alice.
func (s *shop) in() *browser {
	s.t.Helper()
	b := s.browser()
	if w := b.signIn("alice", aliceWord); w.Code != http.StatusSeeOther {
		s.t.Fatalf("alice can't sign in: %d", w.Code)
	}
	return b
}

// admits reports whether a browser gets to the function.
func (b *browser) admits() bool {
	b.s.t.Helper()
	before := b.s.reached()
	w := b.open("/")
	reached := b.s.reached() > before
	if reached != (w.Code == http.StatusOK) {
		b.s.t.Errorf("got %d, and the function was reached: %t", w.Code, reached)
	}
	return reached
}
