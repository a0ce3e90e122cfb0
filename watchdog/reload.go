package watchdog

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/upstream"
	"auth-watchdog/watchdog/secret"
)

// pollInterval is how often the secret files are looked at. A change counts
// when it was seen twice, so it is in force within two intervals.
const pollInterval = 2 * time.Second

// reload looks at the secret files until ctx ends.
func (w *Watchdog) reload(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.poll()
		}
	}
}

// poll looks once. Secrets that do not load change nothing: what was in force
// stays.
func (w *Watchdog) poll() {
	if set, err := w.secrets.Poll(); set != nil || err != nil {
		w.renew(set, err)
	}
}

// renew puts new secrets in force, or says why there are none.
//
// Policy and certificate do not wait for each other: the certificate's two
// secrets are changed one after the other and do not match in between, and a
// key that is taken back must be gone then all the same.
func (w *Watchdog) renew(set *secret.Set, err error) {
	if err != nil {
		w.observer.Reloaded(err)
		w.log.Error("the secrets have changed and can't be used; the last good ones stay in force", "err", err)
		return
	}
	errPolicy, errCertificate := w.renewPolicy(set), w.renewCertificate(set)
	err = errors.Join(errPolicy, errCertificate)
	if errors.Is(err, secret.ErrUnsettled) {
		w.secrets.Forget()
	}
	w.observer.Reloaded(err)
	if errPolicy != nil {
		w.log.Error("the secrets have changed and can't be used; the last good ones stay in force", "err", errPolicy)
	}
	if errCertificate != nil {
		w.log.Error("the certificate has changed and can't be used; the last good one stays in force", "err", errCertificate)
	}
	if err == nil {
		w.log.Info("the secrets have changed and are in force")
	}
}

func (w *Watchdog) renewPolicy(set *secret.Set) error {
	policy, ps := buildPolicy(w.config.Policy, from(set), w.deps)
	if err := ps.Err(); err != nil {
		return err
	}
	// Before the policy, so that no new credential meets an old process.
	if u, ok := w.upstream.(upstream.Renewer); ok {
		u.Renew()
	}
	w.gate.Swap(policy.Policy)
	w.pages.Store(policy.pages)
	w.observer.Keep(policy.credentials())
	w.observer.System("authz_change", slog.String("description", "the secrets have changed and are in force"))
	return nil
}

func (w *Watchdog) renewCertificate(set *secret.Set) error {
	pair, err := readCertificate(w.config.TLS, from(set))
	if err != nil || pair == nil {
		return err
	}
	if before := w.certificate.Swap(pair); !pair.Leaf.Equal(before.Leaf) {
		w.log.Info("another certificate is in force", "names", strings.Join(certificateNames(pair.Leaf), ","), "until", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
		w.warn(certificateWarnings(w.config.TLS, pair))
	}
	return nil
}
