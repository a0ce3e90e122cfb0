package watchdog

import (
	"net/http"
	"time"

	"auth-watchdog/watchdog/internal/clientip"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/observe"
	"auth-watchdog/watchdog/internal/reply"
)

// maxCallers is how many callers a rule with a rate remembers.
const maxCallers = 10_000

// auditEvery is how often it is told of one of them in the audit log.
const auditEvery = time.Minute

// A ruleRate bounds how often each caller may come under a rule.
type ruleRate struct{ requests, events *limit.Rate }

// newRates makes them for the rules that have a rate, by match. They do not live
// in a policy: when the secrets change, nobody begins anew.
func newRates(rules []config.Rule) map[string]ruleRate {
	rates := map[string]ruleRate{}
	for _, r := range rules {
		if !r.Rate.IsZero() {
			rates[r.Match] = ruleRate{
				requests: limit.NewRate(r.Rate.Burst, r.Rate.Every(), maxCallers),
				events:   limit.NewRate(1, auditEvery, maxCallers),
			}
		}
	}
	return rates
}

func (w *Watchdog) rate(next http.Handler) http.Handler {
	if len(w.rates) == 0 {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		record := observe.FromContext(r.Context())
		if rate, ok := w.rates[record.Decision.Rule.Match]; ok {
			caller := callerOf(record)
			if wait := rate.requests.Take(caller); wait > 0 {
				record.Reason = "rate"
				w.observer.RateExceeded(r, rate.events.Take(caller) == 0)
				reply.Write(rw, http.StatusTooManyRequests, wait)
				return
			}
		}
		next.ServeHTTP(rw, r)
	})
}

// callerOf is what callers are told apart by under one rule: who they are or, of
// a public rule, their address. Those whose address is not known are as one.
func callerOf(r *observe.Record) string {
	switch id := r.Decision.Identity; {
	case !r.Decision.Rule.Public:
		return id.Method + "\x00" + id.Subject // a method's name has no such byte
	case r.Address.IsValid():
		return clientip.Key(r.Address)
	}
	return ""
}
