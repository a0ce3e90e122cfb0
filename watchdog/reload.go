package watchdog

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"auth-watchdog/watchdog/internal/setting"
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

// poll looks once. Secrets that do not load change nothing: the policy that
// was in force stays.
func (w *Watchdog) poll() {
	if set, err := w.secrets.Poll(); set != nil || err != nil {
		w.renew(set, err)
	}
}

// renew puts new secrets in force, or says why there are none.
func (w *Watchdog) renew(set *secret.Set, err error) {
	var policy *builtPolicy
	if err == nil {
		var ps setting.Problems
		policy, ps = buildPolicy(w.config.Policy, from(set), w.deps)
		err = ps.Err()
	}
	if errors.Is(err, secret.ErrUnsettled) {
		w.secrets.Forget()
	}
	w.observer.Reloaded(err)
	if err != nil {
		w.log.Error("the secrets have changed and can't be used; the last good ones stay in force", "err", err)
		return
	}
	// Before the policy, so that no new credential meets an old process.
	if u, ok := w.upstream.(upstream.Renewer); ok {
		u.Renew()
	}
	w.gate.Swap(policy.Policy)
	w.pages.Store(policy.pages)
	w.observer.Keep(policy.credentials())
	w.log.Info("the secrets have changed and are in force")
	w.observer.System("authz_change", slog.String("description", "the secrets have changed and are in force"))
}
