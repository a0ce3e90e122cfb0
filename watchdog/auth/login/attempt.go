package login

import (
	"net/http"
	"time"

	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/password"
)

// An attempt is a try to sign in, and what it counts for: the account, however
// the name is spelled, or the account in a browser that has signed in to it
// before, the address, and everybody. Each is counted before it is known whether
// the attempt fails.
type attempt struct {
	m       *Method
	userID  string // the user, if there is one
	counter *limit.Penalties
	key     string
	device  bool
	address string
}

func (m *Method) attempt(r *http.Request, name string) *attempt {
	canonical := password.CanonicalName(name)
	account := password.Account(canonical)
	a := &attempt{m: m, counter: m.Memory.accounts, key: m.Memory.digest("account", account), address: m.Address(r)}
	if u := m.Users.Find(canonical); u != nil {
		a.userID = u.Name
	}
	if id, ok := m.device(r, account); ok {
		a.counter, a.key, a.device = m.Memory.devices, id, true
	}
	return a
}

// begin counts the attempt, or returns how long it has to wait and for whose
// sake.
func (a *attempt) begin() (wait time.Duration, whose string) {
	memory := a.m.Memory
	if !a.device {
		if wait := memory.overall.Wait(""); wait > 0 {
			return wait, "of all together"
		}
	}
	if wait := a.counter.Begin(a.key); wait > 0 {
		return wait, "of this account"
	}
	if a.address != "" && !a.device {
		if wait := memory.addresses.Begin(a.address); wait > 0 {
			a.counter.Withdraw(a.key)
			return wait, "from this address"
		}
	}
	return 0, ""
}

func (a *attempt) withdraw() {
	a.counter.Withdraw(a.key)
	a.withdrawAddress()
}

func (a *attempt) withdrawAddress() {
	if a.address != "" && !a.device {
		a.m.Memory.addresses.Withdraw(a.address)
	}
}

// fail leaves it at that.
func (a *attempt) fail() {
	if !a.device {
		a.m.Memory.overall.Take("")
	}
}

// succeed takes the attempt back, and frees the account of its failures, of
// which it returns the number. The address is free of nothing: whoever has one
// account could otherwise guess at those of others for ever.
func (a *attempt) succeed() (failures int) {
	a.withdrawAddress()
	return a.counter.Succeed(a.key)
}
