package watchdog

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
)

// A Report is what a watchdog would do with a configuration.
type Report struct {
	warnings    []string
	rules       []auth.Rule
	methods     map[string]config.Method
	rates       map[string]string // by match
	certificate string            // empty without TLS
}

// Check builds what [New] would and starts nothing. With noSecrets it reads no
// secret, as at the build of an image where there is none. The error is that
// of New; if there are rules all the same, the report shows them beside it.
func Check(o Options, noSecrets bool) (*Report, error) {
	cfg, ps := load(o)
	var policy *builtPolicy
	var pair *tls.Certificate
	if noSecrets {
		var more setting.Problems
		d := newDeps(cfg)
		d.noSecrets = true
		policy, more = buildPolicy(cfg.Policy, nowhere, d)
		ps = append(ps, more...)
	} else {
		_, policy, pair = readSecrets(&ps, cfg, allSecrets(cfg), newDeps(cfg))
	}
	if policy.Policy == nil {
		return nil, ps.Err()
	}
	r := &Report{
		warnings: append(policy.warnings(cfg), certificateWarnings(cfg.TLS, pair)...),
		rules:    policy.Rules(), methods: map[string]config.Method{}, rates: map[string]string{},
	}
	if cfg.TLS.IsOn() {
		r.certificate = describeCertificate(cfg.TLS, pair)
	}
	for _, m := range cfg.Policy.Methods {
		r.methods[m.Name] = m
	}
	for _, rule := range cfg.Policy.Rules {
		if !rule.Rate.IsZero() {
			r.rates[rule.Match] = rateOf(rule)
		}
	}
	return r, ps.Err()
}

// String is the effective policy as a table, a line for each rule and each
// credential that it takes, with the warnings below.
func (r *Report) String() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tADMITS\tSECRET\tCREDENTIAL\tSCOPES\tEXPIRES")
	for _, rule := range r.rules {
		if rule.Public {
			fmt.Fprintf(t, "%s\teverybody\t–\t–\t–\t–\n", rule.Match)
		}
		for i, m := range rule.Methods() {
			admits := fmt.Sprintf("%s (%s)", m.Name(), r.methods[m.Name()].Type)
			if len(rule.All) > 0 && i > 0 {
				admits = "and " + admits
			}
			r.credentials(t, rule.Match, admits, m)
		}
		if q := require(rule.Require); q != "" {
			fmt.Fprintf(t, "%s\t%s\t–\t–\t–\t–\n", rule.Match, q)
		}
		if rate := r.rates[rule.Match]; rate != "" {
			fmt.Fprintf(t, "%s\t%s\t–\t–\t–\t–\n", rule.Match, rate)
		}
	}
	_ = t.Flush() // a strings.Builder never fails
	if r.certificate != "" {
		fmt.Fprintf(&b, "HTTPS: %s\n", r.certificate)
	}
	for _, w := range r.warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

// most is how many credentials of a method are listed.
const most = 20

func (r *Report) credentials(t io.Writer, match, admits string, m auth.Method) {
	if _, ok := m.(*standIn); ok {
		names := "–"
		if section := r.methods[m.Name()].Section; section != nil { // or its type is none
			names = strings.Join(section.Secrets(), ", ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\tnot read\t–\t–\n", match, admits, names)
		return
	}
	var list []auth.Credential
	if k, ok := m.(auth.Keeper); ok {
		list = k.Credentials()
	}
	for i, c := range list {
		if i == most {
			fmt.Fprintf(t, "%s\t%s\t–\tand %d more\t–\t–\n", match, admits, len(list)-most)
			break
		}
		expires, scopes := "never", "–"
		if !c.Expires.IsZero() {
			expires = c.Expires.Format(time.RFC3339)
		}
		if len(c.Scopes) > 0 {
			scopes = strings.Join(c.Scopes, ",")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", match, admits, c.Secret, c.Entry, scopes, expires)
	}
}

// rateOf is the rate of a rule in words.
func rateOf(r config.Rule) string {
	caller := "caller"
	if r.Public {
		caller = "address"
	}
	return fmt.Sprintf("at most %s of each %s", r.Rate, caller)
}

func require(q auth.Requirement) string {
	var parts []string
	if len(q.Subjects) > 0 {
		parts = append(parts, "requires subject "+strings.Join(q.Subjects, " or "))
	}
	if len(q.Scopes) > 0 {
		parts = append(parts, "requires scopes "+strings.Join(q.Scopes, " and "))
	}
	if q.SecondFactor {
		parts = append(parts, "requires a second factor")
	}
	if q.MaxAge > 0 {
		parts = append(parts, "requires a sign-in within "+q.MaxAge.String())
	}
	return strings.Join(parts, ", ")
}
