package watchdog

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	provider "github.com/openfaas/faas-provider/auth"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/basic"
	"auth-watchdog/watchdog/auth/bearer"
	"auth-watchdog/watchdog/auth/hmac"
	"auth-watchdog/watchdog/auth/login"
	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/clientip"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/observe"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// methods are all the ways in which a request can say who it is. A new one is
// a package under auth and a line here.
var methods = map[string]kind{
	"bearer": kindOf(newBearer),
	"basic":  kindOf(newBasic),
	"hmac":   kindOf(newHMAC),
	"login":  kindOf(newLogin),
}

// A kind is a type of method: its configuration, and what makes one of it.
type kind struct {
	section func() config.Section
	build   func(name string, s config.Section, secrets *secret.Set, d *deps) (auth.Method, error)
}

// kindOf adapts a constructor to the configuration of its own package.
func kindOf[C any, P interface {
	*C
	config.Section
}](build func(name string, c C, secrets *secret.Set, d *deps) (auth.Method, error)) kind {
	return kind{
		section: func() config.Section { return P(new(C)) },
		build: func(name string, s config.Section, secrets *secret.Set, d *deps) (auth.Method, error) {
			return build(name, *s.(P), secrets, d) //nolint:forcetypeassert // section made it
		},
	}
}

// deps is what methods are built with besides their configuration and their
// secrets. What they learn of callers outlives a policy: when the secrets
// change, it does not begin anew.
type deps struct {
	config    *config.Config
	hasher    *password.Hasher // of all methods together
	passwords *basic.Memory
	signIns   *login.Memory
	replays   map[string]*hmac.Memory // of each method, by its name
	observer  *observe.Observer       // nil until there is one, and for those who serve nobody
	noSecrets bool                    // it is about what can be told without them
	now       func() time.Time        // of requests that are judged offline; nil for those of now
}

func newDeps(c *config.Config) *deps {
	h := password.NewHasher()
	return &deps{config: c, hasher: h, passwords: basic.NewMemory(h), replays: map[string]*hmac.Memory{}}
}

func newBearer(name string, c bearer.Config, secrets *secret.Set, d *deps) (auth.Method, error) {
	m, err := bearer.New(name, c, secrets.Value(c.Secret))
	if err == nil && d.now != nil {
		m.SetClock(d.now)
	}
	return m, inSecret(c.Secret, err)
}

func newHMAC(name string, c hmac.Config, secrets *secret.Set, d *deps) (auth.Method, error) {
	if d.replays[name] == nil {
		d.replays[name] = c.NewMemory()
	}
	o := hmac.Options{PublicURL: d.config.PublicURL, Replays: d.replays[name], Now: d.now, Offline: d.now != nil}
	if c.VerifyToken != "" {
		o.VerifyToken = secrets.Value(c.VerifyToken)
	}
	m, err := hmac.New(name, c, secrets.Value(c.Secret), o)
	return m, inSecret(c.Secret, err)
}

func newBasic(name string, c basic.Config, secrets *secret.Set, d *deps) (auth.Method, error) {
	users, err := basicUsers(c, secrets)
	if err != nil {
		return nil, err
	}
	m := basic.New(name, c, users, d.passwords)
	if d.now != nil {
		m.SetClock(d.now)
	}
	return m, nil
}

func basicUsers(c basic.Config, secrets *secret.Set) (*basic.Users, error) {
	if c.Secret != "" {
		users, err := basic.ParseUsers(c.Secret, secrets.Value(c.Secret))
		return users, inSecret(c.Secret, err)
	}
	// The platform's own format, by the platform's own reader. It reads by
	// itself, so what it found is held against the set.
	pair, err := (&provider.ReadBasicAuthFromDisk{
		SecretMountPath: secrets.Dir(), UserFilename: basic.PairUser, PasswordFilename: basic.PairPassword,
	}).Read()
	if err != nil { // a moment ago they could be read
		return nil, fmt.Errorf("%w: %w", secret.ErrUnsettled, err)
	}
	if strings.TrimSpace(string(secrets.Value(basic.PairUser).Reveal())) != pair.User ||
		strings.TrimSpace(string(secrets.Value(basic.PairPassword).Reveal())) != pair.Password {
		return nil, secret.ErrUnsettled
	}
	users, err := basic.Pair(pair.User, pair.Password)
	if err != nil {
		return nil, fmt.Errorf("secrets %q and %q: %w", basic.PairUser, basic.PairPassword, err)
	}
	return users, nil
}

func newLogin(name string, c login.Config, secrets *secret.Set, d *deps) (auth.Method, error) {
	if d.signIns == nil {
		d.signIns = login.NewMemory(d.hasher)
	}
	users, errUsers := account.Parse(secrets.Value(c.Users))
	keys, errKeys := session.ParseRing(secrets.Value(c.Keys))
	var epoch time.Time
	var errEpoch error
	if c.Epoch != "" {
		epoch, errEpoch = login.ParseEpoch(secrets.Value(c.Epoch).Reveal())
	}
	if err := errors.Join(inSecret(c.Users, errUsers), inSecret(c.Keys, errKeys), inSecret(c.Epoch, errEpoch)); err != nil {
		return nil, err
	}
	m, err := login.New(name, c, login.Options{
		Users: users, Keys: keys, Epoch: epoch, PublicURL: d.config.PublicURL, Function: d.config.FunctionName,
		Memory: d.signIns, AllowDegraded: d.config.AllowDegraded, Proxied: d.config.TrustedProxyHops > 0,
		Address: d.address, CallID: func(r *http.Request) string { return observe.FromContext(r.Context()).CallID },
		Report: d.report, FormTimeout: d.config.ReadTimeout, Now: d.now,
	})
	if err != nil {
		return nil, err // not m, which would be a method that is nil
	}
	return m, nil
}

// address stands for the address of a caller, if it is the caller's own: without
// trusted proxies it may be that of one, and all people have the same.
func (d *deps) address(r *http.Request) string {
	if d.config.TrustedProxyHops == 0 && !d.config.TLS.IsOn() && r.TLS == nil {
		return ""
	}
	a := observe.FromContext(r.Context()).Address
	if !a.IsValid() {
		return ""
	}
	return clientip.Key(a)
}

func (d *deps) report(r *http.Request, level slog.Level, event, userID string, attrs ...slog.Attr) {
	if d.observer != nil {
		d.observer.Event(r, level, event, userID, attrs...)
	}
}

// inSecret says in each line of err which secret it is about.
func inSecret(name string, err error) error {
	if err == nil {
		return nil
	}
	errs := setting.Flatten(err)
	for i, e := range errs {
		errs[i] = fmt.Errorf("secret %q: %w", name, e)
	}
	return errors.Join(errs...)
}
